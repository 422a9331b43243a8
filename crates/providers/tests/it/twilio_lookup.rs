//! Messages of which it is not known whether Twilio sent them: they are looked up, and never sent twice where that does
//! harm.

use std::time::Duration;

use comanda_providers::outcome::{AmbiguousCause, SendOutcome, UnavailableCause};
use comanda_providers::sms::{SendSms as _, SmsMessage, SmsRepetition};
use comanda_providers::testing::{FakeReply, Fault};

use crate::shared::{given_up, noon};
use crate::twilio::{GUEST, Setup, accepted, agrees, message, setup};

fn is_ambiguous(outcome: &SendOutcome, expected: AmbiguousCause) -> bool {
    matches!(outcome, SendOutcome::Ambiguous { cause, .. } if *cause == expected)
}

#[tokio::test]
async fn a_message_that_was_sent_is_found_and_not_sent_twice() {
    let Setup { fake, client, .. } = setup(|_| {}).await;
    let faults = [Fault::EffectThenReset, Fault::EffectThenCut, Fault::EffectThenTruncated, Fault::EffectThenEndless];
    for (number, fault) in faults.into_iter().enumerate() {
        let code = SmsMessage { body: format!("Your code is {number}0817263"), ..message() };
        let code = SmsMessage { repetition: SmsRepetition::Never, ..code };
        let name = format!("{fault:?}");
        fake.server.fail("Messages.json", [fault]);
        assert_eq!(client.send_sms(&code).await, accepted(number + 1), "{name}");
        assert_eq!(fake.messages().len(), number + 1, "{name}");
        fake.send_waiting();
    }
    agrees(&fake);
}

#[tokio::test]
async fn a_message_that_waits_at_twilio_is_found_without_a_time_of_sending() {
    let Setup { fake, client, .. } = setup(|_| {}).await;
    fake.server.fail("Messages.json", [Fault::EffectThenReset]);
    assert_eq!(client.send_sms(&message()).await, accepted(1));
    let lookups: Vec<_> = fake.server.requests().into_iter().skip(1).map(|request| request.parameters()).collect();
    assert_eq!(lookups[0]["DateSent>"], "2026-12-01");
    assert_eq!((lookups[1]["To"].as_str(), lookups[1].get("DateSent>")), (GUEST, None));
    assert_eq!(lookups.len(), 2);
    agrees(&fake);
}

#[tokio::test]
async fn a_message_that_was_not_sent_is_ambiguous() {
    let Setup { fake, client, .. } = setup(|_| {}).await;
    for fault in [Fault::Reset, Fault::Reply(FakeReply::bad_gateway()), Fault::Reply(FakeReply::text(504, "", ""))] {
        fake.server.fail("Messages.json", [fault.clone()]);
        let outcome = client.send_sms(&message()).await;
        assert!(is_ambiguous(&outcome, AmbiguousCause::Interrupted), "{fault:?}: {outcome:?}");
    }
    // So it is when the lookup fails too.
    for fault in [Fault::Reset, Fault::Reply(FakeReply::bad_gateway()), Fault::EffectThenTruncated] {
        fake.server.fail("Messages.json", [Fault::Reset, fault.clone()]);
        let outcome = client.send_sms(&message()).await;
        assert!(is_ambiguous(&outcome, AmbiguousCause::Interrupted), "{fault:?}: {outcome:?}");
    }
    assert_eq!(fake.messages().len(), 0);
    agrees(&fake);
}

#[tokio::test]
async fn a_provider_that_does_not_answer_leaves_it_ambiguous() {
    let Setup { fake, client, .. } = setup(|_| {}).await;
    fake.server.fail_always(Some(Fault::Silence));
    let outcome = given_up(client.send_sms(&message()), fake.server.wait_for("Messages.json", 1)).await;
    assert!(is_ambiguous(&outcome, AmbiguousCause::Interrupted), "{outcome:?}");
    assert_eq!(outcome.error().unwrap().code, "timeout");
}

#[tokio::test]
async fn a_further_attempt_begins_with_a_lookup() {
    let Setup { fake, client, time } = setup(|_| {}).await;
    assert_eq!(client.send_sms(&message()).await, accepted(1));
    time.advance(Duration::from_secs(40));
    fake.set_now(time.now());
    // The worker was killed before it stored the result.
    let again = SmsMessage { earlier_attempt: Some(noon()), ..message() };
    assert_eq!(client.send_sms(&again).await, accepted(1));
    assert_eq!(fake.messages().len(), 1);
    // One that is not found is sent, if it may be.
    let other = SmsMessage { body: "Your order has arrived".into(), ..again.clone() };
    assert_eq!(client.send_sms(&other).await, accepted(2));
    // One whose lookup fails is not.
    let fault = || Fault::Reply(FakeReply::bad_gateway());
    let third = SmsMessage { body: "Your table is ready".into(), ..again };
    fake.server.fail("Messages.json", [fault()]);
    let outcome = client.send_sms(&third).await;
    let is_unavailable = matches!(outcome, SendOutcome::Unavailable { cause: UnavailableCause::Unreachable, .. });
    assert!(is_unavailable, "{outcome:?}");
    assert_eq!(fake.messages().len(), 2);
    agrees(&fake);
}

#[tokio::test]
async fn a_code_is_never_sent_twice() {
    let Setup { fake, client, .. } = setup(|_| {}).await;
    let code = SmsMessage { body: "Your code is 18273645".into(), repetition: SmsRepetition::Never, ..message() };
    fake.server.fail("Messages.json", [Fault::Reset]);
    let outcome = client.send_sms(&code).await;
    assert!(is_ambiguous(&outcome, AmbiguousCause::Interrupted), "{outcome:?}");
    let again = SmsMessage { earlier_attempt: Some(noon()), ..code };
    for _ in 0..3 {
        let outcome = client.send_sms(&again).await;
        assert!(is_ambiguous(&outcome, AmbiguousCause::NotRepeated), "{outcome:?}");
    }
    let posts = fake.server.requests().iter().filter(|request| request.method == "POST").count();
    assert_eq!((posts, fake.messages().len()), (1, 0));
}

#[tokio::test]
async fn only_a_message_of_this_attempt_is_found() {
    let Setup { fake, client, time } = setup(|_| {}).await;
    assert_eq!(client.send_sms(&message()).await, accepted(1));
    fake.send_waiting();
    // The same text, an hour later, is another message; and so are other texts and recipients.
    time.advance(Duration::from_hours(1));
    fake.set_now(time.now());
    let other = SmsMessage { body: "Another text".into(), ..message() };
    assert_eq!(client.send_sms(&other).await, accepted(2));
    let elsewhere = SmsMessage { to: "+393479999999".into(), ..message() };
    assert_eq!(client.send_sms(&elsewhere).await, accepted(3));
    fake.server.fail("Messages.json", [Fault::Reset]);
    let outcome = client.send_sms(&message()).await;
    assert!(is_ambiguous(&outcome, AmbiguousCause::Interrupted), "{outcome:?}");
    // Twilio's clock may be a little behind ours.
    fake.set_now(time.now() - Duration::from_secs(20));
    fake.server.fail("Messages.json", [Fault::EffectThenReset]);
    assert_eq!(client.send_sms(&message()).await, accepted(4));
}
