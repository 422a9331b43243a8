//! The time in tests.
//!
//! The machine's time, unless `COMANDA_TEST_TIME` names an instant: then the tests begin there. `bin/test` runs the
//! tests that depend on dates at several such instants, so that no test passes only on the day it was written.

use std::process::Command;
use std::sync::LazyLock;

use chrono::{DateTime, TimeDelta, Utc};
use comanda::clock::Clock;

/// How far the clock of the tests is ahead of the machine's; the same for the whole process.
static AHEAD: LazyLock<TimeDelta> = LazyLock::new(|| {
    #[expect(clippy::disallowed_methods, reason = "what bin/test asks for")]
    let wanted = std::env::var("COMANDA_TEST_TIME");
    wanted.map_or(TimeDelta::zero(), |wanted| {
        let begin: DateTime<Utc> = wanted.parse().unwrap_or_else(|_| panic!("COMANDA_TEST_TIME: {wanted}"));
        begin - Clock::System.now()
    })
});

/// The clock of a server in this process, and of tests that compute expected values.
pub fn clock() -> Clock {
    let clock = Clock::shifted();
    clock.advance(*AHEAD);
    clock
}

/// The program as a command, with no variables set but `PATH`, and with the tests' time instead of the machine's
/// (Debian's libfaketime, which does not change waiting).
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_comanda"));
    command.env_clear();
    #[expect(clippy::disallowed_methods, reason = "the path, without which the program finds no PostgreSQL")]
    if let Ok(path) = std::env::var("PATH") {
        command.env("PATH", path);
    }
    if !AHEAD.is_zero() {
        command
            .env("LD_PRELOAD", faketime())
            .env("FAKETIME", format!("{:+}", AHEAD.num_seconds()))
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .env("FAKETIME_NO_CACHE", "1");
    }
    command
}

/// Where Debian keeps libfaketime for programs with threads, on whatever architecture.
fn faketime() -> std::path::PathBuf {
    let libraries = std::fs::read_dir("/usr/lib").expect("/usr/lib").flatten();
    let mut places = libraries.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
    places.find(|place| place.exists()).expect("libfaketime is missing: run bin/setup")
}
