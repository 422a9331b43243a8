//! CSV of RFC 4180 with the position of each record, and protection against formulas; semicolons and tabs are also
//! accepted as separators, as spreadsheets write them. Pure.

use std::iter::Peekable;
use std::str::Chars;

use serde::Deserialize;
use unicode_normalization::char::decompose_compatible;
use utoipa::ToSchema;

use crate::text::is_hidden;

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
pub struct Record {
    /// The line of the text, from 1.
    pub line: usize,
    /// The record's cells, unquoted.
    pub cells: Vec<String>,
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

/// Characters at which a spreadsheet may begin a formula: the signs themselves, and characters that some remove first.
const FORMULA: [char; 7] = ['=', '+', '-', '@', '\t', '\r', '−'];

/// Whether a character is one of these, or becomes one by compatibility normalisation: full width, small, superscript.
fn begins_formula(letter: char) -> bool {
    let mut is_sign = false;
    decompose_compatible(letter, |part| is_sign |= FORMULA.contains(&part));
    is_sign
}

/// Whether a character is blank or invisible, so that a spreadsheet may remove it first; except those that end a cell
/// or a line.
fn is_passed_over(letter: char) -> bool {
    !BREAKS.contains(&letter) && (letter.is_whitespace() || is_hidden(letter))
}

/// Characters after which a cell may begin: a spreadsheet that expects another separator ignores the quotes.
const BREAKS: [char; 7] = [',', ';', '|', '\t', '\n', '\r', '"'];

/// The positions at which a text might be read as a formula: the position of the apostrophes before it, and their
/// number.
fn formulas(text: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    // The beginning of a cell, and the number of apostrophes there.
    let mut begin: Option<(usize, usize)> = Some((0, 0));
    for (place, letter) in text.char_indices() {
        let behind = place + letter.len_utf8();
        begin = match begin {
            Some((_, 0)) if is_passed_over(letter) => Some((behind, 0)),
            Some((start, marks)) if letter == '\'' => Some((start, marks + 1)),
            start => {
                found.extend(start.filter(|_| begins_formula(letter)));
                BREAKS.contains(&letter).then_some((behind, 0))
            }
        };
    }
    found
}

/// Writes a cell: quoted if necessary, with an apostrophe before everything that looks like a formula, also where a
/// spreadsheet might split the cell.
fn written(cell: &str, separator: Separator) -> String {
    let mut guarded = String::with_capacity(cell.len());
    let mut from = 0;
    for (place, _) in formulas(cell) {
        guarded.push_str(&cell[from..place]);
        guarded.push('\'');
        from = place;
    }
    let is_guarded = from > 0 || !guarded.is_empty();
    guarded.push_str(&cell[from..]);
    let special = |letter: char| letter == separator.letter() || matches!(letter, '"' | '\n' | '\r');
    if cell.contains(special) || cell != cell.trim() || is_guarded {
        format!("\"{}\"", guarded.replace('"', "\"\""))
    } else {
        guarded
    }
}

/// Removes the apostrophes that `written` added.
fn meant(cell: String) -> String {
    let guards = formulas(&cell).into_iter().filter(|(_, marks)| *marks > 0);
    let mut bare = String::with_capacity(cell.len());
    let mut from = 0;
    for (place, _) in guards {
        bare.push_str(&cell[from..place]);
        from = place + 1;
    }
    if from == 0 {
        return cell;
    }
    bare.push_str(&cell[from..]);
    bare
}

/// Writes a line.
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

/// The most cells of a line; menu tables have fewer columns.
const MOST_CELLS: usize = 100;

/// The separator that a first line `sep=;` declares, as Excel reads and writes it, and the table behind that line;
/// `None`: there is no such line.
fn declared(text: &str) -> Option<(char, &str)> {
    let (line, rest) = text.split_once('\n')?;
    let mut letters = line.trim_end_matches('\r').strip_prefix("sep=")?.chars();
    let separator = letters.next().filter(|letter| Separator::ALL.iter().any(|one| one.letter() == *letter))?;
    letters.next().is_none().then_some((separator, rest))
}

/// Iterates over the records of a table; empty ones are skipped.
pub struct Records<'t> {
    letters: Peekable<Chars<'t>>,
    separator: char,
    line: usize,
}

impl<'t> Records<'t> {
    /// The records of a text.
    pub fn of(text: &'t str) -> Self {
        let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
        if let Some((separator, rest)) = declared(text) {
            return Self { letters: rest.chars().peekable(), separator, line: 2 };
        }
        Self { letters: text.chars().peekable(), separator: Separator::of(text).letter(), line: 1 }
    }

    fn record(&mut self) -> Result<Record, CsvFault> {
        let mut record = Record { line: self.line, cells: Vec::new() };
        loop {
            let broken = |message| CsvFault { line: record.line, column: record.cells.len() + 1, message };
            if record.cells.len() == MOST_CELLS {
                return Err(broken("the line has too many cells"));
            }
            let cell = if self.letters.next_if_eq(&'"').is_some() {
                quoted(&mut self.letters).ok_or_else(|| broken("the quote is not closed"))?
            } else {
                bare(&mut self.letters, self.separator)
            };
            self.line += cell.matches('\n').count();
            match self.letters.next() {
                Some('"') => {
                    return Err(broken("there is a quote within the cell: write it twice, and quote the cell"));
                }
                Some(letter) if letter != self.separator && letter != '\n' && letter != '\r' => {
                    return Err(broken("there is text after the closing quote"));
                }
                end => {
                    record.cells.push(meant(cell));
                    if end != Some(self.separator) {
                        if end == Some('\r') {
                            self.letters.next_if_eq(&'\n');
                        }
                        break;
                    }
                }
            }
        }
        self.line += 1;
        Ok(record)
    }
}

impl Iterator for Records<'_> {
    type Item = Result<Record, CsvFault>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.letters.peek().is_some() {
            match self.record() {
                Ok(record) if record.cells.iter().all(|cell| cell.trim().is_empty()) => {}
                Ok(record) => return Some(Ok(record)),
                Err(broken) => {
                    self.letters = "".chars().peekable();
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
pub fn records(text: &str) -> Result<Vec<Record>, CsvFault> {
    Records::of(text).collect()
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
