//! Runs PostgreSQL's programs: as the right user, in a clean environment, and so that they end with this process.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::account::Account;

/// Environment variables that change what PostgreSQL's programs do: those of its client library, its server and
/// initdb.
const PG_VARIABLES: [&str; 50] = [
    "PGAPPNAME",
    "PGCHANNELBINDING",
    "PGCLIENTENCODING",
    "PGCONNECT_TIMEOUT",
    "PGDATA",
    "PGDATABASE",
    "PGDATESTYLE",
    "PGGEQO",
    "PGGSSDELEGATION",
    "PGGSSENCMODE",
    "PGGSSLIB",
    "PGHOST",
    "PGHOSTADDR",
    "PGKRBSRVNAME",
    "PGLOADBALANCEHOSTS",
    "PGLOCALEDIR",
    "PGMAXPROTOCOLVERSION",
    "PGMINPROTOCOLVERSION",
    "PGOAUTHDEBUG",
    "PGOPTIONS",
    "PGPASSFILE",
    "PGPASSWORD",
    "PGPORT",
    "PGREALM",
    "PGREQUIREAUTH",
    "PGREQUIREPEER",
    "PGREQUIRESSL",
    "PGSERVICE",
    "PGSERVICEFILE",
    "PGSSLCERT",
    "PGSSLCERTMODE",
    "PGSSLCOMPRESSION",
    "PGSSLCRL",
    "PGSSLCRLDIR",
    "PGSSLKEY",
    "PGSSLKEYLOGFILE",
    "PGSSLMAXPROTOCOLVERSION",
    "PGSSLMINPROTOCOLVERSION",
    "PGSSLMODE",
    "PGSSLNEGOTIATION",
    "PGSSLROOTCERT",
    "PGSSLSNI",
    "PGSYSCONFDIR",
    "PGTARGETSESSIONATTRS",
    "PGTZ",
    "PGUSER",
    "PG_COLOR",
    "PG_COLORS",
    "PG_OOM_ADJUST_FILE",
    "PG_OOM_ADJUST_VALUE",
];

/// A program to run as the server's user.
pub(super) fn command(program: &Path, account: Option<&Account>) -> Command {
    let mut command = Command::new(program);
    for name in PG_VARIABLES {
        command.env_remove(name);
    }
    // Messages in English, whatever the caller's locale: they are parsed here, not only shown.
    command.env("LC_ALL", "C").stdin(Stdio::null());
    // In a separate process group, so that Ctrl-C reaches this process and not the database.
    command.process_group(0);
    if let Some(account) = account {
        // With a user given, the standard library also drops root's supplementary groups.
        command.uid(account.uid).gid(account.gid);
    }
    command
}

/// Makes the kernel send a signal to a program when the *thread* that started it ends, however it ends.
#[derive(Debug)]
pub(super) struct ParentDeathSignal {
    setpriv: Option<PathBuf>,
}

impl ParentDeathSignal {
    /// Searches a `setpriv` that supports it; warns if there is none.
    pub(super) fn find() -> Self {
        let candidates = ["/usr/bin/setpriv", "/bin/setpriv", "setpriv"];
        let setpriv = candidates.iter().map(PathBuf::from).find(|program| can_set_parent_death_signal(program));
        if setpriv.is_none() {
            tracing::warn!(
                "no setpriv with --pdeathsig (package util-linux): if this process is killed, the database \
                 server keeps running until the next start finds it"
            );
        }
        Self { setpriv }
    }

    /// As `command`; the program receives `signal` when this thread ends.
    pub(super) fn command(&self, program: &Path, account: Option<&Account>, signal: &str) -> Command {
        let Some(setpriv) = &self.setpriv else {
            return command(program, account);
        };
        // The user is changed before setpriv runs: a later change would clear the signal.
        let mut command = command(setpriv, account);
        command.args(["--pdeathsig", signal, "--"]).arg(program);
        command
    }
}

/// The setpriv of busybox and old versions do not have the option.
fn can_set_parent_death_signal(setpriv: &Path) -> bool {
    let mut probe = command(setpriv, None);
    probe.args(["--pdeathsig", "INT", "--"]).arg(setpriv).arg("--version");
    probe.stdout(Stdio::null()).stderr(Stdio::null());
    probe.status().is_ok_and(|status| status.success())
}
