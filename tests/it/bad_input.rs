//! Invalid input: each kind returns a 4xx problem with a stable code, and nothing is stored.

use axum::body::Bytes;
use http_body_util::StreamBody;
use hyper::body::Frame;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::TestApp;
use crate::people::{Person, id_of};
use crate::reply::Reply;

/// A restaurant, a customer with a cart, and a valid body of an order.
struct World {
    app: TestApp,
    luigi: crate::shop::Shop,
    ada: Person,
    good: Value,
}

async fn world() -> World {
    let app = TestApp::with(&[("MAX_BODY_BYTES", "65536")]).await;
    let luigi = app.restaurant("Luigi").opens().await;
    let ada = app.customer("Ada").await;
    let cart = ada.puts_in_cart(&luigi, &[(luigi.any_dish(), 2)]).await;
    let place = json!({ "lat": 44.5, "lng": 11.3 });
    let good = json!({ "cartId": id_of(&cart), "fulfilment": "DELIVERY", "address": "Via 1", "place": place });
    World { app, luigi, ada, good }
}

impl World {
    /// Sends bytes as the body of an order.
    async fn sends(&self, kind: &str, body: impl Into<reqwest::Body>) -> Reply {
        let request = self.ada.request(Method::POST, "/api/orders");
        let request = request.header("idempotency-key", Uuid::new_v4().to_string()).header("content-type", kind);
        self.ada.send(request.body(body)).await
    }

    async fn asks(&self, body: &Value) -> Reply {
        self.ada.asks_for_order(&Uuid::new_v4().to_string(), body).await
    }
}

#[tokio::test]
async fn a_body_that_is_not_json_is_malformed() {
    let world = world().await;
    let written = world.app.rows_written().await;
    let good = world.good.to_string();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", b"".to_vec()),
        ("spaces", b"   ".to_vec()),
        ("half", good.as_bytes()[..good.len() / 2].to_vec()),
        ("two", format!("{good}{good}").into_bytes()),
        ("with a tail", format!("{good} oops").into_bytes()),
        ("single quotes", good.replace('"', "'").into_bytes()),
        ("broken UTF-8 in a text", good.replace("Via 1", "Via \u{1}").into_bytes()),
        ("broken UTF-8", [&good.as_bytes()[..20], &[0xff, 0xfe], &good.as_bytes()[20..]].concat()),
        ("an overlong slash", good.replace("Via 1", "X").replace('X', "\u{0}").into_bytes()),
        ("a lone surrogate", good.replace("Via 1", "\\ud800").into_bytes()),
        ("a byte order mark behind a blank", [b" \xef\xbb\xbf", good.as_bytes()].concat()),
        ("UTF-16", good.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("not a number", good.replace("44.5", "NaN").into_bytes()),
        ("a comment", good.replacen('{', "{/* hello */", 1).into_bytes()),
    ];
    for (what, body) in cases {
        let reply = world.sends("application/json", body).await;
        let problem = reply.refused(400, "malformed_request");
        assert!(problem["detail"].as_str().unwrap().contains("JSON"), "{what}: {problem}");
    }
    assert_eq!(world.app.rows_written().await, written);
}

