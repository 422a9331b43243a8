//! The program in a separate process, with its own memory and log.

use std::path::PathBuf;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::app::PATIENCE;
use crate::people::{Endpoint, Person};

/// A running `comanda serve`; killed when the test ends.
pub struct Program {
    /// Where it is.
    pub endpoint: Endpoint,
    child: Child,
    folder: PathBuf,
    /// Kept open for later output.
    _output: Lines<BufReader<ChildStdout>>,
}

impl Program {
    /// Starts it on a database, with only these variables.
    ///
    /// Nothing here blocks: the test's own server, which may hold locks that this one waits for, continues to run.
    pub async fn serve(database_url: &str, variables: &[(&str, &str)]) -> Self {
        let folder = std::env::temp_dir().join(format!("comanda-program-{}", uuid::Uuid::new_v4().simple()));
        std::fs::create_dir_all(&folder).unwrap();
        let log = std::fs::File::create(folder.join("log")).unwrap();
        let mut child = Command::from(crate::harness_clock::program())
            .args(["--config", "/dev/null", "serve"])
            .current_dir(&folder)
            .envs([("DATABASE_URL", database_url), ("PORT", "0"), ("DATA_DIR", "."), ("LOG_LEVEL", "error")])
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = async {
            while let Some(line) = output.next_line().await.unwrap() {
                let base = line.trim().strip_prefix("API").and_then(|rest| rest.trim().strip_suffix("/api"));
                if let Some(base) = base {
                    return base.to_owned();
                }
            }
            panic!("the program ended: {}", std::fs::read_to_string(folder.join("log")).unwrap())
        };
        let base = timeout(PATIENCE, address).await.expect("the program says where it is");
        Self { endpoint: Endpoint { base, client: reqwest::Client::new() }, child, folder, _output: output }
    }

    /// A client of it without a sign-in.
    pub fn stranger(&self) -> Person {
        Person { endpoint: self.endpoint.clone(), id: String::new(), email: String::new(), token: None }
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap()
    }

    /// Resident memory, in bytes.
    pub fn resident(&self) -> u64 {
        let statm = std::fs::read_to_string(format!("/proc/{}/statm", self.child.id().unwrap())).unwrap();
        statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4_096
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.start_kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
