//! The private PostgreSQL: the sessions of the program cannot become the superuser that owns the cluster.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use comanda::config::{Config, Source};
use comanda::database::DatabaseServer;
use comanda::serve;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection};

/// How PostgreSQL refuses: insufficient privilege, an extension that is not there.
const REFUSALS: [&str; 3] = ["42501", "0A000", "58P01"];

/// What a session may try in order to get more privileges, or to act as the operating system's user. Each is run as
/// it is, and after `reset role` and `set role none`.
const ATTACKS: [&str; 40] = [
    // Becoming the owner of the cluster, or a role that may more.
    "set role comanda",
    "set session authorization comanda",
    "set local session authorization comanda",
    "set role pg_execute_server_program",
    "set role pg_write_server_files",
    "set role pg_read_all_data",
    "select set_config('role', 'comanda', false)",
    "select set_config('session_authorization', 'comanda', false)",
    "alter role comanda_session superuser",
    "alter role comanda_session createrole bypassrls",
    "alter role comanda_app superuser",
    "alter role comanda_app bypassrls",
    "alter role comanda password 'known'",
    "create role another superuser login",
    "create role another login",
    "grant comanda to comanda_session",
    "grant pg_read_server_files to comanda_session",
    "grant pg_execute_server_program to comanda_app",
    "update pg_authid set rolsuper = true where rolname = 'comanda_session'",
    "insert into pg_auth_members select 10, oid, 10, true from pg_roles where rolname = 'comanda_session'",
    // Acting as the user of the operating system.
    "copy (select 1) to program 'id'",
    "copy (select 1) to '/var/comanda-session-login'",
    "create temp table seen (line text); copy seen from '/etc/passwd'",
    "create temp table seen (line text); copy seen from program 'id'",
    "select pg_read_file('postgresql.conf')",
    "select pg_read_binary_file('/etc/passwd')",
    "select pg_ls_dir('.')",
    "select lo_import('/etc/passwd')",
    "select lo_export(lo_from_bytea(0, 'x'), '/var/comanda-session-login')",
    "alter system set archive_command = 'id'",
    "load 'auto_explain'",
    "create extension adminpack",
    "create extension dblink",
    "create extension file_fdw",
    "create function run() returns int language c as '/lib/x86_64-linux-gnu/libc.so.6', 'system'",
    "create temp table seen (line text); create function pg_temp.raw(text) returns text language internal as \
     'pg_read_file_all'",
    // Creating something that the owner would run through its search path ("$user", public), or removing protections.
    "create schema comanda",
    "create function public.now() returns timestamptz language sql as 'select null::timestamptz'",
    "set session_replication_role = replica",
    "alter table orders disable row level security",
];

/// A private server, as `comanda serve` without `DATABASE_URL` starts it.
struct PrivateServer {
    folder: PathBuf,
    reached: DatabaseServer,
    running: serve::Running,
}

impl PrivateServer {
    async fn start() -> Self {
        let folder = std::env::temp_dir().join(format!("comanda-private-{}", uuid::Uuid::new_v4().simple()));
        fs::create_dir(&folder).unwrap();
        // Accessible to the user who runs the server if the tests run as root.
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        let data_dir = folder.to_str().unwrap();
        let pairs = [("PORT", "0"), ("DATA_DIR", data_dir), ("DATABASE_POOL", "2")];
        let secrets = [
            ("JWT_SECRET", crate::app::SECRET),
            ("JWT_REFRESH_SECRET", "another secret for tests, as long as that"),
            ("SEAL_SECRET", "another secret for tests, long enough too"),
        ];
        let config = Config::read(&Source::from_pairs([&pairs[..], &secrets[..]].concat())).unwrap();
        let reached = DatabaseServer::find(&config).await.unwrap();
        reached.migrate().await.unwrap();
        let running = serve::start(config, &reached, crate::harness_clock::clock(), false).await.unwrap();
        Self { folder, reached, running }
    }

    async fn stop(self) {
        self.running.stop().await;
        self.reached.leave().await;
        let _ = fs::remove_dir_all(self.folder);
    }
}

