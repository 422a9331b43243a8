//! The lines that remain when a guest's cart is merged into a user's.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta};
use comanda::cart::MAX_LINES;
use comanda::cart::merge::{UnmergedReason, UserCart, plan};
use comanda::cart::sql::RequestedLine;
use comanda::cart::sql::lines::Line;
use comanda::ids::ItemId;
use proptest::prelude::*;
use serde_json::json;

use crate::app::TestApp;
use crate::guests::{a_guest, by_token, held, lines, reads, writes};

#[tokio::test]
async fn the_later_write_of_a_line_wins_and_orders_are_not_changed() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let (guest, ada) = (a_guest(&app).await, app.customer("Ada").await);
    let start = app.clock.now();
    let at = |second: i64| Some(start + TimeDelta::seconds(second));
    app.advance_clock(TimeDelta::minutes(1));
    // Written before the order, and after it; and a key that both have, each later in one of the two carts.
    writes(&guest, &luigi, "before", 1, at(0)).await;
    ada.places_order(&luigi, &[(luigi.any_dish(), 1)]).await;
    app.advance_clock(TimeDelta::minutes(1));
    for (key, quantity, guests, adas) in [("guest wins", 2, 90, 80), ("ada wins", 3, 80, 90), ("guest ends", 0, 90, 80)]
    {
        writes(&guest, &luigi, key, quantity, at(guests)).await;
        writes(&ada, &luigi, key, 7, at(adas)).await;
    }
    writes(&ada, &luigi, "ada ends", 0, at(95)).await;
    writes(&guest, &luigi, "ada ends", 4, at(94)).await;
    writes(&guest, &luigi, "own", 5, at(100)).await;
    let answer = ada.post("/api/me/carts", &by_token(&guest)).await.expect(200);
    assert_eq!(reads(&ada, &luigi).await, lines([("ada wins", 7), ("guest wins", 2), ("own", 5)]));
    let cart = &answer["carts"][0];
    assert_eq!(cart["lines"], 2);
    let reasons: BTreeSet<_> = cart["leftBehind"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| (line["key"].as_str().unwrap(), line["reason"].as_str().unwrap()))
        .collect();
    let expected = [("before", "ordered_since"), ("ada wins", "written_later"), ("ada ends", "written_later")];
    assert_eq!(reasons, expected.into());
}

#[tokio::test]
async fn a_cart_that_was_replaced_meanwhile_still_merges_the_guests_lines() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let (guest, ada) = (a_guest(&app).await, app.customer("Ada").await);
    writes(&guest, &luigi, "guest", 1, None).await;
    app.advance_clock(TimeDelta::minutes(1));
    let whole = json!({ "lines": [{ "key": "ada", "itemId": luigi.any_dish().id, "quantity": 2 }] });
    ada.put(&luigi.path("/cart"), &whole).await.expect(200);
    ada.post("/api/me/carts", &by_token(&guest)).await.expect(200);
    assert_eq!(reads(&ada, &luigi).await, lines([("ada", 2), ("guest", 1)]));
}

#[tokio::test]
async fn lines_that_cannot_be_merged_are_reported() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let (guest, ada) = (a_guest(&app).await, app.customer("Ada").await);
    let dish = &luigi.any_dish().id;
    let many = |prefix: &str, count: usize| {
        let lines: Vec<_> =
            (0..count).map(|n| json!({ "key": format!("{prefix}{n:02}"), "itemId": dish, "quantity": 1 })).collect();
        json!({ "lines": lines })
    };
    ada.put(&luigi.path("/cart"), &many("ada", 70)).await.expect(200);
    guest.put(&luigi.path("/cart"), &many("guest", 40)).await.expect(200);
    let item = luigi.path(&format!("/items/{dish}"));
    luigi.owner.delete(&item).await.expect(204);
    let answer = ada.post("/api/me/carts", &by_token(&guest)).await.expect(200);
    let cart = &answer["carts"][0];
    assert_eq!(cart["lines"], 30);
    let left: Vec<_> =
        cart["leftBehind"].as_array().unwrap().iter().map(|line| line["key"].as_str().unwrap()).collect();
    assert_eq!(left, (30..40).map(|n| format!("guest{n}")).collect::<Vec<_>>(), "the first ones came along");
    assert_eq!(
        (&cart["leftBehind"][0]["reason"], &cart["leftBehind"][0]["itemId"]),
        (&json!("cart_full"), &json!(dish))
    );
    let cart = ada.get(&luigi.path("/cart")).await.expect(200);
    assert_eq!(held(&cart).len(), 100);
    assert_eq!(cart["lines"][99]["reason"], "deleted", "what left the menu is shown for what it is");
    assert_eq!(app.count("select count(*) from carts").await, 1, "nothing of the guest's is left");
}

fn line(key: u8, second: i64, is_live: bool) -> Line {
    let at = DateTime::from_timestamp(second, 0).unwrap();
    let content = RequestedLine { item_id: ItemId::new(), quantity: 1, choices: Vec::new(), note: None };
    Line { key: key.to_string(), at, content: is_live.then_some(content) }
}

prop_compose! {
    fn cart()(lines in prop::collection::btree_map(0_u8..150, (10_i64..60, prop::bool::weighted(0.85)), 0..=100)) -> Vec<Line> {
        lines.into_iter().map(|(key, (second, is_live))| line(key, second, is_live)).collect()
    }
}

proptest! {
    #[test]
    fn merging_reports_every_lost_line_and_stays_within_limits(
        own in cart(), theirs in cart(), replaced in prop::option::of(0_i64..10), ordered in prop::option::of(0_i64..70),
    ) {
        let instant = |second: i64| DateTime::from_timestamp(second, 0).unwrap();
        let own = UserCart { lines: own, replaced_at: replaced.map(instant), ordered_at: ordered.map(instant) };
        let live = |lines: &[Line]| lines.iter().filter(|line| line.content.is_some()).count();
        let (brought, before) = (live(&theirs), live(&own.lines));
        let outcome = plan(&own, theirs.clone(), 1_000);
        prop_assert_eq!(live(&outcome.writes) + outcome.left_behind.len(), brought, "merged or listed as not merged");
        let mut merged: BTreeMap<_, _> = own.lines.iter().map(|line| (line.key.clone(), line.clone())).collect();
        merged.extend(outcome.writes.iter().map(|line| (line.key.clone(), line.clone())));
        let merged: Vec<_> = merged.into_values().collect();
        prop_assert!(live(&merged) <= MAX_LINES.max(before), "{} lines", live(&merged));
        let is_full = outcome.left_behind.iter().any(|line| line.reason == UnmergedReason::CartFull);
        prop_assert!(!is_full || live(&merged) == MAX_LINES, "left behind although there was room");
        for written in &outcome.writes {
            let held = own.lines.iter().find(|line| line.key == written.key);
            prop_assert!(held.is_none_or(|held| held.at <= written.at), "an earlier write won");
            prop_assert!(own.replaced_at.is_none_or(|replaced| replaced <= written.at), "it would not be taken");
        }
        for line in &own.lines {
            let is_gone = outcome.writes.iter().any(|write| write.key == line.key && write.content.is_none());
            prop_assert!(is_gone || line.content.is_none() || merged.iter().any(|one| one.key == line.key && one.content.is_some()));
        }
    }
}