#[tokio::test]
async fn json_of_another_structure_is_refused_with_a_pointer() {
    let world = world().await;
    let written = world.app.rows_written().await;
    let euro = |amount: Value| json!({ "amount": amount, "currency": "EUR" });
    let cases = [
        ("cartId", json!(7), "/cartId"),
        ("cartId", json!(null), "/cartId"),
        ("cartId", json!("crt_1"), "/cartId"),
        ("cartId", json!(world.luigi.id), "/cartId"),
        ("cartId", json!("crt_8zzzzzzzzzzzzzzzzzzzzzzzzz"), "/cartId"),
        ("fulfilment", json!("delivery"), "/fulfilment"),
        ("fulfilment", json!("TELEPORT"), "/fulfilment"),
        ("fulfilment", json!(["DELIVERY"]), "/fulfilment"),
        ("address", json!(""), "/address"),
        ("address", json!("  \t "), "/address"),
        ("address", json!("x".repeat(301)), "/address"),
        ("address", json!("bell\u{7}"), "/address"),
        ("address", json!("nul\u{0}"), "/address"),
        ("address", json!(null), "/address"),
        ("place", json!(null), "/place"),
        ("place", json!({ "lat": 90.1, "lng": 0 }), "/place"),
        ("place", json!({ "lat": 0, "lng": -180.5 }), "/place"),
        ("place", json!({ "lat": 0 }), "/place/lng"),
        ("place", json!({ "lat": 0, "lng": 0, "alt": 3 }), "/place/alt"),
        ("table", json!("7"), "/table"),
        ("note", json!("x".repeat(501)), "/note"),
        ("note", json!({}), "/note"),
        ("tip", euro(json!(-1)), "/tip"),
        ("tip", euro(json!(100_000_001)), "/tip"),
        ("tip", euro(json!(i64::MAX)), "/tip"),
        ("tip", euro(json!(u64::MAX)), "/tip/amount"),
        ("tip", euro(json!(1.5)), "/tip/amount"),
        ("tip", euro(json!("100")), "/tip/amount"),
        ("tip", json!({ "amount": 100, "currency": "EURO" }), "/tip/currency"),
        ("tip", json!({ "amount": 100, "currency": "USD" }), "/tip/currency"),
        ("tip", json!({ "amount": 100 }), "/tip/currency"),
        ("total", json!(1), "/total"),
        ("price", json!(1), "/price"),
        ("customerId", json!(world.ada.id), "/customerId"),
        ("status", json!("DELIVERED"), "/status"),
        ("a/b~c", json!(1), "/a~1b~0c"),
    ];
    for (field, value, pointer) in cases {
        let mut body = world.good.clone();
        body[field] = value.clone();
        let reply = world.asks(&body).await;
        assert_eq!(reply.status, 422, "{field} = {value}: {}", reply.text());
        let problem = reply.refused(422, "invalid_request");
        let pointers: Vec<_> = problem["errors"].as_array().unwrap().iter().map(|error| &error["pointer"]).collect();
        assert!(pointers.contains(&&json!(pointer)), "{field} = {value}: {problem}");
        for error in problem["errors"].as_array().unwrap() {
            assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()), "{problem}");
            assert_eq!(error["code"], "invalid");
        }
    }
    for whole in [json!(null), json!([]), json!("order"), json!(1), json!(true), json!({})] {
        world.asks(&whole).await.refused(422, "invalid_request");
    }
    let twice = world.good.to_string().replacen('{', "{\"note\":\"a\",\"note\":\"b\",", 1);
    world.sends("application/json", twice).await.refused(422, "invalid_request");
    assert_eq!(world.app.rows_written().await, written);
    // The other fields of these bodies are valid.
    world.asks(&world.good).await.expect(201);
}

#[tokio::test]
async fn a_body_that_is_too_large_too_deep_or_of_another_type_is_refused() {
    let world = world().await;
    let written = world.app.rows_written().await;
    let large = json!({ "note": "x".repeat(70_000) }).to_string();
    world.sends("application/json", large.clone()).await.refused(413, "body_too_large");
    // The same without a length, in chunks.
    let chunks: Vec<_> = large.into_bytes().chunks(7_000).map(Bytes::copy_from_slice).collect();
    let frames = chunks.into_iter().map(|chunk| Ok::<_, std::io::Error>(Frame::data(chunk)));
    let stream = StreamBody::new(futures_util::stream::iter(frames));
    world.sends("application/json", reqwest::Body::wrap(stream)).await.refused(413, "body_too_large");
    for deep in ["[".repeat(30_000), "{\"a\":".repeat(10_000), format!("{}{}", "[".repeat(200), "]".repeat(200))] {
        let reply = world.sends("application/json", format!("{{\"note\":{deep}")).await;
        assert!((400..500).contains(&reply.status), "{} {}", reply.status, reply.text());
        let code = reply.json()["code"].as_str().unwrap().to_owned();
        reply.refused(reply.status, &code);
    }
    let good = world.good.to_string();
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "application/xml", "json", ""]
    {
        world.sends(kind, good.clone()).await.refused(415, "unsupported_media_type");
    }
    assert_eq!(world.app.rows_written().await, written);
    world.sends("Application/JSON; charset=utf-8", good).await.expect(201);
}

#[tokio::test]
async fn malformed_ids_in_paths_are_not_found() {
    let world = world().await;
    let order = world.asks(&world.good).await.expect(201);
    let suffix = id_of(&order).trim_start_matches("ord_").to_owned();
    let owner = &world.luigi.owner;
    for id in [
        "1",
        "ord_",
        "ord_1",
        "00000000-0000-0000-0000-000000000000",
        "ord_8zzzzzzzzzzzzzzzzzzzzzzzzz",
        "ord_01h455vb4pex5vsknk084sn02q",
        &suffix,
        &format!("usr_{suffix}"),
        &format!("ord_{}", suffix.to_uppercase()),
        &format!("{}x", id_of(&order)),
        "%00",
        "%ff%fe",
        "..%2f..%2fetc%2fpasswd",
        "'; drop table orders; --",
        "🍕",
    ] {
        for rest in ["", "/events"] {
            owner.get(&format!("/api/orders/{id}{rest}")).await.refused(404, "not_found");
        }
        let request_body = json!({ "status": "CONFIRMED" });
        owner.patch(&format!("/api/orders/{id}/status"), &request_body).await.refused(404, "not_found");
        owner.get(&format!("/api/deliveries/{id}")).await.refused(404, "not_found");
        owner.get(&format!("/api/restaurants/{id}")).await.refused(404, "not_found");
        owner.get(&format!("/api/restaurants/{id}/menu")).await.refused(404, "not_found");
        owner.get(&format!("/api/restaurants/{id}/cart")).await.refused(404, "not_found");
        owner.get(&world.luigi.path(&format!("/items/{id}"))).await.refused(404, "not_found");
        owner.delete(&world.luigi.path(&format!("/categories/{id}"))).await.refused(404, "not_found");
        owner.delete(&world.luigi.path(&format!("/members/{id}"))).await.refused(404, "not_found");
    }
    assert_eq!(owner.reads_order(&order).await["status"], "PENDING");
}

