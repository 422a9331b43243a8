//! The second factor: its codes, recovery codes, and restaurants that require it.

use chrono::{DateTime, TimeDelta};
use comanda::accounts::totp;
use comanda::permission::Operation;
use comanda::{openapi, router};
use futures_util::future::join_all;
use proptest::prelude::*;
use reqwest::Method;
use serde_json::{Value, json};

use crate::accounts_revocation::{at, other_node};
use crate::app::{TestApp, eventually};
use crate::people::{PASSWORD, Person};
use crate::reply::Reply;
use crate::socket::Socket;
use crate::sync;

/// RFC 6238, appendix B: SHA-1, the last six of its eight digits.
#[test]
fn codes_are_those_of_the_rfc() {
    let table = [
        (59, "287082"),
        (1_111_111_109, "081804"),
        (1_111_111_111, "050471"),
        (1_234_567_890, "005924"),
        (2_000_000_000, "279037"),
        (20_000_000_000, "353130"),
    ];
    for (time, code) in table {
        let now = DateTime::from_timestamp(time, 0).unwrap();
        assert_eq!(totp::code(b"12345678901234567890", totp::step_at(now)), code, "{time}");
    }
}

/// RFC 4648, section 10, without the padding.
#[test]
fn keys_are_written_in_base32() {
    let table = [("", ""), ("f", "MY"), ("fo", "MZXQ"), ("foo", "MZXW6"), ("foob", "MZXW6YQ"), ("fooba", "MZXW6YTB")];
    for (bytes, text) in table {
        assert_eq!(totp::base32(bytes.as_bytes()), text);
    }
    assert_eq!(totp::base32(b"foobar"), "MZXW6YTBOI");
}

proptest! {
    #[test]
    fn a_totp_code_is_accepted_one_step_around_now_and_only_once(time in 0_i64..4_000_000_000, offset in -3_i64..=3) {
        let key = b"12345678901234567890";
        let now = DateTime::from_timestamp(time, 0).unwrap();
        let step = totp::step_at(now) + offset;
        let found = totp::step_of(key, &totp::code(key, step), now, 0);
        if offset.abs() <= 1 && step > 0 {
            prop_assert!(found.is_some());
            prop_assert_eq!(totp::step_of(key, &totp::code(key, step), now, totp::step_at(now) + 1), None);
        }
        // The probability that another step has the same code is one in three hundred thousand.
        prop_assert!(found.is_none_or(|found| (found - totp::step_at(now)).abs() <= 1));
    }
}

/// A user with an authenticator app.
pub struct Guarded {
    pub person: Person,
    key: Vec<u8>,
    recovery_codes: Vec<String>,
}

/// Decodes Base32, for the app.
pub fn from_base32(text: &str) -> Vec<u8> {
    let digit = |letter| "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".find(letter).unwrap();
    let bits: Vec<bool> =
        text.chars().map(digit).flat_map(|digit| (0..5).map(move |n| digit >> (4 - n) & 1 == 1)).collect();
    bits.chunks_exact(8).map(|byte| byte.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit))).collect()
}

impl Guarded {
    /// The code that the app shows.
    pub fn code(&self, app: &TestApp) -> String {
        totp::code(&self.key, totp::step_at(app.clock.now()))
    }
}

/// Sets up a second factor for a user.
pub async fn sets_up(app: &TestApp, person: Person) -> Guarded {
    let shown = person.post("/api/me/second-factor", &json!({ "password": PASSWORD })).await.expect(201);
    let key = from_base32(shown["secret"].as_str().unwrap());
    assert_eq!(key.len(), totp::KEY_LENGTH);
    assert!(shown["uri"].as_str().unwrap().starts_with("otpauth://totp/Comanda:"), "{shown}");
    let mut guarded = Guarded { person, key, recovery_codes: Vec::new() };
    let code = json!({ "code": guarded.code(app) });
    let confirmed = guarded.person.post("/api/me/second-factor/confirm", &code).await.expect(200);
    guarded.recovery_codes = serde_json::from_value(confirmed["recoveryCodes"].clone()).unwrap();
    assert_eq!(guarded.recovery_codes.len(), 10);
    app.advance_clock(TimeDelta::seconds(30));
    guarded
}

