//! The circuit breaker: when it opens, what it answers, and how it closes again.

use std::time::Duration;

use comanda_providers::CircuitBreaker;
use comanda_providers::breaker::{BreakerPhase, BreakerSettings};
use comanda_providers::outcome::{
    AmbiguousCause, PermanentCause, ProviderError, RecipientProblem, RetryCause, SendOutcome, UnavailableCause,
};

use crate::shared::TestTime;

const SETTINGS: BreakerSettings =
    BreakerSettings { failures: 3, open_for: Duration::from_secs(10), open_at_most: Duration::from_secs(35) };

fn breaker() -> (CircuitBreaker, TestTime) {
    let time = TestTime::at_noon();
    (CircuitBreaker::new("test", SETTINGS, time.source()), time)
}

fn error() -> ProviderError {
    ProviderError { code: "http_503".into(), text: String::new() }
}

fn accepted() -> SendOutcome {
    SendOutcome::Accepted { provider_id: None }
}

fn failed() -> SendOutcome {
    SendOutcome::RetryLater { after: None, cause: RetryCause::ProviderFailure, error: error() }
}

fn throttled() -> SendOutcome {
    SendOutcome::RetryLater { after: None, cause: RetryCause::Throttled, error: error() }
}

async fn run(breaker: &CircuitBreaker, outcome: SendOutcome) -> SendOutcome {
    breaker.run(async { outcome }).await
}

/// How long a message that must not be sent has to wait.
async fn refused(breaker: &CircuitBreaker) -> Duration {
    let outcome = breaker.run(async { panic!("the provider was asked") }).await;
    let SendOutcome::Unavailable { after, cause: UnavailableCause::CircuitOpen, .. } = outcome else {
        panic!("{outcome:?}");
    };
    after
}

#[tokio::test]
async fn failures_in_a_row_open_it_and_the_last_one_uses_no_attempt() {
    let (breaker, time) = breaker();
    assert_eq!(run(&breaker, failed()).await, failed());
    assert_eq!(run(&breaker, failed()).await, failed());
    // A success begins a new row, and so does a message that is throttled or refused: the provider works.
    for works in [
        accepted(),
        throttled(),
        SendOutcome::Permanent { cause: PermanentCause::Message, error: error() },
        SendOutcome::DeadRecipient { cause: RecipientProblem::Invalid, error: error() },
        SendOutcome::Ambiguous { cause: AmbiguousCause::NotRepeated, error: error() },
    ] {
        assert_eq!(run(&breaker, works.clone()).await, works);
        assert_eq!(run(&breaker, failed()).await, failed());
        assert_eq!(run(&breaker, failed()).await, failed());
    }
    let third = run(&breaker, failed()).await;
    let after = Duration::from_secs(10);
    assert_eq!(third, SendOutcome::Unavailable { after, cause: UnavailableCause::CircuitOpen, error: error() });
    assert_eq!(breaker.phase(), BreakerPhase::Open);
    assert_eq!(refused(&breaker).await, after);
    time.advance(Duration::from_secs(4));
    assert_eq!(refused(&breaker).await, Duration::from_secs(6));
}

#[tokio::test]
async fn one_trial_at_a_time_closes_it_or_opens_it_for_longer() {
    let (breaker, time) = breaker();
    for _ in 0..3 {
        run(&breaker, failed()).await;
    }
    for seconds in [20, 35, 35] {
        time.advance(Duration::from_secs(36));
        assert_eq!(breaker.phase(), BreakerPhase::HalfOpen);
        assert!(matches!(run(&breaker, failed()).await, SendOutcome::Unavailable { .. }));
        assert_eq!(refused(&breaker).await, Duration::from_secs(seconds));
    }
    time.advance(Duration::from_secs(36));
    let during_trial = breaker.clone();
    let trial = breaker.run(async move {
        refused(&during_trial).await;
        accepted()
    });
    assert_eq!(trial.await, accepted());
    assert_eq!(breaker.phase(), BreakerPhase::Closed);
    // The next time it opens for the first duration again.
    for _ in 0..3 {
        run(&breaker, failed()).await;
    }
    assert_eq!(refused(&breaker).await, Duration::from_secs(10));
}

#[tokio::test]
async fn a_trial_that_is_given_up_does_not_block_the_next() {
    let (breaker, time) = breaker();
    for _ in 0..3 {
        run(&breaker, failed()).await;
    }
    time.advance(Duration::from_secs(10));
    {
        let mut given_up = Box::pin(breaker.run(std::future::pending()));
        let polled = std::future::poll_fn(|context| std::task::Poll::Ready(given_up.as_mut().poll(context))).await;
        assert!(polled.is_pending());
        refused(&breaker).await;
    }
    assert_eq!(run(&breaker, accepted()).await, accepted());
}

#[tokio::test]
async fn refused_credentials_open_it_at_once() {
    let (breaker, _time) = breaker();
    let refusal =
        SendOutcome::Unavailable { after: Duration::from_mins(1), cause: UnavailableCause::Account, error: error() };
    assert_eq!(run(&breaker, refusal.clone()).await, refusal);
    assert_eq!(refused(&breaker).await, Duration::from_secs(10));
}

#[tokio::test]
async fn an_ambiguous_message_stays_ambiguous_and_counts_as_a_failure() {
    let (breaker, _time) = breaker();
    for _ in 0..3 {
        let ambiguous = SendOutcome::Ambiguous { cause: AmbiguousCause::Interrupted, error: error() };
        assert_eq!(run(&breaker, ambiguous.clone()).await, ambiguous);
    }
    refused(&breaker).await;
}

#[tokio::test]
async fn late_bad_news_changes_nothing_and_late_good_news_closes_it() {
    let (breaker, time) = breaker();
    let gate = tokio::sync::Semaphore::new(0);
    let late = |outcome: SendOutcome| {
        let (breaker, gate) = (&breaker, &gate);
        breaker.run(async move {
            let _passed = gate.acquire().await.unwrap();
            outcome
        })
    };
    let opening = async {
        for _ in 0..3 {
            run(&breaker, failed()).await;
        }
        time.advance(Duration::from_secs(9));
        gate.add_permits(1);
    };
    let (outcome, ()) = tokio::join!(late(failed()), opening);
    assert!(matches!(outcome, SendOutcome::Unavailable { .. }));
    assert_eq!(refused(&breaker).await, Duration::from_secs(1));
    time.advance(Duration::from_secs(1));
    assert_eq!(run(&breaker, accepted()).await, accepted());
    let gate = tokio::sync::Semaphore::new(0);
    let good = breaker.run(async {
        let _passed = gate.acquire().await.unwrap();
        accepted()
    });
    let opening = async {
        for _ in 0..3 {
            run(&breaker, failed()).await;
        }
        assert_eq!(breaker.phase(), BreakerPhase::Open);
        gate.add_permits(1);
    };
    tokio::join!(good, opening);
    assert_eq!(breaker.phase(), BreakerPhase::Closed);
}

#[tokio::test]
async fn a_clock_that_is_set_back_does_not_keep_it_open() {
    let (breaker, time) = breaker();
    for _ in 0..3 {
        run(&breaker, failed()).await;
    }
    time.set_back(Duration::from_hours(1));
    assert_eq!(breaker.phase(), BreakerPhase::HalfOpen);
    assert_eq!(run(&breaker, accepted()).await, accepted());
}
