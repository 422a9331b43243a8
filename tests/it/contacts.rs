//! Verified addresses and numbers: what is proved, who is notified, and what an unverified address permits.

use chrono::TimeDelta;
use comanda::accounts::Email;
use reqwest::Method;
use serde_json::{Value, json};

use crate::app::{TestApp, eventually};
use crate::people::{PASSWORD, Person};
use crate::sync;

const NEW_PASSWORD: &str = "four yellow lemons";

/// The messages to a target on these channels, newest first, once there are this many.
pub async fn sent_messages(app: &TestApp, target: &str, kind: &str, count: usize) -> Vec<String> {
    let admin = app.admin().await;
    let found = async || {
        let page = admin.get("/api/admin/outbox?limit=200").await.expect(200);
        let fits = |one: &&Value| one["target"] == target && one["kind"] == kind && one["state"] == "SENT";
        let bodies =
            page["data"].as_array().unwrap().iter().filter(fits).map(|one| one["body"].as_str().unwrap().into());
        bodies.collect::<Vec<String>>()
    };
    eventually(&format!("{count} × {kind} to {target}"), async || found().await.len() >= count).await;
    found().await
}

fn code_in(body: &str) -> &str {
    body.split(' ').next().unwrap()
}

/// Sets and verifies a number.
async fn proves_phone(app: &TestApp, person: &Person, number: &str, earlier: usize) {
    person.patch("/api/me", &json!({ "phone": number, "currentPassword": PASSWORD })).await.expect(200);
    person.post("/api/me/phone/code", &Value::Null).await.expect(202);
    let code = sent_messages(app, number, "account.phone-code", earlier + 1).await;
    let proved = person.post("/api/me/phone/confirm", &json!({ "code": code_in(&code[0]) })).await.expect(200);
    assert_eq!((&proved["phone"], &proved["phoneVerified"]), (&json!(number), &json!(true)));
}

/// Requests a code and sets a password with it.
async fn recovers(app: &TestApp, email: &str, channel: &str, target: &str, earlier: usize) -> Value {
    let stranger = app.stranger();
    let asked = json!({ "email": email, "channel": channel });
    let reset = stranger.post("/api/auth/forgot-password", &asked).await.expect(202);
    let code = sent_messages(app, target, "account.reset-code", earlier + 1).await;
    let body =
        json!({ "email": email, "otp": code_in(&code[0]), "password": NEW_PASSWORD, "resetId": reset["resetId"] });
    stranger.post("/api/auth/reset-password", &body).await.expect(200)
}

pub async fn signs_in(app: &TestApp, email: &str, password: &str) -> Person {
    let session =
        app.stranger().post("/api/auth/login", &json!({ "email": email, "password": password })).await.expect(200);
    Person { token: session["accessToken"].as_str().map(Into::into), email: email.into(), ..app.stranger() }
}

#[tokio::test]
async fn notices_to_one_mailbox_are_limited() {
    let app = TestApp::with(&[("MESSAGES_PER_NUMBER", "5/24h")]).await;
    let (ada, bob) = (app.customer("Ada").await, app.customer("Bob").await);
    let changes = async |person: &Person, number: usize| {
        let body = json!({ "phone": format!("+39051123456{number}"), "currentPassword": PASSWORD });
        person.patch("/api/me", &body).await.expect(200);
    };
    for number in 0..10 {
        changes(&ada, number).await;
    }
    let skipped = "select count(*) from notification_deliveries d
        join notifications n on n.id = d.notification_id where n.kind = 'account.phone-changed' and d.state = 'SKIPPED'";
    eventually("five are not sent", async || app.count(skipped).await == 5).await;
    assert_eq!(sent_messages(&app, &ada.email, "account.phone-changed", 5).await.len(), 5);
    // Codes have a limit of their own, and other mailboxes are not affected.
    recovers(&app, &ada.email, "email", &ada.email, 0).await;
    changes(&bob, 7).await;
    sent_messages(&app, &bob.email, "account.phone-changed", 1).await;
}

