//! An order from a quote: what was promised, if it still holds and is what is wanted; else the difference.

use crate::orders::Totals;
use crate::orders::priced_order::{self, Doorstep, Offer};
use crate::orders::quotes::{self, Content, LineChange, Stored};
use crate::orders::request::{QuotedRequest, Request};
use crate::cart;
use crate::config;
use crate::ids::CartId;
use crate::problem::{Code, Problem};
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// What is to be ordered, at which price.
pub struct Honoured {
    /// The restaurant, and the door.
    pub door: Doorstep,
    /// What is wanted.
    pub wanted: Request,
    /// What was promised, and can be had.
    pub offer: Offer,
    /// The cart it was made from, if it is still as it was then: the order closes it.
    pub cart: Option<CartId>,
}

/// Holds a quote that is locked against the moment.
///
/// # Errors
/// `quote_used` with the order; `quote_expired` and `quote_changed` with the difference; and whatever makes an order
/// impossible.
pub async fn honour(
    tx: &mut Tx,
    scope: &RestaurantScope,
    stored: &Stored,
    wanted: QuotedRequest,
    rules: config::Orders,
) -> Result<Honoured, Problem> {
    if let Some(order) = stored.order_id {
        let detail = "Get the order, or request a new quote to order the same again.";
        return Err(Problem::new(Code::QuoteUsed, detail).with("orderId", order));
    }
    let (named, names_code) = (wanted.clone(), wanted.coupon.is_some());
    let request = stored.content.request(wanted);
    let door = Doorstep::of(tx, scope, &request, rules).await?;
    let fields = stored.content.differs_in(&named, &door.restaurant)?;
    request.check()?;
    let now = Now { door: &door, stored, request: &request, names_code };
    if stored.expires_at <= tx.now() {
        let detail = "Show the customer the current price, and request a new quote.";
        let problem = Problem::new(Code::QuoteExpired, detail).with("expiredAt", stored.expires_at);
        return Err(now.with_difference(tx, scope, problem).await?);
    }
    if !fields.is_empty() {
        let detail = "Leave out the fields named in errors, or request a quote for what is wanted.";
        let problem = Problem::new(Code::QuoteChanged, detail).with("fields", fields);
        return Err(now.with_difference(tx, scope, problem).await?);
    }
    let cart = cart_to_close(tx, scope, stored).await?;
    match now.offer(tx, scope, Some(&stored.content)).await {
        Ok(offer) => Ok(Honoured { door, wanted: request, offer, cart }),
        Err(problem) if problem.code() == Code::ItemUnavailable => Err(now.or_gone(tx, scope, problem).await?),
        Err(problem) => Err(problem),
    }
}

/// The cart the quote was made from is closed by the order, unless something else was put in since.
async fn cart_to_close(tx: &mut Tx, scope: &RestaurantScope, stored: &Stored) -> Result<Option<CartId>, Problem> {
    let Some((id, version)) = stored.cart else { return Ok(None) };
    let cart = priced_order::open(cart::sql::lock(tx, scope, id, stored.user_id).await?)?;
    Ok((cart.version == version).then_some(id))
}

/// A quote, and what it would be now.
struct Now<'a> {
    door: &'a Doorstep,
    stored: &'a Stored,
    request: &'a Request,
    /// The request names a coupon's code itself: it might be a guess.
    names_code: bool,
}

impl Now<'_> {
    /// What it would get and pay: as promised, or at the prices of now.
    async fn offer(&self, tx: &mut Tx, scope: &RestaurantScope, promised: Option<&Content>) -> Result<Offer, Problem> {
        let (customer, basket) = (self.stored.user_id, self.stored.content.basket());
        priced_order::make(tx, scope, self.door, customer, &basket, self.request, promised).await
    }

    /// What changed, line by line.
    async fn changes(&self, tx: &mut Tx, scope: &RestaurantScope) -> Result<Vec<LineChange>, Problem> {
        let wanted: Vec<_> = self.stored.content.lines.iter().map(cart::StoredLine::wanted).collect();
        let at = self.request.scheduled_for.unwrap_or_else(|| tx.now()).max(tx.now());
        let now = cart::sql::priced(tx, scope, &wanted, at).await?;
        Ok(quotes::changes(&self.stored.content.lines, &now, self.stored.currency)?)
    }

    /// The refusal with what was quoted, what it costs now, and line by line what changed. Where it cannot be had at all
    /// now, `refusal` says why.
    async fn with_difference(
        &self,
        tx: &mut Tx,
        scope: &RestaurantScope,
        problem: Problem,
    ) -> Result<Problem, Problem> {
        let quoted = Totals::of(&self.stored.content.sums()?, self.stored.currency);
        let problem = problem.with("quoted", quoted).with("lines", self.changes(tx, scope).await?);
        match self.offer(tx, scope, None).await {
            Ok(offer) => Ok(problem.with("now", offer.totals(&self.door.restaurant))),
            Err(refusal) if refusal.code().status().is_server_error() => Err(refusal),
            // Said plainly, so that it counts as a guess.
            Err(refusal) if self.names_code && refusal.code() == Code::CouponUnknown => Err(refusal),
            Err(refusal) => Ok(problem.with("now", serde_json::Value::Null).with("refusal", refusal.body(None))),
        }
    }

    /// What is only switched off or sold out may be back soon; what left the menu is not what was quoted any more.
    async fn or_gone(&self, tx: &mut Tx, scope: &RestaurantScope, problem: Problem) -> Result<Problem, Problem> {
        if !self.changes(tx, scope).await?.iter().any(LineChange::is_final) {
            return Ok(problem);
        }
        let detail = "The menu has changed too much. Show the customer what is available, and request a new quote.";
        let changed = Problem::new(Code::QuoteChanged, detail).with_errors(problem.errors().to_vec());
        self.with_difference(tx, scope, changed).await
    }
}
