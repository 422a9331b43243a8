//! Changes the status of an order. A driver may have lost its delivery meanwhile (`delivery/actions/late_step.rs`). An
//! outdated `version` is a conflict: it is checked as `If-Match` is (`extract/version.rs`).

use super::{OperationRun, effect};
use crate::accounts::Caller;
use crate::actor::Actor;
use crate::delivery::actions::late_step;
use crate::extract::IfMatch;
use crate::ids::OrderId;
use crate::orders::access::OrderAccess;
use crate::orders::actions::status::{advance, parse_update};
use crate::orders::former_driver::{FormerDriver, NamedBy};
use crate::orders::status::StatusUpdate;
use crate::permission::Operation;
use crate::problem::{Code, Problem};
use crate::sync::OperationState;
use crate::sync::kinds::OfflineStatusUpdate;
use crate::sync::sql::{self, StoredOperation};
use crate::tenancy::TenancyContext;

impl OperationRun<'_> {
    /// Changes the status of an order.
    pub(super) async fn advance(
        &self,
        caller: &Caller,
        payload: OfflineStatusUpdate,
        operation: &StoredOperation,
    ) -> Result<bool, Problem> {
        let id = match (payload.order_id, payload.order_op) {
            (Some(id), _) => id,
            (None, Some(op_id)) => self.placed_by(op_id.into_string()).await?,
            (None, None) => return Err(Problem::not_found()),
        };
        let if_match = IfMatch(payload.version);
        let update = parse_update(payload.status, payload.reason, payload.return_stock)?;
        let done = self.advance_as_now_permitted(caller, id, if_match, update.clone()).await;
        let Err(refused) = done else { return done };
        if refused.code() != Code::NotFound {
            return Err(refused);
        }
        // A driver may have lost the delivery since, or the order may be closed.
        let former = FormerDriver::find(self.app, caller, NamedBy::Order(id)).await?.ok_or(refused)?;
        let (scope, at) = (former.scope, operation.counts_at.map(|at| at.min(operation.received_at)));
        let done = self.commit(scope, move |tx| {
            Box::pin(async move {
                let order = late_step::take(tx, &scope, id, if_match, update, at).await?;
                effect(&order.without_customer_details())
            })
        });
        done.await.map_err(|problem| conflict_of_operation(problem, false))
    }

    /// Changes the status with the permissions that the user has now.
    async fn advance_as_now_permitted(
        &self,
        caller: &Caller,
        id: OrderId,
        if_match: IfMatch,
        update: StatusUpdate,
    ) -> Result<bool, Problem> {
        let scope = OrderAccess::of(self.app, caller, id, Operation::UpdateOrderStatus).await?.scope;
        // The stored result is repeated whenever the device sends the operation again: also after a driver has
        // delivered the order, or after a member has left the restaurant. So only the customer's own result contains
        // the customer's details.
        let is_customer = scope.actor() == Actor::Customer;
        let done = self.commit(scope, move |tx| {
            Box::pin(async move {
                let order = advance(tx, &scope, id, if_match, update).await?;
                effect(&if is_customer { order } else { order.without_customer_details() })
            })
        });
        done.await.map_err(|problem| conflict_of_operation(problem, is_customer))
    }

    /// The order that an earlier operation placed.
    async fn placed_by(&self, op_id: String) -> Result<OrderId, Problem> {
        let (device, name) = (self.lease.device.clone(), op_id.clone());
        let tenancy = TenancyContext::user(device.user);
        let base = self
            .app
            .db
            .read(tenancy, move |tx| Box::pin(async move { sql::referenced(tx, &device, &name).await }))
            .await?;
        let base = base.filter(|base| base.seq < self.seq).ok_or_else(|| {
            Problem::invalid_field("/orderOp", "must be the opId of an earlier operation of this device")
        })?;
        let refused = || {
            let detail = "The operation that places the order was rejected.";
            Problem::new(Code::DependencyRejected, detail).with("opId", &op_id).with("seq", base.seq)
        };
        let placed = base.aggregate.as_deref().filter(|_| base.state == OperationState::Applied);
        placed.and_then(|id| id.parse().ok()).ok_or_else(refused)
    }
}

/// A version conflict with the detail for an operation, whose stored result is returned again for the same `opId`. The
/// current order is only for the customer: the result may be repeated to a user who may not see the order any more.
fn conflict_of_operation(problem: Problem, is_customer: bool) -> Problem {
    if problem.code() != Code::VersionConflict {
        return problem;
    }
    let detail = "Get the order. If the change is still wanted, send it as a new operation, with a new opId and the \
                  current version.";
    let problem = problem.with_detail(detail);
    if is_customer { problem } else { problem.without_facts() }
}