async fn signs_in(app: &TestApp, email: &str) -> Reply {
    app.stranger().post("/api/auth/login", &json!({ "email": email, "password": PASSWORD })).await
}

async fn completes(app: &TestApp, half: &Value, field: &str, value: &str) -> Reply {
    let mut body = json!({ "challenge": half["challenge"] });
    body[field] = value.into();
    app.stranger().post("/api/auth/second-factor", &body).await
}

#[tokio::test]
async fn signing_in_asks_for_a_code_that_is_good_once() {
    let app = TestApp::start().await;
    let ada = sets_up(&app, app.customer("Ada").await).await;
    let half = signs_in(&app, &ada.person.email).await.expect(200);
    assert_eq!(half["secondFactorRequired"], true);
    assert!(half["accessToken"].is_null() && half["refreshToken"].is_null(), "{half}");
    let code = ada.code(&app);
    let wrong = if code == "000000" { "000001" } else { "000000" };
    completes(&app, &half, "code", wrong).await.refused(401, "invalid_code");
    let whole = completes(&app, &half, "code", &code).await.expect(200);
    let signed_in = Person { token: whole["accessToken"].as_str().map(Into::into), ..ada.person.clone() };
    signed_in.get("/api/me").await.expect(200);
    completes(&app, &half, "code", &code).await.refused(401, "invalid_code");
    let again = signs_in(&app, &ada.person.email).await.expect(200);
    completes(&app, &again, "code", &code).await.refused(401, "invalid_code");
    app.advance_clock(TimeDelta::seconds(30));
    completes(&app, &again, "code", &code).await.refused(401, "invalid_code");
    completes(&app, &again, "code", &ada.code(&app)).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_that_began_before_it_was_confirmed_asks_for_it_all_the_same() {
    let app = TestApp::with(&[("DATABASE_LOCK_TIMEOUT", "20s")]).await;
    let ada = app.customer("Ada").await;
    ada.post("/api/me/second-factor", &json!({ "password": PASSWORD })).await.expect(201);
    let mut confirming = app.superuser.acquire().await.unwrap();
    let confirm = format!(
        "begin; select from users where email = '{0}' for update;
         update second_factors set confirmed_at = created_at where user_id = (select id from users where email =
         '{0}')",
        ada.email
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(confirm)).execute(&mut *confirming).await.unwrap();
    let (stranger, email) = (app.stranger(), ada.email.clone());
    let mut signing_in = tokio::task::JoinSet::new();
    signing_in
        .spawn(async move { stranger.post("/api/auth/login", &json!({ "email": email, "password": PASSWORD })).await });
    eventually("the sign-in waits for the account's row", async || {
        let waiting =
            "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
        sqlx::query_scalar::<_, i64>(waiting).fetch_one(&app.superuser).await.unwrap() == 1
    })
    .await;
    sqlx::raw_sql("commit").execute(&mut *confirming).await.unwrap();
    let half = signing_in.join_next().await.unwrap().unwrap().expect(200);
    assert_eq!(half["secondFactorRequired"], true, "{half}");
    assert!(half["accessToken"].is_null() && half["refreshToken"].is_null(), "{half}");
}

#[tokio::test]
async fn one_of_fifty_concurrent_uses_of_a_code_succeeds() {
    let app = TestApp::start().await;
    let ada = sets_up(&app, app.customer("Ada").await).await;
    let mut halves = Vec::new();
    for _ in 0..10 {
        halves.push(signs_in(&app, &ada.person.email).await.expect(200));
    }
    let code = ada.code(&app);
    let tries = (0..50).map(|n| completes(&app, &halves[n % 10], "code", &code));
    let replies = join_all(tries).await;
    assert_eq!(replies.iter().filter(|reply| reply.status == 200).count(), 1);
    assert!(replies.iter().all(|reply| [200, 401, 429].contains(&reply.status)));
}

#[tokio::test]
async fn a_sign_in_has_five_tries_and_an_account_twenty_a_day() {
    let app = TestApp::start().await;
    let ada = sets_up(&app, app.customer("Ada").await).await;
    for _ in 0..4 {
        let half = signs_in(&app, &ada.person.email).await.expect(200);
        for _ in 0..5 {
            completes(&app, &half, "code", "nonsense").await.refused(401, "invalid_code");
        }
        completes(&app, &half, "code", &ada.code(&app)).await.refused(401, "invalid_code");
    }
    let half = signs_in(&app, &ada.person.email).await.expect(200);
    completes(&app, &half, "code", &ada.code(&app)).await.refused(429, "too_many_requests");
    // Whoever knows the password has used them up: recovery codes go on working.
    completes(&app, &half, "recoveryCode", &ada.recovery_codes[0]).await.expect(200);
    app.advance_clock(TimeDelta::days(1));
    let half = signs_in(&app, &ada.person.email).await.expect(200);
    app.advance_clock(TimeDelta::minutes(5));
    completes(&app, &half, "code", &ada.code(&app)).await.refused(401, "invalid_code");
}

#[tokio::test]
async fn a_recovery_code_is_good_once_and_its_use_is_told() {
    let app = TestApp::start().await;
    let ada = sets_up(&app, app.customer("Ada").await).await;
    let half = signs_in(&app, &ada.person.email).await.expect(200);
    completes(&app, &half, "recoveryCode", &ada.recovery_codes[3].to_lowercase()).await.expect(200);
    let half = signs_in(&app, &ada.person.email).await.expect(200);
    completes(&app, &half, "recoveryCode", &ada.recovery_codes[3]).await.refused(401, "invalid_code");
    completes(&app, &half, "recoveryCode", &ada.recovery_codes[4]).await.expect(200);
    let notices = "select count(*) from notifications where kind = 'account.recovery-code-used'";
    assert_eq!(app.count(notices).await, 2);
    assert_eq!(app.count("select count(*) from recovery_codes where used_at is null").await, 8);
}

#[tokio::test]
async fn a_password_reset_does_not_bypass_the_second_factor() {
    let app = TestApp::start().await;
    let ada = sets_up(&app, app.customer("Ada").await).await;
    // After a reset: another password, and the same second factor.
    app.stranger().post("/api/auth/forgot-password", &json!({ "email": ada.person.email })).await.expect(202);
    assert_eq!(app.count("select count(*) from second_factors where confirmed_at is not null").await, 1);
    let half = signs_in(&app, &ada.person.email).await.expect(200);
    assert_eq!(half["secondFactorRequired"], true);
}

#[tokio::test]
async fn setup_requires_the_password_and_removal_a_code_as_well() {
    let app = TestApp::start().await;
    let ada = app.customer("Ada").await;
    ada.post("/api/me/second-factor", &json!({ "password": "not the password" })).await.refused(403, "reauth_required");
    ada.post("/api/me/second-factor", &json!({ "password": PASSWORD })).await.expect(201);
    // Shown, not confirmed: no code is required yet.
    assert!(signs_in(&app, &ada.email).await.expect(200)["accessToken"].is_string());
    let ada = sets_up(&app, ada).await;
    let person = &ada.person;
    person.post("/api/me/second-factor", &json!({ "password": PASSWORD })).await.refused(409, "already_exists");
    assert_eq!(person.get("/api/me/second-factor").await.expect(200)["recoveryCodesLeft"], 10);
    let removes =
        async |body: Value| person.send(person.request(Method::DELETE, "/api/me/second-factor").json(&body)).await;
    let code = ada.code(&app);
    removes(json!({ "password": "not the password", "code": code })).await.refused(403, "reauth_required");
    removes(json!({ "password": PASSWORD, "code": "nonsense" })).await.refused(401, "invalid_code");
    removes(json!({ "password": PASSWORD })).await.refused(422, "invalid_request");
    assert_eq!(removes(json!({ "password": PASSWORD, "code": code })).await.status, 204);
    assert!(signs_in(&app, &person.email).await.expect(200)["accessToken"].is_string());
    assert_eq!(app.count("select count(*) from recovery_codes").await, 0);
    let notices = "select count(*) from notifications where kind like 'account.second-factor-%'";
    assert_eq!(app.count(notices).await, 2);
}

#[tokio::test]
async fn a_restaurant_that_requires_a_second_factor_refuses_staff_without_one() {
    let app = TestApp::start().await;
    let shop = app.restaurant("Trattoria").sells("Margherita", 900).opens().await;
    let staff = app.staff_of(&shop).await;
    let security = shop.path("/security");
    let wanted = json!({ "requireSecondFactor": true });
    staff.patch(&security, &wanted).await.refused(403, "forbidden");
    app.customer("Ada").await.patch(&security, &wanted).await.refused(404, "not_found");
    shop.owner.patch(&security, &wanted).await.refused(403, "second_factor_required");
    let owner = sets_up(&app, shop.owner.clone()).await;
    owner.person.patch(&security, &wanted).await.expect(200);
    assert_eq!(owner.person.get(&security).await.expect(200), wanted);

    let orders = format!("/api/orders?restaurantId={}", shop.id);
    for path in [shop.path("/members"), orders.clone()] {
        staff.get(&path).await.refused(403, "second_factor_required");
    }
    let order = app.customer("Ben").await.places_order(&shop, &[(shop.any_dish(), 1)]).await;
    staff.tries_to_move(&order, "CONFIRMED", None).await.refused(404, "not_found");
    let staff = sets_up(&app, staff).await;
    staff.person.get(&orders).await.expect(200);
    staff.person.moves(&order, "CONFIRMED").await;
    owner.person.patch(&security, &json!({ "requireSecondFactor": false })).await.expect(200);
}

/// A node where administrators need a second factor.
const REQUIRED: [(&str, &str); 1] = [("ADMIN_SECOND_FACTOR", "required")];

#[tokio::test]
async fn an_administrator_without_second_factor_may_only_set_one_up() {
    let app = TestApp::with(&REQUIRED).await;
    let admin = app.admin().await;
    let (mut closed, mut open) = (0, 0);
    for (path, method, id) in openapi::operations(&router::document()) {
        let operation = Operation::by_id(&id).unwrap();
        if operation.is_public() {
            continue;
        }
        if operation.is_about_signing_in() {
            open += 1;
            continue;
        }
        let fill =
            |part: &str| if part.starts_with('{') { "usr_01h455vb4pex5vsknk084sn02q".into() } else { part.into() };
        let path = path.split('/').map(fill).collect::<Vec<String>>().join("/");
        let reply = admin.send(admin.request(method, &path)).await;
        let refusal = reply.refused(403, "second_factor_required");
        assert!(refusal["detail"].as_str().unwrap().contains("POST /api/me/second-factor"), "{id}: {refusal}");
        closed += 1;
    }
    assert!(closed > 60 && open == 9, "{closed} closed, {open} open");
    let mut socket = Socket::open(&app.endpoint.base, admin.token.as_deref().unwrap()).await.unwrap();
    let own_room = format!("user:{}", admin.id);
    assert_eq!(socket.joins(&own_room).await["error"]["code"], "second_factor_required");
    // What remains: their own sign-in, and signing out. Other users are not affected.
    assert_eq!(admin.get("/api/me").await.expect(200)["role"], "ADMIN");
    assert_eq!(admin.get("/api/me/second-factor").await.expect(200)["enabled"], false);
    admin.get("/api/me/sessions").await.expect(200);
    app.customer("Ada").await.get("/api/orders").await.expect(200);
    let admin = sets_up(&app, admin).await;
    admin.person.get("/api/admin/users").await.expect(200);
    assert_eq!(socket.joins(&own_room).await["ok"], true);
}

#[tokio::test]
async fn an_administrator_without_second_factor_loses_routes_and_rooms_at_once() {
    let app = TestApp::start().await;
    let there = other_node(&app, &REQUIRED).await;
    let shop = app.restaurant("Luigi").opens().await;
    let admin = sets_up(&app, app.admin().await).await;
    let remote = at(&admin.person, &there);
    let room = format!("restaurant:{}", shop.id);
    let mut socket = Socket::open(&remote.endpoint.base, remote.token.as_deref().unwrap()).await.unwrap();
    assert_eq!(socket.joins(&room).await["ok"], true);
    remote.get("/api/admin/users").await.expect(200);

    let removal = json!({ "password": PASSWORD, "code": admin.code(&app) });
    let removed = admin.person.request(Method::DELETE, "/api/me/second-factor").json(&removal);
    assert_eq!(admin.person.send(removed).await.status, 204);
    let users = async || remote.get("/api/admin/users").await;
    eventually("the routes are closed", async || users().await.status == 403).await;
    users().await.refused(403, "second_factor_required");
    let nowhere = json!({ "room": "user:usr_00000000000000000000000000" });
    let ada = app.customer("Ada").await;
    let mut owner = Socket::open(&remote.endpoint.base, shop.owner.token.as_deref().unwrap()).await.unwrap();
    assert_eq!(owner.joins(&room).await["ok"], true);
    eventually("the room is left", async || {
        ada.places_order(&shop, &[(shop.any_dish(), 1)]).await;
        owner.receive().await;
        socket.asks("leave", &nowhere).await.0.is_empty()
    })
    .await;
    assert_eq!(socket.joins(&room).await["error"]["code"], "second_factor_required");
    there.stop().await;
}

#[tokio::test]
async fn no_key_and_no_recovery_code_is_readable_in_the_database() {
    let app = TestApp::start().await;
    let ada = sets_up(&app, app.customer("Ada").await).await;
    let rows: Vec<String> = sqlx::query_scalar(
        "select to_jsonb(t)::text from second_factors t union all select to_jsonb(t)::text from recovery_codes t",
    )
    .fetch_all(&app.superuser)
    .await
    .unwrap();
    assert_eq!(rows.len(), 11);
    let key = ada.key.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    for secret in ada.recovery_codes.iter().map(|code| code.replace('-', "")).chain([key]) {
        assert!(rows.iter().all(|row| !row.contains(&secret)), "{secret}");
    }
}

/// An operation that was sent while it was allowed and is run when it is not: the stock of an item that could not be
/// written at first.
#[tokio::test]
async fn offline_operations_of_an_administrator_without_second_factor_are_refused() {
    let mut app = TestApp::start().await;
    let shop = app.restaurant("Luigi").sells_counted("Bad", 600, 10).opens().await;
    let admin = app.admin().await;
    // From here on one node works, and requires the factor.
    app.stop().await;
    let fast = [("SYNC_ATTEMPTS", "1"), ("SYNC_RETRY_AFTER", "10ms"), ("SYNC_POLL_INTERVAL", "10ms")];
    let node = other_node(&app, &[REQUIRED.as_slice(), &fast].concat()).await;
    let admin = sets_up(&app, at(&admin, &node)).await;
    sync::poison(&app, "Bad").await;
    let dish = shop.dish("Bad");
    let change = sync::op(1, "stock.change", app.clock.now(), sync::stock(&shop, dish, 5));
    let sent = sync::outcomes(&sync::sends(&admin.person, "tablet", std::slice::from_ref(&change)).await);
    assert_eq!(sent, ["blocked:1:dead"], "it broke once, and waits for an operator");

    let removal = json!({ "password": PASSWORD, "code": admin.code(&app) });
    let removed = admin.person.request(Method::DELETE, "/api/me/second-factor").json(&removal);
    assert_eq!(admin.person.send(removed).await.status, 204);
    sync::sends(&admin.person, "tablet", std::slice::from_ref(&change)).await.refused(403, "second_factor_required");
    app.execute("drop trigger poison on menu_items").await;
    let config = crate::app::config(&app.database_url, &[]);
    assert_eq!(comanda::operator::sync_retry(&config, None).await.unwrap(), 1);
    eventually("it is refused", async || {
        app.count("select count(*) from sync_operations where state = 'REJECTED'").await == 1
    })
    .await;
    assert_eq!(app.count("select stock::bigint from menu_items where name = 'Bad'").await, 10, "nothing was changed");
    let admin = sets_up(&app, admin.person).await;
    let again = sync::sends(&admin.person, "tablet", std::slice::from_ref(&change)).await.expect(200);
    assert_eq!(again["data"][0]["outcome"], "duplicate");
    assert_eq!(again["data"][0]["problem"]["code"], "second_factor_required", "{again}");
}
