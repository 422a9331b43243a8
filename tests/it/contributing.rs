//! Places that the recipes of CONTRIBUTING.md name, and that no compiler compares.

use std::fs;

use comanda::delivery::status::STEPS;
use comanda::events::{Aggregate, EventKind};
use comanda::orders::OrderStatus;
use comanda::variables::VARIABLES;
use serde_json::json;

fn text_of(path: &str) -> String {
    fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR")))
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Settings that are read in another file, with that file.
const READ_ELSEWHERE: &[(&str, &str)] = &[
    // It is used with the settings of orders.
    ("DELIVERY_MAX_DISTANCE", "orders.rs"),
    // It limits the size of a response, as other settings of that file do.
    ("ORDER_EVENTS_MAX_BYTES", "http.rs"),
];

/// A setting is read in the file of `config/` that has the name of its file in `variables/`.
#[test]
fn a_setting_is_defined_and_read_in_files_of_the_same_name() {
    let files = crate::tidy::files("src/variables", ".rs");
    for variable in VARIABLES {
        let quoted = format!("\"{}\"", variable.name);
        let (defined, _) = files.iter().find(|(_, text)| text.contains(&quoted)).expect("a file that defines it");
        let elsewhere = READ_ELSEWHERE.iter().find(|(name, _)| *name == variable.name).map(|(_, file)| *file);
        let read = elsewhere.unwrap_or_else(|| match defined.trim_start_matches("src/variables/") {
            "general.rs" => "mod.rs",
            name => name,
        });
        let reader = format!("src/config/{read}");
        assert!(text_of(&reader).contains(&quoted), "{} is in {defined}, but not read in {reader}", variable.name);
    }
}

/// The audit of `comanda replay` ignores names that it does not know, and would report their versions as lost.
#[test]
fn the_audit_of_the_replay_knows_every_event_of_orders_and_deliveries() {
    let audit = text_of("crates/replay/src/audit.rs");
    let stored = EventKind::ALL.into_iter().filter(|kind| kind.is_stored());
    for kind in stored.filter(|kind| matches!(kind.row().about, Aggregate::Order | Aggregate::Delivery)) {
        assert!(audit.contains(&format!("\"{}\"", kind.name())), "crates/replay/src/audit.rs does not name {kind:?}");
    }
}

#[test]
fn the_console_and_the_audit_know_every_status() {
    let (console, audit) = (text_of("console/format.js"), text_of("crates/replay/src/audit.rs"));
    let of_orders = OrderStatus::ALL.into_iter().map(|status| json!(status));
    for status in of_orders.chain(STEPS.iter().map(|(status, _)| json!(status))) {
        let status = status.as_str().unwrap();
        assert!(console.contains(&format!("{status}: '")), "console/format.js has no words for {status}");
        assert!(audit.contains(&format!("\"{status}\"")), "crates/replay/src/audit.rs does not name {status}");
    }
}

#[test]
fn every_kind_of_offline_operation_is_documented_and_tested() {
    let source = text_of("src/sync/kinds.rs");
    let constants = source.lines().filter_map(|line| line.strip_prefix("pub const ")?.split_once(": &str = \""));
    let kinds: Vec<_> = constants.map(|(_, value)| value.trim_end_matches("\";")).collect();
    assert!(kinds.contains(&"order.place") && kinds.len() >= 5, "{kinds:?}");
    for kind in kinds {
        for path in ["docs/sync.md", "src/sync/http.rs"] {
            assert!(text_of(path).contains(&format!("`{kind}`")), "{path} does not name {kind}");
        }
        let tests = text_of("tests/it/matrix/fuzz_channels.rs");
        assert!(tests.contains(&format!("\"{kind}\"")), "tests/it/matrix/fuzz_channels.rs has no payload of {kind}");
    }
}
