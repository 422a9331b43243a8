//! A circuit breaker: while a provider fails, messages are answered without asking it, and use no attempt.
//!
//! Closed: every message is sent. After a number of failures in a row it is open: no message is sent for a while. Then
//! it is half-open: one message at a time is sent, and its result closes or opens it again. Refused credentials open it
//! at once. Each provider has its own; clones share their state.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use crate::outcome::{AmbiguousCause, ProviderError, RetryCause, SendOutcome, UnavailableCause};
use crate::time_source::TimeSource;

/// When a breaker opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerSettings {
    /// How many failures in a row open it; at least 1.
    pub failures: u32,
    /// How long it is open the first time; doubled for each failed trial after that.
    pub open_for: Duration,
    /// The longest time it is open.
    pub open_at_most: Duration,
}

impl Default for BreakerSettings {
    /// Five failures; open for 10 seconds, up to 2 minutes.
    fn default() -> Self {
        Self { failures: 5, open_for: Duration::from_secs(10), open_at_most: Duration::from_mins(2) }
    }
}

/// The phase of a breaker, for metrics and health checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerPhase {
    /// Messages are sent.
    Closed,
    /// No message is sent.
    Open,
    /// One message at a time is sent, as a trial.
    HalfOpen,
}

#[derive(Debug, Default)]
struct BreakerState {
    /// Failures in a row.
    failures: u32,
    /// When it was opened, and for how long; `None`: closed.
    open: Option<(SystemTime, Duration)>,
    /// The number of the trial in progress; `None`: there is none.
    trial: Option<u64>,
    /// The number of trials so far.
    trials: u64,
}

impl BreakerState {
    fn phase(&self, now: SystemTime) -> BreakerPhase {
        match self.open {
            None => BreakerPhase::Closed,
            // A clock that was set back must not keep it open for longer.
            Some((since, lasts)) if now.duration_since(since).is_ok_and(|past| past < lasts) => BreakerPhase::Open,
            Some(_) => BreakerPhase::HalfOpen,
        }
    }

    /// The time until it is half-open.
    fn remaining(&self, now: SystemTime) -> Duration {
        let (since, lasts) = self.open.unwrap_or((now, Duration::ZERO));
        lasts.saturating_sub(now.duration_since(since).unwrap_or_default())
    }
}

/// Whether messages are sent to a provider. Clones share their state.
#[derive(Debug, Clone)]
pub struct CircuitBreaker {
    provider: &'static str,
    settings: BreakerSettings,
    time: TimeSource,
    state: Arc<Mutex<BreakerState>>,
}

/// What a result says of the provider.
enum ProviderHealth {
    Works,
    Failed,
    /// It fails for all messages until somebody acts.
    Refused,
}

fn health(outcome: &SendOutcome) -> ProviderHealth {
    match outcome {
        SendOutcome::Accepted { .. }
        | SendOutcome::Permanent { .. }
        | SendOutcome::DeadRecipient { .. }
        | SendOutcome::RetryLater { cause: RetryCause::Throttled, .. }
        | SendOutcome::Ambiguous { cause: AmbiguousCause::NotRepeated, .. } => ProviderHealth::Works,
        SendOutcome::Unavailable { cause: UnavailableCause::Account, .. } => ProviderHealth::Refused,
        SendOutcome::RetryLater { .. } | SendOutcome::Unavailable { .. } | SendOutcome::Ambiguous { .. } => {
            ProviderHealth::Failed
        }
    }
}

/// Ends a trial whose message was given up before it had a result.
struct Trial<'a> {
    breaker: &'a CircuitBreaker,
    number: Option<u64>,
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        let mut state = self.breaker.lock();
        if self.number.is_some() && state.trial == self.number {
            state.trial = None;
        }
    }
}

impl CircuitBreaker {
    /// A closed breaker for the provider with this name.
    pub fn new(provider: &'static str, settings: BreakerSettings, time: TimeSource) -> Self {
        Self { provider, settings, time, state: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, BreakerState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its current phase.
    pub fn phase(&self) -> BreakerPhase {
        self.lock().phase(self.time.now())
    }

    /// Sends a message if the breaker allows it, and notes the result. While it is open, or a trial is in progress, the
    /// result is [`SendOutcome::Unavailable`] and `send` is not polled. A failure that opens the breaker, or leaves it
    /// open, is `Unavailable` too, so that it uses no attempt; [`SendOutcome::Ambiguous`] stays as it is.
    pub async fn run(&self, send: impl Future<Output = SendOutcome>) -> SendOutcome {
        let trial = match self.enter() {
            Ok(number) => Trial { breaker: self, number },
            Err(after) => {
                let error = ProviderError::new("circuit_open", "not asked, because it failed repeatedly", &[]);
                return SendOutcome::Unavailable { after, cause: UnavailableCause::CircuitOpen, error };
            }
        };
        let outcome = send.await;
        self.record(trial.number, outcome)
    }

    /// The number of the trial; `Ok(None)`: the breaker is closed; `Err`: how long to wait.
    fn enter(&self) -> Result<Option<u64>, Duration> {
        let now = self.time.now();
        let mut state = self.lock();
        match state.phase(now) {
            BreakerPhase::Closed => Ok(None),
            BreakerPhase::Open => Err(state.remaining(now)),
            BreakerPhase::HalfOpen if state.trial.is_some() => Err(self.settings.open_for),
            BreakerPhase::HalfOpen => {
                state.trials += 1;
                state.trial = Some(state.trials);
                Ok(state.trial)
            }
        }
    }

    fn record(&self, trial: Option<u64>, outcome: SendOutcome) -> SendOutcome {
        let now = self.time.now();
        let mut state = self.lock();
        // Of messages that were sent before it opened, only good news counts: the trial decides about bad news.
        let is_late = state.open.is_some() && trial.is_none();
        let health = health(&outcome);
        match health {
            ProviderHealth::Works => {
                if state.open.is_some() {
                    tracing::info!(provider = self.provider, "the provider works again; messages are sent");
                }
                *state = BreakerState { trials: state.trials, ..BreakerState::default() };
            }
            ProviderHealth::Failed | ProviderHealth::Refused if is_late => {}
            ProviderHealth::Failed | ProviderHealth::Refused => {
                state.failures = state.failures.saturating_add(1);
                let opens = trial.is_some() || state.failures >= self.settings.failures.max(1);
                if opens || matches!(health, ProviderHealth::Refused) {
                    let before = state.open.map(|(_, lasts)| lasts * 2);
                    let lasts = before.unwrap_or(self.settings.open_for).min(self.settings.open_at_most);
                    state.open = Some((now, lasts));
                    state.trial = None;
                    let error = outcome.error().map(ToString::to_string).unwrap_or_default();
                    if matches!(health, ProviderHealth::Refused) {
                        tracing::error!(provider = self.provider, error, "the provider refuses our account");
                    } else {
                        tracing::warn!(provider = self.provider, error, ?lasts, "the provider fails; messages wait");
                    }
                }
            }
        }
        match outcome {
            SendOutcome::RetryLater { after, cause: RetryCause::ProviderFailure, error } if state.open.is_some() => {
                let after = after.unwrap_or_default().max(state.remaining(now));
                SendOutcome::Unavailable { after, cause: UnavailableCause::CircuitOpen, error }
            }
            SendOutcome::Unavailable { after, cause, error } => {
                SendOutcome::Unavailable { after: after.max(state.remaining(now)), cause, error }
            }
            other => other,
        }
    }
}
