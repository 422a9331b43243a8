//! Guests without an account: their carts, and merging them into an account's.

use std::collections::BTreeMap;
use std::str::FromStr as _;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use serde_json::{Value, json};
use sqlx::ConnectOptions as _;
use sqlx::postgres::PgConnectOptions;

use crate::app::TestApp;
use crate::people::{PASSWORD, Person, id_of};
use crate::retention::deletes_expired;
use crate::second_factor::sets_up;
use crate::shop::Shop;
use crate::socket::Socket;

/// A guest without an account.
pub async fn a_guest(app: &TestApp) -> Person {
    let answer = app.stranger().post("/api/guests", &Value::Null).await.expect(201);
    let token = answer["guestToken"].as_str().unwrap();
    assert!(token.starts_with("gt_") && token.len() == 46, "{token}");
    Person { token: Some(token.to_owned()), ..app.stranger() }
}

/// The content of a cart, by the keys of its lines.
pub fn held(cart: &Value) -> BTreeMap<String, i64> {
    let line = |line: &Value| (line["key"].as_str().unwrap().to_owned(), line["quantity"].as_i64().unwrap());
    cart["lines"].as_array().unwrap().iter().map(line).collect()
}

pub fn lines<const N: usize>(expected: [(&str, i64); N]) -> BTreeMap<String, i64> {
    expected.map(|(key, quantity)| (key.to_owned(), quantity)).into()
}

/// Writes one line of the first item.
pub async fn writes(person: &Person, shop: &Shop, key: &str, quantity: i64, at: Option<DateTime<Utc>>) -> Value {
    let item = (quantity > 0).then_some(&shop.any_dish().id);
    let line = json!({ "key": key, "quantity": quantity, "itemId": item, "at": at });
    person.patch(&shop.path("/cart"), &json!({ "lines": [line] })).await.expect(200)
}

pub async fn reads(person: &Person, shop: &Shop) -> BTreeMap<String, i64> {
    held(&person.get(&shop.path("/cart")).await.expect(200))
}

fn login(person: &Person, guest: &Person) -> Value {
    json!({ "email": person.email, "password": PASSWORD, "guestToken": guest.token })
}

pub fn by_token(guest: &Person) -> Value {
    json!({ "guestToken": guest.token })
}

fn nothing() -> Value {
    json!({ "takenOver": false, "carts": [] })
}

#[tokio::test]
async fn a_guest_signs_up_and_both_carts_are_merged() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").sells("Margherita", 850).opens().await;
    let mario = app.restaurant("Mario").sells("Calzone", 950).opens().await;
    let guest = a_guest(&app).await;
    assert_eq!(guest.get(&luigi.path("/cart")).await.expect(200)["lines"], json!([]));
    let cart = writes(&guest, &luigi, "two", 2, None).await;
    assert_eq!((&cart["version"], &cart["itemsTotal"]["amount"]), (&json!(1), &json!(1700)));
    guest.puts_in_cart(&mario, &[(mario.any_dish(), 1)]).await;
    // She has an account already, with something in its cart at Luigi's from her tablet.
    let nina = app.customer("Nina").await;
    let tablet = writes(&nina, &luigi, "tablet", 1, None).await;
    let answer = app.stranger().post("/api/auth/login", &login(&nina, &guest)).await.expect(200);
    assert_eq!(answer["guest"]["takenOver"], true);
    let taken: BTreeMap<_, _> = answer["guest"]["carts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|cart| (cart["restaurantId"].as_str().unwrap(), (&cart["lines"], &cart["leftBehind"])))
        .collect();
    let (one, none) = (json!(1), json!([]));
    assert_eq!(taken, [(luigi.id.as_str(), (&one, &none)), (mario.id.as_str(), (&one, &none))].into());
    let nina = Person { token: answer["accessToken"].as_str().map(Into::into), ..nina };
    assert_eq!(reads(&nina, &luigi).await, lines([("tablet", 1), ("two", 2)]));
    let merged = nina.get(&luigi.path("/cart")).await.expect(200);
    assert_eq!(id_of(&merged), id_of(&tablet), "her cart stayed the one it was");
    assert_eq!(merged["lines"][0]["key"], "tablet", "and what she had comes first");
    guest.get(&luigi.path("/cart")).await.refused(401, "unauthenticated");
    let late = guest.patch(&luigi.path("/cart"), &json!({ "lines": [] })).await;
    late.refused(401, "unauthenticated");
    // The response was lost: the same sign-in again has the same response, and adds nothing.
    let again = app.stranger().post("/api/auth/login", &login(&nina, &guest)).await.expect(200);
    assert_eq!(again["guest"], answer["guest"]);
    assert_eq!(nina.post("/api/me/carts", &by_token(&guest)).await.expect(200), answer["guest"]);
    assert_eq!(reads(&nina, &luigi).await, lines([("tablet", 1), ("two", 2)]));
    let bob = app.customer("Bob").await;
    assert_eq!(bob.post("/api/me/carts", &by_token(&guest)).await.expect(200), nothing());
    assert_eq!(reads(&bob, &luigi).await, lines([]));
    nina.orders_cart(&merged, &Value::Null).await.expect(201);
}

