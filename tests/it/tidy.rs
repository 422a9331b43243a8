//! Rules of the source tree that no compiler checks.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

mod structure;
mod wording;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The files in a folder whose names have this ending, by their path from the root, with their text.
pub fn files(folder: &str, ending: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![Path::new(ROOT).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("node_modules") {
                folders.push(path);
            } else if path.to_str().is_some_and(|path| path.ends_with(ending)) {
                let name = path.strip_prefix(ROOT).unwrap().to_str().unwrap().to_owned();
                // Images are not text.
                found.extend(fs::read_to_string(&path).ok().map(|text| (name, text)));
            }
        }
    }
    found
}

/// The sources of the program: the service and its crates.
fn sources() -> impl Iterator<Item = (String, String)> {
    files("src", ".rs").into_iter().chain(files("crates", ".rs"))
}

/// Compares violations of a rule with the allowed exceptions, each of which must be used.
fn only_as_listed(rule: &str, found: &BTreeSet<String>, listed: &[(&str, &str)]) {
    let listed: BTreeMap<_, _> = listed.iter().copied().collect();
    let extra: Vec<_> = found.iter().filter(|one| !listed.contains_key(one.as_str())).collect();
    assert!(extra.is_empty(), "{rule}; these are new: {extra:#?}");
    let stale: Vec<_> = listed.keys().filter(|one| !found.contains(**one)).collect();
    assert!(stale.is_empty(), "{rule}; these are listed but not there any more: {stale:#?}");
}

/// Statements on rows of restaurants whose first argument is not the restaurant, by a part of each, with the reason.
const STATEMENTS: &[(&str, &str)] = &[
    ("from carts where id = $1 and user_id = $2", "the user's own cart determines the restaurant"),
    ("where q.id = $1 and q.user_id = $2", "the user's own quote determines the restaurant"),
    ("delete from quotes where id in", "expired quotes of all restaurants"),
    ("delete from order_networks", "networks of orders that are not counted any more, of all restaurants"),
    (
        "from orders o left join memberships",
        "the relations of a user to an order; policies show it to related users only",
    ),
    (
        "from deliveries d left join memberships",
        "the relations of a user to a delivery; policies show it to related users only",
    ),
    ("(select * from orders where context.is_set and id = $2", "one order, which policies show to the caller"),
    ("context.is_set and r.id = any($1)", "the caller's roles at restaurants"),
    ("from events where seq > $1 and seq < l.horizon", "the relay reads for the rooms of all restaurants"),
    ("former_driver_id = $2 and driver_id is null", "the event of a hand-back; policies show it to that driver"),
    (
        "(order_id = $1 or aggregate_id = $2) and (former_driver_id = $3 or driver_id = $3)",
        "which delivery a driver had; policies show it to that driver",
    ),
    (
        "from deliveries where driver_id = $1 and closed_at is null",
        "whether a driver is busy with an order of any restaurant",
    ),
    ("where d.driver_id = $1", "events of the deliveries that a driver carries, for that driver's room"),
    ("from deliveries x where x.driver_id = d.id", "whether a driver is busy with an order of any restaurant"),
    ("from deliveries where closed_at is null and driver_id is not null", "which drivers are available"),
    ("where id = any($2) and driver_id = $1 and closed_at is null", "which deliveries a driver still carries"),
    (
        "u.disabled_at is not null or u.role < 'DRIVER' or v.seen_at < $1",
        "deliveries of all restaurants that absent drivers have not picked up",
    ),
    (
        "from orders where closed_at is null and accept_by <= $1",
        "orders of all restaurants that were not answered in time",
    ),
    ("update images i set idle_since = $1", "unused images of all restaurants are marked"),
    ("from images i where i.idle_since <= $1", "unused images of all restaurants are deleted"),
    ("from delivery_zones where restaurant_id = any($1)", "public zones of the restaurants that a search found"),
    ("from restaurants r where point(r.longitude, r.latitude)", "guests search restaurants by location and words"),
    ("where r.id = any($1)", "versions of public menus"),
    ("from users u join invitations i on i.email = u.email", "the user's own invitations of several restaurants"),
    ("insert into notifications", "notifications of the platform about an account"),
    ("insert into notification_deliveries", "the messages of these notifications"),
    (
        "from notification_deliveries where (state = 'PENDING'",
        "the worker of the outbox sends the messages of all users",
    ),
    ("update notification_deliveries set state = $3", "a message that this worker has leased"),
    ("update notifications set secret = null", "the code of a message, once it is final"),
    ("from notification_deliveries d join notifications n", "the list of the outbox (GET /api/admin/outbox)"),
    ("delete from notifications where id in", "old notifications"),
];

