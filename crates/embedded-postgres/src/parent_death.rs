//! Running PostgreSQL's programs: as the right user, in a clean environment, and so that they do not
//! outlive us.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::account::Account;

/// Variables of the caller that change what PostgreSQL's programs do: those of its client library and
/// those its server and initdb read.
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
    // Messages in English, whatever the caller speaks: they are read here, not only shown.
    command.env("LC_ALL", "C").stdin(Stdio::null());
    // A group of its own, so that Ctrl-C reaches us and not the database under us.
    command.process_group(0);
    if let Some(account) = account {
        // With a user given, the standard library also drops root's supplementary groups.
        command.uid(account.uid).gid(account.gid);
    }
    command
}

/// Has the kernel send a signal to a program when the *thread* that started it ends, however it ends.
#[derive(Debug)]
pub(super) struct ParentDeathSignal {
    setpriv: Option<PathBuf>,
}

impl ParentDeathSignal {
    /// Looks for a `setpriv` that can do it; warns if there is none.
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

    /// Like `command`; `signal` reaches the program when this thread ends.
    pub(super) fn command(&self, program: &Path, account: Option<&Account>, signal: &str) -> Command {
        let Some(setpriv) = &self.setpriv else {
            return command(program, account);
        };
        // The user is changed before setpriv runs: changing it afterwards would clear the signal.
        let mut command = command(setpriv, account);
        command.args(["--pdeathsig", signal, "--"]).arg(program);
        command
    }
}

/// The setpriv of busybox and old ones do not know the option.
fn can_set_parent_death_signal(setpriv: &Path) -> bool {
    let mut probe = command(setpriv, None);
    probe.args(["--pdeathsig", "INT", "--"]).arg(setpriv).arg("--version");
    probe.stdout(Stdio::null()).stderr(Stdio::null());
    probe.status().is_ok_and(|status| status.success())
}
