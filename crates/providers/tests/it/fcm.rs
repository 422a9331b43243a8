//! Firebase Cloud Messaging: requests compared with Google's description, the meaning of each response, the access
//! token, and faults.

use std::collections::BTreeMap;
use std::time::Duration;

use comanda_providers::outcome::{PermanentCause, RecipientProblem, RetryCause, SendOutcome, UnavailableCause};
use comanda_providers::push::fcm::FcmSettings;
use comanda_providers::push::{Fcm, PushMessage, PushTarget, PushUrgency, SendPush as _};
use comanda_providers::testing::{FakeFcm, FakeReply, Fault};
use serde_json::{Value, json};

use crate::shared::{TestTime, given_up, noon, shared};
use crate::spec::Document;

const DEVICE: &str = "a-registration-token:APA91bHun4MxP5egoKMwt2KZFBaFUH";

pub struct Setup {
    pub fake: FakeFcm,
    pub client: Fcm,
    pub time: TestTime,
}

pub async fn setup(change: impl FnOnce(&mut FcmSettings)) -> Setup {
    let time = TestTime::at_noon();
    let fake = FakeFcm::start(noon()).await;
    let mut settings = fake.settings();
    change(&mut settings);
    Setup { client: Fcm::new(&settings, time.source()).unwrap(), fake, time }
}

pub fn message() -> PushMessage {
    PushMessage {
        target: PushTarget::RegistrationToken(DEVICE.into()),
        collapse_id: "ntf_01jd8x2v5e9qa8h3m4k6p7r8st".into(),
        title: "Your order is on its way".into(),
        body: "Arrives in 12 minutes".into(),
        data: BTreeMap::from([("orderId".to_owned(), "ord_1".to_owned())]),
        ttl: Duration::from_mins(15),
        urgency: PushUrgency::High,
        link: Some("https://shop.example/orders/1".into()),
    }
}

/// Compares the captured messages with Google's description; unknown fields are faults.
fn agrees(fake: &FakeFcm) {
    let Some(strict) = shared("fcm/fcm.v1.send.strict.openapi.json") else { return };
    let discovery = shared("fcm/fcm.v1.discovery.json").unwrap();
    let send = &discovery["resources"]["projects"]["resources"]["messages"]["methods"]["send"];
    let document = Document(strict);
    let schema = json!({ "$ref": "#/components/schemas/SendMessageRequest" });
    let captured: Vec<_> = fake.server.requests().into_iter().filter(|request| request.path != "/token").collect();
    assert!(!captured.is_empty());
    let faulty = json!({ "message": { "data": { "a": 1 }, "android": { "priority": "urgent" }, "to": "x" } });
    assert_eq!(document.faults(&schema, &faulty, "message").len(), 3);
    for request in captured {
        assert_eq!(request.method, send["httpMethod"].as_str().unwrap());
        let path = send["flatPath"].as_str().unwrap().replace("{projectsId}", "comanda-test");
        assert_eq!(request.path, format!("/{path}"));
        assert_eq!(request.header("content-type"), "application/json");
        assert_eq!(document.faults(&schema, &request.json(), "message"), [""; 0]);
    }
}

#[tokio::test]
async fn a_message_is_sent_as_googles_description_says() {
    let Setup { fake, client, .. } = setup(|_| {}).await;
    let outcome = client.send_push(&message()).await;
    let provider_id = Some("projects/comanda-test/messages/1".to_owned());
    assert_eq!(outcome, SendOutcome::Accepted { provider_id });
    let fid = PushTarget::InstallationId("cR1rjyj6_FIDexample".into());
    let plain = PushMessage {
        target: fid,
        link: None,
        urgency: PushUrgency::Normal,
        ttl: Duration::ZERO,
        collapse_id: "an id with other characters than those of a topic".repeat(2),
        data: BTreeMap::new(),
        ..message()
    };
    assert!(matches!(client.send_push(&plain).await, SendOutcome::Accepted { .. }));
    agrees(&fake);
    let [first, second] = fake.delivered().try_into().unwrap();
    assert_eq!(
        first,
        json!({
            "token": DEVICE,
            "notification": { "title": "Your order is on its way", "body": "Arrives in 12 minutes" },
            "data": { "orderId": "ord_1" },
            "android": { "priority": "HIGH", "ttl": "900s", "collapseKey": "ntf_01jd8x2v5e9qa8h3m4k6p7r8st" },
            "apns": {
                "headers": {
                    "apns-priority": "10",
                    "apns-collapse-id": "ntf_01jd8x2v5e9qa8h3m4k6p7r8st",
                    "apns-expiration": "1796127300",
                },
                "payload": { "aps": { "sound": "default" } },
            },
            "webpush": {
                "headers": { "TTL": "900", "Urgency": "high", "Topic": "ntf_01jd8x2v5e9qa8h3m4k6p7r8st" },
                "fcmOptions": { "link": "https://shop.example/orders/1" },
            },
        })
    );
    assert_eq!((&second["fid"], &second["token"]), (&json!("cR1rjyj6_FIDexample"), &Value::Null));
    assert_eq!(second["apns"]["headers"]["apns-expiration"], "0");
    assert_eq!(second["webpush"]["headers"]["Topic"].as_str().unwrap().len(), 32);
    assert_eq!(second["apns"]["headers"]["apns-collapse-id"].as_str().unwrap().len(), 32);
}

