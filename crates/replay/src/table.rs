//! A TAB-separated file with a header row, and errors with their positions.

use std::collections::HashSet;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::Path;

/// An error in a file of the day.
#[derive(Debug, thiserror::Error)]
#[error("{file}{}: {fault}", Where(*.line, .column.as_deref()))]
pub struct DayError {
    /// The file's name.
    pub file: String,
    /// The line, from 1; `None`: the whole file.
    pub line: Option<usize>,
    /// The name of the column; `None`: the whole line.
    pub column: Option<String>,
    /// What is wrong with it.
    pub fault: String,
}

struct Where<'a>(Option<usize>, Option<&'a str>);

impl fmt::Display for Where<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.0 {
            write!(f, ", line {line}")?;
        }
        if let Some(column) = self.1 {
            write!(f, ", column {column}")?;
        }
        Ok(())
    }
}

/// A whole file: its header and its rows.
pub(super) struct Table {
    file: String,
    header: Vec<String>,
    /// The rows with their line numbers.
    lines: Vec<(usize, Vec<String>)>,
}

/// One row of a table.
pub(super) struct Row<'a> {
    table: &'a Table,
    line: usize,
    fields: &'a [String],
}

impl Table {
    /// Reads a file with at least one row, in which every row has as many fields as the header.
    pub(super) fn read(folder: &Path, file: &str) -> Result<Self, DayError> {
        let whole =
            |fault: String| DayError { file: folder.join(file).display().to_string(), line: None, column: None, fault };
        let bytes = std::fs::read(folder.join(file)).map_err(|error| whole(format!("cannot be read: {error}")))?;
        let mut table = Self { file: file.to_owned(), header: Vec::new(), lines: Vec::new() };
        // Files of Windows may begin with a byte order mark and have CRLF at the end of lines.
        let content = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        for (number, line) in (1..).zip(content.split(|byte| *byte == b'\n')) {
            let fields = table.split(number, line)?;
            match fields {
                fields if fields.iter().all(String::is_empty) => {}
                fields if table.header.is_empty() => table.header = fields,
                fields if fields.len() == table.header.len() => table.lines.push((number, fields)),
                fields => {
                    let fault = format!("{} fields where the header has {}", fields.len(), table.header.len());
                    return Err(table.fault(Some(number), None, fault));
                }
            }
        }
        match table {
            table if table.header.is_empty() => Err(whole("is empty".to_owned())),
            table if table.lines.is_empty() => Err(whole("has a header but no rows".to_owned())),
            table => Ok(table),
        }
    }

    fn split(&self, number: usize, line: &[u8]) -> Result<Vec<String>, DayError> {
        let line = std::str::from_utf8(line)
            .map_err(|_| self.fault(Some(number), None, "is not UTF-8 text".to_owned()))?
            .trim_end_matches('\r');
        Ok(line.split('\t').map(|field| field.trim().to_owned()).collect())
    }

    /// The indexes of the named columns; there may be others.
    pub(super) fn columns<const N: usize>(&self, names: [&str; N]) -> Result<[usize; N], DayError> {
        let mut found = [0; N];
        for (name, at) in names.iter().zip(&mut found) {
            let mut columns = (0..).zip(&self.header).filter(|(_, title)| title == name).map(|(column, _)| column);
            *at = columns.next().ok_or_else(|| {
                let fault = format!("is missing; the header has {}", self.header.join(", "));
                self.fault(Some(1), Some((*name).to_owned()), fault)
            })?;
            if columns.next().is_some() {
                return Err(self.fault(Some(1), Some((*name).to_owned()), "stands there twice".to_owned()));
            }
        }
        Ok(found)
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.lines.iter().map(|(line, fields)| Row { table: self, line: *line, fields })
    }

    pub(super) fn only_row(&self) -> Result<Row<'_>, DayError> {
        let mut rows = self.rows();
        match (rows.next(), rows.next()) {
            (Some(row), None) => Ok(row),
            (_, Some(second)) => Err(self.fault(Some(second.line), None, "is one row too many".to_owned())),
            (None, None) => Err(self.fault(None, None, "has a header but no rows".to_owned())),
        }
    }

    /// Refuses a table with a duplicate value in a column.
    pub(super) fn once(&self, column: usize) -> Result<(), DayError> {
        let mut seen = HashSet::new();
        match self.rows().find(|row| !seen.insert(row.fields[column].as_str())) {
            Some(row) => Err(row.fault(column, format!("{:?} stands there twice", row.fields[column]))),
            None => Ok(()),
        }
    }

    fn fault(&self, line: Option<usize>, column: Option<String>, fault: String) -> DayError {
        DayError { file: self.file.clone(), line, column, fault }
    }
}

impl Row<'_> {
    /// A field that is not empty.
    pub(super) fn text(&self, column: usize) -> Result<&str, DayError> {
        match self.fields[column].as_str() {
            "" => Err(self.fault(column, "is empty".to_owned())),
            text => Ok(text),
        }
    }

    /// A number in a range; `what` is the expected value as text.
    pub(super) fn number(&self, column: usize, what: &str, range: RangeInclusive<f64>) -> Result<f64, DayError> {
        let text = self.text(column)?;
        let number: f64 = text.parse().map_err(|_| self.fault(column, format!("{text:?} is not {what}")))?;
        if !range.contains(&number) {
            let fault = format!("{text:?} is not {what} between {} and {}", range.start(), range.end());
            return Err(self.fault(column, fault));
        }
        Ok(number)
    }

    pub(super) fn fault(&self, column: usize, fault: String) -> DayError {
        self.table.fault(Some(self.line), Some(self.table.header[column].clone()), fault)
    }
}
