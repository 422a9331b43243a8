//! Web Push: the vectors of RFC 8291 and RFC 8292, keys, what responses mean, and faults.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use comanda_providers::breaker::BreakerSettings;
use comanda_providers::outcome::{PermanentCause, RecipientProblem, RetryCause, SendOutcome, UnavailableCause};
use comanda_providers::push::PushUrgency;
use comanda_providers::testing::fake_push_service::{FakeSubscription, decrypt, verify_vapid};
use comanda_providers::testing::{FakePushService, FakeReply, Fault};
use comanda_providers::web_push::encryption::{EncryptionFailure, LARGEST_PAYLOAD, encrypt, encrypt_with};
use comanda_providers::web_push::{
    EndpointPolicy, GuardedWebPush, InvalidSubscription, SendWebPush as _, SubscriptionKeys, VapidKey, WebPush,
    WebPushMessage, WebPushSettings, WebPushSubscription,
};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::shared::{TestTime, given_up, noon, shared};

pub fn policy() -> EndpointPolicy {
    EndpointPolicy { allows_loopback: true, ..EndpointPolicy::default() }
}

pub fn client_with(policy: EndpointPolicy, timeout: Duration) -> WebPush {
    let key = VapidKey::generate().unwrap();
    let settings = WebPushSettings { key, subject: "mailto:push@comanda.example".into(), policy, timeout };
    WebPush::new(settings, TestTime::at_noon().source()).unwrap()
}

async fn setup() -> (FakePushService, WebPush, FakeSubscription) {
    let client = client_with(policy(), Duration::from_secs(30));
    let fake = FakePushService::start(noon()).await;
    let browser = fake.subscribe(client.public_key());
    (fake, client, browser)
}

pub fn message(browser: &FakeSubscription) -> WebPushMessage {
    let FakeSubscription { endpoint, p256dh, auth, .. } = browser;
    WebPushMessage {
        subscription: WebPushSubscription::new(endpoint, p256dh, auth, &policy()).unwrap(),
        payload: b"Your order is on its way".to_vec(),
        ttl: Duration::from_mins(15),
        urgency: PushUrgency::High,
        collapse_id: Some("ntf_01jd8x2v5e9qa8h3m4k6p7r8st".into()),
    }
}

fn bytes(text: &Value) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text.as_str().unwrap()).unwrap()
}

#[test]
fn the_encryption_is_that_of_rfc_8291() {
    let Some(vectors) = shared("webpush/webpush_vectors.json") else { return };
    let vector = &vectors["rfc8291"];
    let text = |name: &str| vector[name].as_str().unwrap();
    let keys = SubscriptionKeys::read(text("ua_public"), text("auth_secret")).unwrap();
    let salt = bytes(&vector["salt"]).try_into().unwrap();
    let body = encrypt_with(text("plaintext").as_bytes(), &keys, &bytes(&vector["as_private"]), salt).unwrap();
    assert_eq!(URL_SAFE_NO_PAD.encode(&body), text("body"));
    let read = decrypt(&body, &bytes(&vector["ua_private"]), &keys).unwrap();
    assert_eq!(String::from_utf8(read).unwrap(), text("plaintext"));
    // Keys and salts are new for each message.
    let [one, two] = [(); 2].map(|()| encrypt(b"Hello", &keys).unwrap());
    assert!(one[..16] != two[..16] && one[21..86] != two[21..86] && one[86..] != two[86..]);
    let changed = [&body[..body.len() - 1], &[body[body.len() - 1] ^ 1]].concat();
    assert_eq!(decrypt(&changed, &bytes(&vector["ua_private"]), &keys), None);
}

#[test]
fn the_signature_is_that_of_rfc_8292() {
    let Some(vectors) = shared("webpush/webpush_vectors.json") else { return };
    let vector = &vectors["rfc8292"];
    let authorization = vector["authorization"].as_str().unwrap();
    let (claims, key) = verify_vapid(authorization).unwrap();
    assert_eq!((&claims, json!(key)), (&vector["claims"], vector["k"].clone()));
    let other = VapidKey::generate().unwrap();
    assert_eq!(verify_vapid(&authorization.replace(&key, other.public())), None);
    assert_eq!(verify_vapid(&authorization.replace(".i3CYb7", ".i3CYb8")), None);
}

