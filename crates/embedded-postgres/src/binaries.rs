//! Finds PostgreSQL's programs: in the configured folder, on the search path, or where packages install them.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::StartError;
use crate::account::Account;
use crate::cluster_paths::ClusterPaths;
use crate::parent_death::command;

/// The oldest version that the migrations support.
const OLDEST: u32 = 15;

/// The folders in which packages install the programs of a version: a folder, the prefix of the version in its
/// entries, and the path from there to the programs.
const PACKAGE_FOLDERS: [(&str, &str, &str); 7] = [
    ("/usr/lib/postgresql", "", "bin"),
    ("/usr", "pgsql-", "bin"),
    ("/usr/libexec", "postgresql", ""),
    ("/usr/lib64", "postgresql-", "bin"),
    ("/opt/homebrew/opt", "postgresql@", "bin"),
    ("/usr/local/opt", "postgresql@", "bin"),
    ("/Applications/Postgres.app/Contents/Versions", "", "bin"),
];

/// The programs of one version.
#[derive(Clone, Debug)]
pub(super) struct Programs {
    /// Their folder; `None`: they are on the search path.
    folder: Option<PathBuf>,
    pub(super) major: u32,
}

impl Programs {
    /// The path of one of them, to execute it.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        match &self.folder {
            Some(folder) => folder.join(name),
            None => PathBuf::from(name),
        }
    }

    /// Programs that can run the cluster: of its version if it exists, else the first found, in `bin_dir` only if it
    /// is given, else on the search path and then in the usual folders, newest first.
    pub(super) fn find(bin_dir: Option<&Path>, paths: &ClusterPaths) -> Result<Self, StartError> {
        let account = paths.account.as_ref();
        let Some(cluster) = paths.cluster_major() else {
            return match bin_dir {
                Some(folder) => Self::in_folder(folder, account),
                None => Self::newest(account),
            };
        };
        let fits = |programs: &Self| programs.major.to_string() == cluster && programs.major >= OLDEST;
        let other = |found: String| StartError::OtherMajor {
            folder: paths.cluster.clone(),
            remedy: remedy_for(&cluster),
            cluster: cluster.clone(),
            programs: found,
        };
        if let Some(folder) = bin_dir {
            let found = Self::in_folder(folder, account)?;
            let major = found.major.to_string();
            return Some(found).filter(fits).ok_or_else(|| other(major));
        }
        // The usual folders first: their names contain the version.
        let usual = from_package_folders();
        if let Some(found) = usual.iter().find(|programs| fits(programs)) {
            return Ok(found.clone());
        }
        let on_path = Self::on_path(account);
        match on_path {
            Ok(found) if fits(&found) => Ok(found),
            Err(looked) if usual.is_empty() => Err(not_found(&looked)),
            on_path => {
                let mut majors: Vec<u32> = usual.iter().chain(&on_path.ok()).map(|found| found.major).collect();
                majors.dedup();
                let majors: Vec<String> = majors.iter().map(u32::to_string).collect();
                Err(other(majors.join(", ")))
            }
        }
    }

    /// For a new cluster: the search path, then the usual folders.
    fn newest(account: Option<&Account>) -> Result<Self, StartError> {
        let on_path = Self::on_path(account);
        let refusal = match on_path {
            Ok(found) if found.major >= OLDEST => return Ok(found),
            Ok(found) => format!("the ones on PATH are of {}, {OLDEST} or newer is needed", found.major),
            Err(looked) => looked,
        };
        let usual = from_package_folders();
        let newest = usual.into_iter().find(|programs| programs.major >= OLDEST);
        newest.ok_or_else(|| not_found(&refusal))
    }

    fn in_folder(folder: &Path, account: Option<&Account>) -> Result<Self, StartError> {
        let missing = |looked| StartError::BinariesMissing { looked };
        // Absolute, because the programs are run from another working directory.
        let folder = &fs::canonicalize(folder)
            .map_err(|fault| missing(format!("POSTGRES_BIN is {}: {fault}", folder.display())))?;
        for name in ["postgres", "initdb"] {
            if !folder.join(name).exists() {
                return Err(missing(format!("POSTGRES_BIN is {}, without `{name}`", folder.display())));
            }
        }
        let major = ask_version(&folder.join("postgres"), account)
            .map_err(|fault| missing(format!("in {}: {fault}", folder.display())))?;
        if major < OLDEST {
            let looked = format!("{} holds version {major}, {OLDEST} or newer is needed", folder.display());
            return Err(missing(looked));
        }
        Ok(Self { folder: Some(folder.to_owned()), major })
    }

    fn on_path(account: Option<&Account>) -> Result<Self, String> {
        let ask = |name| ask_version(Path::new(name), account);
        ask("initdb")?;
        Ok(Self { folder: None, major: ask("postgres")? })
    }
}

/// The installed versions in the usual folders, newest first.
fn from_package_folders() -> Vec<Programs> {
    let mut found = Vec::new();
    for (parent, prefix, tail) in PACKAGE_FOLDERS {
        for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let Some(version) = name.to_str().and_then(|name| name.strip_prefix(prefix)) else {
                continue;
            };
            let folder = entry.path().join(tail);
            let complete = folder.join("postgres").exists() && folder.join("initdb").exists();
            if let (Ok(major), true) = (version.parse(), complete) {
                let folder = Some(folder);
                found.push(Programs { folder, major });
            }
        }
    }
    found.sort_by_key(|programs| std::cmp::Reverse(programs.major));
    found
}

fn not_found(on_path: &str) -> StartError {
    StartError::BinariesMissing { looked: format!("{on_path}; none in {} or the like", PACKAGE_FOLDERS[0].0) }
}

fn remedy_for(cluster: &str) -> String {
    if cluster.parse().is_ok_and(|major: u32| major < OLDEST) {
        return format!("bring it to {OLDEST} or newer with pg_upgrade");
    }
    format!("run `apt-get install postgresql-{cluster}`, or set POSTGRES_BIN to the programs of version {cluster}")
}

/// Reads the major version of a program by running it as the server's user.
fn ask_version(program: &Path, account: Option<&Account>) -> Result<u32, String> {
    let name = program.display();
    let answer = command(program, account).arg("--version").output();
    let output = answer.map_err(|fault| match fault.kind() {
        // "Permission denied" may also mean that a folder of PATH is closed to the server's user.
        ErrorKind::NotFound | ErrorKind::PermissionDenied if program.components().count() == 1 => {
            format!("no `{name}` on PATH")
        }
        _ => format!("`{name}`: {fault}"),
    })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let line = said.lines().next().unwrap_or("it says nothing").to_owned();
        return Err(format!("`{name}` does not run: {line}"));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    parse_major(&text).ok_or_else(|| format!("`{name}` has no version: {}", text.trim()))
}

/// Parses `postgres (PostgreSQL) 15.18 (Debian 15.18-1)`, also `17beta1`.
fn parse_major(text: &str) -> Option<u32> {
    let version = text.split("(PostgreSQL) ").nth(1)?;
    let end = version.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(version.len());
    version[..end].parse().ok()
}
