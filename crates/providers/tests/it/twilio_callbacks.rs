//! Twilio's reports: signatures, also behind proxies, and statuses that only move forward.

use comanda_providers::sms::twilio::callback::{StatusReport, UnreadableReport};
use comanda_providers::sms::twilio::signature::CallbackVerifier;
use comanda_providers::sms::{DeliveryFailure, SendSms as _, SmsStatus};
use comanda_providers::testing::fake_twilio::AUTH_TOKEN;
use secrecy::SecretString;
use serde_json::Value;

use crate::shared::shared;
use crate::twilio::{Setup, message, setup};

const URL: &str = "https://api.example.com/api/webhooks/twilio?d=1";

fn verifier(tokens: &[&str]) -> CallbackVerifier {
    let tokens: Vec<SecretString> = tokens.iter().map(|token| (*token).to_owned().into()).collect();
    CallbackVerifier::new(&tokens)
}

#[test]
fn signatures_are_those_of_the_official_vectors() {
    let Some(vectors) = shared("twilio/signature_vectors.json") else { return };
    let verifier = verifier(&[vectors["auth_token"].as_str().unwrap()]);
    let cases = vectors["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 16);
    for case in cases {
        let mut form = form_urlencoded::Serializer::new(String::new());
        for (name, value) in case["params"].as_object().unwrap() {
            let values = value.as_array().map_or_else(|| vec![value], |values| values.iter().collect::<Vec<&Value>>());
            form.extend_pairs(values.into_iter().map(|value| (name, value.as_str().unwrap())));
        }
        let body = case["body"].as_str().map_or_else(|| form.finish(), ToOwned::to_owned);
        let (url, signature) = (case["url"].as_str().unwrap(), case["signature"].as_str().unwrap());
        let is_valid = verifier.verify(url, body.as_bytes(), signature).is_ok();
        assert_eq!(is_valid, case["valid"].as_bool().unwrap(), "{}", case["name"]);
        // Another body, and none, are never valid.
        for other in ["Digits=9999", "{\"property\": \"other\"}"] {
            assert!(verifier.verify(url, other.as_bytes(), signature).is_err(), "{}", case["name"]);
        }
    }
}

#[tokio::test]
async fn a_report_is_accepted_whatever_proxies_do_to_the_port() {
    let Setup { fake, client, .. } = setup(|_| {}).await;
    client.send_sms(&message()).await;
    let sid = fake.messages()[0].sid.clone();
    let verifier = verifier(&[AUTH_TOKEN]);
    let forms = [
        "https://api.example.com/api/webhooks/twilio?d=1",
        "https://api.example.com:443/api/webhooks/twilio?d=1",
        "https://api.example.com:8443/api/webhooks/twilio?d=1",
    ];
    for signed in &forms[..2] {
        let report = fake.report(signed, &sid, "delivered", None);
        for known in forms {
            let is_valid = verifier.verify(known, report.body.as_bytes(), &report.signature).is_ok();
            // Only a port that is in the URL that we know is accepted, and the usual one if it has none.
            let expected = !signed.contains(":443") || !known.contains(":8443");
            assert_eq!(is_valid, expected, "signed {signed}, known {known}");
        }
    }
    let report = fake.report("https://[2001:db8::1]/hook", &sid, "sent", None);
    assert!(verifier.verify("https://[2001:db8::1]:443/hook", report.body.as_bytes(), &report.signature).is_ok());
    let report = fake.report(URL, &sid, "delivered", None);
    for wrong in [
        "http://api.example.com/api/webhooks/twilio?d=1",
        "https://api.example.com/api/webhooks/twilio?d=2",
        "https://api.example.com/api/webhooks/twilio",
        "https://other.example.com/api/webhooks/twilio?d=1",
    ] {
        assert!(verifier.verify(wrong, report.body.as_bytes(), &report.signature).is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn a_forged_or_changed_report_is_refused() {
    let Setup { fake, .. } = setup(|_| {}).await;
    let report = fake.report(URL, "SM1", "undelivered", Some(30003));
    let body = report.body.as_bytes();
    assert!(verifier(&["an old token", AUTH_TOKEN]).verify(URL, body, &report.signature).is_ok());
    assert!(verifier(&["another token"]).verify(URL, body, &report.signature).is_err());
    assert!(verifier(&[]).verify(URL, body, &report.signature).is_err());
    let changed = report.body.replace("undelivered", "delivered");
    assert!(verifier(&[AUTH_TOKEN]).verify(URL, changed.as_bytes(), &report.signature).is_err());
    let truncated = &report.signature[..report.signature.len() - 4];
    for signature in ["", "not base64!", truncated] {
        assert!(verifier(&[AUTH_TOKEN]).verify(URL, body, signature).is_err(), "{signature}");
    }
    assert!(!format!("{:?}", verifier(&[AUTH_TOKEN])).contains(AUTH_TOKEN));
}

#[tokio::test]
async fn the_table_of_reports_is_read() {
    let Some(table) = shared("twilio/twilio_responses.json") else { return };
    let Setup { fake, .. } = setup(|_| {}).await;
    for case in table["status_callbacks"].as_array().unwrap() {
        let status = case["MessageStatus"].as_str().unwrap();
        let code = case["ErrorCode"].as_str().map(|code| code.parse().unwrap());
        let report = fake.report(URL, "SM1", status, code);
        let read = StatusReport::read(report.body.as_bytes()).unwrap();
        assert_eq!((read.message_id.as_str(), read.status.name(), read.error_code), ("SM1", status, code));
        let (failure, suppresses) = match code {
            None => (None, false),
            Some(30001) => (Some(DeliveryFailure::QueueFull), false),
            Some(30003) => (Some(DeliveryFailure::Unreachable), false),
            Some(30004) => (Some(DeliveryFailure::Blocked), true),
            Some(30005 | 30006) => (Some(DeliveryFailure::InvalidNumber), true),
            Some(30007) => (Some(DeliveryFailure::Filtered), false),
            Some(_) => (Some(DeliveryFailure::Unknown), false),
        };
        assert_eq!(read.failure(), failure, "{case}");
        assert_eq!(failure.is_some_and(DeliveryFailure::suppresses), suppresses, "{case}");
    }
}

#[tokio::test]
async fn a_status_only_moves_forward_in_any_order_of_reports() {
    let Setup { fake, .. } = setup(|_| {}).await;
    let read = |status: &str| StatusReport::read(fake.report(URL, "SM1", status, None).body.as_bytes()).unwrap();
    let orders = [
        ["queued", "sending", "sent", "delivered"],
        ["delivered", "sent", "sending", "queued"],
        ["sent", "delivered", "delivered", "sending"],
        ["sending", "delivered", "undelivered", "sent"],
    ];
    for order in orders {
        let last =
            order.into_iter().map(|status| read(status).status).fold(None, |known: Option<SmsStatus>, status| {
                if status.may_follow(known) { Some(status) } else { known }
            });
        assert_eq!(last, Some(SmsStatus::Delivered), "{order:?}");
    }
    assert!(SmsStatus::Read.may_follow(Some(SmsStatus::Delivered)));
    for failure in [SmsStatus::Undelivered, SmsStatus::Failed, SmsStatus::Canceled] {
        assert!(failure.may_follow(Some(SmsStatus::Sent)) && failure.is_failure());
        assert!(!SmsStatus::Delivered.may_follow(Some(failure)) && !SmsStatus::Read.may_follow(Some(failure)));
    }
    assert_eq!(read("delivered").event_id(), "SM1:delivered");
}

#[test]
fn a_body_that_is_no_report_is_refused() {
    let read = |form: &str| StatusReport::read(form.as_bytes());
    assert_eq!(read(""), Err(UnreadableReport::Missing("MessageStatus")));
    assert_eq!(read("MessageStatus=sent"), Err(UnreadableReport::Missing("MessageSid")));
    assert_eq!(
        read(&format!("MessageStatus=sent&MessageSid={}", "x".repeat(65))),
        Err(UnreadableReport::Missing("MessageSid"))
    );
    assert_eq!(read("MessageSid=SM1&MessageStatus=received"), Err(UnreadableReport::UnknownStatus));
    let with_more =
        read("MessageSid=SM1&MessageStatus=failed&ErrorCode=x&NewField=1&RawDlrDoneDate=2612011200").unwrap();
    assert_eq!((with_more.status, with_more.error_code), (SmsStatus::Failed, None));
    assert_eq!(read("SmsSid=SM1&SmsStatus=sent&ErrorCode=0").unwrap().error_code, None);
}