#[test]
fn a_key_is_kept_and_read_again() {
    let key = VapidKey::generate().unwrap();
    let read = VapidKey::read(key.private()).unwrap();
    assert_eq!(read.public(), key.public());
    assert_eq!((key.public().len(), key.private().expose_secret().len()), (87, 43));
    assert_ne!(VapidKey::generate().unwrap().public(), key.public());
    assert!(!format!("{key:?}").contains(key.private().expose_secret()));
    for wrong in ["", "AAAA", &"A".repeat(43), &"_".repeat(43), "not base64"] {
        assert!(VapidKey::read(&wrong.to_owned().into()).is_err(), "{wrong}");
    }
    if let Some(vectors) = shared("webpush/webpush_vectors.json") {
        let vector = &vectors["rfc8291"];
        let read = VapidKey::read(&vector["as_private"].as_str().unwrap().to_owned().into()).unwrap();
        assert_eq!(read.public(), vector["as_public"]);
    }
}

#[tokio::test]
async fn a_message_arrives_and_is_signed_for_the_push_service() {
    let (fake, client, browser) = setup().await;
    let outcome = client.send_web_push(&message(&browser)).await;
    let provider_id = Some(format!("{}/message/browser-1-1", fake.server.base_url));
    assert_eq!(outcome, SendOutcome::Accepted { provider_id });
    assert_eq!(fake.received(&browser.id), [b"Your order is on its way"]);
    let request = &fake.server.requests()[0];
    for (name, value) in [
        ("ttl", "900"),
        ("urgency", "high"),
        ("topic", "ntf_01jd8x2v5e9qa8h3m4k6p7r8st"),
        ("content-encoding", "aes128gcm"),
        ("content-type", "application/octet-stream"),
    ] {
        assert_eq!(request.header(name), value, "{name}");
    }
    // Another library accepts the token.
    let token = request.header("authorization").strip_prefix("vapid t=").unwrap().split(',').next().unwrap();
    let mut validation = Validation::new(Algorithm::ES256);
    validation.set_audience(&[&fake.server.base_url]);
    validation.validate_exp = false;
    let key = DecodingKey::from_ec_der(&URL_SAFE_NO_PAD.decode(client.public_key()).unwrap());
    let claims = jsonwebtoken::decode::<Value>(token.as_bytes(), &key, &validation).unwrap().claims;
    let expires = 1_796_126_400 + 12 * 3600;
    let subject = "mailto:push@comanda.example";
    assert_eq!(claims, json!({ "aud": fake.server.base_url, "exp": expires, "sub": subject }));
}

#[tokio::test]
async fn sizes_are_bounded() {
    let (fake, client, browser) = setup().await;
    let largest = WebPushMessage { payload: vec![b'x'; LARGEST_PAYLOAD], collapse_id: None, ..message(&browser) };
    assert!(matches!(client.send_web_push(&largest).await, SendOutcome::Accepted { .. }));
    assert_eq!((fake.server.requests()[0].body.len(), LARGEST_PAYLOAD), (4096, 3993));
    let too_large = WebPushMessage { payload: vec![b'x'; LARGEST_PAYLOAD + 1], ..largest };
    let outcome = client.send_web_push(&too_large).await;
    assert!(matches!(outcome, SendOutcome::Permanent { cause: PermanentCause::Message, .. }), "{outcome:?}");
    assert_eq!(fake.server.requests().len(), 1);
    let keys = SubscriptionKeys::read(&browser.p256dh, &browser.auth).unwrap();
    assert_eq!(encrypt(&[0; 3994], &keys), Err(EncryptionFailure::TooLarge));
    let empty = WebPushMessage { payload: Vec::new(), ..message(&browser) };
    assert!(matches!(client.send_web_push(&empty).await, SendOutcome::Accepted { .. }));
}

#[tokio::test]
async fn subscriptions_that_ended_are_dropped() {
    let (fake, client, browser) = setup().await;
    fake.unsubscribe(&browser.id);
    let unknown = FakeSubscription { endpoint: format!("{}0", browser.endpoint), ..browser.clone() };
    for (of, code) in [(&browser, "http_410"), (&unknown, "http_404")] {
        let outcome = client.send_web_push(&message(of)).await;
        let SendOutcome::DeadRecipient { cause: RecipientProblem::Unregistered, error } = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!(error.code, code);
    }
    // One that was made for another key is reported, and kept.
    let other = fake.subscribe(VapidKey::generate().unwrap().public());
    let outcome = client.send_web_push(&message(&other)).await;
    assert!(matches!(outcome, SendOutcome::Permanent { cause: PermanentCause::Configuration, .. }), "{outcome:?}");
}

