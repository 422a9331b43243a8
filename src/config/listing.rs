//! The variables as `.env.example` and `comanda config` show them.

use std::fmt::Write as _;

use super::source::Source;
use crate::variables::VARIABLES;

/// `.env.example`: every variable with its meaning and default. A test compares the file with this.
pub fn example_file() -> String {
    let mut text = String::from(
        "# Comanda's configuration. Copy to .env and change what you need; nothing has to be set in \
                       development.\n",
    );
    let mut section = "";
    for variable in VARIABLES {
        if variable.section != section {
            section = variable.section;
            let _ = write!(text, "\n# ---- {section} ----\n");
        }
        let _ = writeln!(text, "\n# {}", variable.meaning);
        let _ = match variable.default {
            Some(default) => writeln!(text, "#{}={default}", variable.name),
            None => writeln!(text, "#{}={}", variable.name, variable.example),
        };
    }
    text
}

/// What `comanda config` prints: each variable's effective value and where it comes from, secrets hidden.
pub fn effective(source: &Source) -> String {
    let mut text = String::new();
    for variable in VARIABLES {
        let set = source.values.get(variable.name).filter(|value| !value.is_empty());
        let shown = match (set, variable.default) {
            (Some(_), _) if variable.secret => "(set, hidden)",
            (Some(value), _) => value,
            (None, Some(default)) => default,
            (None, None) => "(not set)",
        };
        let origin = if set.is_some() { "set" } else { "default" };
        let _ = writeln!(text, "{:<26} {:<9} {shown}", variable.name, origin);
    }
    text
}
