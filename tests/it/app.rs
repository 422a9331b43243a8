//! The server under test: the real server, in the test process, with its own database.
//!
//! The database is cloned from a template that is migrated once for each state of `migrations/`. When the test ends,
//! `comanda check` runs on the database, which is then dropped, also when the test failed.

use std::str::FromStr as _;
use std::time::Duration;

use chrono::TimeDelta;
use comanda::clock::Clock;
use comanda::config::{Config, Source};
use comanda::database::DatabaseServer;
use comanda::ids::{SessionId, UserId};
use comanda::serve::{self, Running};
use sha2::{Digest as _, Sha256};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, PgPool};
use uuid::Uuid;

use crate::people::{Endpoint, Person};

/// The Argon2id hash of [`crate::people::PASSWORD`], so that tests do not hash a password for each user.
const PASSWORD_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$tsJablp8Of49ZZnyGrz9mQ$Gvxy3nCA8JC9ENXOYvYGzgOtAO/OhfuvXCEz8o075x4";

/// `JWT_SECRET` of every server under test.
pub const SECRET: &str = "a secret for tests that is long enough";

/// How long a test waits for an expected condition.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// A server with an empty database, and direct access to the database for the test.
pub struct TestApp {
    /// The address of the server.
    pub endpoint: Endpoint,
    /// The clock that the server reads.
    pub clock: Clock,
    /// Connections to the database as its superuser.
    pub superuser: PgPool,
    /// `DATABASE_URL` of the superuser.
    pub database_url: String,
    database: String,
    running: Option<Running>,
    is_checked: bool,
}

/// A variable that `bin/test` sets.
#[expect(clippy::disallowed_methods, reason = "the servers that bin/test started")]
pub fn server_url(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run the tests with bin/test"))
}

/// The URL of one database of the test server.
pub fn database_url(name: &str) -> String {
    let server = server_url("COMANDA_TEST_POSTGRES");
    let (address, options) = server.split_once('?').unwrap_or((&server, ""));
    format!("{}/{name}?{options}", address.trim_end_matches('/'))
}

async fn connect(database: &str) -> PgConnection {
    let options = PgConnectOptions::from_str(&database_url(database)).expect("a URL");
    options.disable_statement_logging().connect().await.expect("the test server; start it with bin/test")
}

async fn execute(connection: &mut PgConnection, statement: &str) {
    let outcome = sqlx::raw_sql(AssertSqlSafe(statement)).execute(connection).await;
    outcome.unwrap_or_else(|error| panic!("{statement}: {error}"));
}

/// Ends the sessions of a database and drops it. PostgreSQL waits five seconds for them, which is too short for a
/// session whose disk is busy; after that the test reports the remaining session, and waits as long as for any other
/// condition.
async fn end_and_drop(server: &mut PgConnection, database: &str) {
    let drop = format!("drop database {database} with (force)");
    let Err(error) = sqlx::raw_sql(AssertSqlSafe(drop.clone())).execute(&mut *server).await else { return };
    assert_eq!(
        error.as_database_error().and_then(sqlx::error::DatabaseError::code).as_deref(),
        Some("55006"),
        "{drop}: {error}"
    );
    let mut left: Vec<String> = Vec::new();
    let ended = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(10));
        loop {
            ticks.tick().await;
            let sessions = sqlx::query_scalar(
                "select concat_ws(' ', pid, backend_type, state, wait_event_type, wait_event, now() - query_start,
                   left(query, 300))
                 from pg_stat_activity where datname = $1",
            );
            left = sessions.bind(database).fetch_all(&mut *server).await.expect("the sessions are read");
            if left.is_empty() {
                return;
            }
        }
    };
    let ended = tokio::time::timeout(PATIENCE, ended).await;
    assert!(ended.is_ok(), "sessions of {database} have not ended: {left:?}");
    execute(server, &drop).await;
}

/// Runs something in a database as the superuser.
pub async fn execute_in(database: &str, statement: &str) {
    let mut connection = connect(database).await;
    execute(&mut connection, statement).await;
    connection.close().await.expect("a clean end");
}

/// Drops a database that a test created.
pub async fn drop_database(name: &str) {
    end_and_drop(&mut connect("postgres").await, name).await;
}

/// Clones a migrated database under a new name.
pub async fn fresh_database() -> String {
    let mut server = connect("postgres").await;
    let template = template(&mut server).await;
    let name = format!("t_{}", Uuid::new_v4().simple());
    execute(&mut server, &format!("create database {name} template {template} strategy file_copy")).await;
    server.close().await.expect("a clean end");
    name
}

