//! The access token of Firebase Cloud Messaging: its assertion, how it is shared, and when it is replaced.

use std::sync::Arc;
use std::time::Duration;

use comanda_providers::outcome::{SendOutcome, UnavailableCause};
use comanda_providers::push::SendPush as _;
use comanda_providers::push::fcm::FcmSettings;
use comanda_providers::testing::fake_fcm::CLIENT_EMAIL;
use comanda_providers::testing::{FakeReply, Fault, Gate};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};

use crate::fcm::{Setup, message, setup};
use crate::shared::noon;

#[tokio::test]
async fn the_assertion_is_one_that_another_library_accepts() {
    let Setup { fake, client, .. } = setup(|_| {}).await;
    client.send_push(&message()).await;
    let form = fake.server.requests()[0].form();
    assert_eq!(form["grant_type"], "urn:ietf:params:oauth:grant-type:jwt-bearer");
    let audience = format!("{}/token", fake.server.base_url);
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_audience(&[&audience]);
    // The clock of the test stands still.
    validation.validate_exp = false;
    let key = DecodingKey::from_rsa_der(&fake.public_key());
    let claims = jsonwebtoken::decode::<Value>(form["assertion"].as_bytes(), &key, &validation).unwrap().claims;
    let issued = 1_796_126_400 - 10;
    assert_eq!(
        claims,
        json!({
            "iss": CLIENT_EMAIL, "aud": audience, "iat": issued, "exp": issued + 3600,
            "scope": "https://www.googleapis.com/auth/firebase.messaging",
        })
    );
}

#[tokio::test]
async fn a_key_may_be_written_with_escaped_line_breaks() {
    use secrecy::ExposeSecret as _;
    let escaped = |settings: &mut FcmSettings| {
        let pem = format!("\"{}\"", settings.private_key.expose_secret().replace('\n', "\\n"));
        settings.private_key = pem.into();
    };
    let Setup { client, .. } = setup(escaped).await;
    assert!(matches!(client.send_push(&message()).await, SendOutcome::Accepted { .. }));
}

#[tokio::test]
async fn fifty_messages_share_one_request_for_a_token() {
    let Setup { fake, client, .. } = setup(|_| {}).await;
    assert!(matches!(client.send_push(&message()).await, SendOutcome::Accepted { .. }));
    assert_eq!(fake.token_requests(), 1);
    // All fifty find that the token is refused, and wait for one new one.
    fake.revoke_access_tokens();
    let gate = Gate::default();
    fake.server.fail("/token", [Fault::Held(gate.clone())]);
    let client = Arc::new(client);
    let sends = (0..50).map(|_| {
        let client = Arc::clone(&client);
        spawn(async move { client.send_push(&message()).await })
    });
    let sends: Vec<_> = sends.collect();
    fake.server.wait_for("messages:send", 51).await;
    fake.server.wait_for("/token", 2).await;
    gate.open();
    for send in sends {
        assert!(matches!(send.await.unwrap(), SendOutcome::Accepted { .. }));
    }
    assert_eq!(fake.token_requests(), 2);
    assert_eq!(fake.delivered().len(), 51);
}

#[expect(clippy::disallowed_methods, reason = "they end with the test's runtime")]
pub fn spawn<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> tokio::task::JoinHandle<T> {
    tokio::spawn(work)
}

#[tokio::test]
async fn a_token_is_replaced_before_its_end() {
    let Setup { fake, client, time } = setup(|_| {}).await;
    client.send_push(&message()).await;
    let pass = |seconds| {
        time.advance(Duration::from_secs(seconds));
        fake.set_now(time.now());
    };
    pass(3298);
    client.send_push(&message()).await;
    assert_eq!(fake.token_requests(), 1);
    pass(1);
    client.send_push(&message()).await;
    assert_eq!(fake.token_requests(), 2);
    // While it is still valid, a failure to replace it does not matter.
    pass(3400);
    fake.server.fail("/token", [Fault::Reply(FakeReply::bad_gateway())]);
    assert!(matches!(client.send_push(&message()).await, SendOutcome::Accepted { .. }));
    assert_eq!(fake.token_requests(), 3);
    // Not every message tries it again.
    pass(29);
    client.send_push(&message()).await;
    assert_eq!(fake.token_requests(), 3);
    pass(300);
    fake.server.fail("/token", [Fault::Reply(FakeReply::bad_gateway())]);
    let outcome = client.send_push(&message()).await;
    assert!(matches!(outcome, SendOutcome::Unavailable { cause: UnavailableCause::Unreachable, .. }), "{outcome:?}");
}

#[tokio::test]
async fn waiting_messages_share_the_failure_of_a_token_request() {
    let Setup { fake, client, .. } = setup(|_| {}).await;
    let client = Arc::new(client);
    // Google's clock is two hours ahead, so it refuses the assertion.
    fake.set_now(noon() + Duration::from_hours(2));
    let gate = Gate::default();
    fake.server.fail("/token", [Fault::Held(gate.clone())]);
    let sends: Vec<_> = (0..10)
        .map(|_| {
            let client = Arc::clone(&client);
            spawn(async move { client.send_push(&message()).await })
        })
        .collect();
    fake.server.wait_for("/token", 1).await;
    gate.open();
    for send in sends {
        let outcome = send.await.unwrap();
        let SendOutcome::Unavailable { cause: UnavailableCause::Account, error, .. } = outcome else {
            panic!("{outcome:?}");
        };
        assert!(error.to_string().starts_with("invalid_grant: Invalid JWT"), "{error}");
    }
    assert_eq!(fake.token_requests(), 1);
    fake.set_now(noon());
    assert!(matches!(client.send_push(&message()).await, SendOutcome::Accepted { .. }));
}

#[tokio::test]
async fn an_access_token_is_refreshed_once_and_then_the_account_is_refused() {
    let Setup { fake, client, .. } = setup(|_| {}).await;
    let body = json!({ "error": { "code": 401, "message": "invalid credentials", "status": "UNAUTHENTICATED" } });
    let refusal = || Fault::Reply(FakeReply::json(401, &body));
    fake.server.fail("messages:send", [refusal(), refusal()]);
    let outcome = client.send_push(&message()).await;
    assert!(matches!(outcome, SendOutcome::Unavailable { cause: UnavailableCause::Account, .. }), "{outcome:?}");
    assert_eq!((fake.token_requests(), fake.server.count("messages:send")), (2, 2));
    fake.server.fail("messages:send", [refusal()]);
    assert!(matches!(client.send_push(&message()).await, SendOutcome::Accepted { .. }));
    assert_eq!((fake.token_requests(), fake.server.count("messages:send")), (3, 4));
}
