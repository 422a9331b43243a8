//! Attempts at passwords and requests for codes: the allowances of known devices and networks, and what responses
//! reveal.

use reqwest::Method;
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::people::PASSWORD;
use crate::reply::Reply;

const WRONG: &str = "not the password";

async fn server() -> TestApp {
    TestApp::with(&[("RATE_LIMIT_AUTH", "100000/1m"), ("TRUSTED_PROXIES", "127.0.0.1")]).await
}

async fn from(app: &TestApp, network: &str, path: &str, body: &Value) -> Reply {
    let stranger = app.stranger();
    stranger.send(stranger.request(Method::POST, path).header("x-forwarded-for", network).json(body)).await
}

async fn login(app: &TestApp, network: &str, email: &str, password: &str, device: &Value) -> Reply {
    let body = json!({ "email": email, "password": password, "deviceToken": device });
    from(app, network, "/api/auth/login", &body).await
}

async fn device_of(app: &TestApp, email: &str, password: &str) -> Value {
    login(app, "203.0.113.5", email, password, &Value::Null).await.expect(200)["deviceToken"].clone()
}

#[tokio::test]
async fn device_tokens_become_invalid_with_the_password_they_were_issued_for() {
    let app = server().await;
    let ada = app.customer("Ada").await;
    let mut tokens = Vec::new();
    for _ in 0..4 {
        tokens.push(device_of(&app, &ada.email, PASSWORD).await);
    }
    let change = json!({ "currentPassword": PASSWORD, "newPassword": "yellow lemons 7" });
    ada.post("/api/auth/change-password", &change).await.expect(204);
    let mut looked_at = 0;
    for token in &tokens {
        for _ in 0..6 {
            looked_at += i32::from(login(&app, "192.0.2.1", &ada.email, WRONG, token).await.status == 401);
        }
    }
    assert_eq!(looked_at, 10, "as from one network without a device");
    // A token of the new password is valid until all sessions are ended.
    let token = device_of(&app, &ada.email, "yellow lemons 7").await;
    assert_eq!(login(&app, "192.0.2.1", &ada.email, WRONG, &token).await.status, 401);
    ada.post("/api/auth/logout-all", &Value::Null).await.expect(204);
    assert_eq!(login(&app, "192.0.2.1", &ada.email, WRONG, &token).await.status, 429);
}

#[tokio::test]
async fn tokens_of_many_devices_give_at_most_a_hundred_attempts_and_twelve_codes_a_day() {
    let app = server().await;
    let ada = app.customer("Ada").await;
    let (mut looked_at, mut asked) = (0, 0);
    for _ in 0..15 {
        let token = device_of(&app, &ada.email, PASSWORD).await;
        for _ in 0..10 {
            looked_at += i32::from(login(&app, "192.0.2.1", &ada.email, WRONG, &token).await.status == 401);
        }
        for _ in 0..3 {
            let body = json!({ "email": ada.email, "channel": "email", "deviceToken": token });
            asked += i32::from(from(&app, "192.0.2.1", "/api/auth/forgot-password", &body).await.status == 202);
        }
    }
    assert_eq!((looked_at, asked), (100 + 10, 12 + 3), "beyond, as from one network without a device");
}

/// The statuses of wrong and correct passwords, and of requests for codes, after many clients have used up their
/// limits.
async fn statuses_after_attacks(app: &TestApp, email: &str, network: &str) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..11 {
        statuses.push(login(app, network, email, WRONG, &Value::Null).await.status);
    }
    for _ in 0..4 {
        statuses.push(from(app, network, "/api/auth/forgot-password", &json!({ "email": email })).await.status);
    }
    statuses
}

#[tokio::test]
async fn no_response_reveals_accounts_or_familiar_networks() {
    let app = server().await;
    let ada = app.customer("Ada").await;
    let nobody = "nobody@example.com";
    let home = "203.0.113.5";
    login(&app, home, &ada.email, PASSWORD, &Value::Null).await.expect(200);
    for email in [&ada.email, nobody] {
        for n in 0..40 {
            for _ in 0..3 {
                login(&app, &format!("198.51.100.{n}"), email, WRONG, &Value::Null).await;
                from(&app, &format!("198.51.100.{n}"), "/api/auth/forgot-password", &json!({ "email": email })).await;
            }
        }
    }
    let known = statuses_after_attacks(&app, &ada.email, home).await;
    assert_eq!(known, statuses_after_attacks(&app, nobody, home).await, "somebody else's address, the same network");
    assert_eq!(known, statuses_after_attacks(&app, &ada.email, "192.0.2.7").await, "the same address, another network");
    assert_eq!(known, [[429; 11].as_slice(), &[202, 202, 202, 429]].concat());
    // The owner can sign in with the correct password from a known network, and only from there.
    let work = "203.0.113.77";
    login(&app, work, &ada.email, PASSWORD, &Value::Null).await.refused(429, "too_many_requests");
    let later = chrono::TimeDelta::minutes(16);
    app.advance_clock(later);
    login(&app, home, &ada.email, PASSWORD, &Value::Null).await.expect(200);
}

#[tokio::test]
async fn beyond_the_limit_of_codes_only_familiar_networks_get_one() {
    let app = server().await;
    let ada = app.customer("Ada").await;
    login(&app, "203.0.113.5", &ada.email, PASSWORD, &Value::Null).await.expect(200);
    let body = json!({ "email": ada.email, "channel": "email" });
    for n in 0..40 {
        for _ in 0..3 {
            from(&app, &format!("198.51.100.{n}"), "/api/auth/forgot-password", &body).await.expect(202);
        }
    }
    let sent = "select count(*) from notification_deliveries where target like '%@%'";
    assert_eq!(app.count(sent).await, 100);
    from(&app, "203.0.113.5", "/api/auth/forgot-password", &body).await.expect(202);
    assert_eq!(app.count(sent).await, 101);
}