fn tenant_tables() -> BTreeSet<String> {
    let migrations: String = files("migrations", ".sql").into_values().collect();
    let tables = migrations.split("create table ").skip(1).filter_map(|rest| {
        let (name, body) = rest.split_once(" (")?;
        let body = body.split("\n)").next()?;
        body.contains("restaurant_id").then(|| name.to_owned())
    });
    tables.collect()
}

/// Whether the first argument of a statement is the restaurant, or the user whose own rows it concerns.
fn asks_first(statement: &str) -> bool {
    let is_insert = statement.contains("insert into") && statement.contains("(restaurant_id");
    ["restaurant_id = $1", "r.id = $1", "user_id = $1", "customer_id = $1", "guest_id = $1"]
        .iter()
        .any(|first| statement.contains(first))
        || (is_insert && (statement.contains("values ($1,") || statement.contains("select $1,")))
        || (statement.contains("insert into events") && statement.contains("$1,"))
}

#[test]
fn every_statement_on_a_restaurants_rows_asks_for_the_restaurant_first() {
    let tables = tenant_tables();
    assert!(tables.contains("orders") && tables.contains("events") && tables.len() >= 12, "{tables:?}");
    let recorded = files(".sqlx", ".json");
    assert!(recorded.len() > 50, "{} statements are recorded", recorded.len());
    let mut used = BTreeSet::new();
    let mut loose = Vec::new();
    for text in recorded.values() {
        let record: Value = serde_json::from_str(text).unwrap();
        let statement = record["query"].as_str().unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
        let touches = |table: &String| {
            ["from", "join", "update", "into"].iter().any(|word| {
                statement
                    .split(&format!("{word} {table}"))
                    .skip(1)
                    .any(|rest| !rest.starts_with(|letter: char| letter.is_alphanumeric() || letter == '_'))
            })
        };
        if !tables.iter().any(touches) || asks_first(&statement) {
            continue;
        }
        match STATEMENTS.iter().find(|(part, _)| statement.contains(part)) {
            Some((part, _)) => _ = used.insert((*part).to_owned()),
            None => loose.push(statement),
        }
    }
    assert!(loose.is_empty(), "statements whose $1 is not the restaurant: {loose:#?}");
    only_as_listed("statements without the restaurant", &used, STATEMENTS);
}

/// Statements that set the restaurant of the transaction, by a part of each, with the reason.
const SET_SHOP_STATEMENTS: &[(&str, &str)] = &[
    ("from carts where id = $1 and user_id = $2 for no key update", "the restaurant of one's own cart"),
    ("where q.id = $1 and q.user_id = $2 for no key update", "the restaurant of one's own quote"),
];

#[test]
fn a_statement_sets_a_restaurant_only_by_a_row_of_the_caller() {
    let mut used = BTreeSet::new();
    for text in files(".sqlx", ".json").into_values() {
        let record: Value = serde_json::from_str(&text).unwrap();
        let statement = record["query"].as_str().unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(!statement.contains("set_config"), "only uow.rs says who acts: {statement}");
        if statement.contains("set_shop(") {
            let listed = SET_SHOP_STATEMENTS.iter().find(|(part, _)| statement.contains(part));
            used.insert(listed.map_or(statement.clone(), |(part, _)| (*part).to_owned()));
        }
    }
    only_as_listed("statements that set the restaurant", &used, SET_SHOP_STATEMENTS);
}

/// Files with SQL other than the `sql.rs` and `sql/` of a feature, with the reason.
const SQL_ELSEWHERE: &[(&str, &str)] = &[
    ("src/router.rs", "the query of the health check"),
    ("src/check.rs", "queries over all tables, as the owner of the schema"),
    ("src/database.rs", "roles and migrations, as the owner of the schema"),
    ("src/flush.rs", "the message whose commit flushes the log"),
    ("src/idempotency/claim.rs", "the table of idempotency keys"),
    ("src/row_limit.rs", "counts rows of any table with a limit, under a lock"),
    ("crates/embedded-postgres/src/lib.rs", "whether the private server responds"),
    ("src/uow.rs", "BEGIN, COMMIT, ROLLBACK"),
];

