//! Statements on stored operations: reading one to run it, and writing its result.

use chrono::{DateTime, Utc};
use serde_json::value::RawValue;
use sqlx::types::Json;

use crate::ids::{SessionId, UserId};
use crate::problem::Problem;
use crate::sync::{Device, OperationState};
use crate::uow::Tx;
use crate::written::MAX_BYTES_OF_OTHERS;

/// An operation as it was sent.
#[derive(Debug, Clone)]
pub struct StoredOperation {
    /// The number that the device gave it.
    pub seq: i64,
    /// The id that the device generated.
    pub op_id: String,
    /// The kind of operation.
    pub kind: String,
    /// The payload as it was sent.
    pub payload: Json<Box<RawValue>>,
    /// The effective instant; `None`: the device's clock is too far ahead.
    pub counts_at: Option<DateTime<Utc>>,
    /// When it arrived.
    pub received_at: DateTime<Utc>,
    /// The session that sent it.
    pub session_id: SessionId,
    /// The number of failed attempts.
    pub attempts: i32,
    /// Whether its session may be trusted: it is active, has expired, or was ended by signing out, and the user has not
    /// ended all sessions since.
    pub is_trusted: bool,
}

/// One pending operation.
pub async fn pending(tx: &mut Tx, device: &Device, seq: i64) -> Result<Option<StoredOperation>, Problem> {
    let operation = sqlx::query_as!(
        StoredOperation,
        r#"select o.seq, o.op_id, o.kind, o.payload as "payload: _", o.counts_at, o.received_at,
                  o.session_id as "session_id: SessionId", o.attempts,
                  exists (
                      select from sessions s join users u on u.id = s.user_id
                      where s.id = o.session_id and (s.revoked_at is null
                          or s.revoked_reason in ('logout', 'surplus')
                             and (u.sessions_ended_at is null or u.sessions_ended_at < o.received_at))
                  ) as "is_trusted!"
           from sync_operations o
           where o.user_id = $1 and o.device = $2 and o.seq = $3 and o.state = 'PENDING'"#,
        device.user as UserId,
        device.name,
        seq,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(operation)
}

/// An operation that others refer to.
#[derive(Debug, Clone)]
pub struct ReferencedOperation {
    /// The number that the device gave it.
    pub seq: i64,
    /// The state of the operation.
    pub state: OperationState,
    /// The order that it placed; `None`: none yet.
    pub aggregate: Option<String>,
}

/// The operation with this `opId`.
pub async fn referenced(tx: &mut Tx, device: &Device, op_id: &str) -> Result<Option<ReferencedOperation>, Problem> {
    let referenced = sqlx::query_as!(
        ReferencedOperation,
        "select seq, state, aggregate from sync_operations where user_id = $1 and device = $2 and op_id = $3",
        device.user as UserId,
        device.name,
        op_id,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(referenced)
}

/// Stores the result of an operation. `false`: it is already finished.
pub async fn finish(
    tx: &mut Tx,
    device: &Device,
    seq: i64,
    state: OperationState,
    result: Box<RawValue>,
    aggregate: Option<String>,
) -> Result<bool, Problem> {
    let now = tx.now();
    tx.note_bytes(result.get().len().min(MAX_BYTES_OF_OTHERS));
    let finished = sqlx::query!(
        "update sync_operations set state = $4, result = $5, finished_at = $6, retry_at = null,
             aggregate = coalesce($7, aggregate)
         where user_id = $1 and device = $2 and seq = $3 and state = 'PENDING'",
        device.user as UserId,
        device.name,
        seq,
        state as OperationState,
        Json(result) as _,
        now,
        aggregate,
    )
    .execute(tx.connection())
    .await?;
    Ok(finished.rows_affected() == 1)
}

/// Records a temporary failure of an operation.
pub async fn fail(
    tx: &mut Tx,
    device: &Device,
    seq: i64,
    state: OperationState,
    counted: bool,
    retry_at: DateTime<Utc>,
    error: &str,
) -> Result<(), Problem> {
    sqlx::query!(
        "update sync_operations set state = $4, attempts = attempts + $5, retry_at = $6, last_error = $7
         where user_id = $1 and device = $2 and seq = $3 and state = 'PENDING'",
        device.user as UserId,
        device.name,
        seq,
        state as OperationState,
        i32::from(counted),
        retry_at,
        error,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// The progress of an operation.
#[derive(Debug, Clone)]
pub struct OperationProgress {
    /// The number that the device gave it.
    pub seq: i64,
    /// Whether it is waiting or how it ended.
    pub state: OperationState,
    /// The result or the problem; `None`: there is none, or it is beyond the limit.
    pub result: Option<Json<Box<RawValue>>>,
}

/// The progress of these operations. Results are read in the order of the numbers until they exceed `limit` bytes
/// together, the first one always: a batch of a few kilobytes may name operations with hundreds of whole orders.
pub async fn progress(
    tx: &mut Tx,
    device: &Device,
    seqs: &[i64],
    limit: usize,
) -> Result<Vec<OperationProgress>, Problem> {
    let progress = sqlx::query_as!(
        OperationProgress,
        r#"with sized as (
               select seq, octet_length(result::text) as bytes from sync_operations
               where user_id = $1 and device = $2 and seq = any($3)
           ), shown as (
               select seq, sum(bytes) over (order by seq) <= $4 or row_number() over (order by bytes is null, seq) = 1
                   as fits
               from sized
           )
           select o.seq, o.state, case when s.fits then o.result end as "result: _"
           from shown s
           join sync_operations o on o.user_id = $1 and o.device = $2 and o.seq = s.seq"#,
        device.user as UserId,
        device.name,
        seqs,
        i64::try_from(limit).unwrap_or(i64::MAX),
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(progress)
}
