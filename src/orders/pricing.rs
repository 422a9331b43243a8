//! The price of an order. Pure; clients send ids and quantities, the server computes prices.
//!
//! Each line is a list of parts with their tax classes. A discount is spread over all parts before tax, in
//! proportion. The restaurant chooses how tax is rounded (`TaxRules`): once for each rate on each line and fee, or once
//! for each rate on the whole order. In either case the order's tax at a rate is the sum of that of its lines and fees.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::fulfilment::Fulfilment;
use crate::money::{Amount, Overflow};
use crate::restaurants::tax::{Rate, TaxRoundingLevel, TaxRules, TaxedPart};

/// Fees, tip and discount of an order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charges {
    /// The delivery fee, less what a coupon takes off it (`priced_order.rs`); used for a delivery only.
    pub delivery_fee: Amount,
    /// The service fee.
    pub service_fee: Amount,
    /// The tip; not taxed.
    pub tip: Amount,
    /// The discount on the lines, limited to their price.
    pub discount: Amount,
}

/// Tax at one rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaxShare {
    /// The tax rate in millionths.
    pub rate: Rate,
    /// The taxed amount, without the tax.
    pub net: Amount,
    /// The tax in minor units.
    pub tax: Amount,
}

/// The sums of an order: `total = items + tax + delivery_fee + service_fee + tip − discount`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sums {
    /// The sum of the lines, before any discount.
    pub items: Amount,
    /// Tax that is added; zero if prices include tax.
    pub tax: Amount,
    /// Tax that is included in prices; zero if tax is added.
    pub included_tax: Amount,
    /// The delivery fee, less what a coupon takes off it; zero for pickup and dine-in.
    pub delivery_fee: Amount,
    /// The service fee.
    pub service_fee: Amount,
    /// The tip, in minor units.
    pub tip: Amount,
    /// What a coupon takes off the lines, in minor units.
    pub discount: Amount,
    /// The amount to pay.
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
    lines: &[Vec<TaxedPart>],
    rules: &TaxRules,
    fulfilment: Fulfilment,
    charges: Charges,
) -> Result<Sums, Overflow> {
    let items = Amount::sum(lines.iter().flatten().map(|part| part.amount))?;
    let discount = charges.discount.min(items);
    let delivery_fee = if fulfilment == Fulfilment::Delivery { charges.delivery_fee } else { Amount::ZERO };
    let mut amounts: Vec<Vec<Taxed>> =
        discounted(lines, discount)?.iter().map(|line| line.by_rate(rules, fulfilment)).collect::<Result<_, _>>()?;
    let rate_of_fees = rules.rate_of_fees(fulfilment);
    let fees = [delivery_fee, charges.service_fee].into_iter().filter(|fee| *fee != Amount::ZERO);
    amounts.push(rate_of_fees.map_or_else(Vec::new, |rate| fees.map(|amount| Taxed { rate, amount }).collect()));
    let mut taxed_lines = match rules.level {
        TaxRoundingLevel::Line => rounded_by_line(&amounts, rules)?,
        TaxRoundingLevel::Order => rounded_by_order(&amounts, rules)?,
    };
    let mut taxes = TaxByRate::default();
    for share in taxed_lines.iter().flatten() {
        taxes.add(*share)?;
    }
    // The last entry is that of the fees, which are not a line.
    taxed_lines.pop();
    let taxes = taxes.into_shares();
    let all_tax = Amount::sum(taxes.iter().map(|share| share.tax))?;
    let (tax, included_tax) = if rules.included { (Amount::ZERO, all_tax) } else { (all_tax, Amount::ZERO) };
    let total = Amount::sum([items, tax, delivery_fee, charges.service_fee, charges.tip])?.minus(discount)?;
    let (service_fee, tip) = (charges.service_fee, charges.tip);
    Ok(Sums { items, tax, included_tax, delivery_fee, service_fee, tip, discount, total, taxes, lines: taxed_lines })
}

/// The parts of a line after the discount.
struct Discounted(Vec<TaxedPart>);

/// The amount that is taxed at one rate, as it is priced: including tax if prices include it.
#[derive(Clone, Copy)]
struct Taxed {
    rate: Rate,
    amount: Amount,
}

