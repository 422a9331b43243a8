//! Users as clients of the API: each is signed in, with a method for each action.

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::eventually;
use crate::reply::Reply;
use crate::shop::{Dish, Shop};

/// The password of all users in the tests.
pub const PASSWORD: &str = "three green apples";

/// The server, and the connection to it.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Such as `http://127.0.0.1:40000`.
    pub base: String,
    /// Shared by all clients, so that connections are reused.
    pub client: reqwest::Client,
}

/// A client with or without a token.
#[derive(Clone, Debug)]
pub struct Person {
    /// The connection to the server.
    pub endpoint: Endpoint,
    /// `usr_…`; empty for a stranger.
    pub id: String,
    /// Their e-mail address.
    pub email: String,
    /// Their access token, if they are signed in.
    pub token: Option<String>,
}

/// The id in a body.
#[track_caller]
pub fn id_of(body: &Value) -> &str {
    body["id"].as_str().unwrap_or_else(|| panic!("no id in {body}"))
}

impl Person {
    /// A request with the person's token.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.endpoint.client.request(method, format!("{}{path}", self.endpoint.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends a request.
    pub async fn send(&self, request: reqwest::RequestBuilder) -> Reply {
        let (client, request) = request.build_split();
        let request = request.expect("a request");
        let asked = format!("{} {}", request.method(), request.url().path());
        let response = client.execute(request).await.unwrap_or_else(|error| panic!("{asked}: {error:?}"));
        Reply::read(asked, response).await
    }

    /// Sends a GET request.
    pub async fn get(&self, path: &str) -> Reply {
        self.send(self.request(Method::GET, path)).await
    }

    /// POST with a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    /// PUT with a JSON body.
    pub async fn put(&self, path: &str, body: &Value) -> Reply {
        self.send(self.request(Method::PUT, path).json(body)).await
    }

    /// PATCH with a JSON body.
    pub async fn patch(&self, path: &str, body: &Value) -> Reply {
        self.send(self.request(Method::PATCH, path).json(body)).await
    }

    /// PATCH of the version named.
    pub async fn patch_version(&self, path: &str, version: &str, body: &Value) -> Reply {
        self.send(self.request(Method::PATCH, path).header("if-match", version).json(body)).await
    }

    /// Sends a DELETE request.
    pub async fn delete(&self, path: &str) -> Reply {
        self.send(self.request(Method::DELETE, path)).await
    }

    /// Fills the user's cart at the restaurant and returns it.
    pub async fn puts_in_cart(&self, shop: &Shop, lines: &[(&Dish, u32)]) -> Value {
        let line = |(dish, quantity): &(&Dish, u32)| json!({ "itemId": dish.id, "quantity": quantity });
        let lines: Vec<_> = lines.iter().map(line).collect();
        self.put(&shop.path("/cart"), &json!({ "lines": lines })).await.expect(200)
    }

    /// Sends an order with this key and body.
    pub async fn asks_for_order(&self, key: &str, body: &Value) -> Reply {
        self.send(self.request(Method::POST, "/api/orders").header("idempotency-key", key).json(body)).await
    }

    /// Places an order from a filled cart; `details` may contain other fields than PICKUP.
    pub async fn orders_cart(&self, cart: &Value, details: &Value) -> Reply {
        let mut body = json!({ "cartId": id_of(cart), "fulfilment": "PICKUP" });
        for (name, value) in details.as_object().into_iter().flatten() {
            body[name] = value.clone();
        }
        self.asks_for_order(&Uuid::new_v4().to_string(), &body).await
    }

    /// Fills the cart and places an order for pickup.
    pub async fn places_order(&self, shop: &Shop, lines: &[(&Dish, u32)]) -> Value {
        let cart = self.puts_in_cart(shop, lines).await;
        self.orders_cart(&cart, &Value::Null).await.expect(201)
    }

    /// Fills the cart and places an order for delivery.
    pub async fn orders_delivery(&self, shop: &Shop, lines: &[(&Dish, u32)]) -> Value {
        let cart = self.puts_in_cart(shop, lines).await;
        self.orders_cart(&cart, &delivery_details()).await.expect(201)
    }

    /// Sends a change of an order's status.
    pub async fn tries_to_move(&self, order: &Value, to: &str, reason: Option<&str>) -> Reply {
        let path = format!("/api/orders/{}/status", id_of(order));
        self.patch(&path, &json!({ "status": to, "reason": reason })).await
    }

    /// Changes an order's status and returns the order.
    pub async fn moves(&self, order: &Value, to: &str) -> Value {
        self.tries_to_move(order, to, None).await.expect(200)
    }

    /// Changes an order's status several times.
    pub async fn makes_steps(&self, order: &Value, steps: &[&str]) -> Value {
        let mut order = order.clone();
        for step in steps {
            order = self.moves(&order, step).await;
        }
        order
    }

    /// Cancels an order with a reason.
    pub async fn cancels(&self, order: &Value, reason: &str) -> Value {
        self.tries_to_move(order, "CANCELLED", Some(reason)).await.expect(200)
    }

    /// Reads an order.
    pub async fn reads_order(&self, order: &Value) -> Value {
        self.get(&format!("/api/orders/{}", id_of(order))).await.expect(200)
    }

    /// The events of an order, once there are this many. An event is shown when no transaction that began before it
    /// is still open in the cluster, so other tests can delay it for a moment.
    pub async fn reads_events(&self, order: &Value, count: usize) -> Vec<Value> {
        let path = format!("/api/orders/{}/events", id_of(order));
        let mut events = Vec::new();
        eventually(&format!("{count} events"), async || {
            let list = self.get(&path).await.expect(200);
            events.clone_from(list["data"].as_array().expect("a list"));
            events.len() >= count
        })
        .await;
        assert_eq!(events.len(), count, "{events:?}");
        events
    }

    /// The delivery of an order.
    pub async fn finds_delivery(&self, order: &Value) -> Value {
        let found = self.get(&format!("/api/deliveries?orderId={}", id_of(order))).await.expect(200);
        assert_eq!(found["data"].as_array().map(Vec::len), Some(1), "{found}");
        found["data"][0].clone()
    }

    /// Goes on duty at this location.
    pub async fn goes_online(&self, lat: f64, lng: f64) -> Value {
        let body = json!({ "status": "AVAILABLE", "place": { "lat": lat, "lng": lng } });
        self.put("/api/drivers/me/availability", &body).await.expect(200)
    }

    /// Sends a change of a delivery's status.
    pub async fn tries_to_bring(&self, delivery: &Value, to: &str, reason: Option<&str>) -> Reply {
        let path = format!("/api/deliveries/{}/status", id_of(delivery));
        self.patch(&path, &json!({ "status": to, "reason": reason })).await
    }

    /// Changes a delivery's status and returns the delivery.
    pub async fn brings(&self, delivery: &Value, to: &str) -> Value {
        self.tries_to_bring(delivery, to, None).await.expect(200)
    }

    /// Assigns a delivery to a driver, or to the nearest one.
    pub async fn assigns(&self, delivery: &Value, driver: Option<&Value>) -> Reply {
        let path = format!("/api/deliveries/{}/assign", id_of(delivery));
        self.post(&path, &json!({ "driverId": driver.map(id_of) })).await
    }
}

/// The details of an order for delivery.
pub fn delivery_details() -> Value {
    json!({ "fulfilment": "DELIVERY", "address": "Via del Pratello 12", "place": { "lat": 44.4965, "lng": 11.3340 } })
}
