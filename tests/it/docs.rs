//! The documentation names existing files, commands, tests and settings.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::tidy::files;

/// Files at the root of the tree that documents refer to.
const AT_THE_ROOT: &[&str] =
    &["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "Cargo.toml", "sqlx.toml", ".env.example"];

/// Names in documents that are examples, or stand for every file of a name.
const EXAMPLES: &[&str] = &["0112_driver_shifts.sql", "http.rs", "sql.rs", "sql/", "mod.rs"];

/// Settings of other programs.
const SETTINGS_OF_OTHERS: &[&str] = &["INSTA_UPDATE"];

fn at_the_root() -> impl Iterator<Item = (String, String)> {
    let text = |name| fs::read_to_string(format!("{}/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    AT_THE_ROOT.iter().map(move |name| ((*name).to_owned(), text(name)))
}

fn is_document(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|ending| ending == "md")
}

/// The documentation, by path.
fn documents() -> BTreeMap<String, String> {
    at_the_root()
        .filter(|(path, _)| is_document(path))
        .chain(files("docs", ".md"))
        .chain(files("migrations", ".md"))
        .collect()
}

/// The texts between backticks, and the lines of code blocks.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split("```").enumerate().flat_map(|(part, text)| {
        let (inline, block) = if part % 2 == 0 { (text, "") } else { ("", text) };
        inline.split('`').skip(1).step_by(2).chain(block.lines())
    })
}

/// Every file that documentation may refer to, by path.
fn tree() -> BTreeMap<String, String> {
    let folders = ["src", "crates", "tests/it", "benches", "console", "migrations", "bin", "docs", ".ci", ".config"];
    folders.into_iter().flat_map(|folder| files(folder, "")).chain(at_the_root()).collect()
}

#[test]
fn the_files_that_documents_name_exist() {
    const ENDINGS: &[&str] = &[".rs", ".sql", ".md", ".toml", ".js", ".css", ".html", "/"];
    let tree = tree();
    let folders: BTreeSet<_> =
        tree.keys().flat_map(|path| path.match_indices('/').map(|(at, _)| &path[..=at])).collect();
    let exists = |name: &str| {
        let below = format!("/{name}");
        let is = |path: &str| path == name || path.ends_with(&below);
        tree.keys().any(|path| is(path)) || folders.iter().any(|folder| is(folder))
    };
    let (mut seen, mut wrong) = (0, BTreeSet::new());
    for (document, text) in documents() {
        for word in code(&text).flat_map(|code| code.split([' ', ',', '(', ')', '|'])) {
            let is_path = ENDINGS.iter().any(|ending| word.ends_with(ending))
                && word.chars().all(|char| char.is_ascii_alphanumeric() || "_-./".contains(char))
                && !word.starts_with('/');
            if is_path && !EXAMPLES.contains(&word) {
                seen += 1;
                wrong.extend((!exists(word)).then(|| format!("{document}: {word}")));
            }
        }
    }
    assert!(wrong.is_empty(), "these do not exist: {wrong:#?}");
    assert!(seen > 50, "{seen}");
}

#[test]
fn the_readme_and_the_architecture_name_every_document() {
    let documents = documents();
    for name in documents.keys().filter(|name| name.starts_with("docs/")) {
        for index in ["README.md", "ARCHITECTURE.md"] {
            assert!(documents[index].contains(name), "{index} does not name {name}");
        }
    }
}

#[test]
fn the_commands_that_documents_name_exist() {
    let tests: BTreeSet<String> = files("tests/it", ".rs")
        .iter()
        .flat_map(|(path, text)| {
            let module = path.trim_start_matches("tests/it/").trim_end_matches(".rs").replace('/', "::");
            let names = text.split("fn ").skip(1).filter_map(|rest| rest.split(['(', '<']).next().map(str::to_owned));
            names.map(|name| format!("{module}::{name}")).collect::<Vec<_>>()
        })
        .collect();
    let commands: BTreeSet<_> = files("bin", "").into_keys().collect();
    let (mut seen, mut wrong) = (0, BTreeSet::new());
    for (document, text) in documents() {
        for line in code(&text) {
            let words: Vec<_> = line.split_whitespace().collect();
            let Some(at) = words.iter().position(|word| word.starts_with("bin/")) else { continue };
            wrong.extend((!commands.contains(words[at])).then(|| format!("{document}: {}", words[at])));
            let arguments = words[at + 1..].iter().take_while(|word| !word.starts_with('#'));
            for name in arguments.filter(|word| words[at] == "bin/test" && !word.starts_with('-')) {
                let known = name.starts_with("NAME") || tests.iter().any(|test| test.contains(*name));
                seen += 1;
                wrong.extend((!known).then(|| format!("{document}: bin/test {name}")));
            }
        }
    }
    assert!(wrong.is_empty(), "there is no such command or test: {wrong:#?}");
    assert!(seen > 50, "{seen}");
}

#[test]
fn the_settings_that_documents_name_exist() {
    let sources: String = tree().into_iter().filter(|(path, _)| !is_document(path)).map(|(_, text)| text).collect();
    let is_name = |char: char| char.is_ascii_uppercase() || char.is_ascii_digit() || char == '_';
    let (mut seen, mut wrong) = (0, BTreeSet::new());
    for (document, text) in documents() {
        for word in code(&text).flat_map(|code| code.split(|char: char| !char.is_ascii_alphanumeric() && char != '_')) {
            let is_setting = word.trim_matches('_') == word && word.contains('_') && word.chars().all(is_name);
            if is_setting && !SETTINGS_OF_OTHERS.contains(&word) {
                seen += 1;
                wrong.extend((!sources.contains(word)).then(|| format!("{document}: {word}")));
            }
        }
    }
    assert!(wrong.is_empty(), "nothing reads these: {wrong:#?}");
    assert!(seen > 50, "{seen}");
}