#[test]
fn statements_are_in_the_sql_of_their_feature() {
    let says_sql =
        |text: &String| ["sqlx::query", "sqlx::raw_sql", "query_as!("].iter().any(|word| text.contains(word));
    let found = sources().filter(|(_, text)| says_sql(text)).map(|(name, _)| name);
    let found = found.filter(|name| !name.ends_with("/sql.rs") && !name.contains("/sql/")).collect();
    only_as_listed("SQL outside of a feature's sql.rs", &found, SQL_ELSEWHERE);
}

/// Features that use the `http` of another feature, with the reason.
const HTTP_ELSEWHERE: &[(&str, &str)] = &[];

#[test]
fn no_feature_imports_the_http_of_another() {
    let slices = [
        "accounts",
        "guests",
        "restaurants",
        "menu",
        "cart",
        "coupons",
        "orders",
        "sync",
        "delivery",
        "realtime",
        "demo",
    ];
    let mut found = BTreeSet::new();
    for (name, text) in files("src", ".rs") {
        let own = name.split('/').nth(1).unwrap_or_default();
        for slice in slices.into_iter().filter(|slice| *slice != own && own != "router.rs") {
            if text.contains(&format!("{slice}::http")) {
                found.insert(format!("{name} uses {slice}::http"));
            }
        }
    }
    only_as_listed("use of the http of another feature", &found, HTTP_ELSEWHERE);
}

/// The justifications with which scopes are created from ids.
const PROOFS: &[(&str, &str)] = &[
    ("customer: a customer may deal with any restaurant", "carts"),
    ("customer of: the customer who placed the order", "orders"),
    ("customer: the restaurant of the customer's own cart or quote", "placing an order"),
    ("customer: the restaurant of a cart that is taken over", "carts"),
    ("driver: the driver who carries the order", "orders"),
    ("former driver: a driver who has or had the delivery", "why they lost it, and the steps that they took before"),
    ("guest: a guest may have a cart at any restaurant", "carts"),
    ("visitor: anybody may see when orders are taken", "slots: whether they are full"),
    ("platform: a push target may have been somebody else's before", "a device that another user had registered"),
    ("administrator: an administrator", "the user's role, read with the request and checked by each transaction"),
    ("platform: an operator at the machine", "commands of operators"),
    ("platform: devices whose operations are due", "the names of devices with pending operations only"),
    ("platform: rows that are not kept any longer", "retention"),
    ("platform: deletion of unused images", "images that are not in use, of all restaurants"),
    ("platform: the demo city, in a database without people", "whether the demo data may be created"),
    ("platform: the demo city, which is being built", "the demo data"),
    ("platform: orders that nobody answered", "ids only"),
    ("platform: the event relay", "it reads for the rooms of all restaurants"),
    ("platform: the worker of the outbox", "it sends the messages of all users"),
    ("platform: which drivers are free", "ids and places only"),
    ("platform: absent drivers", "their ids, and those of deliveries that they have not picked up"),
    ("staff: a membership row says so", "everything of the restaurant"),
    ("staff: staff of the order's restaurant", "orders"),
    ("system: an invitation to the caller's address", "accepted only with its code"),
    ("system: the past of a restaurant of the demo city", "the demo data"),
    ("system: the restaurant accepts orders by itself", "the step that staff would make"),
    ("system: the restaurant did not answer in time", "orders past acceptBy"),
    ("system: the driver of the delivery is absent", "a delivery that becomes WAITING again"),
];

#[test]
fn every_scope_states_its_justification() {
    let makers = [
        ("RestaurantScope::staff(", "staff"),
        ("RestaurantScope::customer(", "customer"),
        ("RestaurantScope::customer_of(", "customer of"),
        ("RestaurantScope::guest(", "guest"),
        ("RestaurantScope::visitor(", "visitor"),
        ("RestaurantScope::driver(", "driver"),
        ("RestaurantScope::former_driver(", "former driver"),
        ("RestaurantScope::system(", "system"),
        ("PlatformScope::proven_by(", "platform"),
        ("PlatformScope::administrator(", "administrator"),
    ];
    let mut found = BTreeSet::new();
    for (name, text) in files("src", ".rs") {
        for (maker, kind) in makers {
            for call in text.split(maker).skip(1) {
                let proof = call.trim_start().strip_prefix('"').and_then(|rest| rest.split_once('"'));
                let (proof, _) = proof.unwrap_or_else(|| panic!("{name}: {maker}…) does not begin with its proof"));
                found.insert(format!("{kind}: {proof}"));
            }
        }
    }
    only_as_listed("proofs of scopes", &found, PROOFS);
}

