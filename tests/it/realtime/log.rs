//! The log is read in the order in which events became final: none is skipped or read twice.

use serde_json::json;
use sqlx::Connection as _;

use super::TRANSPORTS;
use super::phone::Phone;
use super::stage::{Stage, assert_same, token_of, write_events};

#[tokio::test]
async fn an_older_transaction_delays_later_events_and_none_is_skipped() {
    let stage = Stage::set().await;
    let (mut phone, _) = stage.watching("websocket").await;

    let mut pen = stage.pen().await;
    let mut older = pen.begin().await.unwrap();
    sqlx::raw_sql("select pg_current_xact_id()").execute(&mut *older).await.unwrap();
    let placed = stage.ada_orders().await;
    let newer = *stage.numbers().await.last().unwrap();

    // Joining after the order's event makes the relay read, and the acknowledgement says that the event is not final
    // yet.
    let mut other = Phone::signed_in(stage.url(), "websocket", token_of(&stage.shop.owner)).await;
    let early = other.try_join(&stage.room(), Some(newer)).await;
    assert_eq!(early["error"]["errors"][0]["pointer"], "/after", "{early}");
    phone.received_nothing().await;

    write_events(&mut *older, 1, 0).await;
    older.commit().await.unwrap();
    let (name, late) = phone.next().await;
    assert_eq!(name, "menu:changed");
    assert!(late["seq"].as_i64().unwrap() < newer);
    let (name, event) = phone.next().await;
    assert_eq!((name.as_str(), &event["order"]["id"], &event["seq"]), ("order:new", &placed["id"], &json!(newer)));
}

#[tokio::test]
async fn an_older_transaction_that_rolls_back_delays_no_event_permanently() {
    let stage = Stage::set().await;
    let (mut phone, _) = stage.watching("polling").await;
    let mut pen = stage.pen().await;
    let mut older = pen.begin().await.unwrap();
    write_events(&mut *older, 1, 0).await;
    stage.ada_orders().await;
    phone.received_nothing().await;
    older.rollback().await.unwrap();
    assert_eq!(phone.next().await.0, "order:new");
}

#[tokio::test]
async fn a_burst_of_events_arrives_completely_and_in_order() {
    let stage = Stage::set().await;
    for transport in TRANSPORTS {
        let (mut phone, seen) = stage.watching(transport).await;
        stage.write_events(200, 500).await;
        assert_same(&phone.next_numbers(200).await, &stage.numbers_after(seen).await);
        phone.received_nothing().await;
    }
}

#[tokio::test]
async fn joining_during_many_events_misses_none() {
    let stage = Stage::set_with(&[("EVENT_RING", "16"), ("EVENT_POLL_INTERVAL", "20ms")]).await;
    for transport in TRANSPORTS {
        let (mut watching, begin) = stage.watching(transport).await;
        let mut joining = Vec::new();
        for _ in 0..5 {
            let phone = Phone::signed_in(stage.url(), transport, token_of(&stage.shop.owner)).await;
            joining.push((phone, begin, 0));
        }
        let mut waiting = joining.iter_mut();
        let mut pen = stage.pen().await;
        for round in 0..150 {
            write_events(&mut pen, 1 + round % 7, 0).await;
            if round % 30 == 0 {
                let (phone, after, asked) = waiting.next().unwrap();
                if round % 60 == 30 {
                    *after = *stage.numbers().await.last().unwrap() - 1;
                }
                *asked = phone.ask_later("join", &json!([{ "room": stage.room(), "after": *after }])).await;
            }
        }
        stage.last().await;
        let numbers = stage.numbers().await;
        let since = |after: i64| numbers.iter().copied().filter(|seq| *seq > after).collect::<Vec<_>>();
        assert_same(&watching.next_numbers(since(begin).len()).await, &since(begin));
        for (mut phone, after, asked) in joining {
            let answer = phone.answer(asked).await;
            if answer["ok"] == true {
                assert_same(&phone.next_numbers(since(after).len()).await, &since(after));
            } else {
                // The log was not final up to there.
                assert_eq!(answer["error"]["errors"][0]["pointer"], "/after", "{answer}");
            }
            phone.received_nothing().await;
        }
    }
}

#[tokio::test]
async fn events_of_a_long_absence_are_replayed_through_a_small_buffer() {
    let settings = [("EVENT_RING", "16"), ("SOCKET_BUFFER_PACKETS", "16"), ("EVENT_POLL_INTERVAL", "20ms")];
    let stage = Stage::set_with(&settings).await;
    for _ in 0..3 {
        stage.write_events(500, 300).await;
    }
    let last = stage.last().await;
    for transport in TRANSPORTS {
        // An observer makes sure that the relay has read that far.
        stage.watching(transport).await;
        let mut phone = stage.phone(transport).await;
        let stands = phone.join(&stage.room(), Some(0)).await;
        assert_same(&phone.received_numbers(), &stage.numbers().await);
        assert!(stands >= last);
    }
}
