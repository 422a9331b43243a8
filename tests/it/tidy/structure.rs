//! The structure of the program: which module may import which, and whose statements write a table.

use std::collections::{BTreeMap, BTreeSet};

use super::{files, only_as_listed};

/// Modules that every feature may import. They import neither features nor modules of the assembly.
const SHARED: &[&str] = &[
    "actor",
    "admission",
    "batch_results",
    "body_budget",
    "body_rate",
    "bounded",
    "cache",
    "client",
    "clock",
    "closable_stream",
    "config",
    "content_coding",
    "database",
    "encryption",
    "events",
    "extract",
    "flow",
    "flush",
    "fold",
    "framing",
    "fulfilment",
    "heavy",
    "idempotency",
    "ids",
    "languages",
    "limits",
    "money",
    "network",
    "outbox",
    "paging",
    "parse_messages",
    "permission",
    "phone",
    "objects_only",
    "operations",
    "place",
    "problem",
    "quota",
    "row_limit",
    "shares",
    "step_count",
    "stored_responses",
    "telemetry",
    "tenancy",
    "text",
    "timestamp",
    "uow",
    "variables",
    "written",
];

/// The features; each may import those before it. `app` holds the state that they share, and imports some of them.
const FEATURES: &[&str] = &[
    "guests",
    "accounts",
    "images",
    "restaurants",
    "menu",
    "coupons",
    "cart",
    "orders",
    "delivery",
    "sync",
    "users",
    "notifications",
    "realtime",
    "console",
    "demo",
];

/// The modules that combine all features; each may import features, shared modules and those before it.
const ASSEMBLY: &[&str] =
    &["publish", "openapi", "middleware", "router", "server", "retention", "check", "serve", "operator", "main"];

/// The shared state of the running program: imports types of features, but no routes.
const STATE: &str = "app";

/// Whether one module may import another one.
fn may_import(from: &str, to: &str) -> bool {
    let place = |name: &str, among: &[&str]| among.iter().position(|one| *one == name);
    if SHARED.contains(&to) {
        return true;
    }
    if let Some(own) = place(from, FEATURES) {
        return to == STATE || place(to, FEATURES).is_some_and(|other| other < own);
    }
    if let Some(own) = place(from, ASSEMBLY) {
        return to == STATE || FEATURES.contains(&to) || place(to, ASSEMBLY).is_some_and(|other| other < own);
    }
    from == STATE && FEATURES.contains(&to)
}

/// The path of a module, from the path of its file: `src/orders/sql/place.rs` is `orders`, `sql`, `place`.
fn module_of(file: &str) -> Vec<&str> {
    let path = file.trim_start_matches("src/").trim_end_matches(".rs");
    path.trim_end_matches("/mod").split('/').collect()
}

