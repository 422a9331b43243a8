//! Accepts a quote for an order: at the quoted prices if the quote is still valid and matches the request; otherwise
//! the problem contains the difference.

use crate::cart;
use crate::config;
use crate::ids::CartId;
use crate::orders::Totals;
use crate::orders::availability::OrderRefusal;
use crate::orders::context::OrderContext;
use crate::orders::facts::OrderFacts;
use crate::orders::priced_order::PricedOrder;
use crate::orders::quotes::{self, LineChange, StoredQuote};
use crate::orders::request::{Basket, OrderDraft, OrderRequest, QuotedOrderRequest};
use crate::problem::{Code, Problem};
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// A quote that can be ordered.
pub struct QuotedOrder {
    /// The restaurant, and the delivery address.
    pub context: OrderContext,
    /// The request, completed from the quote.
    pub request: OrderRequest,
    /// The quoted price.
    pub priced: PricedOrder,
    /// The cart that the order closes: the one the quote was made from, if it has not changed since.
    pub cart: Option<CartId>,
}

/// Checks a locked quote against the request and the restaurant's current state.
///
/// # Errors
/// `quote_used` with the order; `quote_expired` and `quote_changed` with the difference between the quote and now; and
/// each reason why an order cannot be placed.
pub async fn accept_quote(
    tx: &mut Tx,
    scope: &RestaurantScope,
    quote: &StoredQuote,
    requested: QuotedOrderRequest,
    rules: config::Orders,
) -> Result<QuotedOrder, Problem> {
    if let Some(order) = quote.order_id {
        let detail = "Get the order, or request a new quote to order the same again.";
        return Err(Problem::new(Code::QuoteUsed, detail).with("orderId", order));
    }
    let names_code = requested.coupon.is_some();
    let request = quote.content.request(requested.clone());
    let context = OrderContext::load(tx, scope, request.fulfilment, request.place, rules).await?;
    let changed_fields = quote.content.changed_fields(&requested, &context);
    request.check()?;
    let basket = quote.content.basket();
    let comparison = Comparison { context: &context, quote, request: &request, basket: &basket, names_code };
    if quote.expires_at <= tx.now() {
        let detail = "Show the customer the current price, and request a new quote.";
        let problem = Problem::new(Code::QuoteExpired, detail).with("expiredAt", quote.expires_at);
        return Err(comparison.with_differences(tx, scope, problem).await?);
    }
    if !changed_fields.is_empty() {
        let detail = "Leave out the fields named in errors, or request a quote for what is wanted.";
        let problem = Problem::new(Code::QuoteChanged, detail).with("fields", changed_fields);
        return Err(comparison.with_differences(tx, scope, problem).await?);
    }
    let cart = cart_to_close(tx, scope, quote).await?;
    let facts = match OrderFacts::load(tx, scope, &context, comparison.draft()).await {
        Ok(facts) => facts,
        Err(refused) => return Err(context.problem(tx, scope, refused).await),
    };
    let changes = quotes::changes(&quote.content.lines, &facts.lines, quote.currency)?;
    match quote.content.accept(facts, comparison.draft()) {
        Ok(priced) => Ok(QuotedOrder { context, request, priced, cart }),
        Err(OrderRefusal::Problem(problem))
            if problem.code() == Code::ItemUnavailable && changes.iter().any(LineChange::is_final) =>
        {
            let detail = "The menu has changed too much. Show the customer what is available, and request a new quote.";
            let problem = Problem::new(Code::QuoteChanged, detail).with_errors(problem.errors().to_vec());
            Err(comparison.with_differences(tx, scope, problem).await?)
        }
        Err(refused) => Err(context.problem(tx, scope, refused).await),
    }
}

/// The order closes the cart that the quote was made from, unless the cart has changed since.
async fn cart_to_close(tx: &mut Tx, scope: &RestaurantScope, quote: &StoredQuote) -> Result<Option<CartId>, Problem> {
    let Some((id, version)) = quote.cart else { return Ok(None) };
    let cart = cart::sql::lock(tx, scope, id, quote.user_id).await?.ok_or_else(Problem::not_found)?.open()?;
    Ok((cart.version == version).then_some(id))
}

/// A quote, and the same draft at current prices.
struct Comparison<'a> {
    context: &'a OrderContext,
    quote: &'a StoredQuote,
    request: &'a OrderRequest,
    basket: &'a Basket,
    /// Whether the request itself contains a coupon code, which may be a guess.
    names_code: bool,
}

impl Comparison<'_> {
    fn draft(&self) -> OrderDraft<'_> {
        OrderDraft { customer: self.quote.user_id, basket: self.basket, request: self.request }
    }

    /// Adds what was quoted, what it costs now, and the lines that changed. If it cannot be ordered now, `refusal` says
    /// why.
    async fn with_differences(
        &self,
        tx: &mut Tx,
        scope: &RestaurantScope,
        problem: Problem,
    ) -> Result<Problem, Problem> {
        let StoredQuote { content, currency, .. } = self.quote;
        let problem = problem.with("quoted", Totals::of(&content.sums()?, *currency));
        let (changes, current) = match OrderFacts::load(tx, scope, self.context, self.draft()).await {
            Ok(facts) => {
                let changes = quotes::changes(&content.lines, &facts.lines, *currency)?;
                (changes, PricedOrder::of(facts, self.draft(), None))
            }
            Err(refused) => {
                let at = self.request.scheduled_for.unwrap_or_else(|| tx.now()).max(tx.now());
                let lines: Vec<_> = content.lines.iter().map(cart::PricedLine::requested).collect();
                let lines = cart::sql::priced_now(tx, scope, &lines, self.context.zone, at).await?;
                (quotes::changes(&content.lines, &lines, *currency)?, Err(refused))
            }
        };
        let problem = problem.with("lines", changes);
        let refusal = match current {
            Ok(priced) => return Ok(problem.with("now", priced.totals(&self.context.restaurant))),
            Err(refused) => self.context.problem(tx, scope, refused).await,
        };
        // An unknown code gets its own error, so that it counts as an attempt to guess one.
        let is_code_attempt = self.names_code && refusal.code() == Code::CouponUnknown;
        if is_code_attempt || refusal.code().status().is_server_error() {
            return Err(refusal);
        }
        Ok(problem.with("now", serde_json::Value::Null).with("refusal", refusal.body(None)))
    }
}
