//! What counts towards the limits on writes of a user, and what does not.

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::app::TestApp;
use crate::people::{PASSWORD, Person};

/// Each change of an order writes an event that contains the order, with everything that the customer wrote.
#[tokio::test]
async fn long_orders_do_not_use_up_the_writes_of_the_staff() {
    let app = TestApp::with(&[("WRITES_PER_USER", "45/24h"), ("ORDER_MAX_NOTES", "10000")]).await;
    let luigi = app.restaurant("Luigi").sells("Margherita", 850).opens().await;
    let ada = app.customer("Ada").await;
    let line = |number: usize| {
        let note = format!("{number} {}", "\u{1f355}".repeat(400));
        json!({ "itemId": luigi.any_dish().id, "quantity": 1, "note": note })
    };
    let lines: Vec<_> = (0..10).map(line).collect();
    let cart = ada.put(&luigi.path("/cart"), &json!({ "lines": lines })).await.expect(200);
    let order = ada.orders_cart(&cart, &json!({ "fulfilment": "PICKUP" })).await.expect(201);
    for status in ["CONFIRMED", "PREPARING", "READY", "DELIVERED"] {
        luigi.owner.moves(&order, status).await;
    }
}

/// A stolen token is not a way to use up the limits of its owner, nor is a body that is announced only.
#[tokio::test]
async fn an_ended_session_and_an_announced_body_draw_nothing_from_the_user() {
    let app = TestApp::with(&[("WRITES_PER_USER", "30/24h"), ("RATE_LIMIT_USER", "40/1h")]).await;
    let ada = app.customer("Ada").await;
    let sign_in = json!({ "email": ada.email, "password": PASSWORD });
    let stolen = app.stranger().post("/api/auth/login", &sign_in).await.expect(200);
    let thief = Person { token: stolen["accessToken"].as_str().map(Into::into), ..app.stranger() };
    let announces = async || {
        let mut stream = TcpStream::connect(app.address()).await.unwrap();
        let head = format!(
            "PATCH /api/me HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
             content-length: 60000\r\n\r\n",
            thief.token.as_deref().unwrap()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).await.unwrap();
    };
    announces().await;
    ada.patch("/api/me", &json!({ "name": "Ada L." })).await.expect(200);
    let logout = json!({ "refreshToken": stolen["refreshToken"] });
    thief.post("/api/auth/logout", &logout).await.expect(204);
    for _ in 0..50 {
        assert_eq!(thief.patch("/api/me", &json!({ "name": "Thief" })).await.status, 401);
    }
    ada.patch("/api/me", &json!({ "name": "Ada" })).await.expect(200);
}
