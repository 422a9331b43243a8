//! Random menus: a menu that is written is read back unchanged, as a document and as a table, and nothing else
//! changes.

use std::collections::BTreeMap;

use comanda::config::{Config, Menus, Source};
use comanda::menu::csv::{self, Separator, TableWriter};
use comanda::menu::desired::{Rules, StockPolicy, desired_menu};
use comanda::menu::document::{self, Document};
use comanda::menu::{Contents, diff, table};
use comanda::restaurants::tax::TaxClass;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::app::TestApp;

const BOUNDS: Menus = Menus {
    cache_bytes: 1 << 20,
    cache_life: std::time::Duration::from_mins(1),
    max_categories: 200,
    max_items: 1_000,
    max_groups: 500,
    max_modifiers: 100,
    max_all_modifiers: 1_500,
    max_details: 5_000,
    max_languages: 20,
    max_bytes: 512 << 10,
};
const TEXT: &str = "[A-Za-z0-9=+@'\"|,;#àéñ漢🍕-]([ -~àéñ漢🍕]{0,14}[a-z.!'\"|,;=])?";
/// With several lines, as descriptions may have.
const LINES: &str = "[A-Za-z0-9=+@'\"|,;#àéñ漢🍕-]([ -~\nàéñ漢🍕]{0,14}[a-z.!'\"|,;=])?";
const CLASSES: [&str; 2] = ["drinks", "at-table"];
const KEY: &str = "[A-Za-z0-9=+@'\"|,;\\[_-]{1,10}";

fn or_absent(name: &'static str, value: impl Strategy<Value = Value> + 'static) -> BoxedStrategy<Vec<(String, Value)>> {
    prop_oneof![Just(vec![]), value.prop_map(move |value| vec![(name.to_owned(), value)])].boxed()
}

fn translations() -> BoxedStrategy<Value> {
    let texts = (TEXT, proptest::option::of(LINES));
    let texts = texts.prop_map(|(name, description)| match description {
        Some(description) => json!({ "name": name, "description": description }),
        None => json!({ "name": name }),
    });
    proptest::collection::btree_map(select(vec!["it", "en", "pt-br", "de"]), texts, 1..3)
        .prop_map(|map| json!(map))
        .boxed()
}

fn day_parts() -> BoxedStrategy<Value> {
    let part = (subsequence(vec![1, 2, 3, 4, 5, 6, 7], 1..=7), 0..12_u8, 13..24_u8);
    let part = part.prop_map(
        |(days, from, to)| json!({ "days": days, "from": format!("{from:02}:30"), "to": format!("{to:02}:00") }),
    );
    vec(part, 1..2).prop_map(|parts| json!(parts)).boxed()
}

fn food() -> BoxedStrategy<Vec<(String, Value)>> {
    let declared = subsequence(vec!["GLUTEN", "EGGS", "MILK", "SESAME"], 0..=4).prop_flat_map(|names| {
        let levels = vec(select(vec!["CONTAINS", "MAY_CONTAIN"]), names.len());
        levels.prop_map(move |levels| {
            names.iter().zip(levels).map(|(one, level)| json!({ "allergen": one, "level": level })).collect()
        })
    });
    let diets = subsequence(vec!["VEGAN", "HALAL", "KOSHER"], 1..=3).prop_map(|diets| json!(diets));
    (or_absent("allergens", declared), or_absent("diets", diets)).prop_map(|(one, other)| [one, other].concat()).boxed()
}

/// The common fields of items and modifiers; `groups` are those they may refer to.
fn sold(groups: Vec<String>) -> BoxedStrategy<Vec<(String, Value)>> {
    let price = (0..100_000_i64).prop_map(|amount| json!({ "amount": amount, "currency": "EUR" }));
    let max = groups.len().min(4);
    let asked = subsequence(groups, 0..=max).prop_map(|keys| json!(keys));
    let plain =
        (TEXT, price).prop_map(|(name, price)| vec![("name".to_owned(), json!(name)), ("price".to_owned(), price)]);
    let kitchen = (
        or_absent("available", any::<bool>().prop_map(Value::from)),
        or_absent("stock", (0..50).prop_map(Value::from)),
    );
    let class = or_absent("taxClass", select(CLASSES.to_vec()).prop_map(Value::from));
    let more = (or_absent("translations", translations()), asked, food(), class);
    (plain, kitchen, more)
        .prop_map(|(plain, (available, stock), (translated, asked, food, class))| {
            let asked = if asked == json!([]) { vec![] } else { vec![("modifierGroups".to_owned(), asked)] };
            [plain, available, stock, translated, asked, food, class].concat()
        })
        .boxed()
}

