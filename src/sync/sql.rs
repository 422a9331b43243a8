//! Every statement on devices and their operations.

use chrono::{DateTime, Utc};

use super::queue::QueuedOperation;
use super::{Device, OperationState};
use crate::ids::{SessionId, SyncOperationId, UserId};
use crate::problem::Problem;
use crate::uow::Tx;

pub mod devices;
mod lease;
mod operations;
pub mod operator;

pub use lease::{Lease, Released, Round, due, hold, release, take};
pub use operations::{OperationProgress, StoredOperation, fail, finish, pending, progress, referenced};

/// A locked device.
#[derive(Debug, Clone, Copy)]
pub struct LockedDevice {
    /// The smallest number that has not arrived yet.
    pub next_seq: i64,
    /// Whether it was unknown, or was retired since its last batch.
    pub is_new: bool,
    /// Operations with smaller numbers that are no longer stored are finished.
    pub forgotten_below: i64,
}

/// Locks a device, which is created if it is unknown.
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

/// An operation that arrived before.
#[derive(Debug, Clone)]
pub struct ReceivedOperation {
    /// The number that the device gave it.
    pub seq: i64,
    /// The id that the device generated.
    pub op_id: String,
    /// SHA-256 of kind, time and payload.
    pub fingerprint: Vec<u8>,
    /// The state of the operation.
    pub state: OperationState,
}

/// Known operations with these numbers or ids.
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
    /// The id that the device generated.
    pub op_id: String,
    /// The kind of operation.
    pub kind: String,
    /// The payload as JSON, byte for byte.
    pub payload: String,
    /// SHA-256 of kind, time and payload.
    pub fingerprint: [u8; 32],
    /// When it was done, by the device's clock.
    pub said_at: DateTime<Utc>,
    /// The effective instant; `None`: the device's clock is too far ahead.
    pub counts_at: Option<DateTime<Utc>>,
    /// Whether it runs after earlier operations on the same object.
    pub in_order: bool,
    /// The object that it concerns.
    pub aggregate: Option<String>,
    /// The `opId` of the earlier operation that it refers to.
    pub refers: Option<String>,
}

fn column<T>(operations: &[NewOperation], value: impl Fn(&NewOperation) -> T) -> Vec<T> {
    operations.iter().map(value).collect()
}

/// Stores operations; the device must be locked.
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

/// The number of operations that are not finished or wait for a missing one.
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

/// Sets the smallest number that has not arrived yet, and marks the device as due.
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
    /// The smallest number that has not arrived yet.
    pub next_seq: i64,
    /// Until when nothing is tried, because the rate limit was used up; `None`: no pause.
    pub paused_until: Option<DateTime<Utc>>,
    /// The operations, in the order of their numbers.
    pub entries: Vec<QueuedOperation>,
}

/// Reads the unfinished operations.
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