#[tokio::test]
async fn an_invalid_token_does_not_prevent_use_as_a_guest() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let ada = app.customer("Ada").await;
    let old = a_guest(&app).await;
    writes(&old, &luigi, "a", 1, None).await;
    app.advance_clock(TimeDelta::days(8));
    let mut good = a_guest(&app).await;
    writes(&good, &luigi, "good", 1, None).await;
    let wrong = json!({ "email": ada.email, "password": "three blue apples", "guestToken": good.token });
    let refused = app.stranger().post("/api/auth/login", &wrong).await;
    refused.refused(401, "invalid_credentials");
    let unknown = json!({ "email": "nobody@example.com", "password": PASSWORD, "guestToken": good.token });
    let nobody = app.stranger().post("/api/auth/login", &unknown).await;
    assert_eq!(nobody.without_request_id(), refused.without_request_id());
    assert_eq!(reads(&good, &luigi).await, lines([("good", 1)]), "who does not sign in takes nothing over");
    let token = good.token.clone().unwrap();
    for text in
        ["", "gt_", "x", &token[..40], &format!("{token}A"), &token.replace("gt_", "gt_="), old.token.as_ref().unwrap()]
    {
        good.token = Some(text.to_owned());
        let answer = app.stranger().post("/api/auth/login", &login(&ada, &good)).await.expect(200);
        assert_eq!(answer["guest"], nothing(), "{text}");
        let ada = Person { token: answer["accessToken"].as_str().map(Into::into), ..ada.clone() };
        assert_eq!(ada.post("/api/me/carts", &by_token(&good)).await.expect(200), nothing());
        assert_eq!(reads(&ada, &luigi).await, lines([]));
    }
    let plain = json!({ "email": ada.email, "password": PASSWORD });
    assert_eq!(app.stranger().post("/api/auth/login", &plain).await.expect(200)["guest"], Value::Null);
}

#[tokio::test]
async fn with_a_second_factor_the_carts_come_with_the_code() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let guarded = sets_up(&app, app.customer("Nina").await).await;
    let guest = a_guest(&app).await;
    writes(&guest, &luigi, "a", 3, None).await;
    let half = app.stranger().post("/api/auth/login", &login(&guarded.person, &guest)).await.expect(200);
    assert_eq!((&half["secondFactorRequired"], &half["guest"]), (&json!(true), &Value::Null));
    assert_eq!(reads(&guest, &luigi).await, lines([("a", 3)]), "half a sign-in takes nothing over");
    let code = guarded.code(&app);
    let proof = json!({ "challenge": half["challenge"], "code": code, "guestToken": guest.token });
    let wrong = json!({ "challenge": half["challenge"], "code": "000000", "guestToken": guest.token });
    app.stranger().post("/api/auth/second-factor", &wrong).await.refused(401, "invalid_code");
    let answer = app.stranger().post("/api/auth/second-factor", &proof).await.expect(200);
    assert_eq!(answer["guest"]["carts"][0]["lines"], 1);
    assert_eq!(reads(&guarded.person, &luigi).await, lines([("a", 3)]));
}