#[tokio::test]
async fn a_dry_run_delivers_nothing() {
    let Setup { fake, client, .. } = setup(|settings| settings.validate_only = true).await;
    assert!(matches!(client.send_push(&message()).await, SendOutcome::Accepted { .. }));
    assert_eq!(fake.delivered(), [json!(null); 0]);
    agrees(&fake);
}

/// What the table of responses says has to be done, as an outcome.
fn does(action: &str, outcome: &SendOutcome) -> bool {
    match action {
        "sent" => matches!(outcome, SendOutcome::Accepted { .. }),
        "drop_token" => matches!(outcome, SendOutcome::DeadRecipient { .. }),
        "permanent_message_bug_keep_token" => {
            matches!(outcome, SendOutcome::Permanent { cause: PermanentCause::Message, .. })
        }
        "provider_down_alert_keep_token" | "provider_down_alert" | "refresh_access_token_once_then_alert" => {
            matches!(outcome, SendOutcome::Unavailable { cause: UnavailableCause::Account, .. })
        }
        "retry_after" => {
            let minute = Some(Duration::from_mins(1));
            matches!(outcome, SendOutcome::RetryLater { after, cause: RetryCause::Throttled, .. } if *after == minute)
        }
        "retry_backoff" | "retry_backoff_or_retry_after" => {
            matches!(outcome, SendOutcome::RetryLater { after: None, cause: RetryCause::ProviderFailure, .. })
        }
        other => panic!("an action that is not known: {other}"),
    }
}

fn reply(case: &Value) -> FakeReply {
    let status = u16::try_from(case["http"].as_u64().unwrap()).unwrap();
    let reply = match case["body_text"].as_str() {
        Some(text) => FakeReply::text(status, "text/html", text),
        None => FakeReply::json(status, &case["body"]),
    };
    let headers = case["headers"].as_object().into_iter().flatten();
    headers.fold(reply, |reply, (name, value)| reply.with_header(name, value.as_str().unwrap()))
}

#[tokio::test]
async fn every_response_has_a_meaning() {
    let Some(table) = shared("fcm/fcm_responses.json") else { return };
    let Setup { fake, client, .. } = setup(|_| {}).await;
    for case in table["responses"].as_array().unwrap() {
        let times = if case["name"] == "bad_access_token" { 2 } else { 1 };
        fake.server.fail("messages:send", vec![Fault::Reply(reply(case)); times]);
        let outcome = client.send_push(&message()).await;
        if case["name"] == "third_party_auth" {
            // It concerns one platform: it is reported, and the messages to the others go on.
            let is_kept = matches!(outcome, SendOutcome::Permanent { cause: PermanentCause::Configuration, .. });
            assert!(is_kept, "{outcome:?}");
        } else {
            assert!(does(case["action"].as_str().unwrap(), &outcome), "{case}: {outcome:?}");
        }
    }
    for case in table["token_endpoint"].as_array().unwrap().iter().filter(|case| case["http"] != 200) {
        fake.revoke_access_tokens();
        fake.server.fail("/token", [Fault::Reply(reply(case))]);
        let outcome = client.send_push(&message()).await;
        assert!(does(case["action"].as_str().unwrap(), &outcome), "{case}: {outcome:?}");
    }
    agrees(&fake);
}

#[tokio::test]
async fn the_pause_is_the_providers_in_seconds_or_as_a_date() {
    let Setup { fake, client, .. } = setup(|_| {}).await;
    let limited = |after: &str| Fault::Reply(FakeReply::json(429, &json!({})).with_header("retry-after", after));
    for (said, seconds) in [
        ("120", 120),
        ("Tue, 01 Dec 2026 12:05:00 GMT", 300),
        ("Tue, 01 Dec 2026 11:00:00 GMT", 0),
        ("99999999", 86400),
        ("soon", 60),
    ] {
        fake.server.fail("messages:send", [limited(said)]);
        let outcome = client.send_push(&message()).await;
        let SendOutcome::RetryLater { after, .. } = outcome else { panic!("{outcome:?}") };
        assert_eq!(after, Some(Duration::from_secs(seconds)), "{said}");
    }
}

#[tokio::test]
async fn a_removed_app_is_dropped_and_others_are_kept() {
    let Setup { fake, client, .. } = setup(|_| {}).await;
    fake.unregister(DEVICE);
    let outcome = client.send_push(&message()).await;
    let SendOutcome::DeadRecipient { cause: RecipientProblem::Unregistered, error } = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(error.code, "UNREGISTERED");
    let other = PushMessage { target: PushTarget::RegistrationToken("another".into()), ..message() };
    assert!(matches!(client.send_push(&other).await, SendOutcome::Accepted { .. }));
}

