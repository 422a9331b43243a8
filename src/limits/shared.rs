//! Buckets that all nodes draw from, in Redis: one script, a short timeout, and a circuit breaker.

use std::sync::Mutex;
use std::time::Duration;

use redis::Script;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use tokio::time::{Instant, timeout};

use super::{LimitDecision, SubjectPart};
use crate::quota::Quota;

/// GCRA in one step: first draws the cost of earlier writes (`owed`), as far as the bucket has it, then `count`, if the
/// bucket has as many. The key holds the time at which the bucket would be full again, in microseconds of Redis's
/// clock; after a clock that jumped back, nobody waits longer than the time of the whole quota.
const DRAW: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, whole, count, owed = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local full_at = tonumber(redis.call('GET', KEYS[1]) or now)
full_at = math.min(math.max(full_at, now), now + whole)
full_at = full_at + math.min(owed, math.floor((now + whole - full_at) / interval)) * interval
local room = now + whole - full_at - interval * count
local allowed = room >= 0
if allowed then full_at = full_at + interval * count end
if allowed or owed > 0 then
  redis.call('SET', KEYS[1], string.format('%.0f', full_at), 'PX', math.max(1, math.ceil((full_at - now) / 1000)))
end
if not allowed then return {0, 0, -room} end
return {1, math.floor(room / interval), 0}
";

/// What is drawn from a bucket.
#[derive(Debug, Clone, Copy)]
pub(super) struct Draw {
    /// Drawn completely or not at all: the cost of the request.
    pub count: u32,
    /// Drawn as far as the bucket has it: the cost of earlier writes.
    pub best_effort: u32,
}

impl Draw {
    /// The draw of one request.
    pub const ONE: Self = Self { count: 1, best_effort: 0 };
}

/// `REDIS_URL` is of no use.
#[derive(Debug, thiserror::Error)]
#[error("REDIS_URL cannot be used: {0}. It looks like redis://host:6379")]
pub struct SharedError(#[from] redis::RedisError);

/// The buckets that all nodes share, in Redis.
pub struct SharedBuckets {
    connection: ConnectionManager,
    draw: Script,
    longest_wait: Duration,
    breaker: Mutex<Breaker>,
}

impl SharedBuckets {
    /// Connects with the first draw, and again whenever the connection is lost.
    pub(super) fn new(url: &SecretString, longest_wait: Duration) -> Result<Self, SharedError> {
        let client = redis::Client::open(url.expose_secret())?;
        let settings = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(Duration::from_secs(1)))
            .set_response_timeout(Some(longest_wait))
            .set_min_delay(Duration::from_millis(100))
            .set_max_delay(Duration::from_secs(1))
            .set_number_of_retries(2);
        let connection = ConnectionManager::new_lazy_with_config(client, settings)?;
        Ok(Self { connection, draw: Script::new(DRAW), longest_wait, breaker: Mutex::default() })
    }

    /// Draws `count`, after the cost of earlier writes; `None` when Redis does not answer in time, or has not answered
    /// recently.
    pub(super) async fn draw(
        &self,
        policy: &str,
        quota: Quota,
        subject: &SubjectPart,
        Draw { count, best_effort }: Draw,
    ) -> Option<LimitDecision> {
        if !self.breaker().allows_attempt(Instant::now()) {
            return None;
        }
        // Addresses and ids are personal data, so Redis gets only a digest of them.
        let digest = Sha256::digest(format!("{policy}:{subject}"));
        let name =
            digest.iter().take(16).fold(format!("comanda:limit:{policy}:"), |name, byte| format!("{name}{byte:02x}"));
        let mut call = self.draw.key(name);
        let interval = u64::try_from(quota.interval().as_micros()).unwrap_or(u64::MAX);
        call.arg(interval).arg(interval.saturating_mul(u64::from(quota.count()))).arg(count).arg(best_effort);
        let mut connection = self.connection.clone();
        let answer = timeout(self.longest_wait, call.invoke_async::<(u8, u32, u64)>(&mut connection)).await;
        let refusal = match answer {
            Ok(Ok((allowed, remaining, wait))) => {
                self.breaker().answered();
                let wait = Duration::from_micros(wait);
                return Some(LimitDecision { allowed: allowed == 1, remaining, wait, quota });
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer in time".to_owned(),
        };
        if self.breaker().failed(Instant::now()) {
            tracing::warn!(refusal, "Redis does not answer; rate limits are counted per node");
        }
        None
    }

    fn breaker(&self) -> std::sync::MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The number of failures in a row after which Redis is not queried for a while.
const PATIENCE: u32 = 3;
const FIRST_REST: Duration = Duration::from_millis(500);
const LONGEST_REST: Duration = Duration::from_secs(4);

/// Avoids waiting for a Redis that does not answer: after a few failures in a row, only one request at a time queries
/// it, at intervals.
#[derive(Debug, Default)]
struct Breaker {
    failures: u32,
    rests_until: Option<Instant>,
}

impl Breaker {
    fn allows_attempt(&mut self, now: Instant) -> bool {
        match self.rests_until {
            Some(end) if now < end => false,
            Some(_) => {
                // This request tries; others do not ask Redis until it has a result.
                self.rests_until = Some(now + FIRST_REST);
                true
            }
            None => true,
        }
    }

    fn answered(&mut self) {
        *self = Self::default();
    }

    /// Whether this failure opened the breaker.
    fn failed(&mut self, now: Instant) -> bool {
        self.failures = self.failures.saturating_add(1);
        if self.failures < PATIENCE {
            return false;
        }
        let doublings = (self.failures - PATIENCE).min(3);
        self.rests_until = Some(now + (FIRST_REST * 2_u32.pow(doublings)).min(LONGEST_REST));
        self.failures == PATIENCE
    }
}
