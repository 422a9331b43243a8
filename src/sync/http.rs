//! The route `POST /api/orders/sync`, which takes batches of offline operations.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State as Shared;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use tokio::time::{Instant, sleep, timeout_at};
use tracing::Instrument as _;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::actions::runs::Start;
use super::actions::store::{self, IntakeOutcome, Sent};
use super::actions::worker::{self, RunOutcome};
use super::queue::{BlockedBy, BlockedReason, QueueScan};
use super::sql::{self, OperationProgress};
use super::{Device, OperationState, kinds};
use crate::accounts::attempt_limits::Counter;
use crate::accounts::caller::SignedIn;
use crate::admission::{Admitted, Priority};
use crate::app::App;
use crate::bounded;
use crate::client::{Client, Sender};
use crate::extract::BodyWithBytes;
use crate::idempotency::{IdempotencyKey, IdempotentResponse};
use crate::ids::UserId;
use crate::network::Network;
use crate::permission::Operation;
use crate::problem::{Code, Problem, ProblemBody};
use crate::stored_responses::ResponseStore;
use crate::tenancy::TenancyContext;
use crate::text::SingleLine;
use crate::timestamp::Timestamp;

pub mod devices;

/// How long a request waits for another worker of its device.
const PATIENCE: Duration = Duration::from_secs(5);
/// The time between two checks whether another node has finished with the device.
const PAUSE: Duration = Duration::from_millis(250);

/// The routes of this feature.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(sync_operations)).merge(devices::routes())
}

/// The operations of a device that was offline.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SyncBatch {
    /// An id that the device generates once and keeps together with its `seq`.
    #[schema(inline)]
    device_id: SingleLine<64>,
    /// The operations, at most `SYNC_MAX_OPS`.
    #[serde(deserialize_with = "bounded::list::<_, _, 1000>")]
    ops: Vec<SyncOperation>,
}

/// One operation of a device.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SyncOperation {
    /// The number of the operation on its device: 1, 2, 3, … without gaps.
    #[schema(minimum = 1)]
    seq: i64,
    /// An id that the device generates, such as a random UUID.
    #[schema(inline)]
    op_id: SingleLine<64>,
    /// When it was done, by the clock of the device.
    at: Timestamp,
    /// `order.place`, `order.status` and `stock.change` are done in order; for `cart.line` and `profile.fields` the
    /// latest write wins.
    #[schema(inline, example = "order.place")]
    kind: SingleLine<40>,
    /// The content, by `kind`; see docs/sync.md.
    #[schema(value_type = kinds::Payload)]
    payload: serde_json::Value,
}

/// The outcome of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = OfflineOperationOutcome)]
enum OperationOutcome {
    /// Applied with this batch.
    Applied,
    /// It was finished before this batch arrived; `first` is the first outcome.
    Duplicate,
    /// It cannot be performed; `problem` says why. It is finished.
    Rejected,
    /// It is stored and waits for `waitsFor`.
    Blocked,
}

/// The result of one operation.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = OfflineOperationResult)]
struct OperationResult {
    /// The `seq` of the operation.
    seq: i64,
    /// The `opId` of the operation.
    op_id: String,
    /// The outcome of the operation.
    outcome: OperationOutcome,
    /// For a duplicate: the first outcome; absent if it is no longer stored (`SYNC_RETENTION`).
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<OperationOutcome>,
    /// The result, by `kind`. `order.place` and `order.status`: the order. `stock.change`: always `{"counted": true}`,
    /// the change was applied. `cart.line` and `profile.fields`: `{"holds": true}` if the stored values are those of
    /// the operation, `{"holds": false}` if a later write of the line or of a field is kept instead. Repeated byte for
    /// byte.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    result: Option<Box<RawValue>>,
    /// Why it cannot be performed. Repeated byte for byte.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ProblemBody>)]
    problem: Option<Box<RawValue>>,
    /// What it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    waits_for: Option<BlockedBy>,
    /// True: the operation is finished, and its `result` or `problem` is left out, because the results of this response
    /// exceed `BATCH_MAX_RESULT_BYTES` or the batch named the operation before. Send the operation again in another
    /// batch to get it. Absent otherwise.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_omitted: bool,
}

/// One result for each operation, in the order in which they were sent.
#[derive(Serialize, ToSchema)]
#[schema(as = SyncResult)]
struct BatchResult {
    data: Vec<OperationResult>,
}

