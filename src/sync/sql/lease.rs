//! Statements on the leases of devices.

use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::ids::UserId;
use crate::problem::Problem;
use crate::sync::Device;
use crate::uow::Tx;

/// The lease of a worker on the operations of a device.
#[derive(Debug, Clone)]
pub struct Lease {
    /// The device whose operations are leased.
    pub device: Device,
    /// A random token, which only the holder knows.
    pub token: Uuid,
    /// How long it lasts after it was taken or prolonged.
    pub life: Duration,
}

/// Takes the lease, if no worker has it; returns the smallest number that has not arrived yet.
pub async fn take(tx: &mut Tx, lease: &Lease) -> Result<Option<i64>, Problem> {
    let (now, until) = (tx.now(), tx.now() + lease.life);
    let row = sqlx::query!(
        "update sync_devices set lease = $3, lease_until = $4, due_at = $4
         where user_id = $1 and device = $2 and (lease is null or lease_until <= $5)
         returning next_seq",
        lease.device.user as UserId,
        lease.device.name,
        lease.token,
        until,
        now,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(row.map(|row| row.next_seq))
}

/// Prolongs the lease and locks it until the transaction ends. `false`: another worker has it now.
pub async fn hold(tx: &mut Tx, lease: &Lease) -> Result<bool, Problem> {
    let until = tx.now() + lease.life;
    let held = sqlx::query!(
        "update sync_devices set lease_until = $4, due_at = $4 where user_id = $1 and device = $2 and lease = $3",
        lease.device.user as UserId,
        lease.device.name,
        lease.token,
        until,
    )
    .execute(tx.connection())
    .await?;
    Ok(held.rows_affected() == 1)
}

/// The result of releasing a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Released {
    /// It was released.
    Done,
    /// New operations have arrived meanwhile: the lease is kept.
    More,
    /// Another worker had it already.
    Lost,
}

/// The result of one scan of a device's operations.
#[derive(Debug)]
pub struct Round {
    /// The smallest number that had not arrived yet.
    pub next_seq: i64,
    /// The numbers of the scanned operations.
    pub looked_at: Vec<i64>,
    /// The earliest retry time; `None`: no operation waits for a retry.
    pub due_at: Option<DateTime<Utc>>,
    /// Until when nothing is tried, because the rate limit is used up; `None`: no pause.
    pub paused_until: Option<DateTime<Utc>>,
    /// Whether it ended before all operations were scanned, because other devices have their turn.
    pub is_partial: bool,
}

/// Releases the lease and stores when the device is due again.
pub async fn release(tx: &mut Tx, lease: &Lease, round: &Round) -> Result<Released, Problem> {
    let ours = sqlx::query!(
        r#"select next_seq, exists (
               select from sync_operations o where o.user_id = $1 and o.device = $2 and o.finished_at is null
                 and o.state = 'PENDING' and o.seq <> all($4)) as "more!"
           from sync_devices where user_id = $1 and device = $2 and lease = $3 for no key update"#,
        lease.device.user as UserId,
        lease.device.name,
        lease.token,
        &round.looked_at,
    )
    .fetch_optional(tx.connection())
    .await?;
    match ours {
        None => return Ok(Released::Lost),
        Some(row) if !round.is_partial && (row.more || row.next_seq != round.next_seq) => return Ok(Released::More),
        Some(_) => {}
    }
    sqlx::query!(
        "update sync_devices set lease = null, lease_until = null, due_at = $3, paused_until = $4
         where user_id = $1 and device = $2",
        lease.device.user as UserId,
        lease.device.name,
        round.due_at,
        round.paused_until,
    )
    .execute(tx.connection())
    .await?;
    Ok(Released::Done)
}

/// Devices of all users that are due, longest waiting first.
pub async fn due(tx: &mut Tx, limit: i64) -> Result<Vec<Device>, Problem> {
    let now = tx.now();
    let rows = sqlx::query!(
        r#"select user_id as "user_id: UserId", device from sync_devices
           where due_at <= $1 and (lease_until is null or lease_until <= $1) order by due_at limit $2"#,
        now,
        limit,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(rows.into_iter().map(|row| Device { user: row.user_id, name: row.device }).collect())
}
