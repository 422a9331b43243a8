//! The embedded PostgreSQL, for developers without a database.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use comanda_embedded_postgres::{Embedded, Settings, StartError, StartOutcome, start};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sqlx::{Connection, PgConnection};

/// A data folder of one test, deleted at its end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("comanda-embedded-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        // Accessible to the user who runs the server if the tests run as root.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Self(path)
    }

    fn settings(&self) -> Settings {
        settings(&self.0)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn settings(data_dir: &Path) -> Settings {
    Settings { data_dir: data_dir.to_owned(), bin_dir: None }
}

async fn ask(server: &Embedded, question: &'static str) -> Result<String, sqlx::Error> {
    let mut connection = PgConnection::connect_with(&server.connect_options()).await?;
    let answer = sqlx::query_scalar(question).fetch_one(&mut connection).await?;
    connection.close().await?;
    Ok(answer)
}

async fn run(server: &Embedded, statement: &'static str) {
    let mut connection = PgConnection::connect_with(&server.connect_options()).await.unwrap();
    sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// The process id of the server.
async fn pid_of(server: &Embedded) -> Result<i32, sqlx::Error> {
    let first_line = "select split_part(pg_read_file('postmaster.pid'), e'\\n', 1)";
    Ok(ask(server, first_line).await?.parse().unwrap())
}

/// Waits until another server than `dead` responds.
async fn successor_of(dead: i32, server: &Embedded) -> i32 {
    let mut moments = tokio::time::interval(Duration::from_millis(10));
    let search = async {
        loop {
            moments.tick().await;
            match pid_of(server).await {
                Ok(pid) if pid != dead => return pid,
                _ => {}
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), search).await.expect("a server")
}

async fn fault(settings: &Settings) -> StartError {
    let fault = start(settings).await.expect_err("a fault");
    assert_eq!(fault.to_string().lines().count(), 1, "{fault}");
    fault
}

#[tokio::test]
async fn a_cluster_is_created_once_and_keeps_its_data() {
    let folder = Folder::new();
    let server = start(&folder.settings()).await.unwrap();
    assert_eq!(server.start_outcome(), StartOutcome::Created);
    run(&server, "create table slip (text text); insert into slip values ('two margherite')").await;
    let data = folder.0.join("postgres");
    server.stop().await;
    assert!(!data.join("postmaster.pid").exists(), "the server was stopped in good order");

    // After a crash of the machine the process id may belong to another process, here to this one.
    let stale = format!("{}\n{}\n1\n5432\n{}\n", std::process::id(), data.display(), data.display());
    fs::write(data.join("postmaster.pid"), stale).unwrap();
    let server = start(&folder.settings()).await.unwrap();
    assert_eq!(server.start_outcome(), StartOutcome::Started);
    assert_eq!(ask(&server, "select text from slip").await.unwrap(), "two margherite");
    server.stop().await;
}

#[tokio::test]
async fn the_server_is_durable_and_private() {
    let folder = Folder::new();
    let server = start(&folder.settings()).await.unwrap();
    let settings = "select concat_ws(' ', current_setting('fsync'), current_setting('full_page_writes'),
        current_setting('data_checksums'), current_setting('server_encoding'),
        '[' || current_setting('listen_addresses') || ']', current_user, current_database())";
    assert_eq!(ask(&server, settings).await.unwrap(), "on on on UTF8 [] comanda comanda");
    let socket_dir = fs::metadata(server.socket_dir()).unwrap();
    assert_eq!(socket_dir.permissions().mode() & 0o777, 0o700);
    server.stop().await;
}

#[tokio::test]
async fn a_second_process_attaches_and_takes_over_when_the_first_leaves() {
    let folder = Folder::new();
    let settings = folder.settings();
    let (one, other) = tokio::join!(start(&settings), start(&settings));
    let (one, other) = (one.unwrap(), other.unwrap());
    let (first, second) = match one.start_outcome() {
        StartOutcome::Created => (one, other),
        _ => (other, one),
    };
    assert_eq!(first.start_outcome(), StartOutcome::Created);
    assert_eq!(second.start_outcome(), StartOutcome::Reattached);
    let server = pid_of(&first).await.unwrap();
    assert_eq!(pid_of(&second).await.unwrap(), server);

    let guest = start(&settings).await.unwrap();
    assert_eq!(guest.start_outcome(), StartOutcome::Reattached);
    guest.stop().await;
    assert_eq!(pid_of(&first).await.unwrap(), server, "a guest leaves the server alone");

    first.stop().await;
    successor_of(server, &second).await;
    second.stop().await;
    assert!(!folder.0.join("postgres").join("postmaster.pid").exists());
}

#[tokio::test]
async fn a_killed_server_restarts_with_everything_that_was_committed() {
    let folder = Folder::new();
    let server = start(&folder.settings()).await.unwrap();
    run(&server, "create table slip (text text); insert into slip values ('one tiramisù')").await;
    let victim = pid_of(&server).await.unwrap();
    kill(Pid::from_raw(victim), Signal::SIGKILL).unwrap();
    successor_of(victim, &server).await;
    assert_eq!(ask(&server, "select text from slip").await.unwrap(), "one tiramisù");
    server.stop().await;
}

#[tokio::test]
async fn a_folder_too_long_for_a_socket_path_is_replaced_by_a_short_one() {
    let folder = Folder::new();
    let deep = folder.0.join("a folder \"with, letters'".repeat(6));
    let server = start(&settings(&deep)).await.unwrap();
    assert!(server.socket_dir().as_os_str().len() < 90);
    assert_eq!(ask(&server, "select 'ciao'").await.unwrap(), "ciao");
    let socket_dir = server.socket_dir().to_owned();
    server.stop().await;
    fs::remove_dir(socket_dir).unwrap();
}

#[tokio::test]
async fn a_cluster_of_another_version_is_not_changed() {
    let folder = Folder::new();
    let cluster = folder.0.join("postgres");
    fs::create_dir(&cluster).unwrap();
    fs::write(cluster.join("PG_VERSION"), "99\n").unwrap();
    let fault = fault(&folder.settings()).await;
    assert!(matches!(&fault, StartError::OtherMajor { cluster, .. } if cluster == "99"));
    assert!(fault.to_string().contains("apt-get install postgresql-99"), "{fault}");
}

#[tokio::test]
async fn a_folder_that_is_no_cluster_is_not_changed() {
    let folder = Folder::new();
    let place = folder.0.join("postgres");
    fs::create_dir(&place).unwrap();
    fs::write(place.join("recipe"), "flour, water").unwrap();
    let fault = fault(&folder.settings()).await;
    assert!(matches!(fault, StartError::NotACluster { .. }), "{fault}");
    assert_eq!(fs::read_dir(&place).unwrap().count(), 1);
}

#[tokio::test]
async fn missing_programs_are_named_with_the_remedy() {
    let folder = Folder::new();
    let empty = folder.0.join("bin");
    fs::create_dir(&empty).unwrap();
    let settings = Settings { bin_dir: Some(empty), ..folder.settings() };
    let fault = fault(&settings).await;
    assert!(matches!(fault, StartError::BinariesMissing { .. }), "{fault}");
    assert!(fault.to_string().contains("apt-get install postgresql"), "{fault}");
    assert!(fault.to_string().contains("POSTGRES_BIN"), "{fault}");
}

#[tokio::test]
async fn a_data_folder_that_cannot_be_created_is_reported() {
    let folder = Folder::new();
    let file = folder.0.join("file");
    fs::write(&file, "").unwrap();
    let fault = fault(&settings(&file.join("data"))).await;
    assert!(matches!(fault, StartError::FolderNotWritable { .. }), "{fault}");
    assert!(fault.to_string().contains("DATA_DIR"), "{fault}");
}

#[tokio::test]
async fn a_server_that_cannot_start_says_why() {
    let folder = Folder::new();
    start(&folder.settings()).await.unwrap().stop().await;
    let file = folder.0.join("postgres").join("postgresql.conf");
    let mut text = fs::read_to_string(&file).unwrap();
    text.push_str("max_connections = lots\n");
    fs::write(&file, text).unwrap();
    let fault = fault(&folder.settings()).await;
    assert!(matches!(fault, StartError::NotStartable { .. }), "{fault}");
    assert!(fault.to_string().contains("server.log"), "{fault}");
}
