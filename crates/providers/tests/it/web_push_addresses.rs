//! Which endpoints of Web Push are asked: only https URLs of known push services with public addresses.

use std::net::IpAddr;
use std::time::Duration;

use comanda_providers::outcome::{RecipientProblem, SendOutcome};
use comanda_providers::push::PushUrgency;
use comanda_providers::testing::FakePushService;
use comanda_providers::web_push::endpoint::is_public;
use comanda_providers::web_push::{
    EndpointPolicy, InvalidSubscription, SendWebPush as _, VapidKey, WebPush, WebPushMessage, WebPushSettings,
    WebPushSubscription,
};

use crate::shared::{TestTime, noon};
use crate::web_push::{client_with, message, policy};

const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";

#[test]
fn known_push_services_are_accepted() {
    let policy = EndpointPolicy::default();
    for endpoint in [
        "https://fcm.googleapis.com/fcm/send/abc:APA91b",
        "https://updates.push.services.mozilla.com/wpush/v2/gAAAAA",
        "https://web.push.apple.com/QGuQyavXutnMH",
        "https://wns2-par02p.notify.windows.com/w/?token=BQYAAA",
        "https://FCM.googleapis.com:443/fcm/send/abc",
    ] {
        assert!(policy.check(endpoint).is_some(), "{endpoint}");
    }
}

#[test]
fn other_endpoints_are_refused() {
    let policy = EndpointPolicy::default();
    let long = format!("https://fcm.googleapis.com/{}", "x".repeat(2048));
    for endpoint in [
        "",
        "fcm.googleapis.com/fcm/send/abc",
        "http://fcm.googleapis.com/fcm/send/abc",
        "https://fcm.googleapis.com:8443/fcm/send/abc",
        "https://fcm.googleapis.com.evil.example/abc",
        "https://evilfcm.googleapis.com/abc",
        "https://push.services.mozilla.com/abc",
        "https://evilpush.apple.com/abc",
        "https://.push.apple.com/abc",
        "https://web.push.apple.com./abc",
        "https://user@fcm.googleapis.com/abc",
        "https://user:word@fcm.googleapis.com/abc",
        "https://fcm.googleapis.com@evil.example/abc",
        "https://fcm.googleapis.com\\@evil.example/abc",
        "https://evil.example/?fcm.googleapis.com",
        "https://fcm.googleapis.com/abc#fragment",
        "https://fcm.googleapis.com/a\r\nHost: evil.example",
        "https://127.0.0.1/abc",
        "https://[::1]/abc",
        "https://2130706433/abc",
        "https://0x7f.1/abc",
        "https://169.254.169.254/latest/meta-data",
        "https://localhost/abc",
        "http://127.0.0.1:3000/abc",
        "ftp://fcm.googleapis.com/abc",
        "javascript:alert(1)",
        &long,
    ] {
        assert!(policy.check(endpoint).is_none(), "{endpoint}");
        let key = VapidKey::generate().unwrap();
        let subscription = WebPushSubscription::new(endpoint, key.public(), AUTH, &policy);
        assert_eq!(subscription, Err(InvalidSubscription::Endpoint), "{endpoint}");
    }
}

#[test]
fn http_is_for_loopback_only() {
    let policy = policy();
    assert!(policy.check("http://127.0.0.1:4000/push/1").is_some());
    assert!(policy.check("http://[::1]:4000/push/1").is_some());
    for endpoint in ["http://192.168.1.1/push/1", "http://fcm.googleapis.com/x", "https://127.0.0.1/push/1"] {
        assert!(policy.check(endpoint).is_none(), "{endpoint}");
    }
}

#[test]
fn special_addresses_are_not_public() {
    let public = ["8.8.8.8", "142.250.184.202", "172.15.0.1", "172.32.0.1", "192.0.1.1", "2a00:1450:4002::200a"];
    let special = [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "64:ff9b::a00:1",
        "2001::1",
        "2001:db8::1",
        "2002:a00:1::",
        "3fff::1",
        "fc00::1",
        "fe80::1",
        "ff02::1",
    ];
    for address in public {
        assert!(is_public(address.parse::<IpAddr>().unwrap()), "{address}");
    }
    for address in special {
        assert!(!is_public(address.parse::<IpAddr>().unwrap()), "{address}");
    }
}

#[tokio::test]
async fn a_name_that_points_into_a_private_network_is_not_asked() {
    let policy = EndpointPolicy { hosts: vec!["localhost".into()], allows_loopback: false };
    let client = client_with(policy.clone(), Duration::from_secs(30));
    let key = VapidKey::generate().unwrap();
    let inside = WebPushMessage {
        subscription: WebPushSubscription::new("https://localhost/push/1", key.public(), AUTH, &policy).unwrap(),
        payload: Vec::new(),
        ttl: Duration::ZERO,
        urgency: PushUrgency::Normal,
        collapse_id: None,
    };
    let outcome = client.send_web_push(&inside).await;
    let SendOutcome::DeadRecipient { cause: RecipientProblem::Invalid, error } = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(error.code, "no_public_address");
}

#[tokio::test]
async fn a_subscription_that_is_not_allowed_any_more_is_not_asked() {
    let fake = FakePushService::start(noon()).await;
    let client = client_with(EndpointPolicy::default(), Duration::from_secs(30));
    let outcome = client.send_web_push(&message(&fake.subscribe(client.public_key()))).await;
    let SendOutcome::DeadRecipient { cause: RecipientProblem::Invalid, error } = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!((error.code.as_str(), fake.server.requests().len()), ("endpoint_refused", 0));
}

#[tokio::test]
async fn endpoints_and_keys_are_not_shown() {
    let fake = FakePushService::start(noon()).await;
    let browser = fake.subscribe("key");
    let shown = format!("{:?} {:?}", message(&browser), client_with(policy(), Duration::from_secs(1)));
    for secret in ["browser-1", &browser.p256dh, &browser.auth, "on its way"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

#[test]
fn a_contact_is_required() {
    for (subject, is_valid) in [
        ("mailto:push@comanda.example", true),
        ("https://comanda.example/contact", true),
        ("push@comanda.example", false),
        ("mailto:", false),
        ("http://comanda.example", false),
        ("", false),
    ] {
        let settings = WebPushSettings {
            key: VapidKey::generate().unwrap(),
            subject: subject.into(),
            policy: EndpointPolicy::default(),
            timeout: Duration::from_secs(1),
        };
        assert_eq!(WebPush::new(settings, TestTime::at_noon().source()).is_ok(), is_valid, "{subject}");
    }
}
