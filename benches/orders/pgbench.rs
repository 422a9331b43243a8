//! Runs pgbench, one process for each client, which has its own customer, restaurant and script.

use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::Command;

use super::script::Scripts;

/// The distance between the first order numbers of two clients.
const STRIDE: usize = 1_000_000;

/// The scripts, written to files.
pub struct Pgbench {
    program: String,
    database: String,
    folder: PathBuf,
}

impl Pgbench {
    /// Writes the scripts.
    pub fn new(program: &str, database: &str, scripts: &[Scripts]) -> Self {
        let folder = std::env::temp_dir().join(format!("comanda-bench-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for (client, scripts) in scripts.iter().enumerate() {
            for (name, script) in [("place", &scripts.place), ("advance", &scripts.advance), ("read", &scripts.read)] {
                std::fs::write(folder.join(format!("{name}-{client}.sql")), &script.0).unwrap();
            }
        }
        Self { program: program.to_owned(), database: database.to_owned(), folder }
    }

    /// Places orders for a time; returns the number of orders of each client.
    pub async fn place(&self, clients: usize, round: usize, time: Duration) -> Vec<usize> {
        self.run("place", clients, round, &["-T".to_owned(), time.as_secs().to_string()]).await
    }

    /// Sets that many orders of each client, placed in this round, to their next status.
    pub async fn advance(&self, clients: usize, round: usize, each: usize) {
        self.run("advance", clients, round, &["-t".to_owned(), each.to_string()]).await;
    }

    /// Reads orders for a time.
    pub async fn read(&self, clients: usize, time: Duration) -> Vec<usize> {
        self.run("read", clients, 0, &["-T".to_owned(), time.as_secs().to_string()]).await
    }

    async fn run(&self, name: &str, clients: usize, round: usize, long: &[String]) -> Vec<usize> {
        let mut running = Vec::new();
        for client in 0..clients {
            // No two rounds place orders with the same numbers, whatever their number of clients.
            let first = ((clients * 100 + round) * 100 + client) * STRIDE;
            let script = self.folder.join(format!("{name}-{client}.sql"));
            let child = Command::new(&self.program)
                .args(["--no-vacuum", "--protocol=prepared", "--client=1"])
                .args(long)
                .arg(format!("--define=n={first}"))
                .arg("--file")
                .arg(script)
                .arg(&self.database)
                .env("PGOPTIONS", "-c role=comanda_app -c plan_cache_mode=force_generic_plan")
                .stdin(Stdio::null())
                .output();
            running.push(tokio::spawn(child));
        }
        let mut counts = Vec::new();
        for child in running {
            counts.push(processed(&child.await.unwrap().unwrap()));
        }
        counts
    }
}

impl Drop for Pgbench {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The number of transactions that pgbench reports; a failed transaction is a panic.
fn processed(output: &Output) -> usize {
    let (output_text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "pgbench: {errors}");
    let line = output_text.lines().find_map(|line| line.strip_prefix("number of transactions actually processed: "));
    let line = line.unwrap_or_else(|| panic!("pgbench: {output_text}{errors}"));
    line.split('/').next().unwrap().trim().parse().unwrap()
}