#[tokio::test]
async fn a_number_is_verified_before_it_is_used_and_its_owner_is_notified() {
    let app = TestApp::start().await;
    let ada = app.customer("Ada").await;
    // A token alone does not change a number.
    ada.patch("/api/me", &json!({ "phone": "+390511234567" })).await.refused(403, "reauth_required");
    ada.post("/api/me/phone/code", &Value::Null).await.refused(409, "no_phone");
    let body = json!({ "phone": "+39 051 1234567", "currentPassword": PASSWORD });
    let set = ada.patch("/api/me", &body).await.expect(200);
    assert_eq!((&set["phone"], &set["phoneVerified"]), (&json!("+390511234567"), &json!(false)));
    sent_messages(&app, &ada.email, "account.phone-changed", 1).await;
    // Not verified: the code is sent by e-mail, and the number is removed.
    recovers(&app, &ada.email, "sms", &ada.email, 0).await;
    let ada = signs_in(&app, &ada.email, NEW_PASSWORD).await;
    assert_eq!(ada.get("/api/me").await.expect(200)["phone"], Value::Null);

    let ada = app.customer("Ada").await;
    proves_phone(&app, &ada, "+390511234567", 0).await;
    sent_messages(&app, "+390511234567", "account.phone-confirmed", 1).await;
    sent_messages(&app, &ada.email, "account.phone-confirmed", 1).await;
    // Another number: the previous number and the e-mail address are notified, and no codes are sent there before it
    // is verified.
    let other = json!({ "phone": "+390517654321", "currentPassword": PASSWORD });
    assert_eq!(ada.patch("/api/me", &other).await.expect(200)["phoneVerified"], json!(false));
    sent_messages(&app, "+390511234567", "account.phone-changed", 1).await;
    sent_messages(&app, &ada.email, "account.phone-changed", 2).await;
    let wrong = json!({ "code": "00000000" });
    ada.post("/api/me/phone/confirm", &wrong).await.refused(401, "invalid_code");
    ada.post("/api/me/phone/code", &Value::Null).await.expect(202);
    let codes = sent_messages(&app, "+390517654321", "account.phone-code", 1).await;
    for _ in 0..5 {
        ada.post("/api/me/phone/confirm", &wrong).await.refused(401, "invalid_code");
    }
    let late = json!({ "code": code_in(&codes[0]) });
    ada.post("/api/me/phone/confirm", &late).await.refused(401, "invalid_code");
    proves_phone(&app, &ada, "+390517654321", 1).await;
    // Verified: codes are sent there, and verified contacts stay.
    recovers(&app, &ada.email, "sms", "+390517654321", 0).await;
    let ada = signs_in(&app, &ada.email, NEW_PASSWORD).await;
    assert_eq!(ada.get("/api/me").await.expect(200)["phone"], "+390517654321");
    sent_messages(&app, "+390517654321", "account.password-changed", 1).await;
    // The code of a number verifies no other number, and no code is valid after ten minutes.
    ada.post("/api/me/phone/code", &Value::Null).await.expect(202);
    let codes = sent_messages(&app, "+390517654321", "account.phone-code", 3).await;
    app.advance_clock(TimeDelta::minutes(10));
    let late = json!({ "code": code_in(&codes[0]) });
    ada.post("/api/me/phone/confirm", &late).await.refused(401, "invalid_code");
}

#[tokio::test]
async fn a_code_becomes_invalid_when_its_phone_number_changes() {
    let app = TestApp::start().await;
    // The number is replaced, removed, or replaced and set again, after a code was sent to it.
    for (round, changes) in
        [&[Some("+390517654321")][..], &[None], &[Some("+390517654321"), Some("first")]].into_iter().enumerate()
    {
        let ada = app.customer(&format!("Ada {round}")).await;
        let first = format!("+39051123456{round}");
        proves_phone(&app, &ada, &first, 0).await;
        let asked = json!({ "email": ada.email, "channel": "sms" });
        let asked = app.stranger().post("/api/auth/forgot-password", &asked).await.expect(202);
        let codes = sent_messages(&app, &first, "account.reset-code", 1).await;
        for change in changes {
            let number = change.map(|number| if number == "first" { first.as_str() } else { number });
            if change.is_some_and(|number| number == "first") {
                app.advance_clock(TimeDelta::seconds(1));
                proves_phone(&app, &ada, &first, 1).await;
            } else {
                ada.patch("/api/me", &json!({ "phone": number, "currentPassword": PASSWORD })).await.expect(200);
            }
        }
        let reset = json!({ "email": ada.email, "otp": code_in(&codes[0]), "password": NEW_PASSWORD,
          "resetId": asked["resetId"] });
        app.stranger().post("/api/auth/reset-password", &reset).await.refused(401, "invalid_code");
        signs_in(&app, &ada.email, PASSWORD).await;
    }
}