/// The SQLSTATE with which statements are refused; `None`: they are not refused.
async fn refusal(session: &mut PgConnection, statements: &str) -> Option<String> {
    let outcome = sqlx::raw_sql(AssertSqlSafe(statements)).execute(session).await;
    Some(outcome.err()?.as_database_error()?.code()?.into_owned())
}

async fn word(session: &mut PgConnection, question: &'static str) -> String {
    sqlx::query_scalar(question).fetch_one(session).await.unwrap()
}

#[tokio::test]
async fn no_session_can_become_the_owner_of_the_private_server() {
    let server = PrivateServer::start().await;
    let mut owner = server.reached.connect().await.unwrap();
    let is_superuser = "select rolsuper::text from pg_roles where rolname = session_user";
    assert_eq!(word(&mut owner, is_superuser).await, "true", "migrations run as the owner");
    // No connection of the running server has another user.
    let logins = "select string_agg(distinct usename, ' ') from pg_stat_activity
                  where backend_type = 'client backend' and pid <> pg_backend_pid()";
    assert_eq!(word(&mut owner, logins).await, "comanda_session");
    // As the pool connects, and with the same login before a role is set.
    let login = server.reached.session().clone().disable_statement_logging();
    let mut pooled = login.clone().options([("role", "comanda_app")]).connect().await.unwrap();
    let mut plain = login.connect().await.unwrap();
    let mut taken = Vec::new();
    for session in [&mut pooled, &mut plain] {
        assert_eq!(word(session, "select session_user::text").await, "comanda_session");
        for attack in ATTACKS {
            for prelude in ["", "reset role; ", "set role none; ", "set role comanda_app; "] {
                // This one is refused inside a transaction for every user.
                let begin = if attack.starts_with("alter system") { "" } else { "begin; " };
                let statements = format!("{begin}{prelude}{attack}");
                let code = if begin.is_empty() {
                    sqlx::raw_sql(AssertSqlSafe(prelude)).execute(&mut *session).await.unwrap();
                    refusal(session, attack).await
                } else {
                    refusal(session, &statements).await
                };
                if !code.as_deref().is_some_and(|code| REFUSALS.contains(&code)) {
                    taken.push(format!("{statements}: {code:?}"));
                }
                sqlx::raw_sql("rollback; reset role").execute(&mut *session).await.unwrap();
            }
        }
    }
    assert!(taken.is_empty(), "{taken:#?}");
    let roles = "select string_agg(rolname, ' ' order by rolname) from pg_roles
                 where rolname !~ '^pg_' and (rolsuper or rolcreaterole or rolcreatedb or rolreplication or
                 rolbypassrls)";
    assert_eq!(word(&mut owner, roles).await, "comanda");
    let memberships = "select string_agg(r.rolname || ' in ' || g.rolname, ', ' order by r.rolname)
                       from pg_auth_members join pg_roles r on r.oid = member join pg_roles g on g.oid = roleid
                       where r.rolname in ('comanda_app', 'comanda_session')";
    assert_eq!(word(&mut owner, memberships).await, "comanda_session in comanda_app");
    plain.close().await.unwrap();
    pooled.close().await.unwrap();
    owner.close().await.unwrap();
    server.stop().await;
}

/// A function that runs as its owner finds temporary tables of its caller before those of the schema (`pg_temp` comes
/// first for relations), and with them triggers that run as the owner.
#[tokio::test]
async fn no_function_of_the_schema_runs_as_its_owner() {
    let app = crate::app::TestApp::start().await;
    let definers = app.count("select count(*) from pg_proc where prosecdef and pronamespace = 'public'::regnamespace");
    assert_eq!(definers.await, 0);
    let grants =
        "select count(*) from (values ('TRIGGER'), ('REFERENCES'), ('TRUNCATE'), ('MAINTAIN')) as p(word), pg_class c
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v')
          and (word <> 'MAINTAIN' or current_setting('server_version_num')::int >= 170000)
          and has_table_privilege('comanda_app', c.oid, word)";
    assert_eq!(app.count(grants).await, 0, "nothing of the application's hangs on a table of the owner's");
}
