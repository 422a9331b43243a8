//! The connection to PostgreSQL: the server, the role, and the version of the schema. The schema is in `migrations/`.
//!
//! Migrations run as the role of `DATABASE_URL` (or as the private cluster's superuser). Everything else runs as
//! `comanda_app`, which owns no tables and does not bypass row level security: every pooled connection starts as that
//! role.

use std::str::FromStr as _;

use comanda_embedded_postgres::{self as embedded_postgres, Embedded};
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, PgPool};

use crate::clock::Clock;
use crate::config::{Config, Postgres};
use crate::uow::{Database, Followers, TimeLimits};

static MIGRATIONS: Migrator = sqlx::migrate!();

/// A connection that was not used for this long may be broken.
const RESTED: std::time::Duration = std::time::Duration::from_millis(50);

/// The oldest PostgreSQL whose features the schema uses.
const OLDEST_MAJOR: i32 = 15;

/// Why the database cannot be used, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The private PostgreSQL did not start.
    #[error(transparent)]
    Embedded(#[from] embedded_postgres::StartError),
    /// The URL cannot be parsed.
    #[error("DATABASE_URL cannot be read: {0}. It looks like postgres://user:password@host:5432/name")]
    Url(sqlx::Error),
    /// The server does not accept the connection.
    #[error("PostgreSQL cannot be reached: {0}. Check DATABASE_URL and that the server is up")]
    Unreachable(sqlx::Error),
    /// The server's major version is older than the schema needs.
    #[error("PostgreSQL {0} is too old: 15 or newer is needed")]
    TooOld(String),
    /// The application's role is missing and cannot be created.
    #[error(
        "role comanda_app is missing and this login may not create it: {0}. As a superuser run: create role \
         comanda_app nologin; grant comanda_app to <this login>;"
    )]
    Role(sqlx::Error),
    /// The database was created by a development version with another set of migrations. Contains the name of its first
    /// migration and what to do.
    #[error(
        "the database was made by an unreleased version of Comanda (its first migration is {0:?}, this program's \
         {1:?}) and cannot be migrated: {2}"
    )]
    Unreleased(String, String, String),
    /// The database has migrations that are unknown to this program.
    #[error(
        "the database is newer than this program (migration {0} is unknown here): start the newer program, or restore \
         a backup made before the upgrade"
    )]
    Newer(i64),
    /// Migrations of this program have not been applied.
    #[error("{0} migration(s) are missing in the database: run `comanda migrate` first")]
    Behind(usize),
    /// A migration was changed after it had been applied.
    #[error(
        "migration {0} was changed after it had been applied: start the program that applied it, or restore the file"
    )]
    Changed(i64),
    /// A migration failed.
    #[error("a migration failed: {0}. It was rolled back; fix the cause and run `comanda migrate`")]
    Migration(MigrateError),
    /// The application's role has a privilege that it must not have.
    #[error("role comanda_app {0}: remove this privilege, because row level security does not hold with it")]
    Privileged(&'static str),
    /// Any other error of PostgreSQL.
    #[error("PostgreSQL error: {0}")]
    Refused(#[from] sqlx::Error),
}

/// The login for sessions on the private server: a member of `comanda_app` only, so that no statement can become the
/// superuser that owns the cluster.
const SESSION_LOGIN: &str = "comanda_session";

/// A PostgreSQL server: how to connect, and the private server if it is one.
pub struct DatabaseServer {
    options: PgConnectOptions,
    session: PgConnectOptions,
    embedded: Option<Embedded>,
}

impl DatabaseServer {
    /// Finds the server: the one of `DATABASE_URL`, or the private one, which is started if it is not running.
    ///
    /// # Errors
    /// When there is no server, with what to do.
    pub async fn find(config: &Config) -> Result<Self, DatabaseError> {
        if let Some(url) = &config.postgres.url {
            let options = options_of(url)?;
            return Ok(Self { session: options.clone(), options, embedded: None });
        }
        let settings =
            embedded_postgres::Settings { data_dir: config.data_dir.clone(), bin_dir: config.postgres.bin_dir.clone() };
        let embedded = embedded_postgres::start(&settings).await?;
        let options = embedded.connect_options();
        Ok(Self { session: options.clone().username(SESSION_LOGIN), options, embedded: Some(embedded) })
    }

    /// The private server, if there is one.
    pub const fn embedded(&self) -> Option<&Embedded> {
        self.embedded.as_ref()
    }

    /// How to connect as the owner of the schema.
    pub const fn options(&self) -> &PgConnectOptions {
        &self.options
    }

    /// How to connect for everything but migrations: on the private server with a login that has only the application's
    /// role, otherwise as `DATABASE_URL` says.
    pub const fn session(&self) -> &PgConnectOptions {
        &self.session
    }

    /// Stops the private server, if this process started it.
    pub async fn leave(self) {
        if let Some(embedded) = self.embedded {
            embedded.stop().await;
        }
    }

    /// Migrates the schema to this program's version; returns how many migrations were applied.
    ///
    /// sqlx takes an advisory lock for the database, so nodes that start together take turns.
    ///
    /// # Errors
    /// When the database is newer than the program, or a migration fails; each migration is all or nothing.
    pub async fn migrate(&self) -> Result<usize, DatabaseError> {
        let mut owner = self.connect().await?;
        require_version(&mut owner).await?;
        make_role(&mut owner).await?;
        if self.embedded.is_some() {
            make_session_login(&mut owner).await?;
        }
        let before = applied(&mut owner).await?;
        self.require_same_set(&mut owner).await?;
        MIGRATIONS.run(&mut owner).await.map_err(|error| match error {
            MigrateError::VersionMissing(version) => DatabaseError::Newer(version),
            MigrateError::VersionMismatch(version) => DatabaseError::Changed(version),
            other => DatabaseError::Migration(other),
        })?;
        raise_epoch(&mut owner).await?;
        let after = applied(&mut owner).await?;
        owner.close().await?;
        Ok(after - before)
    }

    /// For commands that only read: checks that the schema has this program's version.
    ///
    /// # Errors
    /// When migrations are missing, or the database is newer than the program.
    pub async fn require_current(&self) -> Result<(), DatabaseError> {
        let mut owner = self.connect().await?;
        if applied(&mut owner).await? == 0 {
            return Err(DatabaseError::Behind(MIGRATIONS.iter().count()));
        }
        self.require_same_set(&mut owner).await?;
        let there: Vec<i64> =
            sqlx::query_scalar("select version from _sqlx_migrations where success").fetch_all(&mut owner).await?;
        if let Some(unknown) = there.iter().find(|version| !MIGRATIONS.version_exists(**version)) {
            return Err(DatabaseError::Newer(*unknown));
        }
        match MIGRATIONS.iter().filter(|migration| !there.contains(&migration.version)).count() {
            0 => Ok(()),
            missing => Err(DatabaseError::Behind(missing)),
        }
    }

    /// Before the first release the migrations were rewritten as one set. The schema of an older database cannot be
    /// migrated; it is recognised by the name of its first migration.
    async fn require_same_set(&self, owner: &mut PgConnection) -> Result<(), DatabaseError> {
        let Some(first) = MIGRATIONS.iter().next() else { return Ok(()) };
        if applied(&mut *owner).await? == 0 {
            return Ok(());
        }
        let (version, description): (i64, String) =
            sqlx::query_as("select version, description from _sqlx_migrations order by version limit 1")
                .fetch_one(&mut *owner)
                .await?;
        if version == first.version && description == first.description {
            return Ok(());
        }
        let remedy = if self.embedded.is_some() {
            // Not always in DATA_DIR: the private server may keep its cluster elsewhere.
            let folder: String =
                sqlx::query_scalar("select current_setting('data_directory')").fetch_one(&mut *owner).await?;
            format!("delete it with `rm -r {folder}` and start again")
        } else {
            "let DATABASE_URL name an empty database and start again".to_owned()
        };
        Err(DatabaseError::Unreleased(description, first.description.to_string(), remedy))
    }

    /// A connection as the owner of the schema.
    ///
    /// # Errors
    /// When the server does not accept it.
    pub async fn connect(&self) -> Result<PgConnection, DatabaseError> {
        self.options.connect().await.map_err(DatabaseError::Unreachable)
    }

    /// The pool, as the application's role, and the unit of work on it.
    ///
    /// # Errors
    /// When no connection can be opened, or the role has a privilege that it must not have.
    pub async fn open(&self, config: &Config, clock: Clock, followers: Followers) -> Result<Database, DatabaseError> {
        let pool = pool(&self.session, &config.postgres).await?;
        require_plain_role(&pool).await?;
        warn_of_superuser(&pool).await?;
        let bounds = TimeLimits { work: config.postgres.unit_timeout, commit: config.postgres.commit_timeout };
        Ok(Database::new(pool, clock, bounds, followers))
    }
}

fn options_of(url: &SecretString) -> Result<PgConnectOptions, DatabaseError> {
    PgConnectOptions::from_str(url.expose_secret()).map_err(DatabaseError::Url)
}

async fn pool(options: &PgConnectOptions, bounds: &Postgres) -> Result<PgPool, DatabaseError> {
    let settings = [
        ("role", "comanda_app".to_owned()),
        // Generic plans of prepared statements are reused, which reduces PostgreSQL's work for an order by a factor of
        // 1.7.
        ("plan_cache_mode", "force_generic_plan".to_owned()),
        // Every statement of the service reads by an index. While a table grows faster than it is analysed, as when the
        // first large menu is imported, a generic plan, or that of a foreign key's check, could read the whole table
        // for each of thousands of rows: seconds in place of milliseconds.
        ("enable_seqscan", "off".to_owned()),
        // Just-in-time compilation is off: statements are short, and compiling one takes longer than running it.
        ("jit", "off".to_owned()),
        ("lock_timeout", bounds.lock_timeout.as_millis().to_string()),
        ("statement_timeout", bounds.unit_timeout.as_millis().to_string()),
        ("idle_in_transaction_session_timeout", (bounds.unit_timeout * 2).as_millis().to_string()),
    ];
    PgPoolOptions::new()
        .max_connections(bounds.pool)
        .min_connections(1)
        .acquire_timeout(bounds.acquire_timeout)
        // A broken connection is found by BEGIN at no extra cost (`uow.rs`). Single statements have no BEGIN: for them
        // a connection that was idle for a while is tested first. Under load no connection is idle.
        .test_before_acquire(false)
        .before_acquire(|connection, state| {
            Box::pin(async move { Ok(state.idle_for < RESTED || connection.ping().await.is_ok()) })
        })
        .connect_with(
            options
                .clone()
                .options(settings)
                .log_slow_statements(tracing::log::LevelFilter::Warn, std::time::Duration::from_millis(250)),
        )
        .await
        .map_err(DatabaseError::Unreachable)
}

async fn require_version(owner: &mut PgConnection) -> Result<(), DatabaseError> {
    let number: i32 = sqlx::query_scalar("select current_setting('server_version_num')::int").fetch_one(owner).await?;
    let major = number / 10_000;
    if major >= OLDEST_MAJOR { Ok(()) } else { Err(DatabaseError::TooOld(major.to_string())) }
}

/// Roles belong to the cluster, so the role may have been created for another database, or by another node at the same
/// time.
async fn make_role(owner: &mut PgConnection) -> Result<(), DatabaseError> {
    let statement = "do $$ begin
        if not exists (select from pg_roles where rolname = 'comanda_app') then
            create role comanda_app nologin;
        end if;
        if not pg_has_role(current_user, 'comanda_app', 'member') then
            grant comanda_app to current_user;
        end if;
    exception when duplicate_object or unique_violation then null;
    end $$";
    sqlx::raw_sql(statement).execute(owner).await.map_err(DatabaseError::Role)?;
    Ok(())
}

/// Creates the login for sessions on the private server. Other users of the machine cannot reach its socket, so it
/// needs no password.
async fn make_session_login(owner: &mut PgConnection) -> Result<(), DatabaseError> {
    let statement = format!(
        "do $$ begin
            if not exists (select from pg_roles where rolname = '{SESSION_LOGIN}') then
                create role {SESSION_LOGIN} login noinherit;
            end if;
            grant comanda_app to {SESSION_LOGIN};
        exception when duplicate_object or unique_violation then null;
        end $$"
    );
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(owner).await.map_err(DatabaseError::Role)?;
    Ok(())
}

/// Warns the operator: a superuser's session can become superuser again with `RESET ROLE`.
async fn warn_of_superuser(pool: &PgPool) -> Result<(), DatabaseError> {
    let is_superuser: bool =
        sqlx::query_scalar("select rolsuper from pg_roles where rolname = session_user").fetch_one(pool).await?;
    if is_superuser {
        tracing::warn!(
            "DATABASE_URL uses a superuser: use a login that is a member of comanda_app and owns the schema"
        );
    }
    Ok(())
}

async fn applied(owner: &mut PgConnection) -> Result<usize, DatabaseError> {
    let exists: bool =
        sqlx::query_scalar("select to_regclass('_sqlx_migrations') is not null").fetch_one(&mut *owner).await?;
    if !exists {
        return Ok(0);
    }
    let count: i64 = sqlx::query_scalar("select count(*) from _sqlx_migrations where success").fetch_one(owner).await?;
    Ok(usize::try_from(count).unwrap_or_default())
}

/// After a dump was restored into a new cluster, transaction ids are lower than those in the event numbers: the base is
/// raised so that numbers keep growing.
async fn raise_epoch(owner: &mut PgConnection) -> Result<(), DatabaseError> {
    let statement = "update event_epoch set base = newest.id + 1 - pg_current_xact_id()::text::bigint
        from (select max(seq) / 1024 as id from events) as newest
        where newest.id >= base + pg_current_xact_id()::text::bigint";
    // Row level security applies to the owner of the table, too.
    let mut tx = owner.begin().await?;
    sqlx::raw_sql("set local app.platform = 'on'").execute(&mut *tx).await?;
    sqlx::raw_sql(statement).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(())
}

/// Row level security would not apply to a role that bypasses it or owns the tables.
async fn require_plain_role(pool: &PgPool) -> Result<(), DatabaseError> {
    let (role, superuser, bypass, owner): (String, bool, bool, bool) = sqlx::query_as(
        "select current_user::text, rolsuper, rolbypassrls,
                exists (select from pg_tables where schemaname = 'public' and tableowner = current_user)
         from pg_roles where rolname = current_user",
    )
    .fetch_one(pool)
    .await?;
    match (role.as_str() == "comanda_app", superuser, bypass, owner) {
        (true, false, false, false) => Ok(()),
        (false, ..) => Err(DatabaseError::Privileged("is not the role of the connection")),
        (_, true, ..) => Err(DatabaseError::Privileged("is a superuser")),
        (_, _, true, _) => Err(DatabaseError::Privileged("bypasses row level security")),
        (.., true) => Err(DatabaseError::Privileged("owns tables")),
    }
}
