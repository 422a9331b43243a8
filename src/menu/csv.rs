//! CSV of RFC 4180 with the position of each record, and protection against formulas; semicolons and tabs are also
//! accepted as separators, as spreadsheets write them. What a cell means, for example a price, is in `table/cells.rs`.
//! Pure.

use std::borrow::Cow;

use serde::Deserialize;
use utoipa::ToSchema;

mod formulas;

use formulas::each_formula;

/// The separator of cells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Separator {
    /// A comma, the standard.
    #[default]
    Comma,
    /// A semicolon, which spreadsheets use where the comma is the decimal separator.
    Semicolon,
    /// A tab, as in cells copied from a spreadsheet.
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

    /// The separator that occurs most often in the first line; headings contain none of them.
    fn of(text: &str) -> Self {
        let first = text.split(['\n', '\r']).next().unwrap_or_default();
        let count = |separator: &Self| first.matches(separator.letter()).count();
        Self::ALL.into_iter().rev().max_by_key(count).unwrap_or_default()
    }
}

/// A record of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record<'t> {
    /// The line of the text, from 1.
    pub line: usize,
    /// The record's cells, unquoted.
    pub cells: Vec<Cow<'t, str>>,
}

/// A syntax error in a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvFault {
    /// The line of the text, from 1.
    pub line: usize,
    /// The cell in it, from 1.
    pub column: usize,
    /// What is wrong with the file there.
    pub message: &'static str,
}

/// The byte order mark, which some spreadsheets need to read a text as UTF-8.
pub const BYTE_ORDER_MARK: char = '\u{feff}';

/// Writes a cell: quoted if necessary, with an apostrophe before everything that looks like a formula at the beginning
/// of the cell or after a character at which a spreadsheet may split it.
fn push_cell(text: &mut String, cell: &str, separator: Separator) {
    let mut guards = Vec::new();
    each_formula(cell, |index, _| guards.push(index));
    let letter = separator.letter() as u32;
    let is_special = |byte: &u8| u32::from(*byte) == letter || matches!(byte, b'"' | b'\n' | b'\r');
    if guards.is_empty() && !cell.as_bytes().iter().any(is_special) && cell == cell.trim() {
        text.push_str(cell);
        return;
    }
    text.push('"');
    let mut from = 0;
    for index in guards.into_iter().chain([cell.len()]) {
        for (at, part) in cell[from..index].split('"').enumerate() {
            if at > 0 {
                text.push_str("\"\"");
            }
            text.push_str(part);
        }
        if index < cell.len() {
            text.push('\'');
        }
        from = index;
    }
    text.push('"');
}

/// A cell without the apostrophes that [`push_cell`] added.
fn without_guard(cell: Cow<'_, str>) -> Cow<'_, str> {
    let mut guards = Vec::new();
    each_formula(&cell, |index, marks| guards.extend((marks > 0).then_some(index)));
    if guards.is_empty() {
        return cell;
    }
    let mut bare = String::with_capacity(cell.len());
    let mut from = 0;
    for index in guards {
        bare.push_str(&cell[from..index]);
        from = index + 1;
    }
    bare.push_str(&cell[from..]);
    Cow::Owned(bare)
}

/// Writes a table cell by cell.
pub struct TableWriter {
    text: String,
    separator: Separator,
    is_within_line: bool,
}

impl TableWriter {
    /// An empty table.
    pub fn new(separator: Separator) -> Self {
        Self { text: String::from(BYTE_ORDER_MARK), separator, is_within_line: false }
    }

    /// The next cell of the line.
    pub fn cell(&mut self, cell: &str) {
        if self.is_within_line {
            self.text.push(self.separator.letter());
        }
        self.is_within_line = true;
        push_cell(&mut self.text, cell, self.separator);
    }

    /// Ends the line.
    pub fn end_line(&mut self) {
        self.text.push_str("\r\n");
        self.is_within_line = false;
    }

    /// The table as text, which begins with a byte order mark.
    pub fn into_text(self) -> String {
        self.text
    }
}

/// The most cells of a line; menu tables have fewer columns.
const MAX_CELLS: usize = 100;

/// The separator that a first line `sep=;` declares, as Excel reads and writes it, and the table after that line;
/// `None`: there is no such line.
fn declared(text: &str) -> Option<(Separator, &str)> {
    let (line, rest) = text.split_once('\n')?;
    let mut letters = line.trim_end_matches('\r').strip_prefix("sep=")?.chars();
    let letter = letters.next()?;
    let separator = Separator::ALL.into_iter().find(|one| one.letter() == letter)?;
    letters.next().is_none().then_some((separator, rest))
}

/// Iterates over the records of a table; empty ones are skipped.
pub struct Records<'t> {
    rest: &'t str,
    separator: u8,
    line: usize,
}

