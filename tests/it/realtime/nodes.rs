//! Several nodes on one database: sockets of all nodes receive the events that one node commits.

use comanda::database::DatabaseServer;
use comanda::serve;

use super::TRANSPORTS;
use super::phone::Phone;
use super::stage::{Stage, token_of};
use crate::app::{config, server_url};
use crate::people::id_of;

/// So long that only a wake-up explains that an event arrives.
const NO_POLL: (&str, &str) = ("EVENT_POLL_INTERVAL", "1h");

async fn assert_that_nodes_wake_each_other(settings: &[(&str, &str)]) {
    let stage = Stage::set_with(settings).await;
    let settings = config(&stage.app.database_url, settings);
    let reached = DatabaseServer::find(&settings).await.unwrap();
    let other = serve::start(settings, &reached, stage.app.clock.clone(), false).await.unwrap();
    let there = format!("http://{}", other.address);
    let owner = token_of(&stage.shop.owner);
    for transport in TRANSPORTS {
        let mut phone = Phone::signed_in(&there, transport, owner).await;
        phone.join(&stage.room(), Some(stage.last().await)).await;
        let order = stage.ada_orders().await;
        let (name, event) = phone.next().await;
        assert_eq!((name.as_str(), id_of(&event["order"])), ("order:new", id_of(&order)));

        // A user who moves from one node to the other continues at the same position.
        let mut here = stage.phone(transport).await;
        here.join(&stage.room(), event["seq"].as_i64()).await;
        here.received_nothing().await;
        stage.shop.owner.moves(&order, "CONFIRMED").await;
        let event = here.next().await;
        assert_eq!(event, phone.next().await);
        phone.hang_up().await;
        phone.sign_in(owner).await;
        phone.join(&stage.room(), event.1["seq"].as_i64()).await;
        phone.received_nothing().await;
    }
    other.stop().await;
}

#[tokio::test]
async fn nodes_wake_each_other_through_postgresql() {
    Box::pin(assert_that_nodes_wake_each_other(&[NO_POLL])).await;
}

#[tokio::test]
async fn nodes_wake_each_other_through_redis() {
    Box::pin(assert_that_nodes_wake_each_other(&[NO_POLL, ("REDIS_URL", &server_url("COMANDA_TEST_REDIS"))])).await;
}
