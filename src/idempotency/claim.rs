//! A key that is bound to its request, and the stored response: returned again for the same request, refused for
//! another one.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::config::StoredResponsesLimit;
use crate::extract::APPLICATION_JSON;
use crate::ids::UserId;
use crate::permission::Operation;
use crate::problem::{Code, Problem};
use crate::uow::Tx;
use crate::written::MAX_BYTES_OF_OTHERS;

/// Whether a response is stored under a key.
pub(super) async fn is_stored(tx: &mut Tx, user: UserId, operation: Operation, key: &str) -> Result<bool, Problem> {
    let row = sqlx::query!(
        r#"select exists (select from idempotency_keys where user_id = $1 and operation = $2 and key = $3)
               as "is_stored!""#,
        user.uuid(),
        operation.id(),
        key,
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(row.is_stored)
}

/// A key, bound to the request that it was sent with.
#[derive(Debug, Clone)]
pub struct Claim {
    pub(super) user: UserId,
    pub(super) operation: Operation,
    pub(super) key: String,
    pub(super) fingerprint: [u8; 32],
}

/// The columns of a claim, for a function of the database that stores the key with its response.
#[derive(Debug, Clone, Copy)]
pub struct ClaimRow<'a> {
    /// The operation of the request.
    pub operation: &'static str,
    /// The key as it was sent.
    pub key: &'a str,
    /// SHA-256 of the request.
    pub fingerprint: &'a [u8],
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

    /// The same with a body that has been written as JSON.
    pub const fn written(status: StatusCode, body: Vec<u8>) -> Self {
        Self { status, body, replayed: false }
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
    /// The columns that a function of the database stores.
    pub fn row(&self) -> ClaimRow<'_> {
        ClaimRow { operation: self.operation.id(), key: &self.key, fingerprint: &self.fingerprint }
    }

    /// Claims the key in the transaction of the effect. `Some`: the request was performed before, and this is its
    /// response.
    ///
    /// A concurrent request with the same key waits here until the first one ends, up to the lock timeout.
    pub async fn claim(&self, tx: &mut Tx) -> Result<Option<IdempotentResponse>, Problem> {
        let now = tx.now();
        let claimed = sqlx::query!(
            "with turn as materialized (select lock_key($1, $2, $3))
             insert into idempotency_keys (user_id, operation, key, fingerprint, created_at)
             select $1, $2, $3, $4, $5 from turn on conflict do nothing",
            self.user.uuid(),
            self.operation.id(),
            self.key,
            &self.fingerprint[..],
            now,
        )
        .execute(tx.connection())
        .await
        .map_err(still_running)?;
        if claimed.rows_affected() == 1 { Ok(None) } else { self.read_response(tx).await.map(Some) }
    }

    /// The response that is stored under the key, if any.
    ///
    /// # Errors
    /// `idempotency_key_reused` when the key was sent with another body.
    pub async fn stored_response(&self, tx: &mut Tx) -> Result<Option<IdempotentResponse>, Problem> {
        let is_stored = is_stored(tx, self.user, self.operation, &self.key).await?;
        if is_stored { self.read_response(tx).await.map(Some) } else { Ok(None) }
    }

    async fn read_response(&self, tx: &mut Tx) -> Result<IdempotentResponse, Problem> {
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
        tx.note_bytes(answer.body.len().min(MAX_BYTES_OF_OTHERS));
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
