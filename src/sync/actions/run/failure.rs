//! Stores that an operation was rejected, or failed and is tried again.

use std::time::Duration;

use serde_json::value::to_raw_value;

use super::Ended;
use crate::app::App;
use crate::problem::{Code, Problem};
use crate::sync::OperationState;
use crate::sync::sql::{self, Lease};
use crate::tenancy::TenancyContext;

/// Problems larger than this, in bytes, are stored without further members: a batch of a few kilobytes could be refused
/// with hundreds of whole orders in `current`, which the client can get.
const MAX_STORED_PROBLEM: usize = 16 << 10;

/// Stores the problem of an operation that cannot be performed as its result.
pub(super) async fn reject(app: &App, lease: &Lease, seq: i64, problem: Problem) -> Result<Ended, Problem> {
    let whole = to_raw_value(&problem.body(None)).map_err(|error| Problem::internal(&error))?;
    let body = if whole.get().len() <= MAX_STORED_PROBLEM {
        whole
    } else {
        to_raw_value(&problem.without_facts().body(None)).map_err(|error| Problem::internal(&error))?
    };
    let lease = lease.clone();
    app.db
        .write(TenancyContext::user(lease.device.user), move |tx| {
            Box::pin(async move {
                if !sql::hold(tx, &lease).await? {
                    return Ok(Ended::LeaseLost);
                }
                sql::finish(tx, &lease.device, seq, OperationState::Rejected, body, None).await?;
                Ok(Ended::Finished)
            })
        })
        .await
}

/// The longest wait before a retry.
const MAX_PAUSE: Duration = Duration::from_mins(1);

/// Stores a temporary failure: an internal error or a limit. Only internal errors count as attempts; an unavailable or
/// busy database and limits do not.
pub(super) async fn fail(
    app: &App,
    lease: &Lease,
    seq: i64,
    attempts: i32,
    problem: Problem,
) -> Result<Ended, Problem> {
    let bounds = app.config.sync;
    let counted = problem.code() == Code::Internal;
    let dead = counted && attempts + 1 >= bounds.attempts;
    let doublings = u32::try_from(attempts).unwrap_or_default().min(6);
    let pause = (bounds.retry_after * 2_u32.pow(doublings)).min(MAX_PAUSE);
    let pause = problem.retry_after_seconds().map_or(pause, |seconds| pause.max(Duration::from_secs(seconds.into())));
    let state = if dead { OperationState::Dead } else { OperationState::Pending };
    if dead {
        tracing::error!(device = %lease.device.name, seq, "an offline operation was abandoned: see `comanda sync \
                                                           list`");
    }
    let lease = lease.clone();
    app.db
        .write(TenancyContext::user(lease.device.user), move |tx| {
            Box::pin(async move {
                if !sql::hold(tx, &lease).await? {
                    return Ok(Ended::LeaseLost);
                }
                let retry_at = tx.now() + pause;
                sql::fail(tx, &lease.device, seq, state, counted, retry_at, &problem.to_string()).await?;
                Ok(if dead { Ended::Dead } else { Ended::Failed })
            })
        })
        .await
}