fn without_comments(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// The names directly inside braces that have just been opened: of `{a::{b, c}, d}` these are `a` and `d`.
fn names_in_braces(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut names) = (0, 0, Vec::new());
    for (at, sign) in text.char_indices() {
        match sign {
            '{' => depth += 1,
            '}' if depth == 0 => {
                names.push(&text[start..at]);
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                names.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    names
}

fn first_name(text: &str) -> &str {
    let text = text.trim_start();
    text.split(|sign: char| !sign.is_alphanumeric() && sign != '_').next().unwrap_or_default()
}

/// The modules at the root of the crate that a file names, in `use` and elsewhere, except its own.
fn imports_of(file: &str, text: &str) -> BTreeSet<String> {
    let module = module_of(file);
    let text = without_comments(text);
    let mut found = BTreeSet::new();
    // `super::super::…` is counted once, from its first `super`.
    let starts = |word: &'static str| text.match_indices(word).map(|(at, _)| at).collect::<Vec<_>>();
    for at in starts("crate::") {
        found.extend(rooted(&text[at + "crate::".len()..]));
    }
    for at in starts("super::") {
        if text[..at].ends_with("super::") {
            continue;
        }
        let mut rest = &text[at..];
        let mut ups = 0;
        while let Some(after) = rest.strip_prefix("super::") {
            (rest, ups) = (after, ups + 1);
        }
        if ups == module.len() {
            found.extend(rooted(rest));
        }
    }
    found.retain(|name| name != module[0]);
    found
}

/// The names at the root of the crate that a path, or each path of a group, begins with.
fn rooted(path: &str) -> Vec<String> {
    match path.strip_prefix('{') {
        Some(group) => names_in_braces(group).into_iter().map(|name| first_name(name).to_owned()).collect(),
        None => vec![first_name(path).to_owned()],
    }
}

/// Imports that violate the order, as `file imports module`.
fn against_the_order(sources: &BTreeMap<String, String>) -> Vec<String> {
    let modules: BTreeSet<_> = sources.keys().map(|file| module_of(file)[0].to_owned()).collect();
    let mut found = Vec::new();
    for (file, text) in sources.iter().filter(|(file, _)| *file != "src/lib.rs") {
        for import in imports_of(file, text) {
            if modules.contains(&import) && !may_import(module_of(file)[0], &import) {
                found.push(format!("{file} imports {import}"));
            }
        }
    }
    found
}

#[test]
fn imports_go_one_way() {
    let sources = files("src", ".rs");
    let modules: BTreeSet<_> =
        sources.keys().map(|file| module_of(file)[0]).filter(|name| !["lib", STATE].contains(name)).collect();
    let named: BTreeSet<_> = [SHARED, FEATURES, ASSEMBLY].concat().into_iter().collect();
    assert_eq!(modules, named, "each module has its place in exactly one of the lists above");
    assert_eq!(named.len(), SHARED.len() + FEATURES.len() + ASSEMBLY.len());
    let found = against_the_order(&sources);
    assert!(found.is_empty(), "imports against the order of features: {found:#?}");
}

#[test]
fn an_import_against_the_order_of_features_is_found() {
    let planted = [
        ("src/orders/planted.rs", "use crate::delivery::Driver;"),
        ("src/orders/sql/planted.rs", "use super::super::super::delivery::{self, Driver};"),
        ("src/cart/planted.rs", "use crate::{\n    app::App,\n    orders::{Order, sql},\n};"),
        ("src/money.rs", "fn total(order: &crate::orders::Order) {}"),
        ("src/events/planted.rs", "use crate::app::App;"),
        ("src/accounts/planted.rs", "use crate::router;"),
        ("src/app.rs", "use crate::{ids::UserId, openapi};"),
    ];
    for (file, text) in planted {
        let mut sources = files("src", ".rs");
        sources.insert(file.to_owned(), text.to_owned());
        let found = against_the_order(&sources);
        assert_eq!(found.len(), 1, "{file}: {found:?}");
        assert!(found[0].starts_with(&format!("{file} imports ")), "{found:?}");
    }
    let fine = BTreeMap::from([
        (
            "src/delivery/fine.rs".to_owned(),
            "use super::Driver;\nuse crate::orders::Order; // not crate::demo".to_owned(),
        ),
        ("src/orders/mod.rs".to_owned(), "//! As crate::demo.\nuse super::cart::Cart;".to_owned()),
        ("src/cart/mod.rs".to_owned(), String::new()),
        ("src/demo/mod.rs".to_owned(), String::new()),
    ]);
    assert_eq!(against_the_order(&fine), [""; 0]);
}

/// Modules that write a table of another module, with the reason.
const WRITERS_ELSEWHERE: &[(&str, &str)] = &[
    ("orders writes carts, which is cart's", "an order closes its cart in the statement that places it"),
    ("orders writes menu_items, which is menu's", "an order takes stock in the statement that places it"),
    ("orders writes modifiers, which is menu's", "the same, for the chosen modifiers"),
    ("orders writes stock_ledger, which is menu's", "the same statement records the stock that it took"),
    ("orders writes events, which is events's", "the same statement may be the whole request, with its event"),
    ("orders writes idempotency_keys, which is idempotency's", "the same, with its stored response"),
    ("demo writes events, which is events's", "removing the demo, as the owner of the schema"),
    ("demo writes images, which is images's", "removing the demo, as the owner of the schema"),
    ("demo writes menu_categories, which is menu's", "removing the demo, as the owner of the schema"),
    ("demo writes menu_items, which is menu's", "removing the demo, as the owner of the schema"),
    ("demo writes orders, which is orders's", "removing the demo, as the owner of the schema"),
    ("demo writes restaurants, which is restaurants's", "removing the demo, as the owner of the schema"),
    ("demo writes sessions, which is accounts's", "disabling the accounts of the demo, as the owner of the schema"),
    ("demo writes users, which is accounts's", "removing the demo, as the owner of the schema"),
];

/// The owners of tables that more than one module writes; every other table belongs to the module that writes it.
const OWNERS: &[(&str, &str)] = &[
    ("carts", "cart"),
    ("events", "events"),
    ("idempotency_keys", "idempotency"),
    ("images", "images"),
    ("menu_categories", "menu"),
    ("menu_items", "menu"),
    ("modifiers", "menu"),
    ("orders", "orders"),
    ("restaurants", "restaurants"),
    ("sessions", "accounts"),
    ("stock_ledger", "menu"),
    ("users", "accounts"),
];

/// The sources of the program, with the functions of the database as parts of the files that call them.
fn sources_with_functions() -> BTreeMap<String, String> {
    let mut sources = files("src", ".rs");
    for (migration, text) in files("migrations", ".sql") {
        // A comment may be broken between two literals.
        if let Some((_, caller)) = text.replace("'\n    '", "").split_once("Called by src/") {
            let caller = caller.split(".rs").next().unwrap();
            let file = format!("src/{caller}.rs");
            sources.get_mut(&file).unwrap_or_else(|| panic!("{migration} names {file}")).push_str(&text);
        }
    }
    sources
}

/// The modules that write each table.
fn writers(sources: &BTreeMap<String, String>, tables: &BTreeSet<String>) -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (file, text) in sources {
        let text = without_comments(text).split_whitespace().collect::<Vec<_>>().join(" ");
        for verb in ["insert into ", "update ", "delete from ", "merge into ", "truncate "] {
            for written in text.split(verb).skip(1).map(first_name).filter(|name| tables.contains(*name)) {
                found.entry(written.to_owned()).or_default().insert(module_of(file)[0].to_owned());
            }
        }
    }
    found
}

/// Tables that statements of other modules write, as `module writes table, which is owner's`.
fn written_elsewhere(sources: &BTreeMap<String, String>) -> BTreeSet<String> {
    let migrations: String = files("migrations", ".sql").into_values().collect();
    let names = migrations.split("create table ").skip(1).map(|rest| first_name(rest).to_owned());
    let tables: BTreeSet<_> = names.collect();
    assert!(tables.contains("orders") && tables.len() > 40, "{tables:?}");
    let mut found = BTreeSet::new();
    for (table, modules) in writers(sources, &tables) {
        let owner = OWNERS.iter().find(|(name, _)| *name == table).map(|(_, owner)| *owner);
        let owner = owner.or_else(|| (modules.len() == 1).then(|| modules.first().map(String::as_str)).flatten());
        let owner = owner.unwrap_or_else(|| panic!("{table} has several writers and no owner: {modules:?}"));
        let others = modules.iter().filter(|module| *module != owner);
        found.extend(others.map(|module| format!("{module} writes {table}, which is {owner}'s")));
    }
    found
}

#[test]
fn a_table_is_written_by_its_own_feature() {
    let found = written_elsewhere(&sources_with_functions());
    only_as_listed("tables written by another feature", &found, WRITERS_ELSEWHERE);
}

#[test]
fn a_statement_on_another_features_table_is_found() {
    let mut sources = sources_with_functions();
    let statement = "sqlx::query!(\"update\n orders set note = null where restaurant_id = $1\")";
    sources.insert("src/delivery/sql/planted.rs".to_owned(), statement.to_owned());
    assert!(written_elsewhere(&sources).contains("delivery writes orders, which is orders's"));
}

/// Features whose files beside `mod.rs`, `http`, `sql` and `actions` are pure.
const PURE: &[&str] = &["accounts", "cart", "coupons", "menu", "sync", "users"];

/// Files among those that are not pure, with the reason.
const IMPURE_FILES: &[(&str, &str)] = &[
    ("src/accounts/caller.rs", "the extractors by which every feature's routes know who asks"),
    ("src/accounts/idempotency_key.rs", "the extractors by which every feature's routes read the key of a request"),
    ("src/accounts/hash_queue.rs", "the queue in which hashing waits for its turn"),
    ("src/accounts/password.rs", "hashing waits for its turn, on threads of its own"),
    ("src/accounts/revocation_listener.rs", "a background task of each node"),
];

/// Files of pure features that are async or query the database.
fn impure_files(sources: &BTreeMap<String, String>) -> BTreeSet<String> {
    let is_rules = |file: &str| match module_of(file)[..] {
        [feature, ..] if !PURE.contains(&feature) => false,
        [_] => true,
        [_, file] => !["http", "sql", "actions"].contains(&file),
        [_, folder, ..] => !["http", "sql", "actions"].contains(&folder),
        [] => false,
    };
    let waits = |text: &str| {
        let text = without_comments(text);
        ["async ", ".await", "sqlx::query"].iter().any(|word| text.contains(word))
    };
    let found = sources.iter().filter(|(file, text)| is_rules(file) && waits(text));
    found.map(|(file, _)| file.clone()).collect()
}

#[test]
fn rules_are_pure() {
    let mut sources = files("src", ".rs");
    only_as_listed("rules that wait or query", &impure_files(&sources), IMPURE_FILES);
    for planted in ["src/menu/planted.rs", "src/cart/mod.rs", "src/menu/table/planted.rs"] {
        sources.insert(planted.to_owned(), "pub async fn load(tx: &mut Tx) {}".to_owned());
        assert!(impure_files(&sources).contains(planted), "{planted}");
    }
    sources.insert("src/menu/sql/planted.rs".to_owned(), "pub async fn load(tx: &mut Tx) {}".to_owned());
    assert!(!impure_files(&sources).contains("src/menu/sql/planted.rs"));
}
