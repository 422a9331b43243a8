//! Finished answers kept near: in this process, and in Redis when it is configured.
//!
//! Whoever reads says which version is wanted, so an answer that was overtaken by a change is never handed out,
//! however it got here. Redis only saves work: empty, slow or gone, it is a miss. Several requests that miss the same
//! answer build it once.
//!
//! Written here instead of with moka, because of three properties: an entry expires by the clock of `App`, which tests
//! set (moka reads its own); a newer version of an answer is never replaced by an older one, and waiters of one build
//! accept any version from theirs on (moka coalesces by key alone); and the bound in bytes holds after every insertion
//! (moka evicts later, in batches).

use std::collections::HashMap;
use std::future::Future;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, Weak};
use std::time::Duration;

use axum::body::Bytes;
use chrono::{DateTime, Utc};
use flate2::Compression;
use redis::AsyncCommands as _;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::content_coding::gzip;

/// What an answer is the answer to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CacheKey {
    /// What kind of answer; the first part of its name in Redis.
    pub kind: &'static str,
    /// About which restaurant.
    pub subject: Uuid,
    /// In which language, where it depends on it.
    pub language: Option<String>,
    /// Which part, where it is not the whole.
    pub part: Option<Uuid>,
}

impl CacheKey {
    /// Its name in Redis. The version is not part of it but of the value: a new version replaces the one before, and nobody has
    /// to look for what is to be deleted.
    fn in_redis(&self) -> String {
        let language = self.language.as_deref().unwrap_or_default();
        format!("comanda:{}:{}:{language}", self.kind, self.subject.simple())
    }
}

/// A finished answer, plain and compressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedResponse {
    /// The version of what it shows.
    pub version: i64,
    /// From then on it may not be shown any more.
    pub until: DateTime<Utc>,
    /// Names these very bytes, without quotes.
    pub tag: String,
    /// As it is.
    pub plain: Bytes,
    /// The same, compressed with gzip.
    pub gzip: Bytes,
    /// Where its parts lie, once somebody asked for one.
    pub layout: OnceLock<Layout>,
}

/// Where the parts of an answer lie in its plain bytes, for whoever cuts them out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// What can be had by itself.
    pub parts: HashMap<Uuid, Range<usize>>,
    /// What several of them may need, in the order of the answer.
    pub shared: Vec<(Uuid, Range<usize>)>,
    /// From the first part to the last, and from the first shared one to the last; empty where there is none.
    pub lists: [Range<usize>; 2],
}

impl CachedResponse {
    /// Compresses and names the bytes.
    pub fn new(version: i64, until: DateTime<Utc>, plain: Vec<u8>) -> Self {
        let digest = Sha256::digest(&plain);
        let tag = digest[..6].iter().fold(format!("{version}-"), |tag, byte| format!("{tag}{byte:02x}"));
        Self {
            version,
            until,
            tag,
            gzip: gzip(&plain, Compression::default()),
            plain: plain.into(),
            layout: OnceLock::new(),
        }
    }

    /// For Redis: a line of facts, then the bytes.
    fn packed(&self) -> Vec<u8> {
        let mut packed = format!("{} {} {}\n", self.version, self.until.timestamp_millis(), self.tag).into_bytes();
        packed.extend_from_slice(&self.plain);
        packed
    }

    /// Out of Redis; whatever does not read as written counts as not there.
    fn unpacked(packed: &[u8]) -> Option<Self> {
        let end = packed.iter().position(|byte| *byte == b'\n')?;
        let (head, plain) = (std::str::from_utf8(&packed[..end]).ok()?, &packed[end + 1..]);
        let mut facts = head.split(' ');
        let version = facts.next()?.parse().ok()?;
        let until = DateTime::from_timestamp_millis(facts.next()?.parse().ok()?)?;
        let answer = Self::new(version, until, plain.to_vec());
        (facts.next()? == answer.tag).then_some(answer)
    }

    fn weight(&self) -> usize {
        const BOOKKEEPING: usize = 512;
        self.plain.len() + self.gzip.len() + BOOKKEEPING
    }
}

/// An answer and when it was last asked for.
struct CacheEntry {
    answer: Arc<CachedResponse>,
    used: AtomicU64,
}

/// What this process keeps: bounded in bytes, the longest unused goes first.
#[derive(Default)]
struct Near {
    slots: HashMap<CacheKey, CacheEntry>,
    bytes: usize,
}

impl Near {
    fn put(&mut self, key: CacheKey, answer: Arc<CachedResponse>, used: u64, most_bytes: usize) {
        if self.slots.get(&key).is_some_and(|slot| slot.answer.version > answer.version) {
            return;
        }
        self.bytes += answer.weight();
        if let Some(old) = self.slots.insert(key, CacheEntry { answer, used: used.into() }) {
            self.bytes -= old.answer.weight();
        }
        if self.bytes > most_bytes {
            self.shrink(most_bytes - most_bytes / 8);
        }
    }

    /// Drops the longest unused down to `target` bytes, so that the next few additions need not look again.
    fn shrink(&mut self, target: usize) {
        let mut by_age: Vec<_> =
            self.slots.iter().map(|(key, slot)| (slot.used.load(Ordering::Relaxed), key.clone())).collect();
        by_age.sort_unstable_by_key(|(used, _)| *used);
        for (_, key) in by_age {
            if self.bytes <= target {
                return;
            }
            if let Some(slot) = self.slots.remove(&key) {
                self.bytes -= slot.answer.weight();
            }
        }
    }
}

