//! CSV as RFC 4180 has it, with the place of each cell, and no formulas; cells may stand between semicolons or tabs as
//! well, as spreadsheets write them. Pure.

use std::iter::Peekable;
use std::str::Chars;

use serde::Deserialize;
use utoipa::ToSchema;

/// What stands between cells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Separator {
    /// As the standard has it.
    #[default]
    Comma,
    /// As spreadsheets have it where the comma stands in numbers.
    Semicolon,
    /// As they copy it.
    Tab,
}

impl Separator {
    const ALL: [Self; 3] = [Self::Comma, Self::Semicolon, Self::Tab];

    const fn letter(self) -> char {
        match self {
            Self::Comma => ',',
            Self::Semicolon => ';',
            Self::Tab => '\t',
        }
    }

    /// The one that is met most often in the first line: no heading holds any of them.
    fn of(text: &str) -> Self {
        let first = text.split(['\n', '\r']).next().unwrap_or_default();
        let count = |separator: &Self| first.matches(separator.letter()).count();
        Self::ALL.into_iter().rev().max_by_key(count).unwrap_or_default()
    }
}

/// A line of the table: where it begins in the text, and its cells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The line of the text, from 1.
    pub line: usize,
    /// Its cells.
    pub cells: Vec<String>,
}

/// A text that is no table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// The line of the text, from 1.
    pub line: usize,
    /// The cell in it, from 1.
    pub column: usize,
    /// The fault.
    pub message: &'static str,
}

/// What some spreadsheets want to see before they read a text as UTF-8.
pub const BYTE_ORDER_MARK: char = '\u{feff}';

/// What a spreadsheet takes for the beginning of a formula.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// A cell as it is written: quoted where it has to be, with an apostrophe before what looks like a formula.
fn written(cell: &str, separator: Separator) -> String {
    let bare = cell.trim_start_matches('\'');
    let guard = if bare.starts_with(FORMULA) { "'" } else { "" };
    let special = |letter: char| letter == separator.letter() || matches!(letter, '"' | '\n' | '\r');
    if cell.contains(special) || cell != cell.trim() || !guard.is_empty() {
        format!("\"{guard}{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}

/// A cell as it is meant: without the apostrophe that `written` put there.
fn meant(cell: String) -> String {
    match cell.strip_prefix('\'') {
        Some(rest) if rest.trim_start_matches('\'').starts_with(FORMULA) => rest.to_owned(),
        _ => cell,
    }
}

/// One line of the text.
pub fn line(cells: &[String], separator: Separator) -> String {
    let mut line = String::new();
    for (index, cell) in cells.iter().enumerate() {
        if index > 0 {
            line.push(separator.letter());
        }
        line.push_str(&written(cell, separator));
    }
    line.push_str("\r\n");
    line
}

/// Reads all lines; those without any content are passed over.
///
/// # Errors
/// A quote that is not closed, or one in the middle of a cell.
pub fn records(text: &str) -> Result<Vec<Record>, Broken> {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let separator = Separator::of(text).letter();
    let mut records = Vec::new();
    let (mut letters, mut line) = (text.chars().peekable(), 1);
    while letters.peek().is_some() {
        let mut record = Record { line, cells: Vec::new() };
        loop {
            let broken = |message| Broken { line: record.line, column: record.cells.len() + 1, message };
            let cell = if letters.next_if_eq(&'"').is_some() {
                quoted(&mut letters).ok_or_else(|| broken("the quote is not closed"))?
            } else {
                bare(&mut letters, separator)
            };
            line += cell.matches('\n').count();
            match letters.next() {
                Some('"') => return Err(broken("a quote stands within the cell: write it twice, and quote the cell")),
                Some(letter) if letter != separator && letter != '\n' && letter != '\r' => {
                    return Err(broken("something stands behind the closing quote"));
                }
                end => {
                    record.cells.push(meant(cell));
                    if end != Some(separator) {
                        if end == Some('\r') {
                            letters.next_if_eq(&'\n');
                        }
                        break;
                    }
                }
            }
        }
        line += 1;
        if record.cells.iter().any(|cell| !cell.trim().is_empty()) {
            records.push(record);
        }
    }
    Ok(records)
}

/// The rest of a cell in quotes; `None`: its end is missing.
fn quoted(letters: &mut Peekable<Chars<'_>>) -> Option<String> {
    let mut cell = String::new();
    loop {
        match letters.next()? {
            '"' if letters.next_if_eq(&'"').is_some() => cell.push('"'),
            '"' => return Some(cell),
            letter => cell.push(letter),
        }
    }
}

/// A cell without quotes, up to what ends it.
fn bare(letters: &mut Peekable<Chars<'_>>, separator: char) -> String {
    let mut cell = String::new();
    while let Some(letter) = letters.next_if(|letter| *letter != separator && !matches!(letter, '\n' | '\r' | '"')) {
        cell.push(letter);
    }
    cell
}
