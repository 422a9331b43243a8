//! Whether a draft can be ordered and what it costs: the same decision for quotes and for orders. Pure, over
//! `facts.rs`.

use super::Totals;
use super::availability::{FulfilmentTime, OrderRefusal};
use super::facts::OrderFacts;
use super::pricing::{self, Charges, Sums};
use super::request::{Basket, OrderDraft, OrderRequest};
use crate::cart::{Obstacle, PricedLine, shortage};
use crate::coupons;
use crate::coupons::rules::{Purchase, Saving};
use crate::fulfilment::Fulfilment;
use crate::money::Amount;
use crate::problem::{Code, FieldError, Problem};
use crate::restaurants::Restaurant;
use crate::restaurants::service_fee::ServiceFee;
use crate::restaurants::slots::Slot;
use crate::restaurants::tax::TaxRules;
use crate::restaurants::zones;

/// An order that can be placed, with its price.
pub struct PricedOrder {
    /// The lines, with their prices.
    pub lines: Vec<PricedLine>,
    /// The tax rates of lines and fees.
    pub tax: TaxRules,
    /// Fees, tip and discount.
    pub charges: Charges,
    /// The sums, down to the total.
    pub sums: Sums,
    /// The terms of the delivery zone.
    pub terms: zones::Terms,
    /// What the coupon saves, if one is used.
    pub saving: Option<Saving>,
    /// The time it is for.
    pub time: FulfilmentTime,
    /// The slot whose capacity it takes, if the restaurant limits slots.
    pub due_slot: Option<Slot>,
}

/// The prices of a quote, which are used instead of the current ones.
#[derive(Clone, Copy)]
pub struct QuotedPrices<'a> {
    /// The tax rates.
    pub tax: &'a TaxRules,
    /// Fees, tip and discount.
    pub charges: Charges,
    /// What the coupon saves.
    pub saving: Option<&'a Saving>,
}

impl PricedOrder {
    /// Decides on a draft, at current prices or at `quoted` ones. The lines of the facts already have prices.
    ///
    /// # Errors
    /// The first reason why the draft cannot be ordered. Each has its own code.
    pub fn of(
        facts: OrderFacts<'_>,
        draft: OrderDraft<'_>,
        quoted: Option<QuotedPrices<'_>>,
    ) -> Result<Self, OrderRefusal> {
        let OrderDraft { basket, request, .. } = draft;
        let restaurant = &facts.context.restaurant;
        check_lines(basket, &facts.lines, facts.context.max_notes)?;
        let items = Amount::sum(facts.lines.iter().map(PricedLine::total).collect::<Result<Vec<_>, _>>()?)?;
        let terms = facts.context.terms(items)?;
        let saving = saving(&facts, request, items, &terms, quoted)?;
        let (tax, charges) = match quoted {
            Some(quoted) => (quoted.tax.clone(), quoted.charges),
            None => (restaurant.tax_rules(), charges(restaurant, request, items, &terms, saving.as_ref())?),
        };
        let parts = facts.lines.iter().map(PricedLine::taxed_parts).collect::<Result<Vec<_>, _>>()?;
        let sums = pricing::sums(&parts, &tax, request.fulfilment, charges)?;
        check_amounts(restaurant, request, &sums, &terms)?;
        let due_slot = facts.due_slot()?;
        Ok(Self { lines: facts.lines, tax, charges, sums, terms, saving, time: facts.time, due_slot })
    }

    /// The sums in the restaurant's currency.
    pub fn totals(&self, restaurant: &Restaurant) -> Totals {
        Totals::of(&self.sums, restaurant.currency)
    }
}

/// Refuses an empty basket, one whose notes have more than `max_notes` characters together, because an order is written
/// into each of its events, and one with lines that cannot be ordered. Choices that do not fit the menu are refused as
/// a write of the cart would be, except those of a quote, which fitted when it was made.
fn check_lines(basket: &Basket, lines: &[PricedLine], max_notes: usize) -> Result<(), Problem> {
    let invalid_choices = choice_errors(lines);
    if !matches!(basket, Basket::Quoted(_)) && !invalid_choices.is_empty() {
        return Err(Problem::invalid(invalid_choices).with("items", blocked_items(lines)));
    }
    if lines.is_empty() {
        return Err(Problem::new(Code::CartEmpty, "Add items to the cart first."));
    }
    let notes: usize = lines.iter().filter_map(|line| line.note.as_ref()).map(|note| note.chars().count()).sum();
    if notes > max_notes {
        let message = format!("the notes of all lines are at most {max_notes} characters together; shorten them");
        return Err(Problem::invalid_field("/lines", message));
    }
    unavailable(lines).map_or(Ok(()), Err)
}

