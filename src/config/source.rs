//! The source of values, and how each type of value is read. A value that cannot be read stops the start. A name that
//! no setting has is ignored, because the environment and `.env` may hold variables of other programs. The names and
//! defaults are in `variables/`, what each sets in the other files of `config/`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use secrecy::SecretString;

use super::Faults;
use crate::clock::parse_duration;
use crate::variables::{UNREAD, VARIABLES};

/// The values of the environment and the configuration file.
#[derive(Debug, Clone, Default)]
pub struct Source {
    pub(super) values: BTreeMap<String, String>,
}

impl Source {
    /// The environment, and a file for variables that it does not set: the given one, or `.env` if it exists.
    ///
    /// # Errors
    /// When the named file cannot be read, or a line is not `NAME=value`.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn from_environment(file: Option<&Path>) -> Result<Self, Faults> {
        let path = file.map_or_else(|| PathBuf::from(".env"), Path::to_path_buf);
        let mut values = BTreeMap::new();
        if file.is_some() || path.exists() {
            let fault = |error: &dyn std::fmt::Display| Faults(vec![format!("{}: {error}", path.display())]);
            let bytes = std::fs::read(&path).map_err(|error| fault(&error))?;
            let text = std::str::from_utf8(&bytes).map_err(|_| fault(&"is not UTF-8: save it as UTF-8"))?;
            // Editors on Windows begin a file with a byte order mark.
            let text = text.strip_prefix('\u{feff}').unwrap_or(text);
            for line in dotenvy::from_read_iter(text.as_bytes()) {
                let (name, value) = line.map_err(|error| fault(&not_a_setting(text, &error)))?;
                values.insert(name, value);
            }
        }
        let names = VARIABLES.iter().map(|variable| variable.name).chain(UNREAD.iter().map(|variable| variable.name));
        values.extend(names.filter_map(|name| Some((name.to_owned(), std::env::var(name).ok()?))));
        Ok(Self { values })
    }

    /// From pairs, for tests.
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self { values: pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect() }
    }

    /// The value of a variable, or its default. An empty value counts as not set.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let set = self.values.get(name).map(String::as_str).filter(|value| !value.is_empty());
        set.or_else(|| VARIABLES.iter().find(|variable| variable.name == name)?.default)
    }
}

/// Which line of a configuration file cannot be read. The line itself may contain a secret.
fn not_a_setting(text: &str, error: &dotenvy::Error) -> String {
    let line = match error {
        dotenvy::Error::LineParse(found, _) => found.lines().next().unwrap_or_default().trim(),
        _ => return "cannot be read".into(),
    };
    let number = text.lines().position(|one| one.trim() == line).map_or(0, |index| index + 1);
    format!("line {number} is not NAME=value; a value with spaces, quotes or # is written in quotes")
}

/// Reads values and collects errors.
pub(super) struct Reader<'a> {
    pub(super) source: &'a Source,
    pub(super) faults: Vec<String>,
}

impl Reader<'_> {
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.source.get(name).map(ToOwned::to_owned)
    }

    pub(super) fn secret(&self, name: &str) -> Option<SecretString> {
        self.text(name).map(Into::into)
    }

    /// A value that `read` accepts; `expected` completes "must be …". The fallback is returned only after an error.
    pub(super) fn value<T>(
        &mut self,
        name: &str,
        expected: &str,
        fallback: T,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> T {
        let text = self.source.get(name).unwrap_or_default();
        read(text).unwrap_or_else(|| {
            self.faults.push(format!("{name}={text} must be {expected}"));
            fallback
        })
    }

    pub(super) fn number<T: FromStr + PartialOrd + std::fmt::Display + Copy>(
        &mut self,
        name: &str,
        least: T,
        max: T,
    ) -> T {
        let expected = format!("a whole number from {least} to {max}");
        self.value(name, &expected, least, |text| text.parse().ok().filter(|n| (least..=max).contains(n)))
    }

    /// A number within bounds; `auto` stands for a computed one.
    pub(super) fn number_or_auto(&mut self, name: &str, auto: usize, least: usize, max: usize) -> usize {
        let expected = format!("auto, or a whole number from {least} to {max}");
        self.value(name, &expected, least, |text| match text {
            "auto" => Some(auto),
            number => number.parse().ok().filter(|n| (least..=max).contains(n)),
        })
    }

    /// Values separated by commas, each read by `read`; not set: none.
    pub(super) fn list<T>(&mut self, name: &str, expected: &str, read: impl Fn(&str) -> Option<T>) -> Vec<T> {
        let text = self.source.get(name).unwrap_or_default();
        let (mut values, mut faults) = (Vec::new(), Vec::new());
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            match read(entry) {
                Some(value) => values.push(value),
                None => faults.push(format!("{name}: {entry} is not one of {expected}")),
            }
        }
        self.faults.extend(faults);
        values
    }

    pub(super) fn duration(&mut self, name: &str) -> Duration {
        let expected = "a time such as 500ms, 30s, 15m, 12h or 7d, and not zero";
        self.value(name, expected, Duration::from_secs(1), |text| parse_duration(text).ok().filter(|d| !d.is_zero()))
    }

    /// A duration within bounds.
    pub(super) fn duration_between(&mut self, name: &str, least: Duration, max: Duration) -> Duration {
        let expected = format!("a time such as 30s or 15m, from {least:?} to {max:?}");
        self.value(name, &expected, least, |text| parse_duration(text).ok().filter(|time| (least..=max).contains(time)))
    }

    /// All of a provider's variables, or none; if only some are set, the error names the missing ones.
    pub(super) fn group<const N: usize>(&mut self, names: [&str; N]) -> Option<[String; N]> {
        let missing: Vec<_> = names.iter().filter(|name| self.source.get(name).is_none()).copied().collect();
        match missing.len() {
            0 => Some(names.map(|name| self.text(name).unwrap_or_default())),
            n if n == N => None,
            _ => {
                let set: Vec<_> = names.iter().filter(|name| !missing.contains(name)).copied().collect();
                self.faults.push(format!(
                    "{} is set but {} is not: set all of them for the real provider, or none for the local stand-in",
                    set.join(", "),
                    missing.join(", ")
                ));
                None
            }
        }
    }
}
