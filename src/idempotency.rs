//! Idempotency keys: a POST with an `Idempotency-Key` can be repeated and takes effect once.
//!
//! The key, a fingerprint of the request and the response are written in the transaction of the effect, so that none
//! exists without the others. A refusal rolls everything back, the key included.

use axum::body::Bytes;
use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::config::StoredResponsesLimit;
use crate::extract::APPLICATION_JSON;
use crate::ids::UserId;
use crate::permission::Operation;
use crate::problem::{Code, Problem};
use crate::tenancy::TenancyContext;
use crate::uow::{Database, Steps, Tx};

const LONGEST_KEY: usize = 255;

/// The key as sent: 1 to 255 visible ASCII characters.
#[derive(Debug, Clone)]
pub struct IdempotencyKey(Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        Self::read(&parts.headers)
    }
}

impl IdempotencyKey {
    fn read(headers: &HeaderMap) -> Result<Self, Problem> {
        let mut sent = headers.get_all("idempotency-key").iter();
        let Some(value) = sent.next() else { return Ok(Self(None)) };
        if sent.next().is_some() {
            return Err(Problem::new(Code::MalformedRequest, "Send one Idempotency-Key; several were sent."));
        }
        let key = value.to_str().unwrap_or_default();
        let visible = key.bytes().all(|byte| byte.is_ascii_graphic());
        if key.is_empty() || key.len() > LONGEST_KEY || !visible {
            let detail = "Idempotency-Key must be 1 to 255 visible ASCII characters; use a random UUID.";
            return Err(Problem::new(Code::MalformedRequest, detail));
        }
        Ok(Self(Some(key.to_owned())))
    }

    /// Whether none was sent.
    pub const fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// Binds the key to the user, operation and body, for operations that must not run twice.
    ///
    /// # Errors
    /// 400 `idempotency_key_missing` when none was sent.
    pub fn require(self, user: UserId, operation: Operation, body: &Bytes) -> Result<Claim, Problem> {
        let claim = self.0.map(|key| Claim { user, operation, key, fingerprint: Sha256::digest(body).into() });
        claim.ok_or_else(|| {
            let detail =
                "Send a fresh random Idempotency-Key with each new order or batch, and the same one when repeating it.";
            Problem::new(Code::IdempotencyKeyMissing, detail)
        })
    }
}

/// The identity of a repeated request: operation, user and key.
#[derive(Debug, Clone)]
pub struct RepeatedRequest {
    user: UserId,
    operation: Operation,
    key: String,
}

impl RepeatedRequest {
    /// For a request with a well-formed key.
    pub fn of(request: &Request, user: UserId, operation: Operation) -> Option<Self> {
        let key = IdempotencyKey::read(request.headers()).ok()?.0?;
        Some(Self { user, operation, key })
    }

    /// The user of the request.
    pub const fn user(&self) -> UserId {
        self.user
    }

    /// Whether a response is stored under the key. The body is not compared.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn was_answered(&self, db: &Database) -> Result<bool, Problem> {
        let Self { user, operation, key } = self.clone();
        db.read(TenancyContext::user(user), move |tx| Box::pin(async move { is_stored(tx, user, operation, &key).await }))
            .await
    }
}

async fn is_stored(tx: &mut Tx, user: UserId, operation: Operation, key: &str) -> Result<bool, Problem> {
    let row = sqlx::query!(
        r#"select exists (select from idempotency_keys where user_id = $1 and operation = $2 and key = $3)
               as "kept!""#,
        user.uuid(),
        operation.id(),
        key,
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(row.kept)
}

/// A key, bound to the request that it was sent with.
#[derive(Debug, Clone)]
pub struct Claim {
    user: UserId,
    operation: Operation,
    key: String,
    fingerprint: [u8; 32],
}

/// A response that can be repeated, byte for byte.
#[derive(Debug)]
pub struct IdempotentResponse {
    status: StatusCode,
    body: Vec<u8>,
    replayed: bool,
}

impl IdempotentResponse {
    /// The response to a request that has just been performed.
    pub fn fresh(status: StatusCode, body: &impl Serialize) -> Result<Self, Problem> {
        let body = serde_json::to_vec(body).map_err(|error| Problem::internal(&error))?;
        Ok(Self { status, body, replayed: false })
    }
}

impl IntoResponse for IdempotentResponse {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.body).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, APPLICATION_JSON);
        if self.replayed {
            response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
        }
        response
    }
}

