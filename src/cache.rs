//! A cache of rendered responses, in this process and in Redis if it is configured.
//!
//! A reader states the version that it needs, so an outdated response is never returned. Redis only saves work: when it
//! is empty, slow or unavailable, that is a miss. Concurrent requests for the same missing response build it once.
//!
//! Written here instead of with moka, because of three properties: an entry expires by the clock of `App`, which tests
//! set (moka reads its own); a newer version of a response is never replaced by an older one, and requests that wait
//! for a build accept any version from their own on (moka coalesces by key alone); and the bound in bytes holds after
//! every insertion (moka evicts later, in batches).

use std::collections::HashMap;
use std::future::Future;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
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

mod local;

pub use local::{CachedValue, LocalCache};

/// The key of a response.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CacheKey {
    /// The kind of response; the first part of its key in Redis.
    pub kind: &'static str,
    /// The id of the restaurant.
    pub subject: Uuid,
    /// The language; `None`: the response does not depend on it.
    pub language: Option<String>,
    /// The part of the response; `None`: all of it.
    pub part: Option<Uuid>,
}

impl CacheKey {
    /// The key in Redis. The version is part of the value and not of the key: a new version replaces the one before, so
    /// old versions need not be deleted.
    fn in_redis(&self) -> String {
        let language = self.language.as_deref().unwrap_or_default();
        format!("comanda:{}:{}:{language}", self.kind, self.subject.simple())
    }
}

/// A response larger than this, in bytes, is compressed at the fastest level: at the usual level, compressing a
/// megabyte takes more processor time than building it.
const FAST_COMPRESSION: usize = 256 << 10;

fn compression(size: usize) -> Compression {
    if size > FAST_COMPRESSION { Compression::fast() } else { Compression::default() }
}

/// A rendered response, plain and compressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedResponse {
    /// The version of the menu that it shows.
    pub version: i64,
    /// When it becomes invalid.
    pub until: DateTime<Utc>,
    /// The entity tag of these bytes, without quotes.
    pub tag: String,
    /// The uncompressed body.
    pub plain: Bytes,
    /// The same, compressed with gzip.
    pub gzip: Bytes,
    /// The positions of its parts, computed when a part is first needed.
    pub layout: OnceLock<Layout>,
}

/// The positions of the parts of a response in its plain bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Parts that can be requested separately.
    pub parts: HashMap<Uuid, Range<usize>>,
    /// Shared objects that several parts may refer to, in the order of the response.
    pub shared: Vec<(Uuid, Range<usize>)>,
    /// The ranges of all parts and of all shared objects; empty if there are none.
    pub lists: [Range<usize>; 2],
}

impl CachedResponse {
    /// Compresses the bytes and computes their tag.
    pub fn new(version: i64, until: DateTime<Utc>, plain: Vec<u8>) -> Self {
        let digest = Sha256::digest(&plain);
        let tag = digest[..6].iter().fold(format!("{version}-"), |tag, byte| format!("{tag}{byte:02x}"));
        Self {
            version,
            until,
            tag,
            gzip: gzip(&plain, compression(plain.len())),
            plain: plain.into(),
            layout: OnceLock::new(),
        }
    }

    /// The value in Redis: a line with version, expiry and tag, then the bytes.
    fn packed(&self) -> Vec<u8> {
        let mut packed = format!("{} {} {}\n", self.version, self.until.timestamp_millis(), self.tag).into_bytes();
        packed.extend_from_slice(&self.plain);
        packed
    }

    /// Reads a value of Redis; `None` if it does not have the expected form, which is a miss.
    fn unpacked(packed: &[u8]) -> Option<Self> {
        let end = packed.iter().position(|byte| *byte == b'\n')?;
        let (head, plain) = (std::str::from_utf8(&packed[..end]).ok()?, &packed[end + 1..]);
        let mut facts = head.split(' ');
        let version = facts.next()?.parse().ok()?;
        let until = DateTime::from_timestamp_millis(facts.next()?.parse().ok()?)?;
        let answer = Self::new(version, until, plain.to_vec());
        (facts.next()? == answer.tag).then_some(answer)
    }
}

impl CachedValue for CachedResponse {
    fn version(&self) -> i64 {
        self.version
    }

    fn weight(&self) -> usize {
        const BOOKKEEPING: usize = 512;
        self.plain.len() + self.gzip.len() + BOOKKEEPING
    }
}