/// The errors of choices that do not fit the menu, by line and modifier group.
fn choice_errors(lines: &[PricedLine]) -> Vec<FieldError> {
    let lines = lines.iter().enumerate().filter(|(_, line)| line.obstacle == Some(Obstacle::ChoicesChanged));
    lines
        .flat_map(|(index, line)| {
            line.invalid_choices.iter().map(move |one| one.field_error(&format!("/lines/{index}")))
        })
        .collect()
}

/// The problem of lines that cannot be ordered, if there are any: it lists them with their shortages and the modifier
/// groups that the choices do not fit.
pub fn unavailable(lines: &[PricedLine]) -> Option<Problem> {
    let blocked = blocked_items(lines);
    if blocked.is_empty() {
        return None;
    }
    let short = shortage::shortages(lines);
    let only_stock = lines.iter().filter_map(|line| line.obstacle).all(|why| why == Obstacle::OutOfStock);
    let (code, detail) = if only_stock {
        (Code::OutOfStock, shortage::advice(&short))
    } else {
        (Code::ItemUnavailable, "Take the named items out of the cart, or change what was chosen on them.".to_owned())
    };
    let mut errors = shortage::errors(&short);
    errors.extend(choice_errors(lines));
    Some(Problem::new(code, detail).with_errors(errors).with("items", blocked).with("shortages", short))
}

/// The lines that cannot be ordered: item, reason, and when the item can be ordered again, if known.
fn blocked_items(lines: &[PricedLine]) -> Vec<serde_json::Value> {
    let blocked = |line: &PricedLine| {
        let mut blocked = serde_json::json!({ "itemId": line.item_id, "reason": line.obstacle? });
        if let Some(from) = line.available_from {
            blocked["availableFrom"] = serde_json::json!(from);
        }
        Some(blocked)
    };
    lines.iter().filter_map(blocked).collect()
}

/// What the coupon saves. The saving of a quote remains valid, also if the delivery has become free since.
fn saving(
    facts: &OrderFacts<'_>,
    request: &OrderRequest,
    items: Amount,
    terms: &zones::Terms,
    quoted: Option<QuotedPrices<'_>>,
) -> Result<Option<Saving>, Problem> {
    let Some(code) = &request.coupon else { return Ok(None) };
    let coupon = facts.coupon.as_ref().ok_or_else(|| coupons::rules::unknown(code))?;
    let delivery_fee = (request.fulfilment == Fulfilment::Delivery).then_some(terms.fee);
    let rounding = facts.context.restaurant.tax_rounding;
    let purchase = Purchase { items, delivery_fee, at: facts.context.now, rounding };
    if let Some(refusal) = coupon.refusal(purchase) {
        return Err(coupon.problem(refusal));
    }
    let saving = match quoted.and_then(|quoted| quoted.saving) {
        Some(saving) => saving.clone(),
        None => coupon.saving(purchase)?,
    };
    saving.refusal().map_or(Ok(Some(saving)), |refusal| Err(coupon.problem(refusal)))
}

/// Fees, tip and discount at current prices.
fn charges(
    restaurant: &Restaurant,
    request: &OrderRequest,
    items: Amount,
    terms: &zones::Terms,
    saving: Option<&Saving>,
) -> Result<Charges, Problem> {
    if request.tip.is_some_and(|tip| tip.currency != restaurant.currency) {
        let message = format!("must be {}, the restaurant's currency", restaurant.currency);
        return Err(Problem::invalid_field("/tip/currency", message));
    }
    let off = |part: fn(&Saving) -> Amount| saving.map_or(Amount::ZERO, part);
    Ok(Charges {
        delivery_fee: terms.fee.minus(off(Saving::off_delivery))?,
        service_fee: ServiceFee::from(restaurant.service_fee).on(items, restaurant.tax_rounding)?,
        tip: request.tip.map_or(Amount::ZERO, |tip| tip.amount),
        discount: off(Saving::off_lines),
    })
}

/// Refuses a total other than the one the customer was shown, and lines below the minimum order.
fn check_amounts(
    restaurant: &Restaurant,
    request: &OrderRequest,
    sums: &Sums,
    terms: &zones::Terms,
) -> Result<(), Problem> {
    let of = |amount: Amount| amount.of(restaurant.currency);
    let total = of(sums.total);
    if let Some(expected) = request.expected_total.filter(|expected| *expected != total) {
        let detail = "Show the customer the new total, and place the order again with it.";
        return Err(Problem::new(Code::PriceChanged, detail).with("total", total).with("expectedTotal", expected));
    }
    if sums.items < terms.minimum_order {
        let detail = "Add items to the cart: `missing` is the amount that is missing.";
        return Err(Problem::new(Code::BelowMinimum, detail)
            .with("minimumOrder", of(terms.minimum_order))
            .with("itemsTotal", of(sums.items))
            .with("missing", of(terms.minimum_order.minus(sums.items)?)));
    }
    Ok(())
}