impl Claim {
    /// Claims the key in the transaction of the effect. `Some`: the request was performed before, and this is its
    /// response.
    ///
    /// A concurrent request with the same key waits here until the first one ends, up to the lock timeout.
    pub async fn claim(&self, tx: &mut Tx) -> Result<Option<IdempotentResponse>, Problem> {
        let now = tx.now();
        let claimed = sqlx::query!(
            "insert into idempotency_keys (user_id, operation, key, fingerprint, created_at)
             values ($1, $2, $3, $4, $5) on conflict do nothing",
            self.user.uuid(),
            self.operation.id(),
            self.key,
            &self.fingerprint[..],
            now,
        )
        .execute(tx.connection())
        .await
        .map_err(still_running)?;
        if claimed.rows_affected() == 1 { Ok(None) } else { self.stored(tx).await.map(Some) }
    }

    /// The response that is stored under the key, if any.
    ///
    /// # Errors
    /// `idempotency_key_reused` when the key was sent with another body.
    pub async fn recall(&self, tx: &mut Tx) -> Result<Option<IdempotentResponse>, Problem> {
        let is_stored = is_stored(tx, self.user, self.operation, &self.key).await?;
        if is_stored { self.stored(tx).await.map(Some) } else { Ok(None) }
    }

    async fn stored(&self, tx: &mut Tx) -> Result<IdempotentResponse, Problem> {
        let row = sqlx::query!(
            "select fingerprint, status, body from idempotency_keys where user_id = $1 and operation = $2 and key = $3",
            self.user.uuid(),
            self.operation.id(),
            self.key,
        )
        .fetch_one(tx.connection())
        .await?;
        if row.fingerprint != self.fingerprint {
            let detail = "This Idempotency-Key was used with another body before. Use a new key for a new request.";
            return Err(Problem::new(Code::IdempotencyKeyReused, detail));
        }
        let status = row.status.and_then(|status| StatusCode::from_u16(u16::try_from(status).ok()?).ok());
        match (status, row.body) {
            (Some(status), Some(body)) => Ok(IdempotentResponse { status, body, replayed: true }),
            _ => Err(in_progress()),
        }
    }

    /// Stores the response, in the same transaction.
    pub async fn store(&self, tx: &mut Tx, answer: &IdempotentResponse) -> Result<(), Problem> {
        tx.note_bytes(answer.body.len());
        sqlx::query!(
            "update idempotency_keys set status = $4, body = $5 where user_id = $1 and operation = $2 and key = $3",
            self.user.uuid(),
            self.operation.id(),
            self.key,
            i16::try_from(answer.status.as_u16()).unwrap_or_default(),
            answer.body,
        )
        .execute(tx.connection())
        .await?;
        Ok(())
    }
}

/// Deletes up to `max` keys that were sent before an instant, oldest first; returns how many. A later request with
/// such a key is performed again.
pub async fn delete_expired(tx: &mut Tx, before: DateTime<Utc>, max: i64) -> Result<u64, Problem> {
    let deleted = sqlx::query!(
        "delete from idempotency_keys k using (
             select user_id, operation, key from idempotency_keys
             where created_at < $1 order by created_at limit $2 for update skip locked) old
         where k.user_id = old.user_id and k.operation = old.operation and k.key = old.key",
        before,
        max,
    )
    .execute(tx.connection())
    .await?;
    Ok(deleted.rows_affected())
}