#[tokio::test]
async fn invalid_queries_are_refused() {
    let world = world().await;
    let ada = &world.ada;
    for query in [
        "limit=0",
        "limit=201",
        "limit=-1",
        "limit=1e3",
        "limit=ten",
        "limit=99999999999999999999",
        "limit=",
        "cursor=abc",
        "cursor=%00",
        "cursor=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "cursor=f_________________________________w",
        "offset=3",
        "limit=1&limit=2",
    ] {
        for path in ["/api/orders", "/api/restaurants", "/api/deliveries"] {
            let problem = ada.get(&format!("{path}?{query}")).await.refused(422, "invalid_request");
            assert!(problem["errors"][0]["pointer"].as_str().unwrap().starts_with('?'), "{problem}");
        }
    }
    for query in ["status=pending", "status=", "restaurantId=1", "restaurantId=ord_01h455vb4pex5vsknk084sn02q"] {
        ada.get(&format!("/api/orders?{query}")).await.refused(422, "invalid_request");
    }
    ada.get("/api/orders?restaurantId=rst_01h455vb4pex5vsknk084sn02q").await.refused(404, "not_found");
    let order = world.asks(&world.good).await.expect(201);
    for query in ["after=x", "after=1.5", "after=99999999999999999999", "limit=0", "before=3"] {
        ada.get(&format!("/api/orders/{}/events?{query}", id_of(&order))).await.refused(422, "invalid_request");
    }
    for after in ["-9223372036854775808", "9223372036854775807"] {
        ada.get(&format!("/api/orders/{}/events?after={after}", id_of(&order))).await.expect(200);
    }
}

#[tokio::test]
async fn versions_in_headers_are_validated() {
    let world = world().await;
    let order = world.asks(&world.good).await.expect(201);
    let path = format!("/api/orders/{}/status", id_of(&order));
    for bad in ["1", "\"one\"", "W/\"1\"", "\"1", "\"1\", \"2\"", "\"\"", "\"99999999999999999999\"", "'1'"] {
        let reply = world.luigi.owner.patch_version(&path, bad, &json!({ "status": "CONFIRMED" })).await;
        reply.refused(400, "malformed_request");
    }
    for wrong in ["\"0\"", "\"2\"", "\"-1\"", "\"9223372036854775807\""] {
        let reply = world.luigi.owner.patch_version(&path, wrong, &json!({ "status": "CONFIRMED" })).await;
        assert_eq!(reply.refused(412, "version_conflict")["current"]["version"], 1);
    }
    assert_eq!(world.ada.reads_order(&order).await["version"], 1);
}

#[tokio::test]
async fn an_order_uses_only_an_open_cart_of_the_caller() {
    let world = world().await;
    let bob = world.app.customer("Bob").await;
    let theirs = bob.puts_in_cart(&world.luigi, &[(world.luigi.any_dish(), 1)]).await;
    let mut body = world.good.clone();
    for cart in [id_of(&theirs), "crt_01h455vb4pex5vsknk084sn02q"] {
        body["cartId"] = json!(cart);
        world.asks(&body).await.refused(404, "not_found");
    }
    assert_eq!(world.app.count("select count(*) from orders").await, 0);
    assert_eq!(world.app.count("select count(*) from idempotency_keys").await, 0);
    world.asks(&world.good).await.expect(201);
    world.asks(&world.good).await.refused(409, "cart_closed");
    assert_eq!(world.app.count("select count(*) from orders").await, 1);
}

