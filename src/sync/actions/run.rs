//! Runs one operation, as its user and with the user's current permissions, in one transaction with its result. A
//! status update may come late: see `run/order_status.rs`. An operation that was sent before does not get here:
//! `store.rs` recognises it.

use serde::Serialize;
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};

use crate::accounts::Caller;
use crate::accounts::actions::profile;
use crate::accounts::profile::ProfileWrites;
use crate::accounts::sql::sessions;
use crate::app::App;
use crate::cart::CartOwner;
use crate::cart::actions::lines;
use crate::cart::sql::RequestedLine;
use crate::cart::sql::lines::LineWrite;
use crate::coupons::actions::attempt_limits;
use crate::menu;
use crate::menu::stock::StockChange;
use crate::network::Network;
use crate::orders::actions::place;
use crate::orders::limits::{Buyer, NetworkKey};
use crate::orders::request::{LineInput, OrderRequest};
use crate::permission::Operation;
use crate::problem::{Code, Problem};
use crate::restaurants::access;
use crate::sync::kinds::{self, OfflineCartLine, OfflineOrder, OfflineStockChange, ParsedOperation, ProfileFields};
use crate::sync::sql::{self, Lease, StoredOperation};
use crate::sync::{Device, OperationState};
use crate::tenancy::{RestaurantScope, TenancyContext};
use crate::timestamp::Timestamp;
use crate::uow::{Steps, Tx};

mod failure;
mod order_status;

use failure::{fail, reject};

/// The end of running an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It is finished: applied or rejected.
    Finished,
    /// It failed temporarily; the time of the retry is stored.
    Failed,
    /// It failed too often and is abandoned.
    Dead,
    /// Another worker has the lease of the device now.
    LeaseLost,
}

/// The effect of an operation.
struct Effect {
    result: Box<RawValue>,
    /// The order that it placed, which later operations refer to.
    aggregate: Option<String>,
}

fn effect(result: &impl Serialize) -> Result<Effect, Problem> {
    let result = to_raw_value(result).map_err(|error| Problem::internal(&error))?;
    Ok(Effect { result, aggregate: None })
}

/// Runs the operation and stores its result. `network` is where its session was last seen.
///
/// # Errors
/// When the result cannot be stored: the lease expires, and another worker retries.
pub async fn run(app: &App, lease: &Lease, seq: i64, network: Network) -> Result<Ended, Problem> {
    let device = lease.device.clone();
    let tenancy = TenancyContext::user(device.user);
    let found = app.db.read(tenancy, move |tx| Box::pin(async move { sql::pending(tx, &device, seq).await })).await?;
    let Some(operation) = found else { return Ok(Ended::Finished) };
    let attempts = operation.attempts;
    match perform(app, lease, operation, network).await {
        Ok(true) => Ok(Ended::Finished),
        Ok(false) => Ok(Ended::LeaseLost),
        // A temporary refusal does not concern the operation itself, so it is retried later.
        Err(problem) if problem.code().status().is_client_error() && problem.retry_after_seconds().is_none() => {
            reject(app, lease, seq, problem).await
        }
        Err(problem) => fail(app, lease, seq, attempts, problem).await,
    }
}

/// Performs the operation; `false`: the lease is lost.
async fn perform(app: &App, lease: &Lease, operation: StoredOperation, network: Network) -> Result<bool, Problem> {
    trusted(&operation)?;
    let caller = caller(app, &lease.device, &operation).await?;
    let running = OperationRun { app, lease, seq: operation.seq, network };
    match kinds::parse(&operation.kind, operation.payload.0.get(), app.config.orders.max_choices)? {
        ParsedOperation::PlaceOrder(offline) => running.place(&caller, *offline).await,
        ParsedOperation::OrderStatus(payload) => running.advance(&caller, payload, &operation).await,
        ParsedOperation::Stock(payload) => running.change_stock(&caller, payload).await,
        ParsedOperation::CartLine(line) => running.write_line(&caller, line, &operation).await,
        ParsedOperation::Profile(fields) => running.write_profile(&caller, fields, &operation).await,
    }
}

