//! Statements on the list of devices, and on their removal.

use chrono::{DateTime, Utc};

use crate::config::StoredResponsesLimit;
use crate::ids::UserId;
use crate::problem::Problem;
use crate::sync::Device;
use crate::uow::Tx;

/// A device of the list.
#[derive(Debug, Clone)]
pub struct ListedDevice {
    /// The `deviceId` of its batches.
    pub device: String,
    /// The smallest number that has not arrived yet.
    pub next_seq: i64,
    /// The number of operations that are not finished.
    pub waiting: i64,
    /// When it first synchronised.
    pub created_at: DateTime<Utc>,
    /// When it last synchronised.
    pub updated_at: DateTime<Utc>,
}

/// A user's devices, last synchronised first, without retired ones.
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

/// Retires the device that has been idle longest and has no unfinished operations. `false`: there is none.
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

/// The result of removing a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceRemoval {
    /// It was removed, or did not exist.
    Removed,
    /// It has unfinished operations.
    Unfinished,
}

/// Retires a device, and deletes operations that wait for a missing one. It is not retired while other operations are
/// unfinished.
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
    Ok(if row.is_unfinished { DeviceRemoval::Unfinished } else { DeviceRemoval::Removed })
}

/// Marks a device that is new, or returns after it was retired, as active.
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

/// Deletes up to `max` operations that were finished before an instant, oldest first; returns how many. Their numbers
/// remain known. One after a missing number is kept until that number has arrived.
pub async fn delete_expired_operations(tx: &mut Tx, before: DateTime<Utc>, max: i64) -> Result<u64, Problem> {
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
        max,
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(row.count.unsigned_abs())
}

/// Deletes a user's oldest finished operations beyond the limits on number and bytes. Their sequence numbers remain
/// known.
pub async fn delete_surplus(tx: &mut Tx, user: UserId, limit: StoredResponsesLimit) -> Result<(), Problem> {
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

/// Deletes up to `max` devices that have not synchronised since an instant and have no stored operations; returns how
/// many.
pub async fn delete_expired_devices(tx: &mut Tx, before: DateTime<Utc>, max: i64) -> Result<u64, Problem> {
    let forgotten = sqlx::query!(
        "delete from sync_devices d using (
             select user_id, device from sync_devices d
             where updated_at < $1 and not exists (
                 select from sync_operations o where o.user_id = d.user_id and o.device = d.device)
             order by updated_at limit $2 for update skip locked) old
         where d.user_id = old.user_id and d.device = old.device",
        before,
        max,
    )
    .execute(tx.connection())
    .await?;
    Ok(forgotten.rows_affected())
}