/// Files of more than 400 lines, with the reason why they are not split.
const LONG_FILES: &[(&str, &str)] = &[
    ("tests/it/money_model.rs", "the whole oracle of prices; it must share nothing with what it checks"),
    ("tests/it/slots.rs", "slots as stories and as properties, over the same helpers"),
];

#[test]
fn source_files_have_a_maximum_length() {
    let all = sources().chain(files("tests", ".rs"));
    let long = all.filter(|(_, text)| text.lines().count() > 400).map(|(name, _)| name).collect();
    only_as_listed("files of more than 400 lines", &long, LONG_FILES);
}

#[test]
fn lines_have_at_most_120_characters() {
    let is_long = |line: &&str| line.chars().count() > 120;
    let all = sources().chain(files("benches", ".rs"));
    let long: Vec<_> = all.filter(|(_, text)| text.lines().any(|line| is_long(&line))).map(|(name, _)| name).collect();
    assert!(long.is_empty(), "break the lines of more than 120 characters: {long:#?}");
}

#[test]
fn every_file_begins_with_a_description() {
    for (name, text) in sources().chain(files("tests", ".rs")) {
        assert!(text.starts_with("//! "), "{name} does not begin with what it is");
    }
    for (name, text) in files("migrations", ".sql") {
        assert!(text.starts_with("-- "), "{name} does not begin with what it is");
    }
}

#[test]
fn tests_wait_for_what_happens_and_not_for_time() {
    let sleeps = ["time::sle", "thread::sle"].map(|word| format!("{word}ep("));
    for (name, text) in files("tests", ".rs") {
        assert!(!sleeps.iter().any(|sleep| text.contains(sleep)), "{name} sleeps: wait for a condition instead");
    }
}

#[test]
fn no_file_contains_machine_specific_paths() {
    let machine = ["work", "root", "home", "tmp"].map(|folder| format!("/{folder}/"));
    for folder in ["src", "crates", "tests", "bin", "migrations", "console", ".config", ".ci"] {
        for (name, text) in files(folder, "") {
            for path in &machine {
                assert!(!text.contains(path.as_str()), "{name} names {path}");
            }
        }
    }
}

#[test]
fn no_file_contains_unfinished_code() {
    let words = [["TO", "DO"], ["FIX", "ME"], ["todo", "!("], ["unimplemented", "!("], ["for ", "now,"]]
        .map(|pair| pair.concat());
    for (name, text) in sources().chain(files("tests", ".rs")).chain(files("console", ".js")) {
        if name.contains("vendor/") {
            continue;
        }
        for word in &words {
            assert!(!text.contains(word.as_str()), "{name} says {word}");
        }
    }
}

/// Schemas of the document are identified by their names: of two with the same name only one would be shown.
#[test]
fn no_two_schemas_share_a_name() {
    let mut named: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (file, text) in files("src", ".rs") {
        for derived in text.split("#[derive(").skip(1) {
            let Some((derives, rest)) = derived.split_once(")]") else { continue };
            if !derives.split(", ").any(|one| one == "ToSchema") {
                continue;
            }
            let declared = rest.lines().find_map(|line| {
                let line = line.trim_start_matches("pub ").trim_start_matches("pub(super) ");
                line.strip_prefix("struct ").or_else(|| line.strip_prefix("enum "))
            });
            let name = declared.unwrap().split(|letter: char| !letter.is_alphanumeric()).next().unwrap();
            let head = rest.split("struct ").next().unwrap().split("enum ").next().unwrap();
            let shown = head.split("#[schema(as = ").nth(1).and_then(|shown| shown.split(')').next());
            named.entry(shown.unwrap_or(name).to_owned()).or_default().push(file.clone());
        }
    }
    assert!(named.len() > 100, "{}", named.len());
    named.retain(|_, files| files.len() > 1);
    assert!(named.is_empty(), "call one of each pair otherwise, or show it `#[schema(as = …)]`: {named:#?}");
}

#[test]
fn the_clock_and_the_environment_are_each_read_in_one_file() {
    let readers = [("Utc::now()", "src/clock.rs"), ("std::env::var(", "src/config/source.rs")];
    for (word, reader) in readers {
        for (name, text) in sources() {
            assert!(name == reader || !text.contains(word), "{name} uses {word}, which is {reader}'s");
        }
    }
}