#[tokio::test]
async fn a_menu_item_is_checked_field_by_field() {
    let world = world().await;
    let (luigi, owner) = (&world.luigi, &world.luigi.owner);
    let good =
        json!({ "categoryId": luigi.category, "name": "Calzone", "price": { "amount": 950, "currency": "EUR" } });
    let written = world.app.rows_written().await;
    let cases = [
        ("categoryId", json!("cat_01h455vb4pex5vsknk084sn02q"), "/categoryId"),
        ("categoryId", json!(luigi.any_dish().id), "/categoryId"),
        ("name", json!(""), "/name"),
        ("name", json!("x".repeat(121)), "/name"),
        ("price", json!({ "amount": -1, "currency": "EUR" }), "/price"),
        ("price", json!({ "amount": 950, "currency": "USD" }), "/price/currency"),
        ("price", json!(9.5), "/price"),
        ("stock", json!(-1), "/stock"),
        ("stock", json!(1_000_001), "/stock"),
        ("stock", json!(2_147_483_648_i64), "/stock"),
        ("stock", json!("many"), "/stock"),
        ("available", json!("yes"), "/available"),
        ("position", json!(2_147_483_648_i64), "/position"),
        ("id", json!("itm_01h455vb4pex5vsknk084sn02q"), "/id"),
    ];
    for (field, value, pointer) in cases {
        let mut body = good.clone();
        body[field] = value.clone();
        let problem = owner.post(&luigi.path("/items"), &body).await.refused(422, "invalid_request");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{field} = {value}: {problem}");
        if field != "id" {
            let patch = json!({ field: value });
            let address = luigi.path(&format!("/items/{}", luigi.any_dish().id));
            owner.patch(&address, &patch).await.refused(422, "invalid_request");
        }
    }
    assert_eq!(world.app.rows_written().await, written);
}

/// Derived types would accept a list of values in the order of their declaration in place of an object: undocumented,
/// and it would exchange longitude and latitude.
#[tokio::test]
async fn a_list_is_refused_where_an_object_is_expected() {
    let World { app: _app, luigi, ada, good } = world().await;
    let order = |field: &str, value: Value| {
        let mut body = good.clone();
        body[field] = value;
        body
    };
    let line = json!([luigi.any_dish().id, 2, [], null]);
    let lines = json!({ "restaurantId": luigi.id, "fulfilment": "PICKUP", "lines": [line] });
    let item = json!({ "categoryId": luigi.category, "name": "Bianca", "price": [450, "EUR"] });
    let operation = json!({ "deviceId": "p", "ops": [[1, "a", "2026-11-28T12:00:00Z", "order.place", {}]] });
    for (person, path, body, pointer) in [
        (&ada, "/api/me/addresses", json!({ "address": "Via 1", "place": [44.5, 11.3] }), "/place"),
        (&ada, "/api/orders", json!([]), ""),
        (&ada, "/api/orders", order("place", json!([44.5, 11.3])), "/place"),
        (&ada, "/api/orders", order("tip", json!([100, "EUR"])), "/tip"),
        (&ada, "/api/orders", lines, "/lines/0"),
        (&luigi.owner, &luigi.path("/items"), item, "/price"),
        (&ada, "/api/orders/sync", operation, "/ops/0"),
    ] {
        let request = person.request(Method::POST, path).header("idempotency-key", Uuid::new_v4().to_string());
        let refusal = person.send(request.json(&body)).await.refused(422, "invalid_request");
        let error = &refusal["errors"][0];
        assert_eq!(error["pointer"], pointer, "{path}: {refusal}");
        assert_eq!(error["message"], "must be an object, not a list", "{path}: {refusal}");
    }
    let menu = json!({ "categories": [{ "key": "p", "name": "Pizze", "items": [
        { "key": "b", "name": "Bianca", "price": [450, "EUR"] }] }] });
    let refusal = luigi.owner.put(&luigi.path("/menu"), &menu).await.refused(422, "invalid_request");
    assert_eq!(refusal["errors"][0]["message"], "must be an object, not a list", "{refusal}");
}

/// A byte order mark is ignored; a lone surrogate is named as such, and not as a syntax error.
#[tokio::test]
async fn json_is_read_behind_a_byte_order_mark_and_half_a_character_is_named() {
    let world = world().await;
    world.sends("application/json", format!("\u{feff}{}", world.good)).await.expect(201);
    let halved = world.good.to_string().replace("Via 1", "Via \\ud83c");
    let refusal = world.sends("application/json", halved).await.refused(400, "malformed_request");
    assert!(refusal["detail"].as_str().unwrap().contains("half of a character"), "{refusal}");
}

/// Every spelling of a language tag is stored in one form, as in menus.
#[tokio::test]
async fn a_locale_is_kept_in_its_canonical_form() {
    let World { app: _app, ada, .. } = world().await;
    for (sent, kept) in [
        ("DE-AT", "de-at"),
        ("de_AT", "de-at"),
        ("SR-LATN", "sr-latn"),
        ("iw", "he"),
        ("eng", "en"),
        ("zh-tw", "zh-tw"),
        ("pt-BR", "pt-br"),
    ] {
        assert_eq!(ada.patch("/api/me", &json!({ "locale": sent })).await.expect(200)["locale"], kept, "{sent}");
    }
    for bad in ["", "x", "english", "12", "de-AT-", "\u{200b}"] {
        ada.patch("/api/me", &json!({ "locale": bad })).await.refused(422, "invalid_request");
    }
}