/// The cache of rendered responses, in this process and in Redis if it is configured.
pub struct Cache {
    local: LocalCache<CacheKey, CachedResponse>,
    builds: AtomicU64,
    flights: Mutex<HashMap<CacheKey, Weak<tokio::sync::Mutex<()>>>>,
    redis: Option<ConnectionManager>,
    life: Duration,
}

/// The longest wait for Redis; after it, the response is built.
const REDIS_PATIENCE: Duration = Duration::from_millis(250);

impl Cache {
    /// An empty cache of at most `max_bytes`; with Redis if there is a URL.
    ///
    /// # Errors
    /// When the URL cannot be parsed.
    pub fn new(max_bytes: usize, life: Duration, redis: Option<&SecretString>) -> Result<Self, redis::RedisError> {
        let patience = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(REDIS_PATIENCE))
            .set_response_timeout(Some(REDIS_PATIENCE))
            .set_number_of_retries(1);
        let connection = redis
            .map(|url| {
                let client = redis::Client::open(url.expose_secret())?;
                ConnectionManager::new_lazy_with_config(client, patience)
            })
            .transpose()?;
        Ok(Self {
            local: LocalCache::new(max_bytes),
            builds: AtomicU64::new(0),
            flights: Mutex::default(),
            redis: connection,
            life,
        })
    }

    /// How long a response is kept.
    pub const fn life(&self) -> Duration {
        self.life
    }

    /// The number of responses built since the start.
    pub fn builds(&self) -> u64 {
        self.builds.load(Ordering::Relaxed)
    }

    /// The bytes of all entries in this process.
    pub fn bytes(&self) -> usize {
        self.local.bytes()
    }

    /// The response in this process, if its version is at least `version` and it is still valid.
    pub fn local(&self, key: &CacheKey, version: i64, now: DateTime<Utc>) -> Option<Arc<CachedResponse>> {
        self.local.get(key).filter(|answer| answer.version >= version && now < answer.until)
    }

    /// The response at `version` or later: from this process, from Redis, or else built, once for all concurrent
    /// requests.
    ///
    /// # Errors
    /// Those of `build`.
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
        if let Some(answer) = self.local(&key, version, now) {
            return Ok(answer);
        }
        let flight = self.flight(&key);
        let _in_flight = flight.lock().await;
        if let Some(answer) = self.local(&key, version, now) {
            return Ok(answer);
        }
        if let Some(answer) = self.read_redis(&key, version, now).await {
            return Ok(self.local.put(key, answer));
        }
        let answer = build().await?;
        self.builds.fetch_add(1, Ordering::Relaxed);
        self.put_in_redis(&key, &answer, now).await;
        Ok(self.local.put(key, answer))
    }

    /// The lock under which a response is built. Unused locks are removed when a new one is made.
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

    async fn read_redis(&self, key: &CacheKey, version: i64, now: DateTime<Utc>) -> Option<CachedResponse> {
        // Cutting a part out of the whole is faster than reading it from Redis.
        let redis = self.redis.clone().filter(|_| key.part.is_none());
        let packed: Option<Vec<u8>> = match redis?.get(key.in_redis()).await {
            Ok(packed) => packed,
            Err(error) => {
                tracing::warn!(%error, "Redis does not answer; the value is built without the cache");
                None
            }
        };
        let packed = packed?;
        // Compressed again, which takes time.
        let answer = tokio::task::spawn_blocking(move || CachedResponse::unpacked(&packed)).await.ok()?;
        answer.filter(|answer| answer.version >= version && now < answer.until)
    }

    /// Stores the response in Redis for other nodes, in place of the version before. A slow node may store an older
    /// version later: that is a miss for requests that need the newer one, which is then stored again.
    async fn put_in_redis(&self, key: &CacheKey, answer: &CachedResponse, now: DateTime<Utc>) {
        let Some(mut redis) = self.redis.clone().filter(|_| key.part.is_none()) else { return };
        let Ok(life) = (answer.until - now).to_std() else { return };
        let milliseconds = u64::try_from(life.min(self.life).as_millis()).unwrap_or(u64::MAX).max(1);
        if let Err(error) = redis.pset_ex::<_, _, ()>(key.in_redis(), answer.packed(), milliseconds).await {
            tracing::warn!(%error, "Redis does not store the value");
        }
    }
}
