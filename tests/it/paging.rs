//! Lists in pages.

use chrono::{DateTime, Datelike as _, Utc};
use comanda::paging::{Cursor, Page};
use proptest::prelude::*;
use serde_json::Value;
use uuid::Uuid;

use crate::app::TestApp;

proptest! {
    #[test]
    fn a_cursor_is_parsed_to_the_row_it_was_made_from(micros in 0..7_258_118_400_000_000_i64, id: u128) {
        let key: (DateTime<Utc>, Uuid) = (DateTime::from_timestamp_micros(micros).unwrap(), Uuid::from_u128(id));
        let list = Page::parse(Some(1), None).unwrap().cut(vec![key, key], |row| *row);
        prop_assert_eq!(list.data.len(), 1);
        let cursor: Cursor = list.next_cursor.unwrap().parse().unwrap();
        let next = Page::parse(None, Some(cursor)).unwrap();
        prop_assert_eq!(next.after, Some(key));
    }

    #[test]
    fn forged_cursors_are_bounded(text in "\\PC{0,40}", bytes in prop::collection::vec(any::<u8>(), 24..=25)) {
        use base64::Engine as _;
        prop_assert!(text.parse::<Cursor>().is_err());
        let forged = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
        match forged.parse() {
            Ok(Cursor::Time(at, _)) => prop_assert!((1970..2200).contains(&at.utc().year())),
            Ok(Cursor::Distance(metres, _)) => prop_assert!((0.0..=21_000_000.0).contains(&metres)),
            Err(_) => {}
        }
    }

    #[test]
    fn a_page_has_as_many_rows_as_its_limit(limit in 1_u16..=200, rows in 0_usize..420) {
        let page = Page::parse(Some(limit), None).unwrap();
        let fetched: Vec<_> = (0..rows.min(usize::try_from(page.fetch).unwrap())).collect();
        let list = page.cut(fetched, |_| (DateTime::UNIX_EPOCH, Uuid::nil()));
        prop_assert_eq!(list.data.len(), rows.min(usize::from(limit)));
        prop_assert_eq!(list.next_cursor.is_some(), rows > usize::from(limit));
    }
}

#[test]
fn a_page_has_one_to_two_hundred_rows() {
    for limit in [0, 201, u16::MAX] {
        assert!(Page::parse(Some(limit), None).is_err(), "{limit}");
    }
}

#[tokio::test]
async fn pages_show_every_row_once_while_new_ones_arrive() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let ada = app.customer("Ada").await;
    let mut placed = Vec::new();
    for _ in 0..7 {
        placed.push(ada.places_order(&luigi, &[(luigi.any_dish(), 1)]).await["id"].clone());
    }
    placed.reverse();
    let mut seen: Vec<Value> = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = ada.get(&format!("/api/orders?limit=3{cursor}")).await.expect(200);
        seen.extend(page["data"].as_array().unwrap().iter().map(|order| order["id"].clone()));
        // Another order is placed between two pages; the pages do not change.
        ada.places_order(&luigi, &[(luigi.any_dish(), 1)]).await;
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, placed);
    let restaurants = ada.get("/api/restaurants?limit=1").await.expect(200);
    assert!(restaurants["nextCursor"].is_null(), "one restaurant is one page: {restaurants}");
}