/// The lines after the discount, which is spread over all parts.
fn discounted(lines: &[Vec<TaxedPart>], discount: Amount) -> Result<Vec<Discounted>, Overflow> {
    let amounts: Vec<_> = lines.iter().flatten().map(|part| part.amount).collect();
    let mut cuts = discount.spread(&amounts)?.into_iter();
    let cut = |part: &TaxedPart| {
        let amount = part.amount.minus(cuts.next().unwrap_or_default())?;
        Ok(TaxedPart { class: part.class.clone(), amount })
    };
    let mut parts = lines.iter().flatten().map(cut).collect::<Result<Vec<_>, Overflow>>()?.into_iter();
    Ok(lines.iter().map(|line| Discounted(parts.by_ref().take(line.len()).collect())).collect())
}

impl Discounted {
    /// Parts of one rate are added up before anything is rounded.
    fn by_rate(&self, rules: &TaxRules, fulfilment: Fulfilment) -> Result<Vec<Taxed>, Overflow> {
        let mut by_rate: BTreeMap<Rate, Amount> = BTreeMap::new();
        for part in self.0.iter().filter(|part| part.amount != Amount::ZERO) {
            let sum = by_rate.entry(rules.rate(part.class.as_ref(), fulfilment)).or_default();
            *sum = sum.plus(part.amount)?;
        }
        Ok(by_rate.into_iter().map(|(rate, amount)| Taxed { rate, amount }).collect())
    }
}

impl Taxed {
    /// The tax that is added to it or included in it.
    fn tax(self, rules: &TaxRules) -> Result<Amount, Overflow> {
        if rules.included {
            self.rate.within(self.amount, rules.rounding)
        } else {
            self.rate.on_top_of(self.amount, rules.rounding)
        }
    }

    /// The share with this tax.
    fn with(self, tax: Amount, rules: &TaxRules) -> Result<TaxShare, Overflow> {
        let net = if rules.included { self.amount.minus(tax)? } else { self.amount };
        Ok(TaxShare { rate: self.rate, net, tax })
    }
}

/// Rounds each amount of each line, and each fee, separately.
fn rounded_by_line(lines: &[Vec<Taxed>], rules: &TaxRules) -> Result<Vec<Vec<TaxShare>>, Overflow> {
    let one = |taxed: &Taxed| taxed.with(taxed.tax(rules)?, rules);
    lines.iter().map(|line| line.iter().map(one).collect()).collect()
}

/// Rounds all amounts of a rate together, and splits the tax over them by largest remainder.
fn rounded_by_order(lines: &[Vec<Taxed>], rules: &TaxRules) -> Result<Vec<Vec<TaxShare>>, Overflow> {
    let mut by_rate: BTreeMap<Rate, Vec<Amount>> = BTreeMap::new();
    for taxed in lines.iter().flatten() {
        by_rate.entry(taxed.rate).or_default().push(taxed.amount);
    }
    let mut split: BTreeMap<Rate, std::vec::IntoIter<Amount>> = BTreeMap::new();
    for (rate, amounts) in by_rate {
        let tax = Taxed { rate, amount: Amount::sum(amounts.iter().copied())? }.tax(rules)?;
        split.insert(rate, tax.spread(&amounts)?.into_iter());
    }
    let mut one = |taxed: &Taxed| {
        let tax = split.get_mut(&taxed.rate).and_then(Iterator::next).unwrap_or_default();
        taxed.with(tax, rules)
    };
    lines.iter().map(|line| line.iter().map(&mut one).collect()).collect()
}

/// Sums of net amount and tax by rate.
#[derive(Default)]
struct TaxByRate(BTreeMap<Rate, (Amount, Amount)>);

impl TaxByRate {
    fn add(&mut self, share: TaxShare) -> Result<(), Overflow> {
        let (net, tax) = self.0.entry(share.rate).or_default();
        (*net, *tax) = (net.plus(share.net)?, tax.plus(share.tax)?);
        Ok(())
    }

    fn into_shares(self) -> Vec<TaxShare> {
        self.0.into_iter().map(|(rate, (net, tax))| TaxShare { rate, net, tax }).collect()
    }
}
