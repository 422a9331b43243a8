//! Pricing a draft at current prices.

use crate::orders::availability::OrderRefusal;
use crate::orders::context::OrderContext;
use crate::orders::facts::OrderFacts;
use crate::orders::priced_order::PricedOrder;
use crate::orders::request::OrderDraft;
use crate::problem::Problem;
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// The draft with its current price.
///
/// # Errors
/// Each reason why it cannot be ordered has its own code, and names the nearest alternative where there is one.
pub async fn price(
    tx: &mut Tx,
    scope: &RestaurantScope,
    context: &OrderContext,
    draft: OrderDraft<'_>,
) -> Result<PricedOrder, Problem> {
    let facts = OrderFacts::load(tx, scope, context, draft).await;
    let priced: Result<_, OrderRefusal> = facts.and_then(|facts| PricedOrder::of(facts, draft, None));
    match priced {
        Ok(priced) => Ok(priced),
        Err(refused) => Err(context.problem(tx, scope, refused).await),
    }
}
