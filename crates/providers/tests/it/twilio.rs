//! Twilio: requests and the fake's responses compared with Twilio's description, the meaning of each response, and
//! faults.

use std::time::Duration;

use comanda_providers::outcome::{
    AmbiguousCause, PermanentCause, RecipientProblem, RetryCause, SendOutcome, UnavailableCause,
};
use comanda_providers::sms::twilio::{TwilioSender, TwilioSettings};
use comanda_providers::sms::{SendSms as _, SmsMessage, SmsRepetition, Twilio};
use comanda_providers::testing::fake_twilio::{ACCOUNT, AUTH_TOKEN, SERVICE};
use comanda_providers::testing::{FakeReply, FakeTwilio, Fault};
use serde_json::{Value, json};

use crate::shared::{TestTime, noon, shared};
use crate::spec::Document;

pub const GUEST: &str = "+393471234567";

pub struct Setup {
    pub fake: FakeTwilio,
    pub client: Twilio,
    pub time: TestTime,
}

pub async fn setup(change: impl FnOnce(&mut TwilioSettings)) -> Setup {
    let time = TestTime::at_noon();
    let fake = FakeTwilio::start(noon()).await;
    let mut settings = fake.settings();
    change(&mut settings);
    Setup { client: Twilio::new(settings, time.source()).unwrap(), fake, time }
}

pub fn message() -> SmsMessage {
    SmsMessage {
        to: GUEST.into(),
        body: "Your order is on its way".into(),
        status_callback: Some("https://api.example.com/api/webhooks/twilio?d=1".into()),
        validity: Some(Duration::from_mins(5)),
        repetition: SmsRepetition::AfterLookup,
        earlier_attempt: None,
    }
}

pub fn accepted(number: usize) -> SendOutcome {
    SendOutcome::Accepted { provider_id: Some(format!("SM{number:032x}")) }
}

