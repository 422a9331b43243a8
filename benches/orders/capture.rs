//! The statements of a request, read from PostgreSQL's log (`log_statement = all`).

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use uuid::Uuid;

/// One statement, as it was executed.
#[derive(Debug, Clone)]
pub struct Statement {
    /// The text, with `$1`, `$2`, … as placeholders.
    pub text: String,
    /// The values of the placeholders; `None` is null.
    pub parameters: Vec<Option<String>>,
}

/// The statements from BEGIN to COMMIT.
pub type Transaction = Vec<Statement>;

/// The server's log.
pub struct Log {
    file: PathBuf,
}

/// An entry of the log, with its continuation lines.
struct Entry {
    process: String,
    kind: String,
    message: String,
}

impl Log {
    /// The log of the PostgreSQL in a data folder.
    pub fn of(folder: &str) -> Self {
        Self { file: PathBuf::from(folder).join("server.log") }
    }

    /// The current length of the log, in bytes.
    pub fn mark(&self) -> usize {
        fs::read(&self.file).unwrap().len()
    }

    /// The transactions of this user since a position, in the order in which they ended.
    pub fn transactions(&self, mark: usize, user: Uuid) -> Vec<Transaction> {
        let text = fs::read(&self.file).unwrap();
        let text = String::from_utf8_lossy(&text[mark..]).into_owned();
        let mut open: BTreeMap<String, Transaction> = BTreeMap::new();
        let mut ended: Vec<Transaction> = Vec::new();
        for Entry { process, kind, message } in entries(&text) {
            let transaction = open.entry(process).or_default();
            if let Some(parameters) = message.strip_prefix("parameters: ").filter(|_| kind == "DETAIL") {
                if let Some(last) = transaction.last_mut() {
                    last.parameters = read_parameters(parameters);
                }
            } else if let Some(text) = statement_of(&kind, &message) {
                if text.starts_with("BEGIN") {
                    transaction.clear();
                }
                transaction.push(Statement { text: text.to_owned(), parameters: Vec::new() });
                if text == "COMMIT" {
                    ended.push(std::mem::take(transaction));
                }
            }
        }
        // The driver reads the types of the schema once for each connection.
        for transaction in &mut ended {
            transaction.retain(|one| !one.text.starts_with("SELECT pg_type.oid"));
        }
        let acts_for_user = |transaction: &Transaction| transaction[0].text.contains(&format!("'{user}'"));
        ended.into_iter().filter(acts_for_user).collect()
    }
}

fn statement_of<'a>(kind: &str, message: &'a str) -> Option<&'a str> {
    if kind != "LOG" {
        return None;
    }
    message.strip_prefix("statement: ").or_else(|| Some(message.strip_prefix("execute ")?.split_once(": ")?.1))
}

/// `2026-01-31 12:00:00.000 UTC [4711] LOG:  message`; continuation lines begin with a tab.
fn entries(text: &str) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for line in text.lines() {
        if let (Some(more), Some(last)) = (line.strip_prefix('\t'), entries.last_mut()) {
            last.message.push('\n');
            last.message.push_str(more);
        } else if let Some((process, rest)) = line.split_once(" [").and_then(|(_, rest)| rest.split_once("] "))
            && let Some((kind, message)) = rest.split_once(":  ")
        {
            let (process, kind, message) = (process.to_owned(), kind.to_owned(), message.to_owned());
            entries.push(Entry { process, kind, message });
        }
    }
    entries
}

/// `$1 = 'it''s', $2 = NULL`.
fn read_parameters(text: &str) -> Vec<Option<String>> {
    let mut parameters = Vec::new();
    let mut rest = text;
    while let Some((_, value)) = rest.split_once(" = ") {
        let Some(quoted) = value.strip_prefix('\'') else {
            assert!(value.starts_with("NULL"), "{value}");
            parameters.push(None);
            rest = &value[4..];
            continue;
        };
        let (mut read, mut at) = (String::new(), 0);
        loop {
            let quote = at + quoted[at..].find('\'').unwrap();
            read.push_str(&quoted[at..quote]);
            at = quote + 1;
            if !quoted[at..].starts_with('\'') {
                break;
            }
            read.push('\'');
            at += 1;
        }
        parameters.push(Some(read));
        rest = &quoted[at..];
    }
    parameters
}