/// The cache of finished answers, in this process and in Redis where it is configured.
pub struct Cache {
    near: RwLock<Near>,
    most_bytes: usize,
    uses: AtomicU64,
    builds: AtomicU64,
    flights: Mutex<HashMap<CacheKey, Weak<tokio::sync::Mutex<()>>>>,
    far: Option<ConnectionManager>,
    life: Duration,
}

/// How long Redis may take; past it, the answer is built.
const REDIS_PATIENCE: Duration = Duration::from_millis(250);

impl Cache {
    /// An empty cache of so many bytes at most; with Redis behind it, if there is a URL.
    ///
    /// # Errors
    /// When the URL cannot be read.
    pub fn new(most_bytes: usize, life: Duration, redis: Option<&SecretString>) -> Result<Self, redis::RedisError> {
        let patience = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(REDIS_PATIENCE))
            .set_response_timeout(Some(REDIS_PATIENCE))
            .set_number_of_retries(1);
        let far = redis
            .map(|url| {
                let client = redis::Client::open(url.expose_secret())?;
                ConnectionManager::new_lazy_with_config(client, patience)
            })
            .transpose()?;
        Ok(Self {
            near: RwLock::default(),
            most_bytes,
            uses: AtomicU64::new(0),
            builds: AtomicU64::new(0),
            flights: Mutex::default(),
            far,
            life,
        })
    }

    /// How long an answer is kept.
    pub const fn life(&self) -> Duration {
        self.life
    }

    /// How many answers were built since the start.
    pub fn builds(&self) -> u64 {
        self.builds.load(Ordering::Relaxed)
    }

    /// Bytes kept in this process.
    pub fn bytes(&self) -> usize {
        self.near.read().unwrap_or_else(PoisonError::into_inner).bytes
    }

    /// The answer in this process, if it is at least at `version` and its time is not over.
    pub fn near(&self, key: &CacheKey, version: i64, now: DateTime<Utc>) -> Option<Arc<CachedResponse>> {
        let near = self.near.read().unwrap_or_else(PoisonError::into_inner);
        let slot = near.slots.get(key)?;
        slot.used.store(self.uses.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        (slot.answer.version >= version && now < slot.answer.until).then(|| Arc::clone(&slot.answer))
    }

    /// The answer at `version` or later, from the nearest place that has it, or else built: once, however many ask.
    ///
    /// # Errors
    /// What building it refuses with.
    pub async fn get<E, F>(
        &self,
        key: CacheKey,
        version: i64,
        now: DateTime<Utc>,
        build: impl FnOnce() -> F + Send,
    ) -> Result<Arc<CachedResponse>, E>
    where
        F: Future<Output = Result<CachedResponse, E>> + Send,
    {
        if let Some(answer) = self.near(&key, version, now) {
            return Ok(answer);
        }
        let flight = self.flight(&key);
        let _in_flight = flight.lock().await;
        if let Some(answer) = self.near(&key, version, now) {
            return Ok(answer);
        }
        if let Some(answer) = self.far(&key, version, now).await {
            return Ok(self.keep(key, answer));
        }
        let answer = build().await?;
        self.builds.fetch_add(1, Ordering::Relaxed);
        self.send_far(&key, &answer, now).await;
        Ok(self.keep(key, answer))
    }

    fn keep(&self, key: CacheKey, answer: CachedResponse) -> Arc<CachedResponse> {
        let answer = Arc::new(answer);
        let used = self.uses.fetch_add(1, Ordering::Relaxed);
        let mut near = self.near.write().unwrap_or_else(PoisonError::into_inner);
        near.put(key, Arc::clone(&answer), used, self.most_bytes);
        answer
    }

    /// The lock under which an answer is built. Locks that nobody holds are swept when a new one is made.
    fn flight(&self, key: &CacheKey) -> Arc<tokio::sync::Mutex<()>> {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = flights.get(key).and_then(Weak::upgrade) {
            return flight;
        }
        flights.retain(|_, flight| flight.strong_count() > 0);
        let flight = Arc::default();
        flights.insert(key.clone(), Arc::downgrade(&flight));
        flight
    }

    async fn far(&self, key: &CacheKey, version: i64, now: DateTime<Utc>) -> Option<CachedResponse> {
        // A part is cut out of the whole again sooner than it is fetched.
        let far = self.far.clone().filter(|_| key.part.is_none());
        let packed: Option<Vec<u8>> = match far?.get(key.in_redis()).await {
            Ok(packed) => packed,
            Err(error) => {
                tracing::warn!(%error, "Redis does not answer; the value is built without the cache");
                None
            }
        };
        let packed = packed?;
        // Compressed anew, which takes its time.
        let answer = tokio::task::spawn_blocking(move || CachedResponse::unpacked(&packed)).await.ok()?;
        answer.filter(|answer| answer.version >= version && now < answer.until)
    }

    /// Leaves the answer for other nodes, in the place of the version before. A node that is late may put an older one there: that
    /// is a miss for whoever wants the newer one, who puts it there again.
    async fn send_far(&self, key: &CacheKey, answer: &CachedResponse, now: DateTime<Utc>) {
        let Some(mut redis) = self.far.clone().filter(|_| key.part.is_none()) else { return };
        let Ok(life) = (answer.until - now).to_std() else { return };
        let milliseconds = u64::try_from(life.min(self.life).as_millis()).unwrap_or(u64::MAX).max(1);
        if let Err(error) = redis.pset_ex::<_, _, ()>(key.in_redis(), answer.packed(), milliseconds).await {
            tracing::warn!(%error, "Redis does not store the value");
        }
    }
}