/// Entities with unique keys.
fn keyed(max: usize, entity: impl Strategy<Value = Vec<(String, Value)>> + 'static) -> BoxedStrategy<Vec<Value>> {
    proptest::collection::btree_map(KEY, entity, 0..=max)
        .prop_map(|entities: BTreeMap<String, _>| {
            let entity = |(key, fields): (String, Vec<(String, Value)>)| {
                json!(fields.into_iter().chain([("key".to_owned(), json!(key))]).collect::<BTreeMap<_, _>>())
            };
            entities.into_iter().map(entity).collect()
        })
        .prop_shuffle()
        .boxed()
}

fn group(nested: Vec<String>) -> BoxedStrategy<Vec<(String, Value)>> {
    (TEXT, 1..9_i16, 0..9_i16, keyed(4, sold(nested)), or_absent("translations", translations()))
        .prop_map(|(name, max, min, modifiers, translated)| {
            let fields = [
                ("name", json!(name)),
                ("max", json!(max)),
                ("min", json!(min.min(max))),
                ("modifiers", json!(modifiers)),
            ];
            fields.map(|(name, value)| (name.to_owned(), value)).into_iter().chain(translated).collect()
        })
        .boxed()
}

fn keys(entities: &[Value], mark: &str) -> Vec<String> {
    entities.iter().map(|entity| format!("{mark}{}", entity["key"].as_str().unwrap())).collect()
}

/// Adds a mark to the keys, so that entities of two lists never have the same.
fn marked(mut entities: Vec<Value>, mark: &str) -> Vec<Value> {
    for entity in &mut entities {
        entity["key"] = json!(format!("{mark}{}", entity["key"].as_str().unwrap()));
    }
    entities
}

/// A valid menu: groups without nested ones, groups that may nest those, items that may have all of them.
fn menus() -> BoxedStrategy<Value> {
    (keyed(3, group(vec![])), any::<bool>())
        .prop_flat_map(|(below, _)| (keyed(3, group(keys(&below, "b"))), Just(marked(below, "b"))))
        .prop_flat_map(|(above, below)| {
            let groups = [below, marked(above, "a")].concat();
            let item = (
                sold(keys(&groups, "")),
                or_absent("description", LINES.prop_map(Value::from)),
                or_absent("dayParts", day_parts()),
            );
            let item = item.prop_map(|(sold, description, parts)| [sold, description, parts].concat());
            let category = (TEXT, or_absent("dayParts", day_parts()), or_absent("translations", translations()));
            let category = category
                .prop_map(|(name, parts, texts)| [vec![("name".to_owned(), json!(name))], parts, texts].concat());
            let language = or_absent("language", select(vec!["it", "en"]).prop_map(Value::from));
            (keyed(4, category), keyed(12, item), language, Just(groups))
        })
        .prop_map(|(mut categories, items, language, groups)| {
            let count = categories.len();
            for category in &mut categories {
                category["items"] = json!([]);
            }
            for (index, item) in items.into_iter().enumerate().filter(|_| count > 0) {
                categories[index * index % count]["items"].as_array_mut().unwrap().push(item);
            }
            let menu = [("categories".to_owned(), json!(categories)), ("modifierGroups".to_owned(), json!(groups))];
            json!(menu.into_iter().chain(language).collect::<BTreeMap<_, _>>())
        })
        .boxed()
}

fn rules() -> Rules {
    let bounds = Config::read(&Source::from_pairs([("MODE", "development")])).unwrap().menus;
    let tax_classes = CLASSES.map(|name| TaxClass::try_from(name.to_owned()).unwrap()).to_vec();
    Rules { stock_policy: StockPolicy::FromDocument, bounds, tax_classes }
}

