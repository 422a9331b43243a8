//! Recovery codes for passwords: who receives one, how many attempts it has, and the limits for strangers.

use chrono::TimeDelta;
use comanda::accounts::attempt_limits::{RESET_REQUESTS_A_DAY, RESET_TRIES_A_DAY};
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::app::{TestApp, eventually};
use crate::people::{PASSWORD, Person};
use crate::reply::Reply;

const NEW_PASSWORD: &str = "four yellow lemons";

async fn asks(person: &Person, email: &str) -> Reply {
    person.post("/api/auth/forgot-password", &json!({ "email": email })).await
}

async fn tries(person: &Person, email: &str, code: &str, reset: Option<&Value>) -> Reply {
    let mut body = json!({ "email": email, "otp": code, "password": NEW_PASSWORD });
    if let Some(reset) = reset {
        body["resetId"] = reset["resetId"].clone();
    }
    person.post("/api/auth/reset-password", &body).await
}

async fn signs_in(person: &Person, email: &str, password: &str) -> Reply {
    person.post("/api/auth/login", &json!({ "email": email, "password": password })).await
}

/// The messages to an address, newest first, once there are this many.
async fn sent_messages(app: &TestApp, target: &str, kind: &str, count: usize) -> Vec<Value> {
    let admin = app.admin().await;
    let found = async || {
        let page = admin.get("/api/admin/outbox?limit=200").await.expect(200);
        let fits =
            |message: &&Value| message["target"] == target && message["kind"] == kind && message["state"] == "SENT";
        page["data"].as_array().unwrap().iter().filter(fits).cloned().collect::<Vec<_>>()
    };
    eventually(&format!("{count} × {kind} to {target}"), async || found().await.len() >= count).await;
    found().await
}

/// The code of the latest message.
async fn code_for(app: &TestApp, target: &str, count: usize) -> String {
    let message = sent_messages(app, target, "account.reset-code", count).await.remove(0);
    message["body"].as_str().unwrap()[..8].to_owned()
}

#[tokio::test]
async fn a_forgotten_password_is_reset() {
    let app = TestApp::start().await;
    let stranger = app.stranger();
    let new = json!({ "email": "ada@example.com", "password": PASSWORD, "name": "Ada", "phone": "+390511234567" });
    stranger.post("/api/auth/register", &new).await.expect(202);
    let session = signs_in(&stranger, "ada@example.com", PASSWORD).await.expect(200);
    let ada = Person { token: session["accessToken"].as_str().map(Into::into), ..stranger.clone() };

    let reset = asks(&stranger, "ada@example.com").await.expect(202);
    assert_eq!(reset["expiresIn"], 600);
    let code = code_for(&app, "ada@example.com", 1).await;
    assert!(code.bytes().all(|byte| byte.is_ascii_digit()), "{code}");
    let weak = json!({ "email": "ada@example.com", "otp": code, "password": "password1", "resetId": reset["resetId"] });
    stranger.post("/api/auth/reset-password", &weak).await.refused(422, "invalid_request");
    tries(&stranger, "ada@example.com", &code, Some(&reset)).await.expect(200);

    signs_in(&stranger, "ada@example.com", PASSWORD).await.refused(401, "invalid_credentials");
    signs_in(&stranger, "ada@example.com", NEW_PASSWORD).await.expect(200);
    ada.get("/api/me").await.refused(401, "unauthenticated");
    tries(&stranger, "ada@example.com", &code, Some(&reset)).await.refused(401, "invalid_code");
    assert_eq!(sent_messages(&app, "ada@example.com", "account.password-changed", 1).await.len(), 1);
}

#[tokio::test]
async fn a_reset_without_an_id_works_and_mail_is_used_on_request() {
    let app = TestApp::start().await;
    let ada = app.customer("Ada").await;
    let body = json!({ "email": ada.email, "channel": "email" });
    app.stranger().post("/api/auth/forgot-password", &body).await.expect(202);
    let code = code_for(&app, &ada.email, 1).await;
    tries(&app.stranger(), &ada.email, &code, None).await.expect(200);
    signs_in(&app.stranger(), &ada.email, NEW_PASSWORD).await.expect(200);
}

