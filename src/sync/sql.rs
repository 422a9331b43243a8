//! Every statement on phones and their operations.

use chrono::{DateTime, Utc};
use serde_json::value::RawValue;
use sqlx::types::Json;

use super::queue::QueuedOperation;
use super::{Device, OperationState};
use crate::ids::{SessionId, SyncOperationId, UserId};
use crate::problem::Problem;
use crate::uow::Tx;

pub mod devices;
mod lease;
pub mod operator;

pub use lease::{Lease, Released, Round, due, hold, release, take};

/// A phone, locked until the transaction ends.
#[derive(Debug, Clone, Copy)]
pub struct LockedDevice {
    /// The smallest number that has not come yet.
    pub next_seq: i64,
    /// It was not known before, or has been retired since it came last.
    pub is_new: bool,
    /// Operations with smaller numbers that are not stored any more are finished.
    pub forgotten_below: i64,
}

/// Locks a phone, which is noted if it was not known.
pub async fn lock_device(tx: &mut Tx, device: &Device) -> Result<LockedDevice, Problem> {
    let now = tx.now();
    let row = sqlx::query_as!(
        LockedDevice,
        r#"insert into sync_devices as d (user_id, device, created_at, updated_at) values ($1, $2, $3, $3)
           on conflict (user_id, device) do update set updated_at = excluded.updated_at
           returning next_seq, forgotten_below, (d.xmax = 0 or d.retired_at is not null) as "is_new!""#,
        device.user as UserId,
        device.name,
        now,
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(row)
}

/// An operation that has come before.
#[derive(Debug, Clone)]
pub struct ReceivedOperation {
    /// The number that the device gave it.
    pub seq: i64,
    /// What the phone calls it.
    pub op_id: String,
    /// SHA-256 of what it says.
    pub fingerprint: Vec<u8>,
    /// How far it has come.
    pub state: OperationState,
}

/// Operations that have come before under these numbers or names.
pub async fn known(
    tx: &mut Tx,
    device: &Device,
    seqs: &[i64],
    op_ids: &[String],
) -> Result<Vec<ReceivedOperation>, Problem> {
    let known = sqlx::query_as!(
        ReceivedOperation,
        r#"select seq, op_id, fingerprint, state from sync_operations
           where user_id = $1 and device = $2 and (seq = any($3) or op_id = any($4))"#,
        device.user as UserId,
        device.name,
        seqs,
        op_ids,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(known)
}

/// An operation to be stored.
#[derive(Debug, Clone)]
pub struct NewOperation {
    /// The number that the device gave it.
    pub seq: i64,
    /// What the phone calls it.
    pub op_id: String,
    /// What is to be done.
    pub kind: String,
    /// The payload as JSON, byte for byte.
    pub payload: String,
    /// SHA-256 of kind, time and payload.
    pub fingerprint: [u8; 32],
    /// By the phone's clock.
    pub said_at: DateTime<Utc>,
    /// What that counts as.
    pub counts_at: Option<DateTime<Utc>>,
    /// Runs after what came before about the same thing.
    pub in_order: bool,
    /// What it is about.
    pub aggregate: Option<String>,
    /// The operation it builds on.
    pub refers: Option<String>,
}

fn column<T>(operations: &[NewOperation], value: impl Fn(&NewOperation) -> T) -> Vec<T> {
    operations.iter().map(value).collect()
}

/// Stores operations; the phone is locked.
pub async fn insert(
    tx: &mut Tx,
    device: &Device,
    session: SessionId,
    operations: &[NewOperation],
) -> Result<(), Problem> {
    let now = tx.now();
    let ids: Vec<_> = operations.iter().map(|_| SyncOperationId::new().uuid()).collect();
    sqlx::query!(
        "insert into sync_operations (user_id, device, session_id, received_at, id, seq, op_id, kind, payload,
             fingerprint, said_at, counts_at, in_order, aggregate, refers)
         select $1, $2, $3, $4, id, seq, op_id, kind, payload::json, fingerprint, said_at, counts_at, in_order,
             aggregate, refers
         from unnest($5::uuid[], $6::bigint[], $7::text[], $8::text[], $9::text[], $10::bytea[], $11::timestamptz[],
                     $12::timestamptz[], $13::bool[], $14::text[], $15::text[])
             as w(id, seq, op_id, kind, payload, fingerprint, said_at, counts_at, in_order, aggregate, refers)",
        device.user as UserId,
        device.name,
        session.uuid(),
        now,
        &ids,
        &column(operations, |one| one.seq),
        &column(operations, |one| one.op_id.clone()),
        &column(operations, |one| one.kind.clone()),
        &column(operations, |one| one.payload.clone()),
        &column(operations, |one| one.fingerprint.to_vec()),
        &column(operations, |one| one.said_at),
        &column(operations, |one| one.counts_at) as &[Option<DateTime<Utc>>],
        &column(operations, |one| one.in_order),
        &column(operations, |one| one.aggregate.clone()) as &[Option<String>],
        &column(operations, |one| one.refers.clone()) as &[Option<String>],
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// How many operations are not finished or wait for one that has not come.
pub async fn count_waiting(tx: &mut Tx, device: &Device, next_seq: i64) -> Result<i64, Problem> {
    let row = sqlx::query!(
        r#"select count(*) as "count!" from sync_operations
           where user_id = $1 and device = $2 and (finished_at is null or seq >= $3)"#,
        device.user as UserId,
        device.name,
        next_seq,
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(row.count)
}

/// Moves on to the smallest number that has not come yet, and asks for a worker.
pub async fn advance(tx: &mut Tx, device: &Device, next_seq: i64) -> Result<(), Problem> {
    let now = tx.now();
    sqlx::query!(
        "update sync_devices set due_at = $4, next_seq = $3 + (
             select count(*) from (
                 select seq - row_number() over (order by seq) as island from sync_operations
                 where user_id = $1 and device = $2 and seq >= $3) come
             where island = $3 - 1)
         where user_id = $1 and device = $2",
        device.user as UserId,
        device.name,
        next_seq,
        now,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// The unfinished operations of a device.
#[derive(Debug)]
pub struct Open {
    /// The smallest number that has not come yet.
    pub next_seq: i64,
    /// Nothing is tried before then: the rate limit was used up. `None`: it was not.
    pub paused_until: Option<DateTime<Utc>>,
    /// The operations, in the order of their numbers.
    pub entries: Vec<QueuedOperation>,
}

/// What is not finished.
pub async fn open(tx: &mut Tx, device: &Device) -> Result<Open, Problem> {
    let row = sqlx::query!(
        "select next_seq, paused_until from sync_devices where user_id = $1 and device = $2",
        device.user as UserId,
        device.name,
    )
    .fetch_optional(tx.connection())
    .await?;
    let entries = sqlx::query_as!(
        QueuedOperation,
        r#"select o.seq, o.op_id, o.in_order, coalesce(o.aggregate, p.aggregate) as aggregate, o.refers, o.state,
                  o.retry_at, o.last_error, s.ip as address
           from sync_operations o
           left join sessions s on s.id = o.session_id
           left join sync_operations p on p.user_id = $1 and p.device = $2 and p.op_id = o.refers
           where o.user_id = $1 and o.device = $2 and o.finished_at is null
           order by o.seq"#,
        device.user as UserId,
        device.name,
    )
    .fetch_all(tx.connection())
    .await?;
    let (next_seq, paused_until) = row.map_or((1, None), |row| (row.next_seq, row.paused_until));
    Ok(Open { next_seq, paused_until, entries })
}

/// An operation as it was sent.
#[derive(Debug, Clone)]
pub struct StoredOperation {
    /// The number that the device gave it.
    pub seq: i64,
    /// What the phone calls it.
    pub op_id: String,
    /// What is to be done.
    pub kind: String,
    /// The payload as it was sent.
    pub payload: Json<Box<RawValue>>,
    /// What the phone's time counts as.
    pub counts_at: Option<DateTime<Utc>>,
    /// When it came.
    pub received_at: DateTime<Utc>,
    /// With which sign-in.
    pub session_id: SessionId,
    /// How often it has failed.
    pub attempts: i32,
    /// Its session was not ended against whoever sent it: it lasts, has expired, or was ended by signing out, and the
    /// user has not ended all sessions since.
    pub is_trusted: bool,
}

/// One operation that is to be done.
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

/// An operation that others build on.
#[derive(Debug, Clone)]
pub struct ReferencedOperation {
    /// The number that the device gave it.
    pub seq: i64,
    /// How far it has come.
    pub state: OperationState,
    /// The order it placed, once it has.
    pub aggregate: Option<String>,
}

/// The operation of this name.
pub async fn base(tx: &mut Tx, device: &Device, op_id: &str) -> Result<Option<ReferencedOperation>, Problem> {
    let base = sqlx::query_as!(
        ReferencedOperation,
        "select seq, state, aggregate from sync_operations where user_id = $1 and device = $2 and op_id = $3",
        device.user as UserId,
        device.name,
        op_id,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(base)
}

/// Keeps what an operation came to. `false`: it is finished already.
pub async fn finish(
    tx: &mut Tx,
    device: &Device,
    seq: i64,
    state: OperationState,
    result: Box<RawValue>,
    aggregate: Option<String>,
) -> Result<bool, Problem> {
    let now = tx.now();
    tx.note_bytes(result.get().len());
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

/// Notes that an operation failed by a fault that may pass.
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

/// What operations have come to so far.
#[derive(Debug, Clone)]
pub struct OperationProgress {
    /// The number that the device gave it.
    pub seq: i64,
    /// Whether it is waiting or how it ended.
    pub state: OperationState,
    /// The result or the problem; `None` also where it is beyond the limit of what is read.
    pub result: Option<Json<Box<RawValue>>>,
}

/// How far these have come. Results are read in the order of the numbers until they exceed `limit` bytes together, and the
/// first in any case: a batch of a few kilobytes may name operations with hundreds of whole orders.
pub async fn standing(
    tx: &mut Tx,
    device: &Device,
    seqs: &[i64],
    limit: usize,
) -> Result<Vec<OperationProgress>, Problem> {
    let standing = sqlx::query_as!(
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
    Ok(standing)
}