#[tokio::test]
async fn settings_of_an_unverified_account_are_deleted_when_the_owner_signs_up() {
    let app = TestApp::start().await;
    let email = "owner@example.com";
    let registration = json!({ "email": email, "password": PASSWORD, "name": "Eve", "phone": "+390511234567" });
    app.stranger().post("/api/auth/register", &registration).await.expect(202);
    let eve = signs_in(&app, email, PASSWORD).await;
    proves_phone(&app, &eve, "+390511234567", 0).await;
    eve.post("/api/me/addresses", &json!({ "address": "Eve's place" })).await.expect(201);
    let device = json!({ "kind": "fcm", "target": "eves-phone", "locale": "en" });
    eve.post("/api/me/devices", &device).await.expect(201);
    eve.post("/api/me/second-factor", &json!({ "password": PASSWORD })).await.expect(201);
    app.execute("update second_factors set confirmed_at = now()").await;
    let luigi = app.restaurant("Luigi").opens().await;
    eve.puts_in_cart(&luigi, &[(luigi.any_dish(), 1)]).await;
    let order = json!({ "restaurantId": luigi.id, "fulfilment": "PICKUP", "lines": [] });
    let waits = sync::op(2, "order.place", app.clock.now(), order);
    assert_eq!(sync::outcomes(&sync::sends(&eve, "phone", std::slice::from_ref(&waits)).await), ["blocked:1:missing"]);
    // The number is verified, the e-mail address is not: the code is sent to the address, whatever is requested.
    recovers(&app, email, "sms", email, 0).await;
    eve.get("/api/me").await.refused(401, "unauthenticated");
    let owner = signs_in(&app, email, NEW_PASSWORD).await;
    let me = owner.get("/api/me").await.expect(200);
    assert_eq!((&me["phone"], &me["emailVerified"]), (&Value::Null, &json!(true)));
    assert_eq!(me["name"], "owner");
    assert_eq!(app.count("select (select count(*) from carts) + (select count(*) from sync_operations)").await, 0);
    for path in ["/api/me/addresses", "/api/me/devices", "/api/me/sync-devices"] {
        assert_eq!(owner.get(path).await.expect(200)["data"], json!([]), "{path}");
    }
    assert_eq!(owner.get("/api/me/second-factor").await.expect(200)["enabled"], json!(false));
    // From now on the account is kept, whoever reads the mailbox.
    app.execute(
        "insert into second_factors (user_id, secret, confirmed_at, created_at) select id, '', now(), now() from \
              users where email = 'owner@example.com'",
    )
    .await;
    let second = recovers(&app, email, "email", email, 1).await;
    assert!(second["deviceToken"].as_str().is_some_and(|token| token.starts_with("dt_")));
    let body = json!({ "email": email, "password": NEW_PASSWORD });
    assert_eq!(app.stranger().post("/api/auth/login", &body).await.expect(200)["secondFactorRequired"], json!(true));
}

#[tokio::test]
async fn an_address_is_confirmed_with_a_code() {
    let app = TestApp::start().await;
    let registration = json!({ "email": "ada@example.com", "password": PASSWORD, "name": "Ada" });
    app.stranger().post("/api/auth/register", &registration).await.expect(202);
    let ada = signs_in(&app, "ada@example.com", PASSWORD).await;
    assert_eq!(ada.get("/api/me").await.expect(200)["emailVerified"], json!(false));
    ada.post("/api/me/email/code", &Value::Null).await.expect(202);
    let code = sent_messages(&app, "ada@example.com", "account.email-code", 1).await;
    let confirmed = ada.post("/api/me/email/confirm", &json!({ "code": code_in(&code[0]) })).await.expect(200);
    assert_eq!(confirmed["emailVerified"], json!(true));
    ada.post("/api/me/email/confirm", &json!({ "code": code_in(&code[0]) })).await.refused(401, "invalid_code");
}

