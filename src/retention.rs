//! Retention: the tables whose rows are deleted after a time, each with that time and the statement that deletes them,
//! in small batches, oldest first. The times are fixed here, or set by a variable of `variables/retention.rs`.
//!
//! Rows of other tables are limited in number or kept, for example events and orders; `tests/it/retention.rs` lists
//! them with the reason, and compares both lists with the schema.
//!
//! The table of a new rule needs an index on the time and the privilege to delete. If it has row level security, it
//! also needs a policy that allows the platform (`app_platform()`) to delete: without one no row is deleted, and no
//! error is returned.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::config::Retention;
use crate::problem::Problem;
use crate::tenancy::PlatformScope;
use crate::uow::{Steps, Tx};
use crate::{accounts, guests, idempotency, orders, outbox, sync};

/// The most rows that are deleted in one transaction.
pub const BATCH: i64 = 500;
/// The most batches of one table in a round.
const BATCHES: usize = 40;
/// The advisory lock that a node holds while it deletes a batch.
const LOCK: i64 = 0x636f_6d61_6e64_6101;

/// Deletes up to a number of rows that ended before an instant, oldest first; returns how many.
type DeleteExpired = for<'t> fn(&'t mut Tx, DateTime<Utc>, i64) -> Steps<'t, u64>;

/// How long the rows of a table are kept.
pub struct RetentionRule {
    /// The name of the table.
    pub table: &'static str,
    /// How long rows are kept after they ended.
    pub keep_for: fn(&Retention) -> Duration,
    delete_expired: DeleteExpired,
}

/// A day, so that problems can still be investigated.
const A_DAY: fn(&Retention) -> Duration = |_| Duration::from_hours(24);

/// Every table whose rows are deleted by age.
pub const RULES: [RetentionRule; 11] = [
    RetentionRule {
        table: "idempotency_keys",
        keep_for: |keep_for| keep_for.idempotency_keys,
        delete_expired: |tx, before, max| Box::pin(idempotency::delete_expired(tx, before, max)),
    },
    RetentionRule {
        table: "sync_operations",
        keep_for: |keep_for| keep_for.sync_operations,
        delete_expired: |tx, before, max| Box::pin(sync::sql::devices::delete_expired_operations(tx, before, max)),
    },
    RetentionRule {
        table: "sync_devices",
        keep_for: |keep_for| keep_for.sync_devices,
        delete_expired: |tx, before, max| Box::pin(sync::sql::devices::delete_expired_devices(tx, before, max)),
    },
    RetentionRule {
        table: "sessions",
        keep_for: |keep_for| keep_for.sessions,
        delete_expired: |tx, before, max| Box::pin(accounts::sql::sessions::delete_expired(tx, before, max)),
    },
    RetentionRule {
        table: "notifications",
        keep_for: |keep_for| keep_for.notifications,
        delete_expired: |tx, before, max| Box::pin(outbox::sql::delete_expired(tx, before, max)),
    },
    RetentionRule {
        table: "quotes",
        keep_for: |_| Duration::from_hours(1),
        delete_expired: |tx, before, max| Box::pin(orders::sql::quotes::delete_expired(tx, before, max)),
    },
    // `orders/limits.rs` counts a network's orders of the last hour.
    RetentionRule {
        table: "order_networks",
        keep_for: |_| orders::limits::RECENT,
        delete_expired: |tx, before, max| Box::pin(orders::sql::limits::delete_expired_networks(tx, before, max)),
    },
    // The carts of a guest are deleted with the guest.
    RetentionRule {
        table: "guests",
        keep_for: |_| Duration::ZERO,
        delete_expired: |tx, before, max| Box::pin(guests::sql::delete_expired(tx, before, max)),
    },
    RetentionRule {
        table: "attempt_limits",
        keep_for: A_DAY,
        delete_expired: |tx, before, max| {
            Box::pin(accounts::sql::retention::delete_expired_attempt_limits(tx, before, max))
        },
    },
    RetentionRule {
        table: "password_resets",
        keep_for: A_DAY,
        delete_expired: |tx, before, max| Box::pin(accounts::sql::retention::delete_expired_resets(tx, before, max)),
    },
    RetentionRule {
        table: "login_challenges",
        keep_for: A_DAY,
        delete_expired: |tx, before, max| {
            Box::pin(accounts::sql::retention::delete_expired_challenges(tx, before, max))
        },
    },
];

/// The time from the start to the first round: short, so that a server that is restarted more often than the interval
/// deletes rows too, and long enough for the first requests to be served.
pub fn first_round(every: Duration) -> Duration {
    every.min(Duration::from_mins(1))
}

/// Deletes expired rows at intervals until `stop`.
pub async fn run(app: Arc<App>, stop: CancellationToken) {
    let every = app.config.retention.interval;
    let mut ticks = interval_at(Instant::now() + first_round(every), every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let deleting = async {
        loop {
            ticks.tick().await;
            for rule in &RULES {
                if let Err(problem) = delete_expired_rows(&app, rule).await {
                    tracing::warn!(table = rule.table, %problem, "expired rows were not deleted; they are retried at \
                                                                  the next interval");
                }
            }
        }
    };
    stop.run_until_cancelled(deleting).await;
}

/// Deletes expired rows of one table, up to the limits of a round; returns how many. Does nothing while another node
/// does the same.
///
/// # Errors
/// When the database does not answer.
pub async fn delete_expired_rows(app: &App, rule: &RetentionRule) -> Result<u64, Problem> {
    let keep_for = TimeDelta::from_std((rule.keep_for)(&app.config.retention)).unwrap_or(TimeDelta::days(36_500));
    let (platform, delete_expired) =
        (PlatformScope::proven_by("rows that are not kept any longer", None), rule.delete_expired);
    let mut removed = 0;
    for _ in 0..BATCHES {
        let batch = app.db.write(platform, move |tx| {
            Box::pin(async move {
                let before = tx.now() - keep_for;
                if tx.try_lock(LOCK).await? { delete_expired(tx, before, BATCH).await } else { Ok(0) }
            })
        });
        let rows = batch.await?;
        removed += rows;
        if rows < BATCH.unsigned_abs() {
            break;
        }
    }
    Ok(removed)
}
