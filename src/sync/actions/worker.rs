//! The worker of a device's operations, under a lease. The request that sent them runs them; after its end, the next
//! node that checks. Redis is not used. The statements on leases are in `sync/sql/lease.rs`.

use std::sync::Arc;

use chrono::TimeDelta;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::run::{self, Ended};
use crate::app::App;
use crate::problem::Problem;
use crate::sync::Device;
use crate::sync::queue::{BlockedBy, BlockedReason, QueueScan};
use crate::sync::sql::{self, Lease, Released, Round};
use crate::tenancy::{PlatformScope, TenancyContext};

/// The most devices in one round.
const ROUND: i64 = 50;

/// When a device is due again after a turn. A request that runs its operations begins the next turn before.
const NEXT_TURN: TimeDelta = TimeDelta::seconds(1);

/// Runs pending operations of devices without a worker at intervals, until `stop`.
pub async fn run(app: Arc<App>, stop: CancellationToken) {
    let mut ticks = interval(app.config.sync.poll_interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let watch = async {
        loop {
            ticks.tick().await;
            if let Err(problem) = run_due_devices(&app).await {
                tracing::warn!(%problem, "pending offline operations could not be read; they are retried at the next \
                                          interval");
            }
        }
    };
    stop.run_until_cancelled(Box::pin(watch)).await;
}

/// Runs one round: the operations of every device that is due.
///
/// # Errors
/// When the database does not answer. A device whose operations fail does not delay others.
pub async fn run_due_devices(app: &App) -> Result<(), Problem> {
    let platform = PlatformScope::proven_by("devices whose operations are due", None);
    let due = app.db.read(platform, |tx| Box::pin(async move { sql::due(tx, ROUND).await })).await?;
    for device in due {
        if let Err(problem) = run_pending(app, &device).await {
            tracing::warn!(device = %device.name, %problem, "the operations of a device continue later");
        }
    }
    Ok(())
}

/// Whether this call ran the operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunOutcome {
    /// All operations that may run have run.
    Done,
    /// As many have run as in one turn; more may run now.
    TurnOver,
    /// Another worker has the lease, or has taken it over.
    ByAnother,
}

/// Runs the operations of a device that may run now, as many as in one turn (`SYNC_OPERATIONS_PER_TURN`), so that a
/// device with a long queue does not hold up others.
///
/// # Errors
/// When the database does not answer; the lease then expires.
pub async fn run_pending(app: &App, device: &Device) -> Result<RunOutcome, Problem> {
    let lease = Lease { device: device.clone(), token: Uuid::new_v4(), life: app.config.sync.lease };
    let tenancy = TenancyContext::user(device.user);
    let claim = lease.clone();
    let taken = app.db.write(tenancy, move |tx| Box::pin(async move { sql::take(tx, &claim).await })).await?;
    if taken.is_none() {
        return Ok(RunOutcome::ByAnother);
    }
    loop {
        let Some(round) = run_round(app, &lease).await? else { return Ok(RunOutcome::ByAnother) };
        let (lease, is_partial) = (lease.clone(), round.is_partial);
        let released = app.db.write(tenancy, move |tx| Box::pin(async move { sql::release(tx, &lease, &round).await }));
        match released.await? {
            Released::Done if is_partial => return Ok(RunOutcome::TurnOver),
            Released::Done => return Ok(RunOutcome::Done),
            Released::Lost => return Ok(RunOutcome::ByAnother),
            Released::More => {}
        }
    }
}

/// Goes through the unfinished operations, and runs those that may run, until the turn is over. `None`: the lease is
/// lost.
async fn run_round(app: &App, lease: &Lease) -> Result<Option<Round>, Problem> {
    let device = lease.device.clone();
    let tenancy = TenancyContext::user(device.user);
    let sql::Open { next_seq, paused_until, entries } =
        app.db.read(tenancy, move |tx| Box::pin(async move { sql::open(tx, &device).await })).await?;
    let mut scan = QueueScan::new(next_seq, paused_until);
    let looked_at = Vec::with_capacity(entries.len());
    let mut round = Round { next_seq, looked_at, due_at: None, paused_until: None, is_partial: false };
    let (mut failed, mut tried) = (false, 0);
    for entry in &entries {
        round.looked_at.push(entry.seq);
        if let Err(waits_for) = scan.may_run(entry, app.clock.now()) {
            if waits_for.is_retry_of(entry) {
                round.due_at = round.due_at.into_iter().chain(scan.tried_at(entry)).min();
            }
            scan.record_unfinished(entry, waits_for);
            continue;
        }
        if tried == app.config.sync.operations_per_turn {
            round.is_partial = true;
            let next = app.clock.now() + NEXT_TURN;
            round.due_at = Some(round.due_at.map_or(next, |due| due.min(next)));
            break;
        }
        tried += 1;
        // An operation draws from the rate limits like the same request over HTTP; so does each retry.
        let network = entry.network();
        let allowance = app.limits.draw_for_action(lease.device.user, network).await;
        if !allowance.pause.is_zero() {
            scan.pause(app.clock.now() + allowance.pause);
        }
        if !allowance.is_granted {
            round.due_at = round.due_at.into_iter().chain(scan.tried_at(entry)).min();
            scan.record_unfinished(entry, BlockedBy::itself(entry, BlockedReason::Retrying));
            continue;
        }
        match run::run(app, lease, entry.seq, network).await? {
            Ended::Finished => {}
            Ended::LeaseLost => return Ok(None),
            Ended::Dead => scan.record_unfinished(entry, BlockedBy::itself(entry, BlockedReason::Dead)),
            Ended::Failed => {
                failed = true;
                scan.record_unfinished(entry, BlockedBy::itself(entry, BlockedReason::Retrying));
            }
        }
    }
    if failed {
        let soon = app.clock.now() + app.config.sync.retry_after;
        round.due_at = Some(round.due_at.map_or(soon, |due| due.min(soon)));
    }
    round.paused_until = scan.paused_until(app.clock.now());
    round.due_at = round.due_at.max(round.paused_until.filter(|_| round.due_at.is_some()));
    Ok(Some(round))
}