#[tokio::test]
async fn every_status_has_a_meaning() {
    let (fake, client, browser) = setup().await;
    let cases = [
        (400, "settings"),
        (401, "settings"),
        (403, "settings"),
        (404, "dead"),
        (406, "throttled"),
        (410, "dead"),
        (413, "message"),
        (429, "throttled"),
        (301, "message"),
        (307, "message"),
        (408, "failure"),
        (500, "failure"),
        (502, "failure"),
        (503, "failure"),
    ];
    for (status, expected) in cases {
        let reply = FakeReply::text(status, "text/plain", format!("Not for {} please", browser.endpoint))
            .with_header("retry-after", "77")
            .with_header("location", "http://127.0.0.1:1/elsewhere");
        fake.server.fail("/push", [Fault::Reply(reply)]);
        let outcome = client.send_web_push(&message(&browser)).await;
        let pause = Some(Duration::from_secs(77));
        let class = match &outcome {
            SendOutcome::Permanent { cause: PermanentCause::Configuration, .. } => "settings",
            SendOutcome::Permanent { .. } => "message",
            SendOutcome::DeadRecipient { cause: RecipientProblem::Unregistered, .. } => "dead",
            SendOutcome::RetryLater { after, cause: RetryCause::Throttled, .. } if *after == pause => "throttled",
            SendOutcome::RetryLater { after, .. } if *after == pause => "failure",
            _ => "another",
        };
        assert_eq!(class, expected, "{status}: {outcome:?}");
        // Who knows the endpoint can send to the browser.
        assert_eq!(outcome.error().unwrap().text, "Not for [removed] please");
    }
    assert_eq!(fake.server.requests().len(), cases.len());
}

#[tokio::test]
async fn faults_of_connections_are_retried() {
    let (fake, client, browser) = setup().await;
    for fault in [Fault::Reset, Fault::EffectThenReset, Fault::EffectThenEndless] {
        fake.server.fail("/push", [fault.clone()]);
        let outcome = client.send_web_push(&message(&browser)).await;
        let is_retried = matches!(outcome, SendOutcome::RetryLater { cause: RetryCause::ProviderFailure, .. });
        assert!(is_retried, "{fault:?}: {outcome:?}");
    }
    fake.server.fail("/push", [Fault::Silence]);
    let outcome = given_up(client.send_web_push(&message(&browser)), fake.server.wait_for("/push", 4)).await;
    assert_eq!(outcome.error().unwrap().code, "timeout", "{outcome:?}");
}

#[tokio::test]
async fn a_push_service_that_is_down_does_not_stop_the_others() {
    let (fake, client, browser) = setup().await;
    let settings = BreakerSettings { failures: 2, ..BreakerSettings::default() };
    let guarded = GuardedWebPush::new(client, settings, TestTime::at_noon().source());
    fake.server.fail_always(Some(Fault::Reply(FakeReply::bad_gateway())));
    for _ in 0..3 {
        guarded.send_web_push(&message(&browser)).await;
    }
    let outcome = guarded.send_web_push(&message(&browser)).await;
    let is_open = matches!(outcome, SendOutcome::Unavailable { cause: UnavailableCause::CircuitOpen, .. });
    assert!(is_open, "{outcome:?}");
    assert_eq!(fake.server.requests().len(), 2);
    fake.server.fail_always(None);
    let elsewhere =
        FakeSubscription { endpoint: browser.endpoint.replace("127.0.0.1", "localhost"), ..browser.clone() };
    let outcome = guarded.send_web_push(&message(&elsewhere)).await;
    assert!(!matches!(outcome, SendOutcome::Unavailable { .. }), "{outcome:?}");
    let outcome = guarded.send_web_push(&message(&browser)).await;
    assert!(matches!(outcome, SendOutcome::Unavailable { .. }), "{outcome:?}");
}

#[test]
fn keys_of_subscriptions_are_checked() {
    let browser_key = VapidKey::generate().unwrap();
    let (point, auth) = (browser_key.public(), "BTBZMqHH6r4Tts7J_aSIgg");
    let with_padding = format!("{point}=");
    let plain = point.replace('-', "+").replace('_', "/");
    for right in [point, &with_padding, &plain] {
        assert!(SubscriptionKeys::read(right, auth).is_ok(), "{right}");
    }
    let mut off_curve = URL_SAFE_NO_PAD.decode(point).unwrap();
    off_curve[64] ^= 1;
    let off_curve = URL_SAFE_NO_PAD.encode(off_curve);
    let zero = URL_SAFE_NO_PAD.encode([0; 65]);
    let hybrid = URL_SAFE_NO_PAD.encode([&[6], &URL_SAFE_NO_PAD.decode(point).unwrap()[1..]].concat());
    for wrong in ["", "BA", &off_curve, &zero, &hybrid, &point[..86], "not base64"] {
        assert_eq!(SubscriptionKeys::read(wrong, auth), Err(InvalidSubscription::PublicKey), "{wrong}");
    }
    for wrong in ["", "BTBZMqHH6r4Tts7J_aSI", "BTBZMqHH6r4Tts7J_aSIggAA", "not base64"] {
        assert_eq!(SubscriptionKeys::read(point, wrong), Err(InvalidSubscription::AuthSecret), "{wrong}");
    }
}