#[tokio::test]
async fn a_guest_sees_only_their_own_cart_and_may_do_nothing_else() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let (nina, otto, ada) = (a_guest(&app).await, a_guest(&app).await, app.customer("Ada").await);
    let cart = writes(&nina, &luigi, "a", 1, None).await;
    assert_eq!(reads(&otto, &luigi).await, lines([]));
    assert_eq!(reads(&ada, &luigi).await, lines([]));
    otto.puts_in_cart(&luigi, &[]).await;
    assert_eq!(reads(&nina, &luigi).await, lines([("a", 1)]));
    nina.orders_cart(&cart, &Value::Null).await.refused(401, "account_required");
    ada.orders_cart(&cart, &Value::Null).await.refused(404, "not_found");
    let basket = json!({ "cartId": cart["id"], "fulfilment": "PICKUP" });
    nina.post(&luigi.path("/quotes"), &basket).await.refused(401, "account_required");
    ada.post(&luigi.path("/quotes"), &basket).await.refused(404, "not_found");
    nina.get("/api/me").await.refused(401, "account_required");
    nina.post("/api/me/carts", &by_token(&nina)).await.refused(401, "account_required");
    let forged = Person { token: Some("gt_forged".into()), ..app.stranger() };
    let status_and_body = |reply: &crate::reply::Reply| (reply.status, reply.without_request_id());
    assert_eq!(
        status_and_body(&forged.get("/api/me").await),
        status_and_body(&nina.get("/api/me").await),
        "good or not, it is not asked"
    );
    forged.get(&luigi.path("/cart")).await.refused(401, "unauthenticated");
    assert!(Socket::open(&app.endpoint.base, nina.token.as_deref().unwrap()).await.is_err());
    nina.get("/api/restaurants/rst_01h455vb4pex5vsknk084sn02q/cart").await.refused(404, "not_found");
    let nowhere = nina.put("/api/restaurants/rst_01h455vb4pex5vsknk084sn02q/cart", &json!({ "lines": [] })).await;
    nowhere.refused(404, "not_found");
}

#[tokio::test]
async fn carts_of_a_guest_and_guests_of_an_address_are_limited() {
    let app = TestApp::with(&[("RATE_LIMIT_AUTH", "3/1m")]).await;
    let guest = a_guest(&app).await;
    for round in 0..11 {
        let shop = app.restaurant("Luigi").opens().await;
        let reply = guest.put(&shop.path("/cart"), &json!({ "lines": [] })).await;
        match round {
            0..10 => _ = reply.expect(200),
            _ => _ = reply.refused(409, "too_many"),
        }
    }
    assert_eq!(app.count("select count(*) from carts").await, 10);
    a_guest(&app).await;
    a_guest(&app).await;
    app.stranger().post("/api/guests", &Value::Null).await.refused(429, "too_many_requests");
}

#[tokio::test]
async fn a_guest_is_deleted_a_week_after_the_last_write() {
    let app = TestApp::with(&[("ORDER_CHECK_INTERVAL", "1m")]).await;
    let luigi = app.restaurant("Luigi").opens().await;
    let (quiet, busy) = (a_guest(&app).await, a_guest(&app).await);
    writes(&quiet, &luigi, "a", 1, None).await;
    app.advance_clock(TimeDelta::days(6));
    writes(&busy, &luigi, "a", 1, None).await;
    reads(&quiet, &luigi).await;
    app.advance_clock(TimeDelta::days(1) + TimeDelta::seconds(1));
    quiet.get(&luigi.path("/cart")).await.refused(401, "unauthenticated");
    quiet.put(&luigi.path("/cart"), &json!({ "lines": [] })).await.refused(401, "unauthenticated");
    assert_eq!(reads(&busy, &luigi).await, lines([("a", 1)]), "to read is not enough, to write is");
    deletes_expired(&app, "guests").await;
    assert_eq!(app.count("select count(*) from guests").await, 1);
    assert_eq!(app.count("select count(*) from cart_items").await, 1, "what was in the carts went with the guest");
    app.advance_clock(TimeDelta::days(7));
    app.execute(
        "insert into guests (id, token_hash, created_at, last_used_at, expires_at)
         select gen_random_uuid(), sha256(n::text::bytea), '2020-01-01', '2020-01-01', '2020-01-08' from
         generate_series(1, 70) n",
    )
    .await;
    assert_eq!((deletes_expired(&app, "guests").await, deletes_expired(&app, "guests").await), (71, 0));
}

