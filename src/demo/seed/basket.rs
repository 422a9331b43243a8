//! The contents of past orders: items by popularity, priced by the rules of the service.

use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

use super::past_orders::PastOrderSeed;
use crate::demo::chance::id_at;
use crate::demo::city::ItemDocument;
use crate::demo::dataset::{DemoCustomer, DemoData, DemoRestaurant};
use crate::fulfilment::Fulfilment;
use crate::ids::{ItemId, OrderId};
use crate::menu::allergens::Effective;
use crate::money::{Amount, Currency, Rounding};
use crate::orders::pricing::{self, Charges};
use crate::orders::{Order, OrderLine, OrderStatus, TaxAt, Totals};
use crate::problem::Problem;
use crate::restaurants::tax::TaxedPart;

/// The most lines of a basket, also if the minimum order is not reached.
const MAX_LINES: usize = 12;

/// The order of a seed, without its number, which is drawn when it is written.
pub fn order(data: &DemoData, seed: &mut PastOrderSeed) -> Result<Order, Problem> {
    let kitchen = &data.restaurants[seed.kitchen];
    let random = &mut seed.random;
    let id = OrderId::from_uuid(id_at(random, seed.at));
    let customer = data.customers.choose(random).ok_or_else(|| Problem::internal(&"the demo data has no customers"))?;
    let fulfilment = fulfilment(random);
    let mut items = lines(kitchen, data.currency, random)?;
    let delivery_fee = Amount::minor(kitchen.document.delivery_fee);
    let sum = Amount::sum(items.iter().map(|line| line.total.amount))?;
    let service_fee = kitchen.document.service_fee().on(sum, Rounding::default())?;
    let charges = Charges { delivery_fee, service_fee, tip: tip(fulfilment, random), ..Charges::default() };
    let parts: Vec<_> = items.iter().map(|line| vec![taxed_part(kitchen, line)]).collect();
    let sums = pricing::sums(&parts, &data.tax, fulfilment, charges)?;
    for (line, shares) in items.iter_mut().zip(&sums.lines) {
        line.taxes = TaxAt::all(shares, data.currency);
    }
    let note = random.random_bool(0.12).then(|| data.notes.choose(random).cloned()).flatten();
    let table = (fulfilment == Fulfilment::DineIn).then(|| random.random_range(1..=18).to_string());
    let DemoCustomer { person, address, place } = customer;
    let is_delivery = fulfilment == Fulfilment::Delivery;
    Ok(Order {
        id,
        number: 0,
        restaurant_id: kitchen.id,
        customer_id: person.id,
        cart_id: None,
        quote_id: None,
        coupon_code: None,
        fulfilment,
        status: OrderStatus::Pending,
        version: 1,
        currency: data.currency,
        items,
        totals: Totals::of(&sums, data.currency),
        address: is_delivery.then(|| address.clone()),
        place: is_delivery.then_some(*place),
        delivery_zone: None,
        lead_minutes: 0,
        table,
        note,
        scheduled_for: None,
        slot: None,
        accept_by: None,
        cancellable_until: None,
        promised_at: None,
        ready_from: None,
        ready_until: None,
        cancel_reason: None,
        placed_at: seed.at,
        updated_at: seed.at,
        closed_at: None,
    })
}

fn fulfilment(random: &mut StdRng) -> Fulfilment {
    match random.random_range(0..100) {
        0..65 => Fulfilment::Delivery,
        65..88 => Fulfilment::Pickup,
        _ => Fulfilment::DineIn,
    }
}

fn tip(fulfilment: Fulfilment, random: &mut StdRng) -> Amount {
    let tips = fulfilment == Fulfilment::Delivery && random.random_bool(0.3);
    if tips { Amount::minor(50 * random.random_range(2..=6)) } else { Amount::ZERO }
}

/// One to four items, and more until the minimum order is reached.
fn lines(kitchen: &DemoRestaurant, currency: Currency, random: &mut StdRng) -> Result<Vec<OrderLine>, Problem> {
    let mut dishes: Vec<&(ItemId, ItemDocument)> =
        kitchen.menu.iter().flat_map(|category| &category.items).filter(|(_, dish)| dish.available).collect();
    let count = match random.random_range(0..100) {
        0..25 => 1,
        25..60 => 2,
        60..85 => 3,
        _ => 4,
    };
    let mut lines: Vec<OrderLine> = Vec::new();
    let mut sum = 0;
    while !dishes.is_empty() && lines.len() < MAX_LINES && (lines.len() < count || sum < kitchen.document.minimum_order)
    {
        let (item_id, dish) = dishes.remove(random_item(&dishes, random));
        let quantity = match random.random_range(0..100) {
            0..80 => 1,
            80..95 => 2,
            _ => 3,
        };
        let unit = Amount::minor(dish.price);
        let total = unit.times(quantity)?;
        sum += total.units();
        lines.push(OrderLine {
            line: i16::try_from(lines.len() + 1).unwrap_or(i16::MAX),
            item_id: *item_id,
            name: dish.name.clone(),
            quantity: i32::try_from(quantity).unwrap_or(i32::MAX),
            modifiers: Vec::new(),
            allergens: Effective::default(),
            unit_price: unit.of(currency),
            total: total.of(currency),
            taxes: Vec::new(),
            note: None,
        });
    }
    Ok(lines)
}

/// The index of a random item, weighted by popularity.
fn random_item(dishes: &[&(ItemId, ItemDocument)], random: &mut StdRng) -> usize {
    let total: u32 = dishes.iter().map(|(_, dish)| dish.popularity).sum();
    let mut left = random.random_range(0..total.max(1));
    let chosen = dishes.iter().position(|(_, dish)| {
        let here = left < dish.popularity;
        left = left.saturating_sub(dish.popularity);
        here
    });
    chosen.unwrap_or_default()
}

/// The price of a line, with the tax class of its item.
fn taxed_part(kitchen: &DemoRestaurant, line: &OrderLine) -> TaxedPart {
    let mut dishes = kitchen.menu.iter().flat_map(|category| &category.items);
    let dish = dishes.find(|(id, _)| *id == line.item_id);
    TaxedPart { class: dish.and_then(|(_, dish)| dish.tax_class.clone()), amount: line.total.amount }
}
