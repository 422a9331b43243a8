//! What an order costs. Pure; the server prices, clients send ids and quantities.
//!
//! Each line is a list of portions, which say in which class they are taxed. A discount is spread over all portions
//! before tax, in proportion. Tax is rounded half to even once for each rate on each line, so that a line's tax never
//! depends on its neighbours, and what an order shows for a rate is the sum of its lines and fees.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::money::{Amount, Overflow};
use crate::orders::Fulfilment;
use crate::restaurants::tax::{Portion, Rate, TaxRules};

/// What is added to the lines, and taken off them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charges {
    /// For bringing it; counts for a delivery only.
    pub delivery_fee: Amount,
    /// For the service.
    pub service_fee: Amount,
    /// For the people; never taxed.
    pub tip: Amount,
    /// Off the lines; more than they cost is as much as they cost.
    pub discount: Amount,
}

/// What is taxed at one rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaxShare {
    /// The rate.
    pub rate: Rate,
    /// What is taxed, without the tax.
    pub net: Amount,
    /// The tax.
    pub tax: Amount,
}

/// The sums of an order: `total = items + tax + delivery_fee + service_fee + tip − discount`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sums {
    /// The lines, before any discount.
    pub items: Amount,
    /// Tax that is added; zero where prices hold it.
    pub tax: Amount,
    /// Tax that prices hold; zero where it is added.
    pub included_tax: Amount,
    /// For bringing it; zero otherwise.
    pub delivery_fee: Amount,
    /// For the service.
    pub service_fee: Amount,
    /// For the people.
    pub tip: Amount,
    /// Taken off.
    pub discount: Amount,
    /// What is paid.
    pub total: Amount,
    /// Tax by rate, of lines and fees together, the lowest rate first.
    pub taxes: Vec<TaxShare>,
    /// Tax by rate of each line, after its part of the discount.
    pub lines: Vec<Vec<TaxShare>>,
}

/// Adds up lines, tax, fees, tip and discount.
///
/// # Errors
/// When a sum leaves the range of 64 bits, or an amount is negative.
pub fn sums(
    lines: &[Vec<Portion>],
    rules: &TaxRules,
    fulfilment: Fulfilment,
    charges: Charges,
) -> Result<Sums, Overflow> {
    let items = Amount::sum(lines.iter().flatten().map(|portion| portion.amount))?;
    let discount = charges.discount.min(items);
    let delivery_fee = if fulfilment == Fulfilment::Delivery { charges.delivery_fee } else { Amount::ZERO };
    let taxed_lines = discounted(lines, discount)?
        .iter()
        .map(|line| line_taxes(line, rules, fulfilment))
        .collect::<Result<Vec<_>, _>>()?;
    let mut taxes = Tally::default();
    for share in taxed_lines.iter().flatten() {
        taxes.add(*share)?;
    }
    if let Some(rate) = rules.rate_of_fees(fulfilment) {
        for fee in [delivery_fee, charges.service_fee].into_iter().filter(|fee| *fee != Amount::ZERO) {
            taxes.add(taxed(fee, rate, rules.included)?)?;
        }
    }
    let taxes = taxes.into_shares();
    let all_tax = Amount::sum(taxes.iter().map(|share| share.tax))?;
    let (tax, included_tax) = if rules.included { (Amount::ZERO, all_tax) } else { (all_tax, Amount::ZERO) };
    let total = Amount::sum([items, tax, delivery_fee, charges.service_fee, charges.tip])?.minus(discount)?;
    let (service_fee, tip) = (charges.service_fee, charges.tip);
    Ok(Sums { items, tax, included_tax, delivery_fee, service_fee, tip, discount, total, taxes, lines: taxed_lines })
}

/// The lines after the discount, which is spread over all their portions.
fn discounted(lines: &[Vec<Portion>], discount: Amount) -> Result<Vec<Vec<Portion>>, Overflow> {
    let amounts: Vec<_> = lines.iter().flatten().map(|portion| portion.amount).collect();
    let mut cuts = discount.spread(&amounts)?.into_iter();
    let cut = |portion: &Portion| {
        let amount = portion.amount.minus(cuts.next().unwrap_or_default())?;
        Ok(Portion { class: portion.class.clone(), amount })
    };
    let mut portions = lines.iter().flatten().map(cut).collect::<Result<Vec<_>, Overflow>>()?.into_iter();
    Ok(lines.iter().map(|line| portions.by_ref().take(line.len()).collect()).collect())
}

/// Tax of one line: portions of one rate are added up before they are rounded.
fn line_taxes(line: &[Portion], rules: &TaxRules, fulfilment: Fulfilment) -> Result<Vec<TaxShare>, Overflow> {
    let mut by_rate: BTreeMap<Rate, Amount> = BTreeMap::new();
    for portion in line.iter().filter(|portion| portion.amount != Amount::ZERO) {
        let sum = by_rate.entry(rules.rate(portion.class.as_ref(), fulfilment)).or_default();
        *sum = sum.plus(portion.amount)?;
    }
    by_rate.into_iter().map(|(rate, amount)| taxed(amount, rate, rules.included)).collect()
}

fn taxed(amount: Amount, rate: Rate, included: bool) -> Result<TaxShare, Overflow> {
    if included {
        let tax = rate.within(amount)?;
        Ok(TaxShare { rate, net: amount.minus(tax)?, tax })
    } else {
        Ok(TaxShare { rate, net: amount, tax: rate.on_top_of(amount)? })
    }
}

/// Adds up by rate.
#[derive(Default)]
struct Tally(BTreeMap<Rate, (Amount, Amount)>);

impl Tally {
    fn add(&mut self, share: TaxShare) -> Result<(), Overflow> {
        let (net, tax) = self.0.entry(share.rate).or_default();
        (*net, *tax) = (net.plus(share.net)?, tax.plus(share.tax)?);
        Ok(())
    }

    fn into_shares(self) -> Vec<TaxShare> {
        self.0.into_iter().map(|(rate, (net, tax))| TaxShare { rate, net, tax }).collect()
    }
}
