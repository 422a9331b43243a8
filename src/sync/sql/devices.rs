//! Statements on phones as their users see them, and on what becomes of those that come no more.

use chrono::{DateTime, Utc};

use crate::config::StoredAnswersLimit;
use crate::ids::UserId;
use crate::problem::Problem;
use crate::sync::Device;
use crate::uow::Tx;

/// A phone in a list.
#[derive(Debug, Clone)]
pub struct ListedDevice {
    /// What it calls itself.
    pub device: String,
    /// The smallest number of an operation that has not come yet.
    pub next_seq: i64,
    /// Operations that are not finished.
    pub waiting: i64,
    /// When it first came.
    pub created_at: DateTime<Utc>,
    /// When it last came.
    pub updated_at: DateTime<Utc>,
}

/// A user's phones, those that came last first; those that were removed or gave way are not among them.
pub async fn list(tx: &mut Tx, user: UserId) -> Result<Vec<ListedDevice>, Problem> {
    let devices = sqlx::query_as!(
        ListedDevice,
        r#"select device, next_seq, created_at, updated_at,
                  (select count(*) from sync_operations o
                   where o.user_id = d.user_id and o.device = d.device and o.finished_at is null) as "waiting!"
           from sync_devices d where user_id = $1 and retired_at is null order by updated_at desc, device"#,
        user as UserId,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(devices)
}

/// Retires the phone that has been idle longest, of those with nothing unfinished. `false`: there is none.
pub async fn retire_idle(tx: &mut Tx, device: &Device) -> Result<bool, Problem> {
    let now = tx.now();
    let retired = sqlx::query!(
        "with idle as (
             select d.user_id, d.device from sync_devices d
             where d.user_id = $1 and d.device <> $2 and d.retired_at is null
                 and not exists (select from sync_operations o
                                 where o.user_id = $1 and o.device = d.device and o.finished_at is null)
             order by d.updated_at, d.device limit 1 for update
         ), gone as (
             delete from sync_operations o using idle where o.user_id = idle.user_id and o.device = idle.device
         )
         update sync_devices d set retired_at = $3, forgotten_below = next_seq, due_at = null from idle
         where d.user_id = idle.user_id and d.device = idle.device",
        device.user as UserId,
        device.name,
        now,
    )
    .execute(tx.connection())
    .await?;
    Ok(retired.rows_affected() == 1)
}

/// How removing a phone ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceRemoval {
    /// It is removed, or was not there.
    Gone,
    /// Something that it brought is still to be done.
    Unfinished,
}

/// Retires a phone. What waits for an operation that never came is dropped with it; what is to be done stays.
pub async fn retire(tx: &mut Tx, device: &Device) -> Result<DeviceRemoval, Problem> {
    let now = tx.now();
    let row = sqlx::query!(
        r#"with found as (
               select user_id, device, next_seq from sync_devices
               where user_id = $1 and device = $2 and retired_at is null for update
           ), unfinished as (
               select from sync_operations o join found using (user_id, device)
               where o.finished_at is null and o.seq < found.next_seq
           ), retired as (
               update sync_devices d set retired_at = $3, forgotten_below = d.next_seq, due_at = null from found
               where d.user_id = found.user_id and d.device = found.device and not exists (select from unfinished)
           ), gone as (
               delete from sync_operations o using found
               where o.user_id = found.user_id and o.device = found.device and not exists (select from unfinished)
           )
           select exists (select from unfinished) as "is_unfinished!""#,
        device.user as UserId,
        device.name,
        now,
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(if row.is_unfinished { DeviceRemoval::Unfinished } else { DeviceRemoval::Gone })
}

/// Counts a phone in that is new, or comes again after it was retired.
pub async fn enlist(tx: &mut Tx, device: &Device) -> Result<(), Problem> {
    sqlx::query!(
        "update sync_devices set retired_at = null where user_id = $1 and device = $2",
        device.user as UserId,
        device.name,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Forgets some operations that were finished before an instant, the oldest first; tells how many. Their numbers stay
/// known. One with a number beyond the smallest that has not come stays until that has come.
pub async fn forget_operations(tx: &mut Tx, before: DateTime<Utc>, most: i64) -> Result<u64, Problem> {
    let row = sqlx::query!(
        r#"with old as (
               select o.user_id, o.device, o.seq from sync_operations o
               where o.finished_at < $1
                   and o.seq < (select next_seq from sync_devices d where d.user_id = o.user_id and d.device = o.device)
               order by o.finished_at limit $2 for update skip locked
           ), gone as (
               delete from sync_operations o using old
               where o.user_id = old.user_id and o.device = old.device and o.seq = old.seq
               returning o.user_id, o.device, o.seq
           ), highest as (
               select user_id, device, max(seq) as seq from gone group by user_id, device
           ), noted as (
               update sync_devices d set forgotten_below = greatest(d.forgotten_below, highest.seq + 1) from highest
               where d.user_id = highest.user_id and d.device = highest.device
           )
           select count(*) as "count!" from gone"#,
        before,
        most,
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(row.count.unsigned_abs())
}

/// Deletes a user's finished operations beyond those finished last that may be kept, by number and by bytes. Their numbers stay
/// known.
pub async fn delete_surplus(tx: &mut Tx, user: UserId, limit: StoredAnswersLimit) -> Result<(), Problem> {
    sqlx::query!(
        "with kept as (
             select device, seq, row_number() over latest as place,
                 sum(octet_length(result::text) + octet_length(payload::text)) over latest as bytes
             from sync_operations where user_id = $1 and finished_at is not null
             window latest as (order by finished_at desc, device, seq desc rows unbounded preceding)
         ), gone as (
             delete from sync_operations o using kept, sync_devices d
             where o.user_id = $1 and o.device = kept.device and o.seq = kept.seq
                 and kept.place > 1 and (kept.place > $2 or kept.bytes > $3)
                 and d.user_id = $1 and d.device = o.device and o.seq < d.next_seq
             returning o.device, o.seq
         ), highest as (
             select device, max(seq) as seq from gone group by device
         )
         update sync_devices d set forgotten_below = greatest(d.forgotten_below, highest.seq + 1) from highest
         where d.user_id = $1 and d.device = highest.device",
        user as UserId,
        limit.rows,
        limit.bytes,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Forgets some phones that have not come since before an instant and of which nothing is stored; tells how many.
pub async fn forget_devices(tx: &mut Tx, before: DateTime<Utc>, most: i64) -> Result<u64, Problem> {
    let forgotten = sqlx::query!(
        "delete from sync_devices d using (
             select user_id, device from sync_devices d
             where updated_at < $1 and not exists (
                 select from sync_operations o where o.user_id = d.user_id and o.device = d.device)
             order by updated_at limit $2 for update skip locked) old
         where d.user_id = old.user_id and d.device = old.device",
        before,
        most,
    )
    .execute(tx.connection())
    .await?;
    Ok(forgotten.rows_affected())
}