#[tokio::test]
async fn an_address_without_an_account_is_answered_alike() {
    let app = TestApp::start().await;
    let ada = app.customer("Ada").await;
    let stranger = app.stranger();
    let mut seen = Vec::new();
    for email in [ada.email.as_str(), "nobody.at.all@example.com"] {
        let mut answers = Vec::new();
        let mut note = |reply: &Reply| {
            let names: Vec<_> = reply.headers.keys().cloned().collect();
            let id = reply.json()["resetId"].as_str().map(str::len);
            let text = reply.without_request_id();
            let shape = reply.json()["resetId"].as_str().map_or(text.clone(), |id| text.replace(id, ""));
            answers.push((reply.status, names, id, shape));
        };
        let first = asks(&stranger, email).await;
        note(&first);
        for _ in 0..6 {
            note(&tries(&stranger, email, "12345678", Some(&first.json())).await);
        }
        for _ in 0..7 {
            note(&tries(&stranger, email, "12345678", None).await);
        }
        for _ in 0..3 {
            note(&asks(&stranger, email).await);
        }
        seen.push(answers);
    }
    assert_eq!(seen[0], seen[1]);
    let statuses: Vec<_> = seen[0].iter().map(|answer| answer.0).collect();
    assert_eq!(statuses[..2], [202, 401]);
    assert_eq!(statuses[7..14], [401, 401, 401, 401, 401, 429, 429], "five tries without an id");
    assert_eq!(statuses[14..], [202, 202, 429], "three requests");
    let skipped = async || app.count("select count(*) from notification_deliveries where state = 'SKIPPED'").await == 3;
    eventually("what is for nobody is skipped", skipped).await;
    let outbox = app.admin().await.get("/api/admin/outbox?limit=200").await.expect(200);
    let targets: Vec<_> = outbox["data"].as_array().unwrap().iter().map(|message| &message["target"]).collect();
    assert!(targets.iter().all(|target| **target == ada.email.as_str()), "{targets:?}");
    assert_eq!(app.count("select count(*) from notifications where secret is not null").await, 0);
}

#[tokio::test]
async fn a_code_is_used_once_by_concurrent_requests() {
    let app = TestApp::with(&[("PASSWORD_HASHES_WAITING", "200"), ("PASSWORD_HASH_WAIT", "60s")]).await;
    let ada = app.customer("Ada").await;
    let stranger = app.stranger();
    let reset = asks(&stranger, &ada.email).await.expect(202);
    let code = code_for(&app, &ada.email, 1).await;
    let replies = join_all((0..50).map(|_| tries(&stranger, &ada.email, &code, Some(&reset)))).await;
    assert_eq!(replies.iter().filter(|reply| reply.status == 200).count(), 1);
    assert_eq!(replies.iter().filter(|reply| reply.status == 401).count(), 49);
    assert_eq!(sent_messages(&app, &ada.email, "account.password-changed", 1).await.len(), 1);
}

#[tokio::test]
async fn concurrent_attempts_and_requests_are_counted_exactly() {
    let app = TestApp::start().await;
    let ada = app.customer("Ada").await;
    let stranger = app.stranger();
    let asked = join_all((0..20).map(|_| asks(&stranger, &ada.email))).await;
    assert_eq!(asked.iter().filter(|reply| reply.status == 202).count(), 3, "three requests");
    let resets: Vec<_> = asked.iter().filter(|reply| reply.status == 202).map(Reply::json).collect();
    let wrong = join_all((0..50).map(|_| tries(&stranger, &ada.email, "nonsense", Some(&resets[0])))).await;
    assert!(wrong.iter().all(|reply| reply.status == 401));
    assert_eq!(app.count("select sum(tries) from password_resets").await, 5, "five tries of one request");
    let unnamed = join_all((0..50).map(|_| tries(&stranger, &ada.email, "nonsense", None))).await;
    assert_eq!(unnamed.iter().filter(|reply| reply.status == 401).count(), 5, "five tries without a request");
}