/// Refuses an operation whose session was revoked after it arrived, because somebody else may have sent it.
fn trusted(operation: &StoredOperation) -> Result<(), Problem> {
    let detail = "The session that sent the operation was ended before it ran. If it is still wanted, send it again as \
                  a new operation: with the next seq and a new opId.";
    if operation.is_trusted { Ok(()) } else { Err(Problem::new(Code::Forbidden, detail)) }
}

/// The caller with the user's current rights: permissions are checked when the operation runs, not when it was sent.
async fn caller(app: &App, device: &Device, operation: &StoredOperation) -> Result<Caller, Problem> {
    let (user, session) = (device.user, operation.session_id);
    let found = app.db.read(TenancyContext::user(user), move |tx| {
        Box::pin(async move { sessions::current_caller(tx, user, session).await })
    });
    let caller = found.await?.ok_or_else(|| Problem::new(Code::Forbidden, "The account is disabled."))?;
    let caller = caller.with_configuration(&app.config.accounts);
    caller.unlocked()?;
    Ok(caller)
}

/// One operation, and the lease under which it runs.
struct OperationRun<'a> {
    app: &'a App,
    lease: &'a Lease,
    seq: i64,
    network: Network,
}

impl OperationRun<'_> {
    /// The transaction: checks the lease and that the operation is pending, runs the effect and stores the result.
    async fn commit<F>(&self, tenancy: impl Into<TenancyContext>, steps: F) -> Result<bool, Problem>
    where
        F: for<'t> FnOnce(&'t mut Tx) -> Steps<'t, Effect> + Send + 'static,
    {
        let (lease, seq) = (self.lease.clone(), self.seq);
        self.app
            .db
            .write(tenancy, move |tx| {
                Box::pin(async move {
                    if !sql::hold(tx, &lease).await? {
                        return Ok(false);
                    }
                    let Some(operation) = sql::pending(tx, &lease.device, seq).await? else { return Ok(true) };
                    trusted(&operation)?;
                    let Effect { result, aggregate } = steps(tx).await?;
                    sql::finish(tx, &lease.device, seq, OperationState::Applied, result, aggregate).await
                })
            })
            .await
    }

    async fn place(&self, caller: &Caller, offline: OfflineOrder) -> Result<bool, Problem> {
        let (customer, rules) = (caller.user, self.app.config.orders);
        let scope =
            RestaurantScope::customer("a customer may deal with any restaurant", offline.restaurant_id, customer);
        let lines = offline.lines.into_iter().map(LineInput::into_requested).collect();
        let request = OrderRequest {
            fulfilment: offline.fulfilment,
            address: offline.address.map(String::from),
            place: offline.place,
            table: offline.table.map(String::from),
            note: offline.note.map(String::from),
            tip: offline.tip,
            coupon: offline.coupon_code.clone(),
            scheduled_for: offline.scheduled_for.map(Timestamp::utc),
            expected_total: offline.expected_total,
        };
        request.check()?;
        let network = self.network;
        let buyer = Buyer { customer, network: NetworkKey::new(&self.app.encryption, network) };
        let work = self.commit(scope, move |tx| {
            Box::pin(async move {
                let order = place::from_lines(tx, &scope, buyer, lines, request, rules).await?;
                let effect = effect(&order)?;
                Ok(Effect { aggregate: Some(order.id.to_string()), ..effect })
            })
        });
        // An applied operation is not run again, so there is no stored response.
        let nothing = std::future::ready(Ok(None));
        attempt_limits::with_attempt_limit(self.app, customer, network, offline.coupon_code.as_ref(), nothing, work)
            .await
    }

    async fn change_stock(&self, caller: &Caller, payload: OfflineStockChange) -> Result<bool, Problem> {
        let operation = if payload.item_id.is_some() { Operation::SetStock } else { Operation::SetModifierStock };
        let access = access::relations(self.app, caller, payload.restaurant_id).await?;
        let scope = access.scope(operation)?;
        let change = match (payload.stock, payload.change) {
            (Some(stock), None) => {
                let stock =
                    stock.map(i32::try_from).transpose().ok().filter(|stock| stock.is_none_or(|n| n <= 1_000_000));
                StockChange::To(stock.ok_or_else(|| Problem::invalid_field("/stock", "must be between 0 and 1000000"))?)
            }
            (None, Some(change)) if change.unsigned_abs() <= 1_000_000 => StockChange::By(change),
            (None, Some(_)) => {
                return Err(Problem::invalid_field("/change", "must be between -1000000 and 1000000"));
            }
            _ => return Err(Problem::invalid_field("", "must contain exactly one of stock and change")),
        };
        self.commit(scope, move |tx| {
            Box::pin(async move {
                let counted = match (payload.item_id, payload.modifier_id) {
                    (Some(item), _) => menu::sql::stock::of_item(tx, &scope, item, change).await?,
                    (None, Some(modifier)) => menu::sql::stock::of_modifier(tx, &scope, modifier, change).await?,
                    (None, None) => return Err(Problem::not_found()),
                };
                menu::actions::stock::finish_change(tx, &scope, counted).await?;
                effect(&json!({ "counted": true }))
            })
        })
        .await
    }

    async fn write_line(
        &self,
        caller: &Caller,
        line: OfflineCartLine,
        operation: &StoredOperation,
    ) -> Result<bool, Problem> {
        let user = caller.user;
        let at = operation.counts_at.ok_or_else(|| Problem::clock_skew("/at", operation.received_at))?;
        let scope = RestaurantScope::customer("a customer may deal with any restaurant", line.restaurant_id, user);
        let requested = |item_id| RequestedLine {
            item_id,
            quantity: line.quantity.into(),
            choices: line.modifiers.clone(),
            note: line.note.clone().map(String::from),
        };
        let content = match (line.quantity, line.item_id) {
            (0, _) => None,
            (1..=99, Some(item)) => Some(requested(item)),
            (1..=99, None) => return Err(Problem::invalid_field("/itemId", "is required")),
            _ => return Err(Problem::invalid_field("/quantity", "must be between 0 and 99")),
        };
        let limits = self.app.config.orders.carts();
        let write = LineWrite { key: line.key.into_string(), at: Some(at), content };
        self.commit(scope, move |tx| {
            Box::pin(async move {
                let written = lines::write_line(tx, &scope, CartOwner::User(user), write, limits).await;
                // The payload is the line itself, so pointers are relative to it.
                let holds = written.map_err(|problem| problem.within("/lines/0"))?;
                effect(&json!({ "holds": holds }))
            })
        })
        .await
    }

    async fn write_profile(
        &self,
        caller: &Caller,
        fields: ProfileFields,
        operation: &StoredOperation,
    ) -> Result<bool, Problem> {
        let user = caller.user;
        let at = operation.counts_at.ok_or_else(|| Problem::clock_skew("/at", operation.received_at))?;
        let (name, locale) = (fields.name.map(String::from), fields.locale.map(|one| one.as_str().to_owned()));
        let writes = ProfileWrites {
            name: name.clone().map(|name| (name, Some(at))),
            phone: None,
            locale: locale.clone().map(|locale| (locale, Some(at))),
        };
        self.commit(TenancyContext::user(user), move |tx| {
            Box::pin(async move {
                let now = profile::apply(tx, user, writes).await?;
                let holds =
                    name.is_none_or(|name| name == now.name) && locale.is_none_or(|locale| locale == now.locale);
                effect(&json!({ "holds": holds }))
            })
        })
        .await
    }
}