#[tokio::test]
async fn a_message_that_is_too_large_is_not_sent() {
    let Setup { fake, client, .. } = setup(|_| {}).await;
    let large = PushMessage { body: "x".repeat(4096), ..message() };
    let outcome = client.send_push(&large).await;
    assert!(matches!(outcome, SendOutcome::Permanent { cause: PermanentCause::Message, .. }), "{outcome:?}");
    assert_eq!(fake.server.requests().len(), 0);
}

#[tokio::test]
async fn broken_connections_and_responses_are_retried() {
    let Setup { fake, client, .. } = setup(|_| {}).await;
    let faults = [
        Fault::Reset,
        Fault::EffectThenReset,
        Fault::EffectThenCut,
        Fault::EffectThenTruncated,
        Fault::EffectThenEndless,
        Fault::Reply(FakeReply::bad_gateway()),
        Fault::Reply(FakeReply::text(200, "text/html", "<html>Please sign in</html>")),
        Fault::Reply(FakeReply::text(302, "text/html", "").with_header("location", "https://example.com/")),
    ];
    for fault in faults {
        assert!(matches!(client.send_push(&message()).await, SendOutcome::Accepted { .. }));
        fake.server.fail("messages:send", [fault.clone()]);
        let outcome = client.send_push(&message()).await;
        let is_retried =
            matches!(outcome, SendOutcome::RetryLater { after: None, cause: RetryCause::ProviderFailure, .. });
        assert!(is_retried, "{fault:?}: {outcome:?}");
        fake.server.fail("/token", [fault.clone()]);
        fake.revoke_access_tokens();
        let outcome = client.send_push(&message()).await;
        // A redirect of the token endpoint is not followed either.
        assert!(matches!(outcome, SendOutcome::Unavailable { .. }), "{fault:?}: {outcome:?}");
    }
    assert!(matches!(client.send_push(&message()).await, SendOutcome::Accepted { .. }));
}

#[tokio::test]
async fn a_provider_that_does_not_answer_is_given_up() {
    let Setup { fake, client, .. } = setup(|_| {}).await;
    fake.server.fail("/token", [Fault::Silence]);
    let outcome = given_up(client.send_push(&message()), fake.server.wait_for("/token", 1)).await;
    let SendOutcome::Unavailable { cause: UnavailableCause::Unreachable, error, .. } = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(error.code, "timeout");
    fake.server.fail("messages:send", [Fault::Silence]);
    let outcome = given_up(client.send_push(&message()), fake.server.wait_for("messages:send", 1)).await;
    let SendOutcome::RetryLater { cause: RetryCause::ProviderFailure, error, .. } = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(error.code, "timeout");
}

#[tokio::test]
async fn a_refused_connection_uses_no_attempt() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let Setup { client, .. } = setup(|settings| settings.base_url = format!("http://{closed}")).await;
    let outcome = client.send_push(&message()).await;
    let SendOutcome::Unavailable { cause: UnavailableCause::Unreachable, error, .. } = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(error.code, "unreachable");
    assert!(error.text.contains("refused"), "{error}");
}

#[tokio::test]
async fn secrets_are_in_no_error_and_no_debug_output() {
    let Setup { fake, client, .. } = setup(|_| {}).await;
    client.send_push(&message()).await;
    let echo = json!({ "error": { "code": 400, "status": "INVALID_ARGUMENT",
        "message": format!("token {DEVICE}\nwith Bearer ya29.fake-1") } });
    fake.server.fail("messages:send", [Fault::Reply(FakeReply::json(400, &echo))]);
    let outcome = client.send_push(&message()).await;
    let shown = format!("{outcome:?} {client:?} {:?} {:?}", message(), fake.settings());
    assert!(shown.contains("token [removed] with Bearer [removed]"), "{shown}");
    for secret in [DEVICE, "ya29", "PRIVATE KEY", "on its way"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

type Change = fn(&mut FcmSettings);

#[tokio::test]
async fn invalid_settings_are_refused() {
    let fake = FakeFcm::start(noon()).await;
    let changes: [(&str, Change); 5] = [
        ("http elsewhere", |settings| settings.base_url = "http://fcm.googleapis.com".into()),
        ("credentials", |settings| settings.token_url = "https://user:word@oauth2.googleapis.com/token".into()),
        ("a path as project", |settings| settings.project_id = "../other".into()),
        ("no project", |settings| settings.project_id = String::new()),
        ("no key", |settings| settings.private_key = "-----BEGIN PRIVATE KEY-----".to_owned().into()),
    ];
    for (name, change) in changes {
        let mut settings = fake.settings();
        change(&mut settings);
        assert!(Fcm::new(&settings, TestTime::at_noon().source()).is_err(), "{name}");
    }
}