#[tokio::test]
async fn messages_to_one_number_are_limited_over_all_accounts() {
    let app = TestApp::with(&[("MESSAGES_PER_NUMBER", "10/24h"), ("MESSAGES_PER_ACCOUNT", "4/24h")]).await;
    let number = "+390511234567";
    let (mut taken, mut refused) = (0, 0);
    for person in app.crowd(12).await {
        person.patch("/api/me", &json!({ "phone": number, "currentPassword": PASSWORD })).await.expect(200);
        for _ in 0..3 {
            let reply = person.post("/api/me/phone/code", &Value::Null).await;
            if reply.status == 202 {
                taken += 1;
            } else {
                reply.refused(429, "too_many_requests");
                refused += 1;
            }
        }
    }
    assert_eq!((taken, refused), (10, 26));
    // Requested after forgetting the password: verified numbers, above the limit by e-mail instead.
    app.execute("update users set phone_verified_at = now() where phone is not null").await;
    let someone = app.count("select count(*) from users where phone is not null").await;
    assert_eq!(someone, 12);
    let email: String = sqlx::query_scalar("select email from users where phone is not null limit 1")
        .fetch_one(&app.superuser)
        .await
        .unwrap();
    app.stranger().post("/api/auth/forgot-password", &json!({ "email": email })).await.expect(202);
    sent_messages(&app, &email, "account.reset-code", 1).await;
    app.advance_clock(TimeDelta::hours(25));
    let another = app.customer("Another").await;
    another.patch("/api/me", &json!({ "phone": number, "currentPassword": PASSWORD })).await.expect(200);
    for n in 0..6 {
        let reply = another.post("/api/me/phone/code", &Value::Null).await;
        assert_eq!(reply.status, if n < 4 { 202 } else { 429 }, "an account asks for four");
    }
}

#[tokio::test]
async fn attempts_of_others_lock_out_neither_a_known_device_nor_a_recovery() {
    let app = TestApp::with(&[("RATE_LIMIT_AUTH", "100000/1m"), ("TRUSTED_PROXIES", "127.0.0.1")]).await;
    let (ada, stranger) = (app.customer("Ada").await, app.stranger());
    let from = async |network: &str, path: &str, body: &Value| {
        let request = stranger.request(Method::POST, path).header("x-forwarded-for", network).json(body);
        stranger.send(request).await
    };
    let login =
        |password: &str, device: &Value| json!({ "email": ada.email, "password": password, "deviceToken": device });
    let known = from("203.0.113.5", "/api/auth/login", &login(PASSWORD, &Value::Null)).await.expect(200);
    let device = &known["deviceToken"];
    for n in 0..120 {
        from(&format!("198.51.100.{n}"), "/api/auth/login", &login("not the password", &Value::Null)).await;
    }
    for n in 0..10 {
        for _ in 0..3 {
            from(&format!("198.51.100.{n}"), "/api/auth/forgot-password", &json!({ "email": ada.email }))
                .await
                .expect(202);
        }
    }
    // From an unknown network: refused without the device token, accepted with it; another user's device token does
    // not help.
    from("192.0.2.1", "/api/auth/login", &login(PASSWORD, &Value::Null)).await.refused(429, "too_many_requests");
    let bob = app.customer("Bob").await;
    let his = json!({ "email": bob.email, "password": PASSWORD });
    let his = from("203.0.113.9", "/api/auth/login", &his).await.expect(200)["deviceToken"].clone();
    from("192.0.2.1", "/api/auth/login", &login(PASSWORD, &his)).await.refused(429, "too_many_requests");
    from("192.0.2.1", "/api/auth/login", &login(PASSWORD, device)).await.expect(200);
    // The attempts of the device are limited as well.
    let mut looked_at = 0;
    for _ in 0..20 {
        let reply = from("192.0.2.2", "/api/auth/login", &login("not the password", device)).await;
        looked_at += i32::from(reply.status == 401);
    }
    assert_eq!(looked_at, 10);
    // And a code permits a sign-in of the owner from an unknown network, without a device.
    let asked = json!({ "email": ada.email, "channel": "email" });
    let reset = from("192.0.2.3", "/api/auth/forgot-password", &asked).await.expect(202);
    let code = sent_messages(&app, &ada.email, "account.reset-code", 31).await;
    let code = code_in(&code[0]);
    assert_eq!(code.len(), 12, "a crowd has asked for many");
    let body = json!({ "email": ada.email, "otp": code, "password": NEW_PASSWORD, "resetId": reset["resetId"] });
    let done = from("192.0.2.3", "/api/auth/reset-password", &body).await.expect(200);
    for n in 0..120 {
        from(&format!("198.51.100.{n}"), "/api/auth/login", &login("not the password", &Value::Null)).await;
    }
    from("192.0.2.4", "/api/auth/login", &login(NEW_PASSWORD, &done["deviceToken"])).await.expect(200);
}

