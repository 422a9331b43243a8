//! Reads the published menu: one request, one body, which is built once for each version and cached.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Mutex;

use super::version_batcher::VersionBatcher;
use crate::cache::{Cache, CacheKey, CachedResponse};
use crate::config::Menus;
use crate::content_coding::BothCodings;
use crate::extract::APPLICATION_JSON;
use crate::heavy::{HeavyWork, WorkFor};
use crate::ids::{CategoryId, RestaurantId};
use crate::languages::{self, RequestedLanguages};
use crate::menu::{published, single_category, sql};
use crate::problem::{Code, Problem};
use crate::shares::Shares;
use crate::tenancy::TenancyContext;
use crate::uow::Database;

/// Reads published menus from the cache, if they are current, and builds them otherwise.
pub struct Published {
    db: Database,
    versions: VersionBatcher,
    cache: Cache,
    heavy: HeavyWork,
    /// Held while a menu, or a part of it, is built: guests who read one restaurant's menu in many languages and by
    /// category wait for each other, instead of using up the restaurant's share of the heavy work.
    building: Shares<RestaurantId, Mutex<()>>,
}

impl Published {
    /// A cache with the limits of the configuration, and with Redis if there is a URL.
    ///
    /// # Errors
    /// When the URL cannot be parsed.
    pub fn new(
        db: Database,
        bounds: Menus,
        redis: Option<&secrecy::SecretString>,
        heavy: HeavyWork,
    ) -> Result<Self, redis::RedisError> {
        let cache = Cache::new(bounds.cache_bytes, bounds.cache_life, redis)?;
        Ok(Self { versions: VersionBatcher::new(db.clone()), db, cache, heavy, building: Shares::new() })
    }

    /// The cache, for benchmarks.
    pub const fn cache(&self) -> &Cache {
        &self.cache
    }

    /// The menu, or one category of it, in the first of the requested languages that it has; not older than this call.
    ///
    /// While the database does not answer, a menu that was built less than `MENU_CACHE_LIFE` ago is returned, in its
    /// own language.
    ///
    /// # Errors
    /// 404 when there is no such restaurant or category.
    pub async fn read(
        &self,
        restaurant: RestaurantId,
        category: Option<CategoryId>,
        requested: &RequestedLanguages,
        now: DateTime<Utc>,
    ) -> Result<Arc<CachedResponse>, Problem> {
        let mut key = CacheKey { kind: "menu", subject: restaurant.uuid(), language: None, part: None };
        let part = category.map(CategoryId::uuid);
        let current = match self.versions.of(restaurant).await {
            Ok(version) => version.ok_or_else(Problem::not_found)?,
            Err(problem) if problem.code() == Code::Busy => {
                return self.cache.local(&CacheKey { part, ..key }, 0, now).ok_or(problem);
            }
            Err(problem) => return Err(problem),
        };
        key.language =
            languages::choose(requested, current.language.as_deref(), &current.languages).map(ToOwned::to_owned);
        let Some(category) = category else { return self.whole(restaurant, key, current.version, now).await };
        let (of_part, version) = (CacheKey { part, ..key.clone() }, current.version);
        let build = || async move {
            let whole = self.whole(restaurant, key, version, now).await?;
            // Anybody can request categories that do not exist. Such requests must not use up the restaurant's share of
            // the heavy work.
            if single_category::lacks(&whole, category) {
                return Err(Problem::not_found());
            }
            let turn = self.building.of(restaurant, Mutex::default);
            let _turn = turn.lock().await;
            let cut = self
                .heavy
                .run(WorkFor::Restaurant(restaurant), move || single_category::extract(&whole, category))
                .await?;
            cut.map_err(|error| Problem::internal(&error))?.ok_or_else(Problem::not_found)
        };
        self.cache.get(of_part, version, now, build).await
    }

    /// The whole menu in a language.
    async fn whole(
        &self,
        restaurant: RestaurantId,
        key: CacheKey,
        version: i64,
        now: DateTime<Utc>,
    ) -> Result<Arc<CachedResponse>, Problem> {
        let life = TimeDelta::from_std(self.cache.life()).unwrap_or_default();
        let language = key.language.clone();
        let build = || async move {
            let turn = self.building.of(restaurant, Mutex::default);
            let _turn = turn.lock().await;
            let found = self.db.read(TenancyContext::anonymous(), move |tx| {
                Box::pin(async move { sql::contents(tx, restaurant).await })
            });
            let contents = found.await?.ok_or_else(Problem::not_found)?;
            let work = move || {
                let shown = published::render(restaurant, contents, language.as_deref(), now, life);
                let (menu, until) = shown.map_err(|error| Problem::internal(&error))?;
                let body = serde_json::to_vec(&menu).map_err(|error| Problem::internal(&error))?;
                Ok(CachedResponse::new(menu.version, until, body))
            };
            self.heavy.run(WorkFor::Restaurant(restaurant), work).await?
        };
        self.cache.get(key, version, now, build).await
    }
}

/// The menu in the coding that the client takes, or 304 if it has it; with the language that was chosen, if known.
pub fn respond(answer: &CachedResponse, headers: &HeaderMap) -> Response {
    let CachedResponse { tag, plain, gzip, .. } = answer;
    let (cache_control, vary) = ("public, no-cache", "accept-encoding, accept-language");
    let both = BothCodings { media_type: APPLICATION_JSON, tag, plain, gzip, cache_control, vary };
    let mut response = both.respond(headers);
    if let Some(language) = language_of(plain).and_then(|tag| HeaderValue::from_str(tag).ok()) {
        response.headers_mut().insert(header::CONTENT_LANGUAGE, language);
    }
    response
}

/// The members of a menu before its categories are shorter than this, in bytes.
const HEAD: usize = 256;

/// The language of a rendered menu. It is read from the bytes, which may be of a later version than the one for which
/// the language was chosen.
fn language_of(menu: &[u8]) -> Option<&str> {
    let head = &menu[..menu.len().min(HEAD)];
    let name = b"\"language\":\"";
    let begin = head.windows(name.len()).position(|part| part == name)? + name.len();
    let length = head[begin..].iter().position(|byte| *byte == b'"')?;
    std::str::from_utf8(&head[begin..begin + length]).ok()
}
