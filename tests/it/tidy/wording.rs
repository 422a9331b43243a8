//! Doc comments say something, and a type's name means one thing.

use std::collections::{BTreeMap, BTreeSet};

use super::{files, only_as_listed};

/// The blocks of doc comments of a source text: the line of each block's first line, its text, and the line of code
/// below.
fn doc_comments(text: &str) -> Vec<(usize, String, &str)> {
    let lines: Vec<_> = text.lines().collect();
    let mark = |line: &str| {
        let line = line.trim_start();
        ["///", "//!"].into_iter().find(|mark| line.starts_with(mark))
    };
    let (mut found, mut index) = (Vec::new(), 0);
    while index < lines.len() {
        let Some(of_block) = mark(lines[index]) else {
            index += 1;
            continue;
        };
        let first = index;
        let mut words = String::new();
        while index < lines.len() && mark(lines[index]) == Some(of_block) {
            words.push_str(&lines[index].trim_start()[of_block.len()..]);
            words.push(' ');
            index += 1;
        }
        found.push((first + 1, words.trim().to_owned(), lines.get(index).map_or("", |line| line.trim())));
    }
    found
}

#[test]
fn doc_comments_have_more_than_two_words() {
    let sample =
        "/// Whose.\npub user: UserId,\n    /// The user.\n    fn a() {}\n/// One\n/// two three.\nstruct A;\n";
    let short = |text: &str| {
        let says_little = |(_, words, below): &(usize, String, &str)| {
            // The summary of an operation is its title: "List orders".
            words.split_whitespace().count() <= 2 && !below.starts_with("#[utoipa::path")
        };
        doc_comments(text).into_iter().filter(says_little).map(|(line, words, _)| (line, words)).collect::<Vec<_>>()
    };
    assert_eq!(short(sample), [(1, "Whose.".to_owned()), (3, "The user.".to_owned())]);
    let mut found = Vec::new();
    for folder in ["src", "crates", "tests", "benches"] {
        for (name, text) in files(folder, ".rs") {
            found.extend(short(&text).into_iter().map(|(line, words)| format!("{name}:{line}: {words}")));
        }
    }
    assert!(found.is_empty(), "say what it is, its unit, range, null and errors, or delete it: {found:#?}");
}

/// Names that more than one type of the program has, with the reason.
const SHARED_NAMES: &[(&str, &str)] = &[("Row", "private to a file of statements: the row that its query reads")];

/// The types that a source text defines, except associated types of traits and implementations.
fn types(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| {
        let words = line.trim_start();
        let words = words.strip_prefix("pub ").unwrap_or_else(|| match words.strip_prefix("pub(") {
            Some(rest) => rest.split_once(") ").map_or(words, |(_, rest)| rest),
            None => words,
        });
        let (kind, rest) = words.split_once(' ')?;
        let is_type =
            matches!(kind, "struct" | "enum" | "trait" | "union") || (kind == "type" && words.len() == line.len());
        let name = rest.split(|letter: char| !letter.is_alphanumeric()).next()?;
        (is_type && name.starts_with(char::is_uppercase)).then_some(name)
    })
}

#[test]
fn a_type_name_means_one_thing() {
    let sample =
        "pub(super) struct One {\n    type Item = u8;\npub enum Two<'a> {\ntype Three = u8;\nlet x = 1;\nselect all";
    assert_eq!(types(sample).collect::<Vec<_>>(), ["One", "Two", "Three"]);
    let mut places: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, text) in files("src", ".rs") {
        for found in types(&text) {
            places.entry(found.to_owned()).or_default().insert(name.clone());
        }
    }
    assert!(places.len() > 500, "{} types are found", places.len());
    let shared = places.into_iter().filter(|(_, files)| files.len() > 1).map(|(name, _)| name).collect();
    only_as_listed("a type name means one thing; name types for what they hold", &shared, SHARED_NAMES);
}