fn nothing() -> Contents {
    Contents {
        version: 1,
        currency: "EUR".parse().unwrap(),
        timezone: "Europe/Rome".into(),
        language: None,
        categories: vec![],
        items: vec![],
        groups: vec![],
    }
}

fn read(menu: &Value) -> Document {
    document::read(&serde_json::to_vec(menu).unwrap(), BOUNDS).unwrap_or_else(|faults| panic!("{faults:?}\n{menu:#}"))
}

fn becomes(menu: &Value, before: &Contents) -> Contents {
    desired_menu(&read(menu), before, &rules()).unwrap_or_else(|faults| panic!("{faults:?}\n{menu:#}"))
}

/// The switches and counts of a menu that is written to an empty restaurant.
fn said_in_full(menu: &Value) -> Value {
    let mut menu = menu.clone();
    for (entities, within) in [("categories", "items"), ("modifierGroups", "modifiers")] {
        for entity in menu[entities].as_array_mut().unwrap() {
            for one in entity[within].as_array_mut().unwrap() {
                let one = one.as_object_mut().unwrap();
                one.entry("available").or_insert(json!(true));
            }
        }
    }
    menu
}

proptest! {
    #[test]
    fn every_csv_cell_is_read_as_written(
        cells in vec("[ -~\\n\t\u{a0}\u{3000}\u{200b}\u{feff}\u{ad}\"',=+@＝＋－＠﹢﹣﹦⁺₌−\\-é;|]{0,12}", 1..5),
        separator in select(vec![Separator::Comma, Separator::Semicolon, Separator::Tab]),
    ) {
        prop_assume!(cells.iter().any(|cell| !cell.trim().is_empty()));
        // The separator can be detected in the first line.
        let mut table = TableWriter::new(separator);
        for cell in ["a", "b", "c"] {
            table.cell(cell);
        }
        table.end_line();
        for cell in &cells {
            table.cell(cell);
        }
        table.end_line();
        let whole = table.into_text();
        let records = csv::records(&whole).unwrap();
        let text = whole.split_once("\r\n").unwrap().1;
        prop_assert_eq!(&records[1].cells, &cells);
        prop_assert_eq!(records[1].line, 2);
        // However a spreadsheet splits the line, with or without quotes: no part is a formula.
        for piece in text.split([',', ';', '|', '\t', '\n', '\r', '"']) {
            let piece = piece.trim_start_matches([' ', '\u{a0}', '\u{3000}', '\u{200b}', '\u{feff}', '\u{ad}']);
            let signs = ['=', '+', '-', '@', '＝', '＋', '－', '＠', '﹢', '﹣', '﹦', '⁺', '₌', '−'];
            prop_assert!(!piece.starts_with(signs), "{}", text);
        }
    }

    #[test]
    fn arbitrary_csv_is_parsed_or_refused(text in "[a-c,;\"\\r\\n'\t]{0,40}") {
        let _ = csv::records(&text);
    }

    #[test]
    fn arbitrary_menu_tables_are_parsed_or_refused(text in "(type,key,in,name,price,currency\n)?([a-c,\"\n']|item,|category,|modifier,|EUR|\\[\"){0,30}") {
        let _ = table::read(text.as_bytes(), "EUR".parse().unwrap(), BOUNDS);
    }

    #[test]
    fn a_menu_document_is_returned_as_it_was_put(menu in menus()) {
        let put = becomes(&menu, &nothing());
        let shown = json!(document::of(put.clone()));
        prop_assert_eq!(&shown, &json!(read(&said_in_full(&menu))));
        let again = becomes(&shown, &put);
        prop_assert_eq!(diff::between(&put, &again), vec![]);
        prop_assert_eq!(json!(document::of(again)), shown);
    }

    #[test]
    fn a_menu_that_replaces_another_equals_a_new_one(one in menus(), other in menus()) {
        let before = becomes(&one, &nothing());
        let after = becomes(&other, &before);
        prop_assert_eq!(diff::between(&after, &becomes(&other, &after)), vec![]);
        let bare = |contents: Contents| {
            let mut shown = json!(document::of(contents));
            shown["modifierGroups"].as_array_mut().unwrap().sort_by_key(|group| group["key"].to_string());
            shown
        };
        // Only existing counts and switches that the document does not state are kept.
        let (mut shown, mut alone) = (bare(after), bare(becomes(&other, &nothing())));
        for menu in [&mut shown, &mut alone] {
            for (entities, within) in [("categories", "items"), ("modifierGroups", "modifiers")] {
                for entity in menu[entities].as_array_mut().unwrap() {
                    for one in entity[within].as_array_mut().unwrap() {
                        one.as_object_mut().unwrap().remove("stock");
                        one.as_object_mut().unwrap().remove("available");
                    }
                }
            }
        }
        prop_assert_eq!(shown, alone);
    }

    #[test]
    fn a_menu_written_as_csv_is_read_as_the_same_menu(menu in menus(), separator in select(vec![Separator::Comma, Separator::Semicolon, Separator::Tab])) {
        let euros = "EUR".parse().unwrap();
        let document = document::of(becomes(&menu, &nothing()));
        let text = table::write(&document, separator).unwrap();
        let read = table::read(text.as_bytes(), euros, BOUNDS);
        prop_assert!(read.is_ok(), "{:?}\n{}", read.err(), text);
        // A table does not state its language.
        let wanted = Document { language: None, ..document };
        prop_assert_eq!(json!(read.ok().map(|table| table.document)), json!(Some(wanted)));
    }
}

