//! What is not kept for ever: one row for each table that grows by being used, with how long its rows are kept and the
//! statement that removes them, in small batches, the oldest first.
//!
//! Tables that are not here are kept as long as what they belong to; `tests/it/retention.rs` holds the list of both against
//! the schema.

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

/// Rows that are removed in one transaction.
pub const BATCH: i64 = 500;
/// Batches of one table before the others have their turn.
const BATCHES: usize = 40;
/// The lock of PostgreSQL that one node holds while it removes a batch.
const LOCK: i64 = 0x636f_6d61_6e64_6101;

/// Removes up to so many rows that ended before an instant, the oldest first; tells how many.
type Forget = for<'t> fn(&'t mut Tx, DateTime<Utc>, i64) -> Steps<'t, u64>;

/// How long the rows of a table are kept.
pub struct RetentionRule {
    /// The name of the table.
    pub table: &'static str,
    /// How long after they ended.
    pub kept: fn(&Retention) -> Duration,
    forget: Forget,
}

/// After the end of what they belong to, for as long as somebody may look for a fault.
const A_DAY: fn(&Retention) -> Duration = |_| Duration::from_hours(24);

/// Every table whose rows are removed by age.
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
    // Orders within an hour are counted for each network (`orders/limits.rs`).
    RetentionRule {
        table: "order_networks",
        kept: |_| orders::limits::RECENT,
        forget: |tx, before, most| Box::pin(orders::sql::limits::forget_networks(tx, before, most)),
    },
    // Their carts are theirs until they expire, and nobody's afterwards.
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

/// When the first round begins, counted from the start: soon, so that a server that is started again more often than its
/// interval removes something too; and not before it has served its first requests.
pub fn first_round(every: Duration) -> Duration {
    every.min(Duration::from_mins(1))
}

/// Removes what is old again and again, until it is time to stop.
pub async fn keep_clearing(app: Arc<App>, stop: CancellationToken) {
    let every = app.config.retention.interval;
    let mut moments = interval_at(Instant::now() + first_round(every), every);
    moments.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let clearing = async {
        loop {
            moments.tick().await;
            for rule in &RULES {
                if let Err(problem) = clear(&app, rule).await {
                    tracing::warn!(table = rule.table, %problem, "expired rows were not deleted; they are retried at the next interval");
                }
            }
        }
    };
    stop.run_until_cancelled(clearing).await;
}

/// Removes what is old of one table, as far as one round goes; tells how many rows. Nothing, while another node is at it.
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