/// Synchronise offline operations
///
/// Each operation takes effect once, even if it is sent repeatedly or in other batches: repeat the batch, or any part
/// of it, until every operation is `applied`, `duplicate` or `rejected`. A blocked operation is stored and runs as soon
/// as it can. A response without blocked operations is stored under the Idempotency-Key. It carries at most
/// `BATCH_MAX_RESULT_BYTES` of results; of further operations it has the outcome and `isOmitted`.
#[utoipa::path(post, path = "/api/orders/sync", tag = "orders", security(("token" = [])),
    params(("Idempotency-Key" = String, Header, description = "A new random key for each batch; repeat the request \
                                                               with the same key")),
    request_body = SyncBatch,
    responses(
        (status = 200, description = "The result of each operation", body = BatchResult),
        (status = 409, description = "Too many pending operations, or too many devices",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "The batch is not valid; nothing was stored",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn sync_operations(
    Shared(app): Shared<Arc<App>>,
    SignedIn(caller): SignedIn,
    client: Client,
    key: IdempotencyKey,
    body: BodyWithBytes<SyncBatch>,
) -> Result<IdempotentResponse, Problem> {
    let claim = key.require(caller.user, Operation::SyncOperations, &body.bytes)?;
    let bytes = body.bytes.len();
    let (device, sent) = read(&app, &caller, body.value)?;
    let (tenancy, session, bounds) = (TenancyContext::user(caller.user), caller.session, app.config.sync);
    let of_network = Counter::sync_devices_from(&app, client);
    let (stored_claim, stored_device, stored_sent) = (claim.clone(), device.clone(), sent.clone());
    let sender = Sender { user: Some(caller.user), network: client.network() };
    // A slot for the queries of the request itself; none is held while the request waits for a worker.
    let slot = enter(&app, sender).await?;
    let met = app.db.write(tenancy, move |tx| {
        Box::pin(async move {
            if let Some(answer) = stored_claim.stored_response(tx).await? {
                return Ok(Err(answer));
            }
            store::store(tx, &stored_device, session, &stored_sent, of_network, bounds).await.map(Ok)
        })
    });
    let met = match met.await? {
        Ok(met) => met,
        Err(answer) => return Ok(answer),
    };
    drop(slot);
    if met.contains(&IntakeOutcome::Open) {
        work(&app, &device, sender.network).await;
    }
    let _slot = enter(&app, sender).await?;
    let queried = device.clone();
    let seqs: Vec<_> = sent.iter().map(|one| one.seq).collect();
    let limit = app.config.http.batch_max_result_bytes;
    let (progress, open) = app
        .db
        .read(tenancy, move |tx| {
            Box::pin(async move {
                let progress = sql::progress(tx, &queried, &seqs, limit).await?;
                let open = sql::open(tx, &queried).await?;
                Ok((progress, open))
            })
        })
        .await?;
    let waits = waits(&open, app.clock.now());
    let data = compose(&sent, &met, &progress, &waits)?;
    let fresh = met.iter().filter(|met| **met == IntakeOutcome::Open).count();
    let results: usize = progress.iter().filter_map(|row| row.result.as_ref()).map(|result| result.0.get().len()).sum();
    if fresh > 0 && app.stored_responses.note(caller.user, ResponseStore::Operations, fresh, bytes + results) {
        app.jobs.spawn(delete_surplus(Arc::clone(&app), caller.user).in_current_span());
    }
    let settled = data.iter().all(|one| one.outcome != OperationOutcome::Blocked);
    let answer = IdempotentResponse::fresh(StatusCode::OK, &BatchResult { data })?;
    if !settled {
        return Ok(answer);
    }
    app.db
        .write(tenancy, move |tx| {
            Box::pin(async move {
                if let Some(first) = claim.claim(tx).await? {
                    return Ok(first);
                }
                claim.store(tx, &answer).await?;
                Ok(answer)
            })
        })
        .await
}

/// A slot of admission control; refused while the server is overloaded. Operations that were stored before remain
/// stored.
async fn enter(app: &App, sender: Sender) -> Result<Admitted, Problem> {
    app.admission.enter_for(sender, Priority::Normal).await.map_err(|_| Problem::busy(2))
}

/// Deletes the user's oldest results beyond the limit.
async fn delete_surplus(app: Arc<App>, user: UserId) {
    let limit = app.stored_responses.limit;
    let deleted =
        app.db.write(TenancyContext::user(user), move |tx| Box::pin(sql::devices::delete_surplus(tx, user, limit)));
    if let Err(problem) = deleted.await {
        tracing::warn!(%problem, "surplus results were not deleted; it is tried again with the next results");
    }
}

fn read(app: &App, caller: &crate::accounts::Caller, batch: SyncBatch) -> Result<(Device, Vec<Sent>), Problem> {
    let max = app.config.sync.max_ops;
    if !(1..=max).contains(&batch.ops.len()) {
        return Err(Problem::invalid_field("/ops", format!("must be 1 to {max}")));
    }
    if let Some(at) = batch.ops.iter().position(|one| one.seq < 1) {
        return Err(Problem::invalid_field(format!("/ops/{at}/seq"), "must be at least 1"));
    }
    let sent = |one: SyncOperation| Sent {
        seq: one.seq,
        op_id: one.op_id.into_string(),
        at: one.at.utc(),
        kind: one.kind.into_string(),
        payload: one.payload,
    };
    let device = Device { user: caller.user, name: batch.device_id.into_string() };
    Ok((device, batch.ops.into_iter().map(sent).collect()))
}

/// Runs the device's operations in a task that continues if the client disconnects. If another task is running them,
/// waits for it, [`PATIENCE`] at most. Operations that are not finished by then are stored, and the response says that
/// they wait.
async fn work(app: &Arc<App>, device: &Device, network: Network) {
    let end = Instant::now() + PATIENCE;
    let mut has_waited = false;
    loop {
        let run = match app.device_runs.start(device) {
            Start::Own(run) => run,
            Start::Another(mut ended) => {
                let is_over = timeout_at(end, ended.changed()).await.is_ok();
                // The first run that it waited for may have begun before these operations were stored; the second has
                // not.
                if !is_over || has_waited {
                    return;
                }
                has_waited = true;
                continue;
            }
        };
        let (worker, phone) = (Arc::clone(app), device.clone());
        let task = async move {
            let mut permit = timeout_at(end, run.permit(network)).await.ok().flatten()?;
            let mut outcome = worker::run_pending(&worker, &phone).await;
            // Each turn waits behind the devices that wait already.
            while matches!(outcome, Ok(RunOutcome::TurnOver)) {
                drop(permit);
                permit = run.permit(network).await?;
                outcome = worker::run_pending(&worker, &phone).await;
            }
            drop(run);
            Some(outcome)
        };
        match app.jobs.spawn(task.in_current_span()).await {
            Ok(Some(Ok(RunOutcome::ByAnother))) if Instant::now() < end => sleep(PAUSE).await,
            Ok(Some(Ok(_))) => return,
            Ok(None) => {
                return tracing::info!(
                    "a sync batch was stored and runs later, because other devices are served first"
                );
            }
            Ok(Some(Err(problem))) => {
                return tracing::warn!(%problem, "a sync batch was stored but could not be run; it is retried");
            }
            Err(panic) => {
                return tracing::error!(%panic, "the task that runs a sync batch panicked; the batch is retried");
            }
        }
    }
}

/// What each unfinished operation waits for.
fn waits(open: &sql::Open, now: DateTime<Utc>) -> BTreeMap<i64, BlockedBy> {
    let mut scan = QueueScan::new(open.next_seq, open.paused_until);
    let mut waits = BTreeMap::new();
    for entry in &open.entries {
        let waits_for =
            scan.may_run(entry, now).err().unwrap_or_else(|| BlockedBy::itself(entry, BlockedReason::Running));
        scan.record_unfinished(entry, waits_for.clone());
        waits.insert(entry.seq, waits_for);
    }
    waits
}

fn compose(
    sent: &[Sent],
    met: &[IntakeOutcome],
    progress: &[OperationProgress],
    waits: &BTreeMap<i64, BlockedBy>,
) -> Result<Vec<OperationResult>, Problem> {
    let mut composed = BTreeSet::new();
    let mut answers = Vec::with_capacity(sent.len());
    for (one, met) in sent.iter().zip(met) {
        let mut answer = OperationResult {
            seq: one.seq,
            op_id: one.op_id.clone(),
            outcome: OperationOutcome::Rejected,
            first: None,
            result: None,
            problem: None,
            waits_for: None,
            is_omitted: false,
        };
        if *met == IntakeOutcome::Other {
            let detail = "This seq or opId was used for another operation before. Use the next seq and a new opId.";
            let problem = Problem::new(Code::IdempotencyKeyReused, detail).body(None);
            answer.problem = Some(to_raw_value(&problem).map_err(|error| Problem::internal(&error))?);
            answers.push(answer);
            continue;
        }
        let now = progress.iter().find(|row| row.seq == one.seq);
        if now.is_none() && *met == IntakeOutcome::Finished {
            // Finished long ago, and its result is no longer stored.
            answer.outcome = OperationOutcome::Duplicate;
            answers.push(answer);
            continue;
        }
        // The second occurrence of an operation in a batch is a duplicate, too; its result is already in the response.
        let is_first = composed.insert(one.seq);
        let is_repeated = *met == IntakeOutcome::Finished || !is_first;
        let result = now.filter(|_| is_first).and_then(|row| row.result.as_ref()).map(|result| result.0.clone());
        let outcome = match now.map(|row| row.state) {
            Some(OperationState::Applied) => OperationOutcome::Applied,
            Some(OperationState::Rejected) => OperationOutcome::Rejected,
            _ => OperationOutcome::Blocked,
        };
        match outcome {
            OperationOutcome::Applied => answer.result = result,
            OperationOutcome::Rejected => answer.problem = result,
            _ => answer.waits_for = waits.get(&one.seq).cloned(),
        }
        answer.is_omitted = outcome != OperationOutcome::Blocked && answer.result.is_none() && answer.problem.is_none();
        let duplicate = is_repeated && outcome != OperationOutcome::Blocked;
        answer.first = duplicate.then_some(outcome);
        answer.outcome = if duplicate { OperationOutcome::Duplicate } else { outcome };
        answers.push(answer);
    }
    Ok(answers)
}
