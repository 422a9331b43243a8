//! What strangers cannot use up: the notices to the owner of an account, and the owner's attempts at the password.

use serde_json::{Value, json};

use crate::app::{TestApp, eventually};
use crate::contacts::{sent_messages, signs_in};
use crate::people::PASSWORD;

/// Sub-addresses (`ada+1@…`) are the same mailbox.
#[tokio::test]
async fn sign_ups_with_sub_addresses_do_not_fill_a_mailbox() {
    let app = TestApp::with(&[("MESSAGES_PER_NUMBER", "3/24h")]).await;
    for number in 0..8 {
        let body = json!({ "email": format!("victim+{number}@example.com"), "password": PASSWORD, "name": "Eve" });
        app.stranger().post("/api/auth/register", &body).await.expect(202);
    }
    let skipped = "select count(*) from notification_deliveries d join notifications n on n.id = d.notification_id
        where n.kind = 'account.welcome' and d.state = 'SKIPPED'";
    eventually("five are not sent", async || app.count(skipped).await == 5).await;
    let sent = "select count(*) from notification_deliveries d join notifications n on n.id = d.notification_id
        where n.kind = 'account.welcome' and d.state = 'SENT'";
    assert_eq!(app.count(sent).await, 3);
}

/// A stranger who sets somebody's number on an own account, and requests codes until no more are sent to it, does not
/// hide a change from the owner of the verified number.
#[tokio::test]
async fn codes_that_strangers_request_do_not_use_up_the_notices_to_a_number() {
    let app = TestApp::with(&[("MESSAGES_PER_NUMBER", "3/24h")]).await;
    let (ada, eve) = (app.customer("Ada").await, app.customer("Eve").await);
    let number = "+390511234567";
    app.execute(&format!("update users set phone = '{number}' where email = '{}'", ada.email)).await;
    app.execute(&format!("update users set phone_verified_at = now() where email = '{}'", ada.email)).await;
    eve.patch("/api/me", &json!({ "phone": number, "currentPassword": PASSWORD })).await.expect(200);
    for _ in 0..3 {
        eve.post("/api/me/phone/code", &Value::Null).await.expect(202);
    }
    eve.post("/api/me/phone/code", &Value::Null).await.refused(429, "too_many_requests");
    ada.patch("/api/me", &json!({ "phone": "+390517654321", "currentPassword": PASSWORD })).await.expect(200);
    sent_messages(&app, number, "account.phone-changed", 1).await;
}

/// Somebody with a stolen token, without the password, uses up the attempts of that session, and not those of the owner.
#[tokio::test]
async fn wrong_passwords_in_a_stolen_session_do_not_lock_out_the_owner() {
    let app = TestApp::start().await;
    let thief = app.customer("Ada").await;
    let change = |password: &str| json!({ "phone": "+390511234567", "currentPassword": password });
    for _ in 0..10 {
        thief.patch("/api/me", &change("a guess")).await.refused(403, "reauth_required");
    }
    thief.patch("/api/me", &change(PASSWORD)).await.refused(429, "too_many_requests");
    let owner = signs_in(&app, &thief.email, PASSWORD).await;
    owner.patch("/api/me", &change(PASSWORD)).await.expect(200);
    owner.post("/api/me/second-factor", &json!({ "password": PASSWORD })).await.expect(201);
}