/// The migrated database to clone: created by the first test that needs it, once for each state of the migrations.
async fn template(server: &mut PgConnection) -> String {
    let name = format!("template_{}", migrations_fingerprint());
    execute(server, "select pg_advisory_lock(20231)").await;
    let exists: bool = sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
        .bind(&name)
        .fetch_one(&mut *server)
        .await
        .unwrap();
    if !exists {
        execute(server, &format!("drop database if exists making_{name}; ")).await;
        execute(server, &format!("create database making_{name}")).await;
        let config = config(&database_url(&format!("making_{name}")), &[]);
        let reached = DatabaseServer::find(&config).await.unwrap();
        reached.migrate().await.unwrap();
        execute(server, &format!("alter database making_{name} rename to {name}")).await;
    }
    execute(server, "select pg_advisory_unlock(20231)").await;
    name
}

fn migrations_fingerprint() -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let content: Vec<u8> = files.iter().flat_map(|file| std::fs::read(file).unwrap()).collect();
    Sha256::digest(content).iter().take(8).fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// The configuration of a server under test.
pub fn config(database_url: &str, changes: &[(&str, &str)]) -> Config {
    let mut pairs = vec![
        ("PORT", "0"),
        ("DATABASE_URL", database_url),
        ("DATABASE_POOL", "6"),
        ("DATABASE_ACQUIRE_TIMEOUT", "20s"),
        ("REQUEST_QUEUE_WAIT", "60s"),
        // Sixty concurrent orders for the same items wait for each other, however busy the machine is.
        ("DATABASE_LOCK_TIMEOUT", "20s"),
        ("DATABASE_UNIT_TIMEOUT", "20s"),
        ("JWT_SECRET", SECRET),
        ("JWT_REFRESH_SECRET", "another secret for tests, as long as that"),
        ("SEAL_SECRET", "another secret for tests, long enough too"),
        ("JWT_EXPIRES_IN", "12h"),
        ("IMAGE_DIR", concat!(env!("CARGO_TARGET_TMPDIR"), "/pictures")),
    ];
    pairs.extend_from_slice(changes);
    Config::read(&Source::from_pairs(pairs)).unwrap_or_else(|faults| panic!("{faults}"))
}

impl TestApp {
    /// The server with the usual configuration.
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// The server with some variables set.
    pub async fn with(changes: &[(&str, &str)]) -> Self {
        let database = fresh_database().await;
        let database_url = database_url(&database);
        Self::on(database, database_url.clone(), config(&database_url, changes)).await
    }

    /// The server with a proxy between it and PostgreSQL, on a local port.
    pub async fn through(port: &str, changes: &[(&str, &str)]) -> Self {
        let database = fresh_database().await;
        let (direct, between) = (database_url(&database), format!("postgres://comanda@127.0.0.1:{port}/{database}"));
        Self::on(database, direct, config(&between, changes)).await
    }

    async fn on(database: String, database_url: String, config: Config) -> Self {
        let clock = crate::harness_clock::clock();
        let reached = DatabaseServer::find(&config).await.unwrap();
        let running = serve::start(config, &reached, clock.clone(), false).await.unwrap();
        let client = reqwest::Client::builder().timeout(Duration::from_mins(1)).build().unwrap();
        let endpoint = Endpoint { base: format!("http://{}", running.address), client };
        let options = PgConnectOptions::from_str(&database_url).unwrap().disable_statement_logging();
        let superuser = PgPoolOptions::new().max_connections(2).connect_lazy_with(options);
        Self { endpoint, clock, superuser, database_url, database, running: Some(running), is_checked: true }
    }

    /// The server itself.
    pub fn running(&self) -> &Running {
        self.running.as_ref().expect("a server that has not been stopped")
    }

    /// The address on which it listens.
    pub fn address(&self) -> std::net::SocketAddr {
        self.running().address
    }