#[tokio::test]
async fn five_tries_end_a_code_and_so_do_ten_minutes() {
    let app = TestApp::start().await;
    let ada = app.customer("Ada").await;
    let stranger = app.stranger();
    let reset = asks(&stranger, &ada.email).await.expect(202);
    let code = code_for(&app, &ada.email, 1).await;
    let wrong = if code == "00000000" { "00000001" } else { "00000000" };
    for _ in 0..5 {
        tries(&stranger, &ada.email, wrong, Some(&reset)).await.refused(401, "invalid_code");
    }
    tries(&stranger, &ada.email, &code, Some(&reset)).await.refused(401, "invalid_code");
    let again = asks(&stranger, &ada.email).await.expect(202);
    let code = code_for(&app, &ada.email, 2).await;
    app.advance_clock(TimeDelta::minutes(10));
    tries(&stranger, &ada.email, &code, Some(&again)).await.refused(401, "invalid_code");
}

#[tokio::test]
async fn a_thousand_wrong_attempts_of_strangers_leave_the_owners_code_valid() {
    let app = TestApp::with(&[("RATE_LIMIT_AUTH", "100000/1m"), ("TRUSTED_PROXIES", "127.0.0.1")]).await;
    let ada = app.customer("Ada").await;
    let stranger = app.stranger();
    let reset = asks(&stranger, &ada.email).await.expect(202);
    let code = code_for(&app, &ada.email, 1).await;
    let mut tried = 0;
    for n in 0..1_000_u32 {
        let mut body = json!({ "email": ada.email, "otp": format!("{n:08}"), "password": NEW_PASSWORD });
        if n % 2 == 0 {
            body["resetId"] = json!(comanda::ids::ResetId::random());
        }
        let from = format!("198.51.{}.{}", n / 250, n % 250);
        let request =
            stranger.request(Method::POST, "/api/auth/reset-password").header("x-forwarded-for", from).json(&body);
        let status = stranger.send(request).await.status;
        assert!([401, 429].contains(&status), "{status}");
        tried += u32::from(n % 2 == 1 && status == 401);
    }
    assert_eq!(tried, 5, "of those without an id, five were looked at");
    tries(&stranger, &ada.email, &code, Some(&reset)).await.expect(200);
}

/// Ten thousand accounts, attacked for a day with every attempt that the limits allow, from unknown networks and from
/// one in which the owner has signed in (their requests are counted separately).
#[test]
fn attempts_at_codes_are_limited() {
    const TRIES_A_REQUEST: i32 = 5;
    let by_request = 2 * RESET_REQUESTS_A_DAY.max * TRIES_A_REQUEST;
    let a_day = f64::from(by_request + RESET_TRIES_A_DAY.max);
    let expected = 10_000.0 * a_day / 1e8;
    assert!(expected < 0.01, "{expected} accounts a day");
}

#[tokio::test]
async fn attempts_per_day_match_the_documented_figures() {
    let app = TestApp::with(&[("RATE_LIMIT_AUTH", "100000/1m")]).await;
    let ada = app.customer("Ada").await;
    let stranger = app.stranger();
    let (mut by_request, mut by_address) = (0, 0);
    // For a day, in each hour as much as the limit for a quarter of an hour allows.
    for _ in 0..24 {
        for _ in 0..4 {
            let asked = asks(&stranger, &ada.email).await;
            if asked.status != 202 {
                continue;
            }
            for _ in 0..6 {
                by_request += i32::from(tries(&stranger, &ada.email, "wrong", Some(&asked.json())).await.status == 401);
            }
        }
        for _ in 0..6 {
            by_address += i32::from(tries(&stranger, &ada.email, "wrong", None).await.status == 401);
        }
        app.advance_clock(TimeDelta::hours(1));
    }
    // Each request was tried six times, and the sixth attempt was not checked.
    assert_eq!(by_request / 6 * 5, RESET_REQUESTS_A_DAY.max * 5);
    assert_eq!(by_address, RESET_TRIES_A_DAY.max);
}

#[tokio::test]
async fn no_code_is_readable_in_the_database() {
    let app = TestApp::start().await;
    let ada = app.customer("Ada").await;
    asks(&app.stranger(), &ada.email).await.expect(202);
    let code = code_for(&app, &ada.email, 1).await;
    let rows: Vec<String> = sqlx::query_scalar(
        "select to_jsonb(t)::text from notifications t union all select to_jsonb(t)::text from notification_deliveries t
         union all select to_jsonb(t)::text from password_resets t union all select to_jsonb(t)::text from
         attempt_limits t",
    )
    .fetch_all(&app.superuser)
    .await
    .unwrap();
    let hex = code.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    assert!(rows.len() >= 4, "{} rows", rows.len());
    assert!(rows.iter().all(|row| !row.contains(&code) && !row.contains(&hex)), "the code is in {rows:?}");
    let counters: Vec<String> =
        sqlx::query_scalar("select to_jsonb(t)::text from attempt_limits t").fetch_all(&app.superuser).await.unwrap();
    assert!(counters.iter().all(|row| !row.contains(&ada.email)), "the address is in {counters:?}");
    assert_eq!(app.count("select count(*) from notifications where secret is not null").await, 0);
}

