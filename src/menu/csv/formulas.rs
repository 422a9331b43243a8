//! Finds everything in a cell that a spreadsheet may evaluate as a formula. Pure.

use unicode_normalization::char::decompose_compatible;

use crate::text::is_hidden;

/// Characters at which a spreadsheet may begin a formula: the signs themselves, and characters that some remove first.
const FORMULA: [char; 7] = ['=', '+', '-', '@', '\t', '\r', '−'];

/// Whether a character is one of these, or becomes one by compatibility normalisation: full width, small, superscript.
fn begins_formula(letter: char) -> bool {
    if letter.is_ascii() {
        return FORMULA.contains(&letter);
    }
    let mut is_sign = false;
    decompose_compatible(letter, |part| is_sign |= FORMULA.contains(&part));
    is_sign
}

/// Whether a character is blank or invisible, so that a spreadsheet may remove it first; except those that end a cell
/// or a line.
fn is_ignored_by_spreadsheets(letter: char) -> bool {
    !BREAKS.contains(&letter) && (letter.is_whitespace() || is_hidden(letter))
}

/// Characters after which a cell may begin: a spreadsheet that expects another separator ignores the quotes.
const BREAKS: [char; 7] = [',', ';', '|', '\t', '\n', '\r', '"'];

/// Reports each position at which a spreadsheet may begin a formula: the index before the apostrophes in front of it,
/// and their number.
pub(super) fn each_formula(text: &str, mut report: impl FnMut(usize, usize)) {
    let mut rest = 0;
    loop {
        // At the beginning of a cell: ignored characters, then apostrophes, then the first character that counts.
        let (mut start, mut marks) = (rest, 0);
        let mut first = None;
        for (index, letter) in text[rest..].char_indices() {
            if marks == 0 && is_ignored_by_spreadsheets(letter) {
                start = rest + index + letter.len_utf8();
            } else if letter == '\'' {
                marks += 1;
            } else {
                first = Some((rest + index, letter));
                break;
            }
        }
        let Some((index, letter)) = first else { return };
        if begins_formula(letter) {
            report(start, marks);
        }
        // All characters that end a cell are ASCII.
        let Some(end) = text.as_bytes()[index..].iter().position(|byte| IS_BREAK[usize::from(*byte)]) else { return };
        rest = index + end + 1;
    }
}

/// By byte, whether it is one of [`BREAKS`].
const IS_BREAK: [bool; 256] = {
    let mut is_break = [false; 256];
    let mut at = 0;
    while at < BREAKS.len() {
        is_break[BREAKS[at] as usize] = true;
        at += 1;
    }
    is_break
};