/// Compares the captured requests and the fake's responses with Twilio's description.
pub fn agrees(fake: &FakeTwilio) {
    let Some(document) = shared("twilio/twilio_api_v2010.messages.json") else { return };
    let document = Document(document);
    let path = &document.0["paths"]["/2010-04-01/Accounts/{AccountSid}/Messages.json"];
    let form = &path["post"]["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"];
    assert!(!fake.server.requests().is_empty());
    let faulty = json!({ "ValidityPeriod": "soon", "MessagingServiceSid": "MG1", "RiskCheck": "maybe" });
    // Of the service three: it is too short, and not in the form of an id; and To is missing.
    assert_eq!(document.faults(form, &faulty, "form").len(), 5);
    for request in fake.server.requests() {
        assert_eq!(request.path, format!("/2010-04-01/Accounts/{ACCOUNT}/Messages.json"));
        if request.method == "GET" {
            let known: Vec<_> = path["get"]["parameters"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
            for name in request.parameters().keys() {
                assert!(known.iter().any(|known| *known == name), "{name} is not a parameter");
            }
            continue;
        }
        assert_eq!(
            (request.method.as_str(), request.header("content-type")),
            ("POST", "application/x-www-form-urlencoded")
        );
        let typed = |(name, text): (String, String)| {
            let is_number = form["properties"][&name]["type"] == "integer";
            (name, if is_number { serde_json::from_str(&text).unwrap() } else { Value::from(text) })
        };
        let sent: Value = request.form().into_iter().map(typed).collect::<serde_json::Map<_, _>>().into();
        for name in sent.as_object().unwrap().keys() {
            assert!(form["properties"].get(name).is_some(), "{name} is not a field");
        }
        assert_eq!(document.faults(form, &sent, "form"), [""; 0]);
    }
    for (request, reply) in fake.server.exchanges() {
        let (method, status) = (request.method.to_ascii_lowercase(), reply.status.to_string());
        let schema = &path[&method]["responses"][&status]["content"]["application/json"]["schema"];
        if reply.status < 300 {
            let body: Value = serde_json::from_slice(&reply.body).unwrap();
            assert_eq!(document.faults(schema, &body, "response"), [""; 0]);
        }
    }
}

#[tokio::test]
async fn a_message_is_sent_as_twilios_description_says() {
    let Setup { fake, client, .. } = setup(|_| {}).await;
    assert_eq!(client.send_sms(&message()).await, accepted(1));
    let form = fake.server.requests()[0].form();
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    assert_eq!((field("To"), field("From"), field("Body")), (GUEST, "+15005550006", "Your order is on its way"));
    assert_eq!(field("StatusCallback"), "https://api.example.com/api/webhooks/twilio?d=1");
    assert_eq!((field("ValidityPeriod"), form.len()), ("300", 5));
    let Setup { fake: of_service, client, .. } =
        setup(|settings| settings.sender = TwilioSender::MessagingService(SERVICE.into())).await;
    let plain = SmsMessage { status_callback: None, validity: Some(Duration::from_hours(90)), ..message() };
    assert_eq!(client.send_sms(&plain).await, accepted(1));
    let form = of_service.server.requests()[0].form();
    assert_eq!((form["MessagingServiceSid"].as_str(), form["ValidityPeriod"].as_str()), (SERVICE, "36000"));
    assert_eq!(form.get("From"), None);
    agrees(&fake);
    agrees(&of_service);
}

#[tokio::test]
async fn numbers_for_tests_answer_as_twilios_do() {
    type Check = fn(&SendOutcome) -> bool;
    let invalid: Check =
        |outcome| matches!(outcome, SendOutcome::DeadRecipient { cause: RecipientProblem::Invalid, .. });
    let opted_out: Check =
        |outcome| matches!(outcome, SendOutcome::DeadRecipient { cause: RecipientProblem::OptedOut, .. });
    let settings: Check =
        |outcome| matches!(outcome, SendOutcome::Permanent { cause: PermanentCause::Configuration, .. });
    let Setup { fake, client, .. } = setup(|_| {}).await;
    fake.opt_out("+393470000000");
    let recipients = [
        ("+15005550001", "21211", invalid),
        ("+15005550002", "21612", settings),
        ("+15005550003", "21408", settings),
        ("+15005550004", "21610", opted_out),
        ("+15005550009", "21614", invalid),
        ("+393470000000", "21610", opted_out),
    ];
    for (to, code, check) in recipients {
        let outcome = client.send_sms(&SmsMessage { to: to.into(), ..message() }).await;
        assert!(check(&outcome) && outcome.error().unwrap().code == code, "{to}: {outcome:?}");
    }
    let full: Check = |outcome| {
        let minutes = Some(Duration::from_mins(2));
        matches!(outcome, SendOutcome::RetryLater { after, cause: RetryCause::Throttled, .. } if *after == minutes)
    };
    for (from, code, check) in
        [("+15005550001", "21212", settings), ("+15005550007", "21606", settings), ("+15005550008", "21611", full)]
    {
        let Setup { client, .. } = setup(|settings| settings.sender = TwilioSender::Number(from.into())).await;
        let outcome = client.send_sms(&message()).await;
        assert!(check(&outcome) && outcome.error().unwrap().code == code, "{from}: {outcome:?}");
    }
    let underscore = Some("https://our_host.example.com/".to_owned());
    let outcome = client.send_sms(&SmsMessage { status_callback: underscore, ..message() }).await;
    assert!(settings(&outcome), "{outcome:?}");
    for to in ["0347 1234567", "whatsapp:+393471234567", "+0123456789", "+39"] {
        let outcome = client.send_sms(&SmsMessage { to: to.into(), ..message() }).await;
        assert!(matches!(outcome, SendOutcome::Permanent { cause: PermanentCause::Message, .. }), "{to}: {outcome:?}");
    }
    assert_eq!(fake.messages().len(), 0);
    agrees(&fake);
}

#[tokio::test]
async fn every_response_has_a_meaning() {
    let Some(table) = shared("twilio/twilio_responses.json") else { return };
    let Setup { fake, client, .. } = setup(|_| {}).await;
    for case in table["responses"].as_array().unwrap() {
        let status = u16::try_from(case["http"].as_u64().unwrap()).unwrap();
        fake.server.fail("Messages.json", [Fault::Reply(FakeReply::json(status, &case["body"]))]);
        let before = fake.server.requests().len();
        let outcome = client.send_sms(&message()).await;
        let lookups = fake.server.requests().len() - before - 1;
        let action = case["action"].as_str().unwrap();
        let fits = match (case["name"].as_str().unwrap(), action) {
            // It is one sender or region that is refused, and it must not stop all messages.
            ("from_not_capable", _) | (_, "permanent_config_alert") => {
                matches!(outcome, SendOutcome::Permanent { cause: PermanentCause::Configuration, .. })
            }
            (_, "provider_down_alert") => {
                matches!(outcome, SendOutcome::Unavailable { cause: UnavailableCause::Account, .. })
            }
            (_, "permanent_mark_number_invalid") => {
                matches!(outcome, SendOutcome::DeadRecipient { cause: RecipientProblem::Invalid, .. })
            }
            (_, "permanent_mark_opted_out") => {
                matches!(outcome, SendOutcome::DeadRecipient { cause: RecipientProblem::OptedOut, .. })
            }
            (_, "permanent_message_bug") => {
                matches!(outcome, SendOutcome::Permanent { cause: PermanentCause::Message, .. })
            }
            (_, action) if action.starts_with("retry_backoff") => {
                let expected = if status == 429 { RetryCause::Throttled } else { RetryCause::ProviderFailure };
                matches!(outcome, SendOutcome::RetryLater { cause, .. } if cause == expected)
            }
            (_, action) if action.starts_with("ambiguous") => {
                let is_looked_up = lookups == 2;
                let is_ambiguous = matches!(outcome, SendOutcome::Ambiguous { cause: AmbiguousCause::Interrupted, .. });
                is_looked_up && is_ambiguous
            }
            (_, other) => panic!("an action that is not known: {other}"),
        };
        assert!(fits, "{case}: {outcome:?}");
        assert!(lookups == 0 || status >= 500, "{case}");
    }
    assert_eq!(fake.messages().len(), 0);
}

#[tokio::test]
async fn errors_without_a_body_are_decided_by_the_status() {
    let Setup { fake, client, .. } = setup(|_| {}).await;
    for status in [400, 401, 403, 404, 429, 503, 302] {
        fake.server.fail("Messages.json", [Fault::Reply(FakeReply::text(status, "text/html", "<html>"))]);
        let outcome = client.send_sms(&message()).await;
        let fits = match status {
            401 | 403 => matches!(outcome, SendOutcome::Unavailable { cause: UnavailableCause::Account, .. }),
            400 => matches!(outcome, SendOutcome::Permanent { cause: PermanentCause::Message, .. }),
            404 => matches!(outcome, SendOutcome::Permanent { cause: PermanentCause::Configuration, .. }),
            _ => matches!(outcome, SendOutcome::RetryLater { .. }),
        };
        assert!(fits, "{status}: {outcome:?}");
        assert_eq!(outcome.error().unwrap().code, format!("http_{status}"));
    }
    assert_eq!(fake.server.requests().len(), 7);
    // A code about one recipient or region decides also with 403, so that nobody can stop all messages with a number.
    for (code, is_dead) in [(21211, true), (21408, false), (20003, false)] {
        fake.server.fail("Messages.json", [Fault::Reply(FakeReply::json(403, &json!({ "code": code })))]);
        let outcome = client.send_sms(&message()).await;
        assert_eq!(matches!(outcome, SendOutcome::DeadRecipient { .. }), is_dead, "{code}: {outcome:?}");
        assert_eq!(matches!(outcome, SendOutcome::Unavailable { .. }), code == 20003, "{code}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_wrong_secret_is_refused_and_shown_nowhere() {
    let Setup { client, .. } = setup(|settings| settings.secret = "a-wrong-secret".to_owned().into()).await;
    let outcome = client.send_sms(&message()).await;
    assert!(matches!(outcome, SendOutcome::Unavailable { cause: UnavailableCause::Account, .. }), "{outcome:?}");
    let Setup { fake, client: right, .. } = setup(|_| {}).await;
    let text = format!("The 'To' number {GUEST}, {AUTH_TOKEN} or 'Your order is on its way' is not right.");
    fake.server.fail("", [Fault::Reply(FakeReply::json(400, &json!({ "code": 21211, "message": text })))]);
    let echoed = right.send_sms(&message()).await;
    let shown = format!("{outcome:?} {client:?} {echoed:?} {right:?} {:?}", message());
    assert!(shown.contains("The 'To' number [removed], [removed] or '[removed]' is not right."), "{shown}");
    for secret in ["a-wrong-secret", AUTH_TOKEN, GUEST, "on its way"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

#[tokio::test]
async fn a_refused_connection_uses_no_attempt() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let Setup { client, .. } = setup(|settings| settings.base_url = format!("http://{closed}")).await;
    for earlier_attempt in [None, Some(noon())] {
        let outcome = client.send_sms(&SmsMessage { earlier_attempt, ..message() }).await;
        let is_unreachable = matches!(outcome, SendOutcome::Unavailable { cause: UnavailableCause::Unreachable, .. });
        assert!(is_unreachable, "{outcome:?}");
    }
}

type Change = fn(&mut TwilioSettings);

#[tokio::test]
async fn invalid_settings_are_refused() {
    let fake = FakeTwilio::start(noon()).await;
    let changes: [(&str, Change); 6] = [
        ("http elsewhere", |settings| settings.base_url = "http://api.twilio.com".into()),
        ("a path as account", |settings| settings.account_sid = "AC/../../other".into()),
        ("another account as user", |settings| settings.user = "AC00000000000000000000000000000000".into()),
        ("no messaging service", |settings| settings.sender = TwilioSender::MessagingService("MG1".into())),
        ("no sender", |settings| settings.sender = TwilioSender::Number(String::new())),
        ("no URL", |settings| settings.base_url = "api.twilio.com".into()),
    ];
    for (name, change) in changes {
        let mut settings = fake.settings();
        change(&mut settings);
        assert!(Twilio::new(settings, TestTime::at_noon().source()).is_err(), "{name}");
    }
    let mut key = fake.settings();
    key.user = "SK0123456789abcdef0123456789abcdef".into();
    assert!(Twilio::new(key, TestTime::at_noon().source()).is_ok());
}
