//! A restaurant with two customers, and writes to the event log.

use serde_json::Value;
use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Postgres};

use super::phone::Phone;
use crate::app::TestApp;
use crate::people::Person;
use crate::shop::Shop;

/// The objects that every test here uses.
pub struct Stage {
    pub app: TestApp,
    pub shop: Shop,
    pub ada: Person,
    pub bob: Person,
}

impl Stage {
    pub async fn set() -> Self {
        Self::set_with(&[]).await
    }

    pub async fn set_with(settings: &[(&str, &str)]) -> Self {
        let app = TestApp::with(settings).await;
        let shop = app.restaurant("Ortica").opens().await;
        let (ada, bob) = (app.customer("Ada").await, app.customer("Bob").await);
        Self { app, shop, ada, bob }
    }

    pub fn url(&self) -> &str {
        &self.app.endpoint.base
    }

    /// The restaurant's room.
    pub fn room(&self) -> String {
        format!("restaurant:{}", self.shop.id)
    }

    /// The owner's client, connected.
    pub async fn phone(&self, transport: &str) -> Phone {
        self.phone_of(&self.shop.owner, transport).await
    }

    /// A user's client, connected once every event so far is final: those that are not final when it joins a room would
    /// be sent to it, and transactions of other tests hold them back.
    pub async fn phone_of(&self, person: &Person, transport: &str) -> Phone {
        self.app.wait_for_final_log().await;
        Phone::signed_in(self.url(), transport, token_of(person)).await
    }

    /// Ada places an order for pickup.
    pub async fn ada_orders(&self) -> Value {
        self.ada.places_order(&self.shop, &[(self.shop.any_dish(), 1)]).await
    }

    /// Ada places an order for delivery.
    pub async fn ada_orders_delivery(&self) -> Value {
        self.ada.orders_delivery(&self.shop, &[(self.shop.any_dish(), 1)]).await
    }

    /// A connection with write access to everything.
    pub async fn pen(&self) -> PgConnection {
        PgConnection::connect(&self.app.database_url).await.unwrap()
    }

    /// Writes this many events of the restaurant into the log in one transaction; `padding` makes their bodies long.
    pub async fn write_events(&self, count: i32, padding: i32) {
        write_events(&self.app.superuser, count, padding).await;
    }

    /// The numbers of all events, in order.
    pub async fn numbers(&self) -> Vec<i64> {
        sqlx::query_scalar("select seq from events order by seq").fetch_all(&self.app.superuser).await.unwrap()
    }

    /// The number of the last event, once it is final.
    pub async fn last(&self) -> i64 {
        self.app.wait_for_final_log().await;
        *self.numbers().await.last().unwrap()
    }

    /// The owner's client in the restaurant's room, after it received all events, and their numbers.
    pub async fn watching(&self, transport: &str) -> (Phone, i64) {
        let (mut phone, last) = (self.phone(transport).await, self.last().await);
        phone.join(&self.room(), Some(last)).await;
        (phone, last)
    }

    /// The numbers of all events after one, in order.
    pub async fn numbers_after(&self, after: i64) -> Vec<i64> {
        self.numbers().await.into_iter().filter(|seq| *seq > after).collect()
    }
}

/// The handshake of a signed-in user.
pub fn token_of(person: &Person) -> &str {
    person.token.as_deref().unwrap()
}

/// Checks that the received numbers are the written ones, in the same order.
#[track_caller]
pub fn assert_same(received: &[i64], written: &[i64]) {
    let differs = received.iter().zip(written).position(|(received, written)| received != written);
    let at = differs.map(|at| (at, received[at], written[at]));
    assert_eq!((at, received.len()), (None, written.len()), "the first difference, and how many there are");
}

/// Inserts events without a change, at most 1024 in a transaction.
pub async fn write_events<'p>(pen: impl sqlx::Executor<'p, Database = Postgres>, count: i32, padding: i32) {
    let statement = sqlx::query(
        "insert into events (seq, restaurant_id, aggregate, aggregate_id, version, name, actor, payload, at)
         select event_seq(place), r.id, 'menu', gen_random_uuid(), 1, 'menu:changed', 'SYSTEM',
                json_build_object('version', 1, 'menuVersion', place, 'padding', repeat('x', $2)), now()
         from restaurants r, generate_series(0, $1 - 1) place",
    );
    statement.bind(count).bind(padding).execute(pen).await.unwrap();
}