impl<'t> Records<'t> {
    /// The records of a text.
    pub fn of(text: &'t str) -> Self {
        let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
        let (separator, rest, line) = match declared(text) {
            Some((separator, rest)) => (separator, rest, 2),
            None => (Separator::of(text), text, 1),
        };
        let separator = match separator {
            Separator::Comma => b',',
            Separator::Semicolon => b';',
            Separator::Tab => b'\t',
        };
        Self { rest, separator, line }
    }

    fn record(&mut self) -> Result<Record<'t>, CsvFault> {
        let mut record = Record { line: self.line, cells: Vec::new() };
        loop {
            let broken = |message| CsvFault { line: record.line, column: record.cells.len() + 1, message };
            if record.cells.len() == MAX_CELLS {
                return Err(broken("the line has too many cells"));
            }
            let cell = if let Some(behind) = self.rest.strip_prefix('"') {
                let (cell, rest) = quoted(behind).ok_or_else(|| broken("the quote is not closed"))?;
                self.rest = rest;
                self.line += cell.matches('\n').count();
                cell
            } else {
                let ends = |byte: &u8| *byte == self.separator || matches!(byte, b'\n' | b'\r' | b'"');
                let end = self.rest.as_bytes().iter().position(ends).unwrap_or(self.rest.len());
                let (cell, rest) = self.rest.split_at(end);
                self.rest = rest;
                Cow::Borrowed(cell)
            };
            let end = self.rest.as_bytes().first().copied();
            match end {
                Some(b'"') => {
                    return Err(broken("there is a quote within the cell: write it twice, and quote the cell"));
                }
                Some(letter) if letter != self.separator && letter != b'\n' && letter != b'\r' => {
                    return Err(broken("there is text after the closing quote"));
                }
                _ => {}
            }
            record.cells.push(without_guard(cell));
            // What ends a cell is ASCII.
            self.rest = self.rest.get(1..).unwrap_or_default();
            if end != Some(self.separator) {
                if end == Some(b'\r') {
                    self.rest = self.rest.strip_prefix('\n').unwrap_or(self.rest);
                }
                break;
            }
        }
        self.line += 1;
        Ok(record)
    }
}

impl<'t> Iterator for Records<'t> {
    type Item = Result<Record<'t>, CsvFault>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            match self.record() {
                Ok(record) if record.cells.iter().all(|cell| cell.trim().is_empty()) => {}
                Ok(record) => return Some(Ok(record)),
                Err(broken) => {
                    self.rest = "";
                    return Some(Err(broken));
                }
            }
        }
        None
    }
}

/// Reads all records; empty ones are skipped.
///
/// # Errors
/// A quote that is not closed, one in the middle of a cell, or a line of too many cells.
pub fn records(text: &str) -> Result<Vec<Record<'_>>, CsvFault> {
    Records::of(text).collect()
}

/// A quoted cell, given the text after its opening quote, and the text after the cell; `None`: the closing quote is
/// missing.
fn quoted(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let mut end = text.find('"')?;
    let mut has_doubled = false;
    while text[end + 1..].starts_with('"') {
        has_doubled = true;
        end += 2 + text[end + 2..].find('"')?;
    }
    let (cell, rest) = (&text[..end], &text[end + 1..]);
    let cell = if has_doubled { Cow::Owned(cell.replace("\"\"", "\"")) } else { Cow::Borrowed(cell) };
    Some((cell, rest))
}