#[tokio::test]
async fn a_password_is_changed_at_most_ten_times_a_day() {
    let app = TestApp::start().await;
    let ada = app.customer("Ada").await;
    let mut now = PASSWORD.to_owned();
    for n in 0..11 {
        let next = format!("yellow lemons {n}");
        let reply =
            ada.post("/api/auth/change-password", &json!({ "currentPassword": now, "newPassword": next })).await;
        if n < 10 {
            reply.expect(204);
            now = next;
        } else {
            reply.refused(429, "too_many_requests");
        }
    }
}

#[tokio::test]
async fn accounts_of_one_network_share_a_limit() {
    let app = TestApp::with(&[("RATE_LIMIT_NETWORK", "20/1h"), ("RATE_LIMIT_USER", "15/1h")]).await;
    let mut answered = 0;
    for person in app.crowd(4).await {
        for _ in 0..10 {
            answered += i32::from(person.get("/api/me").await.status == 200);
        }
    }
    assert_eq!(answered, 20);
}

#[tokio::test]
async fn a_password_of_blanks_is_refused() {
    let app = TestApp::start().await;
    for blank in [
        "        ",
        "\u{a0}\u{2003}\u{3000}\t\n\u{2028} \u{205f}",
        "\u{200b}\u{200b}\u{200b}\u{200b}\u{2060}\u{feff}\u{3164}\u{2800}",
        "ｐａｓｓｗｏｒｄ１",
        "comanda demo",
    ] {
        let request_body = json!({ "email": "ada@example.com", "password": blank, "name": "Ada" });
        let refusal = app.stranger().post("/api/auth/register", &request_body).await.refused(422, "invalid_request");
        assert_eq!(refusal["errors"][0]["pointer"], "/password", "{blank:?}");
    }
}

#[test]
fn one_mailbox_is_one_address() {
    for (text, kept) in [
        ("ada@example.com", "ada@example.com"),
        (" Ada@Example.COM\n", "ada@example.com"),
        ("ada.l+x_y-z'q@sub.example.com", "ada.l+x_y-z'q@sub.example.com"),
        ("zoë@bücher.example", "zoë@bücher.example"),
        ("zoe\u{308}@bu\u{308}cher.example", "zoë@bücher.example"),
        ("zoë@xn--bcher-kva.example", "zoë@bücher.example"),
        ("zoë@XN--BCHER-KVA.example", "zoë@bücher.example"),
        ("zoë@ｂücher。example", "zoë@bücher.example"),
        ("ada@exampl\u{ff45}.com", "ada@example.com"),
        ("ada@ex\u{ad}ample.com", "ada@example.com"),
    ] {
        assert_eq!(Email::try_from(text.to_owned()).unwrap().as_str(), kept, "{text:?}");
    }
    // Addresses that mail programs parse as another address, or as several.
    for text in [
        "<ada@example.com>",
        "ada <ada@example.com>",
        "\"ada\"@example.com",
        "\"a\\da\"@example.com",
        "a\\da@example.com",
        "ada(x)@example.com",
        "ada@example.com(x)",
        "ada@[127.0.0.1]",
        "ada,eve@example.com",
        "eve;ada@example.com",
        "list:ada@example.com",
        "ada@example.com,eve@example.com",
        "@eve.example:ada@example.com",
        "ada@eve@example.com",
        "ada@example.com\r\nbcc:eve@example.com",
        "ada@example.com\0",
        "ada\u{200b}@example.com",
        "ada@example..com",
    ] {
        Email::try_from(text.to_owned()).expect_err(text);
    }
}
