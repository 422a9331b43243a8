//! Loads the data for the decision on an order, once. The decisions are pure functions over it: `availability.rs` on
//! the time, `priced_order.rs` on the price, `quotes.rs` on whether a quote is still valid.

use super::availability::{self, DueOrders, FulfilmentTime, OrderRefusal, Unavailable};
use super::context::OrderContext;
use super::request::{Basket, OrderDraft};
use super::sql;
use crate::cart::sql::LoadedGroups;
use crate::cart::{self, PricedLine};
use crate::config;
use crate::coupons;
use crate::coupons::rules::CouponState;
use crate::fulfilment::Fulfilment;
use crate::place::Place;
use crate::problem::Problem;
use crate::restaurants;
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

impl OrderContext {
    /// Loads the restaurant for an order. `place` is used for a delivery only.
    ///
    /// # Errors
    /// 404 when there is no such restaurant.
    pub async fn load(
        tx: &mut Tx,
        scope: &RestaurantScope,
        fulfilment: Fulfilment,
        place: Option<Place>,
        rules: config::Orders,
    ) -> Result<Self, Problem> {
        let place = place.filter(|_| fulfilment == Fulfilment::Delivery);
        let now = tx.now();
        let found = restaurants::sql::order_rules(tx, scope.restaurant(), place, availability::last_day(now)).await?;
        Self::of(found.ok_or_else(Problem::not_found)?, fulfilment, place, rules, now)
    }

    /// The orders that are due in any slot that can be booked; empty if the restaurant does not limit slots.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn due_orders(&self, tx: &mut Tx, scope: &RestaurantScope) -> Result<DueOrders, Problem> {
        if self.restaurant.slots.capacity.is_none() {
            return Ok(DueOrders::default());
        }
        let (from, until) = self.availability().bookable();
        sql::slots::due_orders(tx, scope, from, until).await
    }

    /// The response to a refused order; for an unavailable time it names the nearest alternative.
    pub async fn problem(&self, tx: &mut Tx, scope: &RestaurantScope, refused: impl Into<OrderRefusal>) -> Problem {
        match refused.into() {
            OrderRefusal::Problem(problem) => problem,
            OrderRefusal::Unavailable(unavailable) => match self.due_orders(tx, scope).await {
                Ok(due) => self.availability().problem(unavailable, &due),
                Err(problem) => problem,
            },
        }
    }
}

/// Everything that decides whether a draft can be ordered and what it costs, as it was read in one transaction.
pub struct OrderFacts<'a> {
    /// The restaurant, its hours and its delivery zones.
    pub context: &'a OrderContext,
    /// The time that the draft is for.
    pub time: FulfilmentTime,
    /// The lines with current prices, stock and availability at that time.
    pub lines: Vec<PricedLine>,
    /// The coupon of the request, and how often the customer has used it; `None`: no code was given, or it does not
    /// exist.
    pub coupon: Option<CouponState>,
    /// The orders that are due in the slot whose capacity the order would take.
    pub due_orders: DueOrders,
}

impl<'a> OrderFacts<'a> {
    /// Loads the facts on a draft.
    ///
    /// # Errors
    /// When the restaurant takes no orders for the requested time, and 422 for a line whose item was never on its menu.
    pub async fn load(
        tx: &mut Tx,
        scope: &RestaurantScope,
        context: &'a OrderContext,
        draft: OrderDraft<'_>,
    ) -> Result<Self, OrderRefusal> {
        let time = context.availability().fulfilment_time(draft.request.scheduled_for)?;
        let lines = match draft.basket {
            Basket::Lines(lines) | Basket::Quoted(lines) => {
                cart::sql::priced_now(tx, scope, lines, context.zone, time.at).await?
            }
            Basket::LinesOf(items, lines) => cart::sql::priced(tx, scope, lines, items, context.zone, time.at).await?,
            Basket::Cart(cart) => cart::sql::lines(tx, scope, cart.id, time.at, LoadedGroups::default()).await?,
        };
        let coupon = match &draft.request.coupon {
            Some(code) => coupons::sql::by_code(tx, scope, draft.customer, code).await?,
            None => None,
        };
        let due_orders = match context.availability().limited_slot(time) {
            Some(slot) => sql::slots::due_orders(tx, scope, slot.starts_at, slot.ends_at).await?,
            None => DueOrders::default(),
        };
        Ok(Self { context, time, lines, coupon, due_orders })
    }

    /// The slot whose capacity the order takes, if the restaurant limits slots.
    ///
    /// # Errors
    /// When it is full.
    pub fn due_slot(&self) -> Result<Option<restaurants::slots::Slot>, Unavailable> {
        self.context.availability().due_slot(self.time, &self.due_orders)
    }
}