/// Deletes a user's oldest responses beyond the limits on their number and bytes; the newest one is always kept.
pub async fn delete_surplus(tx: &mut Tx, user: UserId, limit: StoredResponsesLimit) -> Result<(), Problem> {
    sqlx::query!(
        "delete from idempotency_keys k using (
             select operation, key, row_number() over newest as place, sum(octet_length(body)) over newest as bytes
             from idempotency_keys where user_id = $1 and body is not null
             window newest as (order by created_at desc, operation, key rows unbounded preceding)) kept
         where k.user_id = $1 and k.operation = kept.operation and k.key = kept.key
             and kept.place > 1 and (kept.place > $2 or kept.bytes > $3)",
        user.uuid(),
        limit.rows,
        limit.bytes,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// A JSON body and the key of its request. Extracted in `accounts/idempotency_key.rs`.
pub struct IdempotentBody<T> {
    /// The parsed body.
    pub value: T,
    /// The key, which may be absent.
    pub key: Key,
}

/// An optional key, bound to the user, operation, path and body of its request. It is also an extractor for requests
/// without a body.
pub struct Key(Option<Claim>);

impl Key {
    /// For a request without a key.
    pub const fn none() -> Self {
        Self(None)
    }

    /// The key of a request with this path, without its body.
    pub fn of(key: IdempotencyKey, user: UserId, operation: Operation, path: &str) -> Self {
        // The same body at another path, such as another restaurant's, is another request.
        let fingerprint = Sha256::digest(path).into();
        Self(key.0.map(|key| Claim { user, operation, key, fingerprint }))
    }

    /// The same with the request's body.
    #[must_use]
    pub fn with_body(mut self, body: &[u8]) -> Self {
        if let Some(claim) = &mut self.0 {
            claim.fingerprint = Sha256::new_with_prefix(claim.fingerprint).chain_update(body).finalize().into();
        }
        self
    }

    /// The claim of the key that was sent, to look up its stored response.
    pub fn claimed(&self) -> Option<Claim> {
        self.0.clone()
    }

    /// Runs `steps` in a unit of work and responds with 201, or repeats the stored response of this key.
    ///
    /// # Errors
    /// Those of the steps and of [`Claim::claim`].
    pub async fn makes<T, F>(
        self,
        db: &Database,
        tenancy: impl Into<TenancyContext>,
        steps: F,
    ) -> Result<IdempotentResponse, Problem>
    where
        T: Serialize + Send,
        F: for<'t> FnOnce(&'t mut Tx) -> Steps<'t, T> + Send + 'static,
    {
        self.does(db, tenancy, StatusCode::CREATED, steps).await
    }

    /// As [`Key::makes`], with another status.
    ///
    /// # Errors
    /// As there.
    pub async fn does<T, F>(
        self,
        db: &Database,
        tenancy: impl Into<TenancyContext>,
        status: StatusCode,
        steps: F,
    ) -> Result<IdempotentResponse, Problem>
    where
        T: Serialize + Send,
        F: for<'t> FnOnce(&'t mut Tx) -> Steps<'t, T> + Send + 'static,
    {
        db.write(tenancy, move |tx| {
            Box::pin(async move {
                let Some(claim) = self.0 else {
                    return IdempotentResponse::fresh(status, &steps(tx).await?);
                };
                if let Some(answer) = claim.claim(tx).await? {
                    return Ok(answer);
                }
                let answer = IdempotentResponse::fresh(status, &steps(tx).await?)?;
                claim.store(tx, &answer).await?;
                Ok(answer)
            })
        })
        .await
    }
}

/// PostgreSQL's `lock_not_available`: the first request with the key has not ended yet.
fn still_running(error: sqlx::Error) -> Problem {
    match &error {
        sqlx::Error::Database(refusal) if refusal.code().as_deref() == Some("55P03") => in_progress(),
        _ => error.into(),
    }
}

fn in_progress() -> Problem {
    Problem::new(Code::IdempotencyInProgress, "Repeat the request with the same key after the time in Retry-After.")
        .retry_after(1)
}
