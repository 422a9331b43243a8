//! Asked for once, done once: a POST with an `Idempotency-Key` may be repeated as often as the network demands.
//!
//! The key, a fingerprint of the request and the answer are written in the transaction of the effect, so there is no
//! moment in which one exists without the other. A refusal rolls everything back, the key included.

use axum::body::Bytes;
use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::config::StoredAnswersLimit;
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
            let detail = "Idempotency-Key must be 1 to 255 visible ASCII characters; a random UUID does well.";
            return Err(Problem::new(Code::MalformedRequest, detail));
        }
        Ok(Self(Some(key.to_owned())))
    }

    /// Whether none was sent.
    pub const fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// Binds the key to who asks for what, where doing it twice would hurt.
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

/// What a request may be the repetition of: the same operation, by the same user, under the same key.
#[derive(Debug, Clone)]
pub struct Repeat {
    user: UserId,
    operation: Operation,
    key: String,
}

impl Repeat {
    /// Of a request with a well-formed key.
    pub fn of(request: &Request, user: UserId, operation: Operation) -> Option<Self> {
        let key = IdempotencyKey::read(request.headers()).ok()?.0?;
        Some(Self { user, operation, key })
    }

    /// Whose request it is.
    pub const fn user(&self) -> UserId {
        self.user
    }

    /// Whether an answer is kept under the key. With which body it was sent is not asked.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn was_answered(&self, db: &Database) -> Result<bool, Problem> {
        let Self { user, operation, key } = self.clone();
        db.read(TenancyContext::user(user), move |tx| Box::pin(async move { is_kept(tx, user, operation, &key).await }))
            .await
    }
}

async fn is_kept(tx: &mut Tx, user: UserId, operation: Operation, key: &str) -> Result<bool, Problem> {
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

/// A key, and what it was sent with.
#[derive(Debug, Clone)]
pub struct Claim {
    user: UserId,
    operation: Operation,
    key: String,
    fingerprint: [u8; 32],
}

/// An answer that can be given again, byte for byte.
#[derive(Debug)]
pub struct Answer {
    status: StatusCode,
    body: Vec<u8>,
    replayed: bool,
}

impl Answer {
    /// The answer to something just done.
    pub fn fresh(status: StatusCode, body: &impl Serialize) -> Result<Self, Problem> {
        let body = serde_json::to_vec(body).map_err(|error| Problem::internal(&error))?;
        Ok(Self { status, body, replayed: false })
    }
}

impl IntoResponse for Answer {
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
    /// Claims the key inside the transaction that does the work. `Some`: it was done before, this is the answer.
    ///
    /// A second request with the key waits here for the first to end, as long as the lock timeout allows.
    pub async fn claim(&self, tx: &mut Tx) -> Result<Option<Answer>, Problem> {
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

    /// The answer that was kept under the key, if one was.
    ///
    /// # Errors
    /// `idempotency_key_reused` when it came with another body.
    pub async fn recall(&self, tx: &mut Tx) -> Result<Option<Answer>, Problem> {
        let is_kept = is_kept(tx, self.user, self.operation, &self.key).await?;
        if is_kept { self.stored(tx).await.map(Some) } else { Ok(None) }
    }

    async fn stored(&self, tx: &mut Tx) -> Result<Answer, Problem> {
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
            (Some(status), Some(body)) => Ok(Answer { status, body, replayed: true }),
            _ => Err(in_progress()),
        }
    }

    /// Keeps the answer, in the same transaction.
    pub async fn keep(&self, tx: &mut Tx, answer: &Answer) -> Result<(), Problem> {
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

/// Forgets some keys that were sent before an instant, the oldest first; tells how many. Repeating one later asks anew.
pub async fn forget(tx: &mut Tx, before: DateTime<Utc>, most: i64) -> Result<u64, Problem> {
    let forgotten = sqlx::query!(
        "delete from idempotency_keys k using (
             select user_id, operation, key from idempotency_keys
             where created_at < $1 order by created_at limit $2 for update skip locked) old
         where k.user_id = old.user_id and k.operation = old.operation and k.key = old.key",
        before,
        most,
    )
    .execute(tx.connection())
    .await?;
    Ok(forgotten.rows_affected())
}

/// Deletes a user's answers beyond the newest that may be kept, by number and by bytes; the newest one stays in any case.
pub async fn delete_surplus(tx: &mut Tx, user: UserId, limit: StoredAnswersLimit) -> Result<(), Problem> {
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

/// A JSON body that asks for something to be made, and the key under which it is made once. Extracted in
/// `accounts/idempotency_key.rs`.
pub struct Once<T> {
    /// What was read.
    pub value: T,
    /// The key, if one was sent.
    pub key: Key,
}

/// A key that somebody may have sent, bound to who asks, for what, where, and with which body. By itself it is an extractor
/// for requests without a body.
pub struct Key(Option<Claim>);

impl Key {
    /// A request without a key.
    pub const fn none() -> Self {
        Self(None)
    }

    /// The key of a request for something of this path, without its body.
    pub fn of(key: IdempotencyKey, user: UserId, operation: Operation, path: &str) -> Self {
        // The same body makes something else at another restaurant.
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

    /// The key that was sent, to ask what was answered under it before.
    pub fn claimed(&self) -> Option<Claim> {
        self.0.clone()
    }

    /// Makes something in a unit of work, and answers 201; or gives the answer again, if it was made under this key.
    ///
    /// # Errors
    /// What the steps refuse with; what [`Claim::claim`] does.
    pub async fn makes<T, F>(self, db: &Database, who: impl Into<TenancyContext>, steps: F) -> Result<Answer, Problem>
    where
        T: Serialize + Send,
        F: for<'t> FnOnce(&'t mut Tx) -> Steps<'t, T> + Send + 'static,
    {
        self.does(db, who, StatusCode::CREATED, steps).await
    }

    /// As [`Key::makes`], with another status.
    ///
    /// # Errors
    /// As there.
    pub async fn does<T, F>(
        self,
        db: &Database,
        who: impl Into<TenancyContext>,
        status: StatusCode,
        steps: F,
    ) -> Result<Answer, Problem>
    where
        T: Serialize + Send,
        F: for<'t> FnOnce(&'t mut Tx) -> Steps<'t, T> + Send + 'static,
    {
        db.write(who, move |tx| {
            Box::pin(async move {
                let Some(claim) = self.0 else {
                    return Answer::fresh(status, &steps(tx).await?);
                };
                if let Some(answer) = claim.claim(tx).await? {
                    return Ok(answer);
                }
                let answer = Answer::fresh(status, &steps(tx).await?)?;
                claim.keep(tx, &answer).await?;
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
