//! The program on the command line: help, configuration, and errors that say what to do.

use std::path::Path;
use std::process::Output;

use crate::app::{database_url, fresh_database};
use crate::harness_clock::program;

fn folder(name: &str) -> std::path::PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", uuid::Uuid::new_v4().simple()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// The program in an empty folder, with only these variables set.
pub fn comanda(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let home = folder("home");
    let mut command = program();
    command.args(arguments).current_dir(&home).envs(variables.iter().copied());
    let output = command.output().unwrap();
    std::fs::remove_dir_all(home).unwrap();
    output
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The error: only lines for a person, and a failing exit status.
#[track_caller]
pub fn complaint(output: &Output) -> String {
    assert!(!output.status.success(), "{}", said(output));
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    let complaint = text.lines().find(|line| line.starts_with("comanda: ")).unwrap_or_else(|| panic!("{text}"));
    assert!(!text.contains("panicked"), "{text}");
    complaint.to_owned()
}

#[test]
fn the_program_has_help_for_every_command() {
    let help = said(&comanda(&["--help"], &[]));
    for command in ["serve", "migrate", "replay", "check", "demo", "user", "config", "openapi"] {
        assert!(help.contains(&format!("\n  {command} ")), "{help}");
        let detail = comanda(&[command, "--help"], &[]);
        assert!(detail.status.success() && said(&detail).contains("Usage: comanda"), "{command}");
    }
    assert!(said(&comanda(&["--version"], &[])).starts_with("comanda "));
    assert_eq!(comanda(&["dance"], &[]).status.code(), Some(2));
}

/// The library that writes log files prints a message if the folder does not exist yet.
#[test]
fn the_log_folder_is_created_silently() {
    let logs = folder("logs").join("not/there/yet");
    let nobody = "postgres://comanda@127.0.0.1:1/comanda";
    let variables = [("LOG_DIR", logs.to_str().unwrap()), ("DATABASE_URL", nobody)];
    let output = comanda(&["serve"], &variables);
    assert!(complaint(&output).contains("PostgreSQL cannot be reached"), "{}", complaint(&output));
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    assert_eq!(std::fs::read_dir(&logs).unwrap().count(), 1);
}

#[test]
fn the_configuration_is_shown_with_secrets_hidden_and_faults_named() {
    let good = comanda(&["config"], &[("PORT", "4000"), ("JWT_SECRET", "hunter2-hunter2-hunter2-hunter2-hunter2")]);
    assert!(good.status.success());
    assert!(said(&good).contains("4000") && !said(&good).contains("hunter2"), "{}", said(&good));
    let bad = comanda(&["config"], &[("PORT", "many"), ("DATABASE_POOL", "1")]);
    assert!(complaint(&bad).contains("2 error(s)"), "{}", complaint(&bad));
    let serve = comanda(&["serve"], &[("MODE", "production")]);
    assert!(complaint(&serve).contains("error(s)"));
    let file = folder("config").join("some.env");
    std::fs::write(&file, "PORT=5555\n").unwrap();
    let path = file.to_str().unwrap();
    assert!(said(&comanda(&["config", "--config", path], &[])).contains("5555"));
    assert!(said(&comanda(&["config", "--config", path], &[("PORT", "6666")])).contains("6666"));
    assert!(complaint(&comanda(&["config", "--config", "nowhere.env"], &[])).contains("error(s)"));
    // As editors on Windows write it.
    std::fs::write(&file, "\u{feff}PORT=7777\r\nMODE=development\r\n").unwrap();
    assert!(said(&comanda(&["config", "--config", path], &[])).contains("7777"));
    std::fs::write(&file, "PORT=5555\nthis is no assignment\n").unwrap();
    let refused = comanda(&["config", "--config", path], &[]);
    assert!(complaint(&refused).contains("1 error(s)"));
    let error = String::from_utf8(refused.stderr).unwrap();
    assert!(error.contains("line 2 is not NAME=value"), "{error}");
    assert!(!error.contains("assignment"), "the line may be a secret: {error}");
    std::fs::write(&file, b"P\0O\0R\0T\0\xff\xfe").unwrap();
    let refused = comanda(&["config", "--config", path], &[]);
    assert!(complaint(&refused).contains("1 error(s)"));
    let error = String::from_utf8(refused.stderr).unwrap();
    assert!(error.contains("is not UTF-8"), "{error}");
    std::fs::remove_dir_all(file.parent().unwrap()).unwrap();
}

#[test]
fn the_commands_print_the_complete_example_and_document() {
    let example = said(&comanda(&["config", "--example"], &[]));
    assert_eq!(example, std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/.env.example")).unwrap());
    let document: serde_json::Value = serde_json::from_str(&said(&comanda(&["openapi"], &[]))).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
}

#[tokio::test]
async fn an_error_at_start_is_one_line_with_a_remedy() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let database = fresh_database().await;
    let url = database_url(&database);
    let cases: &[(&[(&str, &str)], &str)] = &[
        (
            &[("DATABASE_URL", &url), ("PORT", &port)],
            "is in use by another program: stop it, or choose another port with PORT=",
        ),
        (&[("DATABASE_URL", &url), ("HOST", "203.0.113.7"), ("PORT", "0")], "cannot listen on"),
        (&[("DATABASE_URL", "postgres://nobody@127.0.0.1:1/x"), ("PORT", "0")], "Check DATABASE_URL"),
        (&[("POSTGRES_BIN", "/nowhere"), ("PORT", "0")], "POSTGRES_BIN"),
        (&[("DATA_DIR", "/proc/nothing"), ("PORT", "0")], "DATA_DIR"),
        (&[("DATABASE_URL", &url), ("LOG_LEVEL", "comanda=loud"), ("PORT", "0")], "LOG_LEVEL"),
    ];
    for (variables, remedy) in cases {
        let output = comanda(&["serve"], variables);
        assert!(complaint(&output).contains(remedy), "{variables:?}: {}", complaint(&output));
    }
    drop(taken);
    crate::app::drop_database(&database).await;
}

#[tokio::test]
async fn an_operator_migrates_and_creates_users() {
    use std::io::Write as _;
    let database = fresh_database().await;
    let url = database_url(&database);
    let migrated = comanda(&["migrate"], &[("DATABASE_URL", &url)]);
    assert!(said(&migrated).starts_with("0 migration(s) applied"), "{}", said(&migrated));
    let create = |email: &str, password: &str| {
        let mut child = program()
            .args(["user", "create", "--email", email, "--name", "Ada", "--role", "admin"])
            .env("DATABASE_URL", &url)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(password.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    };
    let made = create("ada@example.com", "three green apples\n");
    assert!(said(&made).starts_with("usr_"), "{made:?}");
    assert!(complaint(&create("ada@example.com", "three green apples")).contains("already has an account"));
    assert!(complaint(&create("ada", "three green apples")).contains("is not an e-mail address"));
    assert!(complaint(&create("bob@example.com", "short")).contains("8 to 128"));
    assert!(complaint(&create("bob@example.com", "")).contains("standard input"));
    crate::app::drop_database(&database).await;
}

#[tokio::test]
async fn a_database_newer_than_the_program_is_refused() {
    let database = fresh_database().await;
    let url = database_url(&database);
    let newer = "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
                 values (99990101, 'of tomorrow', true, '', 0)";
    crate::app::execute_in(&database, newer).await;
    for command in ["serve", "migrate"] {
        let refused = comanda(&[command], &[("DATABASE_URL", &url), ("PORT", "0")]);
        assert!(complaint(&refused).contains("the database is newer than this program"), "{}", complaint(&refused));
    }
    crate::app::execute_in(&database, "delete from _sqlx_migrations where version = 99990101").await;
    let changed = "update _sqlx_migrations set checksum = '\\x00' where version = 1";
    crate::app::execute_in(&database, changed).await;
    let refused = comanda(&["migrate"], &[("DATABASE_URL", &url)]);
    assert!(complaint(&refused).contains("migration 1 was changed after it had been applied"));
    crate::app::drop_database(&database).await;
}

/// The migrations were rewritten before the first release: a database of the earlier set gets an error with the
/// command to run.
#[tokio::test]
async fn a_database_with_earlier_migrations_is_refused_with_instructions() {
    let database = fresh_database().await;
    let url = database_url(&database);
    let earlier = "update _sqlx_migrations set description = 'people', checksum = '\\x00' where version = 1;
                   insert into _sqlx_migrations (version, description, success, checksum, execution_time)
                   values (2, 'restaurants', true, '', 0)";
    crate::app::execute_in(&database, earlier).await;
    for command in ["serve", "migrate", "check"] {
        let refused = complaint(&comanda(&[command], &[("DATABASE_URL", &url), ("PORT", "0")]));
        assert!(refused.contains("made by an unreleased version of Comanda"), "{command}: {refused}");
        assert!(refused.contains("let DATABASE_URL name an empty database"), "{command}: {refused}");
    }
    crate::app::drop_database(&database).await;
}
