//! A worker that sends SMS through any sequence of faults, and is killed in between: no message is sent twice.

use comanda_providers::outcome::{AmbiguousCause, SendOutcome};
use comanda_providers::sms::{SendSms as _, SmsMessage, SmsRepetition};
use comanda_providers::testing::{FakeReply, Fault};

use crate::shared::noon;
use crate::twilio::{Setup, agrees, message, setup};

/// Numbers that look random, the same in each run (an LCG with the constants of Knuth's MMIX).
struct Sequence(u64);

impl Sequence {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }
}

fn fault(kind: usize) -> Fault {
    let reply = |status| Fault::Reply(FakeReply::text(status, "text/html", "<html>"));
    match kind {
        0 => Fault::Reset,
        1 => Fault::EffectThenReset,
        2 => Fault::EffectThenCut,
        3 => Fault::EffectThenTruncated,
        4 => Fault::EffectThenEndless,
        5 => reply(429),
        6 => reply(500),
        7 => reply(502),
        _ => reply(503),
    }
}

/// Polls a send so many times, and gives it up if it has no result by then, as if the worker was killed.
async fn killed_after<T>(polls: usize, send: impl Future<Output = T>) -> Option<T> {
    let (mut send, mut left) = (Box::pin(send), polls);
    std::future::poll_fn(|context| match send.as_mut().poll(context) {
        std::task::Poll::Ready(outcome) => std::task::Poll::Ready(Some(outcome)),
        std::task::Poll::Pending if left == 0 => std::task::Poll::Ready(None),
        std::task::Poll::Pending => {
            left -= 1;
            std::task::Poll::Pending
        }
    })
    .await
}

#[tokio::test]
async fn no_message_is_sent_twice_through_any_faults() {
    let Setup { fake, client, .. } = setup(|_| {}).await;
    let mut sequence = Sequence(2026);
    let (mut found, mut given_up, mut killed) = (0, 0, 0);
    for number in 0..120 {
        let repetition = if number % 2 == 0 { SmsRepetition::Never } else { SmsRepetition::AfterLookup };
        let body = format!("Your code is {:08}", number * 7_919);
        let mut sms = SmsMessage { body: body.clone(), repetition, ..message() };
        let faults: Vec<_> = (0..sequence.below(4)).map(|_| fault(sequence.below(9))).collect();
        fake.server.fail("Messages.json", faults);
        for _ in 0..10 {
            // The request of a killed worker may arrive after the lookup of the next one, so that only what is never
            // repeated is safe then.
            let is_killed = repetition == SmsRepetition::Never && sequence.below(3) == 0;
            let polls = if is_killed { sequence.below(8) } else { usize::MAX };
            match killed_after(polls, client.send_sms(&sms)).await {
                Some(SendOutcome::Accepted { provider_id }) => {
                    let taken = fake.messages().into_iter().find(|taken| taken.body == body).unwrap();
                    assert_eq!(provider_id, Some(taken.sid));
                    found += 1;
                    break;
                }
                Some(SendOutcome::Ambiguous { cause: AmbiguousCause::NotRepeated, .. }) => {
                    given_up += 1;
                    break;
                }
                Some(SendOutcome::Ambiguous { cause: AmbiguousCause::Interrupted, .. }) => {
                    sms.earlier_attempt = Some(noon());
                }
                Some(SendOutcome::RetryLater { .. } | SendOutcome::Unavailable { .. }) => {}
                Some(other) => panic!("{other:?}"),
                None => {
                    killed += 1;
                    sms.earlier_attempt = Some(noon());
                }
            }
        }
        let sent = fake.messages().iter().filter(|taken| taken.body == body).count();
        assert!(sent <= 1, "{body} was sent {sent} times");
        fake.send_waiting();
    }
    assert!(found > 80 && given_up > 4 && killed > 20, "found {found}, given up {given_up}, killed {killed}");
    agrees(&fake);
}
