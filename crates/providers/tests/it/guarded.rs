//! Clients behind their breakers, as a worker uses them: a provider that is down costs no attempts, and is asked again
//! once it may work.

use std::sync::Arc;
use std::time::Duration;

use comanda_providers::CircuitBreaker;
use comanda_providers::breaker::BreakerSettings;
use comanda_providers::mail::{GuardedMail, SendMail, Smtp};
use comanda_providers::outcome::{SendOutcome, UnavailableCause};
use comanda_providers::push::{Fcm, GuardedPush, SendPush};
use comanda_providers::sms::{GuardedSms, SendSms, Twilio};
use comanda_providers::testing::{FakeFcm, FakeReply, FakeSmtp, FakeTwilio, Fault, SmtpFault, SmtpStep};

use crate::shared::{TestTime, noon};
use crate::{fcm, smtp, twilio};

fn breaker(name: &'static str, time: &TestTime) -> CircuitBreaker {
    CircuitBreaker::new(name, BreakerSettings::default(), time.source())
}

/// Whether an attempt was used.
fn uses_attempt(outcome: &SendOutcome) -> bool {
    !matches!(outcome, SendOutcome::Unavailable { .. })
}

#[tokio::test]
async fn ten_minutes_without_a_provider_cost_no_attempts_once_it_is_known() {
    let time = TestTime::at_noon();
    let fake = FakeFcm::start(noon()).await;
    let client = Fcm::new(&fake.settings(), time.source()).unwrap();
    let push: Arc<dyn SendPush> = Arc::new(GuardedPush { client, breaker: breaker("fcm", &time) });
    assert_eq!(push.provider(), "fcm");
    // With a token already there, the messages themselves fail.
    assert!(matches!(push.send_push(&fcm::message()).await, SendOutcome::Accepted { .. }));
    fake.server.fail_always(Some(Fault::Reply(FakeReply::text(503, "text/html", "<html>"))));
    let (mut attempts, asked_before) = (0, fake.server.requests().len());
    for _ in 0..600 {
        let outcome = push.send_push(&fcm::message()).await;
        attempts += usize::from(uses_attempt(&outcome));
        if let SendOutcome::Unavailable { after, .. } = outcome {
            assert!(after > Duration::ZERO && after <= Duration::from_mins(2), "{after:?}");
        }
        time.advance(Duration::from_secs(1));
    }
    // Four failures before the fifth opened it, and then one request each 10, 20, 40, 80, 120, 120, 120 seconds.
    assert_eq!((attempts, fake.server.requests().len() - asked_before), (4, 5 + 7));
    fake.server.fail_always(None);
    time.advance(Duration::from_mins(2));
    fake.set_now(time.now());
    assert!(matches!(push.send_push(&fcm::message()).await, SendOutcome::Accepted { .. }));
    assert!(matches!(push.send_push(&fcm::message()).await, SendOutcome::Accepted { .. }));
}

#[tokio::test]
async fn a_refused_account_stops_all_messages_until_a_trial_succeeds() {
    let time = TestTime::at_noon();
    let fake = FakeTwilio::start(noon()).await;
    let client = Twilio::new(fake.settings(), time.source()).unwrap();
    let sms: Arc<dyn SendSms> = Arc::new(GuardedSms { client, breaker: breaker("twilio", &time) });
    fake.server.fail("", [Fault::Reply(FakeReply::text(401, "text/plain", ""))]);
    for expected in [UnavailableCause::Account, UnavailableCause::CircuitOpen] {
        let outcome = sms.send_sms(&twilio::message()).await;
        assert!(matches!(outcome, SendOutcome::Unavailable { cause, .. } if cause == expected), "{outcome:?}");
    }
    assert_eq!((fake.server.requests().len(), fake.messages().len()), (1, 0));
    time.advance(Duration::from_secs(10));
    assert_eq!(sms.send_sms(&twilio::message()).await, twilio::accepted(1));
}

#[tokio::test]
async fn mailboxes_that_do_not_exist_do_not_open_the_breaker() {
    let time = TestTime::at_noon();
    let fake = FakeSmtp::start().await;
    let client = Smtp::new(&fake.settings(), time.source()).unwrap();
    let mail: Arc<dyn SendMail> = Arc::new(GuardedMail { client, breaker: breaker("smtp", &time) });
    fake.remove_mailbox("ada@guest.example");
    for _ in 0..10 {
        assert!(matches!(mail.send_mail(&smtp::message()).await, SendOutcome::DeadRecipient { .. }));
    }
    fake.fail((0..5).map(|_| (SmtpStep::Greeting, SmtpFault::Close)));
    for _ in 0..10 {
        assert!(!uses_attempt(&mail.send_mail(&smtp::message()).await));
    }
    assert_eq!(fake.connections(), 15);
}