#[tokio::test]
async fn a_message_that_cannot_be_sent_does_not_delay_others() {
    let app = TestApp::start().await;
    // One transaction, so that the worker leases both together, and the unreadable one first.
    app.execute(
        "begin;
         insert into notifications (id, dedupe_key, kind, category, data, secret, created_at)
         values ('018f0000-0000-7000-8000-000000000001', 'unreadable', 'account.email-code', 'SECURITY', '{}',
                 '\\x00', now()),
                ('018f0000-0000-7000-8000-000000000002', 'readable', 'account.welcome', 'SECURITY', '{}', null, now());
         insert into notification_deliveries
             (id, notification_id, channel, target, priority, state, next_attempt_at, created_at)
         values ('018f0000-0000-7000-8000-000000000003', '018f0000-0000-7000-8000-000000000001', 'EMAIL',
                 'ada@example.com', 0, 'PENDING', '2020-01-01', now()),
                ('018f0000-0000-7000-8000-000000000004', '018f0000-0000-7000-8000-000000000002', 'EMAIL',
                 'eve@example.com', 5, 'PENDING', '2020-01-01', now());
         commit",
    )
    .await;
    sent_messages(&app, "eve@example.com", "account.welcome", 1).await;
    assert_eq!(app.count("select count(*) from notification_deliveries where state = 'SENDING'").await, 1);
}

#[tokio::test]
async fn in_production_the_outbox_shows_no_code() {
    let production = [("MODE", "production"), ("ADMIN_SECOND_FACTOR", "optional"), ("DATA_DIR", "./data")];
    let app = TestApp::with(&production).await;
    let ada = app.customer("Ada").await;
    asks(&app.stranger(), &ada.email).await.expect(202);
    let message = sent_messages(&app, &ada.email, "account.reset-code", 1).await.remove(0);
    assert!(message["body"].as_str().unwrap().starts_with("••••••••"), "{message}");
    ada.get("/api/admin/outbox").await.refused(403, "forbidden");
    app.stranger().get("/api/admin/outbox").await.refused(401, "unauthenticated");
}

#[tokio::test]
async fn the_owner_is_notified_of_a_sign_up_with_their_address_once_a_day() {
    let app = TestApp::start().await;
    let stranger = app.stranger();
    let new = json!({ "email": "ada@example.com", "password": PASSWORD, "name": "Ada" });
    let first = stranger.post("/api/auth/register", &new).await;
    let again = stranger.post("/api/auth/register", &new).await;
    assert_eq!((first.status, first.text()), (again.status, again.text()));
    stranger.post("/api/auth/register", &new).await.expect(202);
    assert_eq!(sent_messages(&app, "ada@example.com", "account.welcome", 1).await.len(), 1);
    assert_eq!(sent_messages(&app, "ada@example.com", "account.already-signed-up", 1).await.len(), 1);
    app.advance_clock(TimeDelta::days(1));
    stranger.post("/api/auth/register", &new).await.expect(202);
    assert_eq!(sent_messages(&app, "ada@example.com", "account.already-signed-up", 2).await.len(), 2);
}

#[tokio::test]
async fn the_owner_is_notified_of_a_changed_password() {
    let app = TestApp::start().await;
    let ada = app.customer("Ada").await;
    let change = json!({ "currentPassword": PASSWORD, "newPassword": NEW_PASSWORD });
    ada.post("/api/auth/change-password", &change).await.expect(204);
    assert_eq!(sent_messages(&app, &ada.email, "account.password-changed", 1).await.len(), 1);
    for _ in 0..10 {
        ada.post("/api/auth/change-password", &change).await.refused(403, "reauth_required");
    }
    ada.post("/api/auth/change-password", &change).await.refused(429, "too_many_requests");
}