#[tokio::test]
async fn one_of_many_concurrent_claims_gets_a_guests_carts() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let (ada, bob) = (app.customer("Ada").await, app.customer("Bob").await);
    for round in 0..8 {
        let guest = a_guest(&app).await;
        let key = format!("line {round}");
        writes(&guest, &luigi, &key, 1, None).await;
        let (app, luigi, guest) = (&app, &luigi, &guest);
        let required_portions = |n: usize, person: &Person| {
            let person = person.clone();
            async move {
                match n % 2 {
                    0 => person.post("/api/me/carts", &by_token(guest)).await.expect(200),
                    _ => app.stranger().post("/api/auth/login", &login(&person, guest)).await.expect(200)["guest"]
                        .clone(),
                }
            }
        };
        // While she still writes: every line that was acknowledged is in the account.
        let late = async {
            let line = json!({ "key": format!("late {round}"), "itemId": luigi.any_dish().id, "quantity": 1 });
            guest.patch(&luigi.path("/cart"), &json!({ "lines": [line] })).await
        };
        let adas = join_all((0..4).map(|n| required_portions(n, &ada)));
        let bobs = join_all((0..4).map(|n| required_portions(n, &bob)));
        let (adas, bobs, late) = futures_util::join!(adas, bobs, late);
        let (winner, answers, others) =
            if adas[0]["takenOver"] == true { (&ada, adas, bobs) } else { (&bob, bobs, adas) };
        assert!(answers.iter().all(|answer| *answer == answers[0] && answer["takenOver"] == true), "{answers:?}");
        assert!(others.iter().all(|answer| *answer == nothing()), "{others:?}");
        let has = async |person: &Person, key: &str| reads(person, luigi).await.contains_key(key);
        assert!(has(winner, &key).await);
        assert_ne!(has(&ada, &key).await, has(&bob, &key).await, "in one account only");
        let late_key = format!("late {round}");
        assert_eq!(late.status == 200, has(winner, &late_key).await, "{}", late.text());
    }
    assert_eq!(app.count("select count(*) from carts where guest_id is not null").await, 0);
}

#[tokio::test]
async fn row_level_security_alone_shows_a_guest_their_own_cart_only() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let (nina, ada) = (a_guest(&app).await, app.customer("Ada").await);
    writes(&nina, &luigi, "nina", 1, None).await;
    let id: uuid::Uuid = sqlx::query_scalar("select id from guests").fetch_one(&app.superuser).await.unwrap();
    let otto = a_guest(&app).await;
    writes(&otto, &luigi, "otto", 1, None).await;
    writes(&ada, &luigi, "ada", 1, None).await;
    let options = PgConnectOptions::from_str(&app.database_url).unwrap().options([("role", "comanda_app")]);
    let mut connection = options.connect().await.unwrap();
    let keys = "select coalesce(array_agg(key), '{}') from cart_items";
    let seen: Vec<String> = sqlx::query_scalar(keys).fetch_one(&mut connection).await.unwrap();
    assert_eq!(seen, [""; 0], "nobody sees nothing");
    let become_nina = "select set_config('app.guest', $1, false)";
    sqlx::query(become_nina).bind(id.to_string()).execute(&mut connection).await.unwrap();
    let seen: Vec<String> = sqlx::query_scalar(keys).fetch_one(&mut connection).await.unwrap();
    assert_eq!(seen, ["nina"]);
    for change in ["update cart_items set quantity = 9", "delete from cart_items", "update carts set version = 9"] {
        let changed = sqlx::query(change).execute(&mut connection).await.unwrap();
        assert_eq!(changed.rows_affected(), 1, "{change}");
    }
    let taken = "update carts set user_id = (select id from users limit 1), guest_id = null";
    let refused = sqlx::query(taken).execute(&mut connection).await.unwrap_err();
    assert_eq!(refused.as_database_error().unwrap().code().as_deref(), Some("42501"), "{refused}");
    let orders: i64 = sqlx::query_scalar("select (select count(*) from orders) + (select count(*) from quotes)")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(orders, 0);
}