    /// Stops the server in an orderly way; the database is kept until the test ends.
    pub async fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop().await;
        }
    }

    /// For a test that violates the invariants on purpose.
    pub fn without_check(&mut self) {
        self.is_checked = false;
    }

    /// The number of open Engine.IO sessions, and of those without a sign-in.
    pub fn engine_sessions(&self) -> (usize, usize) {
        self.running().engine_sessions.load()
    }

    /// Advances the clock of the server.
    pub fn advance_clock(&self, time: TimeDelta) {
        self.clock.advance(time);
    }

    /// One number, queried as the superuser.
    pub async fn count(&self, query: &'static str) -> i64 {
        sqlx::query_scalar(query).fetch_one(&self.superuser).await.unwrap()
    }

    /// Waits until every event so far is final and therefore shown: transactions of other tests on the same server
    /// may be older.
    pub async fn wait_for_final_log(&self) {
        let query = "select count(*) from events where seq >= event_horizon()";
        eventually("every event is final", async || self.count(query).await == 0).await;
    }

    /// Executes something as the superuser.
    pub async fn execute(&self, statement: &str) {
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&self.superuser).await.unwrap();
    }

    /// The number of rows of every table that a request could have written to.
    pub async fn rows_written(&self) -> i64 {
        self.count(
            "select ((select count(*) from orders) + (select count(*) from order_items) + (select count(*) from events)
                  + (select count(*) from idempotency_keys) + (select count(*) from cart_items)
                  + (select coalesce(sum(version), 0)::bigint from carts) + (select count(*) from users)
                  + (select count(*) from restaurants) + (select coalesce(sum(version), 0)::bigint from restaurants)
                  + (select count(*) from menu_items) + (select count(*) from menu_categories)
                  + (select count(*) from memberships) + (select count(*) from drivers)
                  + (select count(*) from deliveries))::bigint",
        )
        .await
    }

    /// A client without a sign-in.
    pub fn stranger(&self) -> Person {
        let endpoint = self.endpoint.clone();
        Person { endpoint, id: String::new(), email: String::new(), token: None }
    }

    /// A user who has registered and signed in.
    pub async fn customer(&self, name: &str) -> Person {
        self.person(name, "CUSTOMER").await
    }

    /// A signed-in administrator.
    pub async fn admin(&self) -> Person {
        self.person("Admin", "ADMIN").await
    }

    /// A member of the restaurant.
    pub async fn staff_of(&self, shop: &crate::shop::Shop) -> Person {
        let person = self.customer("Staff").await;
        shop.takes_on(&person, "STAFF").await;
        person
    }

    /// A driver with a bicycle, off duty.
    pub async fn driver(&self, name: &str) -> Person {
        let person = self.customer(name).await;
        let profile = serde_json::json!({ "email": person.email, "vehicle": "BICYCLE" });
        self.admin().await.post("/api/admin/drivers", &profile).await.expect(201);
        person
    }

    async fn person(&self, name: &str, role: &str) -> Person {
        self.people(name, role, 1).await.remove(0)
    }

    /// So many signed-in customers.
    pub async fn crowd(&self, count: usize) -> Vec<Person> {
        self.people("Guest", "CUSTOMER", count).await
    }

    /// Writes users and sessions directly into the tables, as registration and sign-in would.
    async fn people(&self, name: &str, role: &str, count: usize) -> Vec<Person> {
        let now = self.clock.now();
        let users: Vec<_> = (0..count).map(|_| UserId::new()).collect();
        let sessions: Vec<_> = (0..count).map(|_| SessionId::new()).collect();
        let plain: String = name.to_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
        let emails: Vec<_> = users.iter().map(|id| format!("{plain}.{}@example.com", id.uuid().simple())).collect();
        sqlx::query(
            "with people as (select * from unnest($1::uuid[], $2::uuid[], $3::text[]) as p(id, session, email)),
             signed_up as (
                 insert into users
                     (id, email, password_hash, name, role, created_at, updated_at, email_verified_at)
                 select id, email, $4, $5, $6::user_role, $7, $7, $7 from people returning id)
             insert into sessions (id, user_id, created_at, last_used_at, refreshed_at, expires_at)
             select session, id, $7, $7, $7, $7 + interval '30 days' from people join signed_up using (id)",
        )
        .bind(users.iter().map(|id| id.uuid()).collect::<Vec<_>>())
        .bind(sessions.iter().map(|id| id.uuid()).collect::<Vec<_>>())
        .bind(&emails)
        .bind(PASSWORD_HASH)
        .bind(name)
        .bind(role)
        .bind(now)
        .execute(&self.superuser)
        .await
        .unwrap();
        let tokens = &self.running().app.tokens;
        let person = |((user, session), email): ((UserId, SessionId), String)| Person {
            endpoint: self.endpoint.clone(),
            id: user.to_string(),
            email,
            token: Some(tokens.issue(user, session, 0, now).expect("a token")),
        };
        users.into_iter().zip(sessions).zip(emails).map(person).collect()
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        let (database, is_checked) = (self.database.clone(), self.is_checked && !std::thread::panicking());
        let end = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let faults = if is_checked { faults(&mut connect(&database).await).await } else { Vec::new() };
                let mut server = connect("postgres").await;
                end_and_drop(&mut server, &database).await;
                faults
            })
        });
        let faults = end.join();
        if !std::thread::panicking() {
            let faults = faults.expect("the database is dropped");
            assert!(faults.is_empty(), "`comanda check` reports:\n{}", faults.join("\n"));
        }
    }
}

/// The violations that `comanda check` would report, one line each.
async fn faults(database: &mut PgConnection) -> Vec<String> {
    let findings = comanda::check::check(database, |_| ()).await.expect("every rule can be asked");
    let lines = |found: &comanda::check::Finding| {
        found.broken.iter().map(|broken| format!("{}: {broken}", found.rule)).collect::<Vec<_>>()
    };
    findings.iter().flat_map(lines).collect()
}

/// Checks repeatedly until the condition holds, or the time is over.
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    let search = async {
        while !holds().await {
            ticks.tick().await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, search).await.is_ok(), "{what}: not within {PATIENCE:?}");
}
