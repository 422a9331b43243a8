//! Retention: one rule for each table that grows with use, with how long its rows are kept and the statement that
//! deletes them, in small batches, oldest first.
//!
//! Rows of other tables are kept as long as the rows that they belong to; `tests/it/retention.rs` compares both lists
//! with the schema.

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
type Forget = for<'t> fn(&'t mut Tx, DateTime<Utc>, i64) -> Steps<'t, u64>;

/// How long the rows of a table are kept.
pub struct RetentionRule {
    /// The name of the table.
    pub table: &'static str,
    /// How long rows are kept after they ended.
    pub kept: fn(&Retention) -> Duration,
    forget: Forget,
}

/// A day, so that problems can still be investigated.
const A_DAY: fn(&Retention) -> Duration = |_| Duration::from_hours(24);

/// Every table whose rows are deleted by age.
pub const RULES: [RetentionRule; 11] = [
    RetentionRule {
        table: "idempotency_keys",
        kept: |kept| kept.idempotency_keys,
        forget: |tx, before, most| Box::pin(idempotency::forget(tx, before, most)),
    },
    RetentionRule {
        table: "sync_operations",
        kept: |kept| kept.sync_operations,
        forget: |tx, before, most| Box::pin(sync::sql::devices::forget_operations(tx, before, most)),
    },
    RetentionRule {
        table: "sync_devices",
        kept: |kept| kept.sync_devices,
        forget: |tx, before, most| Box::pin(sync::sql::devices::forget_devices(tx, before, most)),
    },
    RetentionRule {
        table: "sessions",
        kept: |kept| kept.sessions,
        forget: |tx, before, most| Box::pin(accounts::sql::sessions::forget(tx, before, most)),
    },
    RetentionRule {
        table: "notifications",
        kept: |kept| kept.notifications,
        forget: |tx, before, most| Box::pin(outbox::sql::forget(tx, before, most)),
    },
    RetentionRule {
        table: "quotes",
        kept: |_| Duration::from_hours(1),
        forget: |tx, before, most| Box::pin(orders::sql::quotes::forget(tx, before, most)),
    },
    // `orders/limits.rs` counts a network's orders of the last hour.
    RetentionRule {
        table: "order_networks",
        kept: |_| orders::limits::RECENT,
        forget: |tx, before, most| Box::pin(orders::sql::limits::forget_networks(tx, before, most)),
    },
    // The carts of a guest are deleted with the guest.
    RetentionRule {
        table: "guests",
        kept: |_| Duration::ZERO,
        forget: |tx, before, most| Box::pin(guests::sql::forget(tx, before, most)),
    },
    RetentionRule {
        table: "attempt_limits",
        kept: A_DAY,
        forget: |tx, before, most| Box::pin(accounts::sql::retention::forget_attempt_limits(tx, before, most)),
    },
    RetentionRule {
        table: "password_resets",
        kept: A_DAY,
        forget: |tx, before, most| Box::pin(accounts::sql::retention::forget_resets(tx, before, most)),
    },
    RetentionRule {
        table: "login_challenges",
        kept: A_DAY,
        forget: |tx, before, most| Box::pin(accounts::sql::retention::forget_challenges(tx, before, most)),
    },
];

/// The time from the start to the first round: short, so that a server that is restarted more often than the interval
/// deletes rows too, and long enough for the first requests to be served.
pub fn first_round(every: Duration) -> Duration {
    every.min(Duration::from_mins(1))
}

/// Deletes expired rows at intervals until `stop`.
pub async fn keep_clearing(app: Arc<App>, stop: CancellationToken) {
    let every = app.config.retention.interval;
    let mut moments = interval_at(Instant::now() + first_round(every), every);
    moments.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let clearing = async {
        loop {
            moments.tick().await;
            for rule in &RULES {
                if let Err(problem) = clear(&app, rule).await {
                    tracing::warn!(table = rule.table, %problem, "expired rows were not deleted; they are retried at \
                                                                  the next interval");
                }
            }
        }
    };
    stop.run_until_cancelled(clearing).await;
}

/// Deletes expired rows of one table, up to the limits of a round; returns how many. Does nothing while another node
/// does the same.
///
/// # Errors
/// When the database does not answer.
pub async fn clear(app: &App, rule: &RetentionRule) -> Result<u64, Problem> {
    let kept = TimeDelta::from_std((rule.kept)(&app.config.retention)).unwrap_or(TimeDelta::days(36_500));
    let (platform, forget) = (PlatformScope::proven_by("rows that are not kept any longer", None), rule.forget);
    let mut removed = 0;
    for _ in 0..BATCHES {
        let batch = app.db.write(platform, move |tx| {
            Box::pin(async move {
                let before = tx.now() - kept;
                if tx.try_lock(LOCK).await? { forget(tx, before, BATCH).await } else { Ok(0) }
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