/// The same with the database: one menu after another in one restaurant.
#[tokio::test]
async fn menus_at_random_come_back_from_the_tables_as_they_were_put() {
    let app = TestApp::start().await;
    let (luigi, second) = (app.restaurant("Luigi").opens().await, app.restaurant("Second").opens().await);
    for shop in [&luigi, &second] {
        let class =
            |name: &str| json!({ "name": name, "basisPoints": { "delivery": 1000, "pickup": 1000, "dineIn": 2200 } });
        let classes = CLASSES.map(class);
        shop.owner.patch(&shop.path(""), &json!({ "taxClasses": classes })).await.expect(200);
    }
    let (path, document, csv) = (luigi.path("/menu"), luigi.path("/menu/document"), luigi.path("/menu.csv"));
    let admin = app.admin().await;
    let (mut runner, menus) = (TestRunner::default(), menus());
    for _ in 0..20 {
        let menu = menus.new_tree(&mut runner).unwrap().current();
        let dry = luigi.owner.put(&format!("{path}?dryRun=true"), &menu).await.expect(200);
        let put = luigi.owner.put(&path, &menu).await.expect(200);
        assert_eq!(dry["changes"], put["changes"], "{menu:#}");
        assert_eq!(luigi.owner.put(&path, &menu).await.expect(200)["changes"], json!([]), "{menu:#}");
        let shown = luigi.owner.get(&document).await;
        let back = luigi.owner.put(&path, &shown.json()).await.expect(200);
        assert_eq!((&back["changes"], &back["version"]), (&json!([]), &put["version"]), "{menu:#}");
        let table = luigi.owner.get(&csv).await.text();
        let request =
            luigi.owner.request(reqwest::Method::POST, &csv).header("content-type", "text/csv").body(table.clone());
        assert_eq!(luigi.owner.send(request).await.expect(200)["changes"], json!([]), "{table}");
        assert_eq!(luigi.owner.get(&document).await.bytes, shown.bytes);
        // And copied to another restaurant, twice.
        let copy = json!({ "to": second.id });
        admin.post(&luigi.path("/menu/copy"), &copy).await.expect(200);
        assert_eq!(admin.post(&luigi.path("/menu/copy"), &copy).await.expect(200)["changes"], json!([]), "{menu:#}");
    }
    // The last one has the same size in both, with other ids.
    let sizes = app
        .count(
            "select count(distinct count) from (select count(*) from menu_items where deleted_at is null \
                           group by restaurant_id) as c",
        )
        .await;
    assert!(sizes <= 1);
}
