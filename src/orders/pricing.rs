//! What an order costs. Pure; the server prices, clients send ids and quantities.
//!
//! Tax is rounded half to even on each line, so that a line's tax never depends on its neighbours.

use crate::money::{Amount, Overflow};
use crate::orders::Fulfilment;

/// What the restaurant asks for.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// Added to the lines, in hundredths of a percent.
    pub tax_basis_points: u32,
    /// Added to a delivery.
    pub delivery_fee: Amount,
}

/// The sums of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sums {
    /// The lines.
    pub items: Amount,
    /// Tax on the lines.
    pub tax: Amount,
    /// For bringing it; zero otherwise.
    pub delivery_fee: Amount,
    /// For the people.
    pub tip: Amount,
    /// What is paid.
    pub total: Amount,
}

/// Adds up lines, tax, delivery and tip.
///
/// # Errors
/// When a sum leaves the range of 64 bits.
pub fn sums(line_totals: &[Amount], terms: Terms, fulfilment: Fulfilment, tip: Amount) -> Result<Sums, Overflow> {
    let items = Amount::sum(line_totals.iter().copied())?;
    let tax =
        line_totals.iter().try_fold(Amount::ZERO, |tax, line| tax.plus(line.basis_points(terms.tax_basis_points)?))?;
    let delivery_fee = match fulfilment {
        Fulfilment::Delivery => terms.delivery_fee,
        Fulfilment::Pickup | Fulfilment::DineIn => Amount::ZERO,
    };
    let total = Amount::sum([items, tax, delivery_fee, tip])?;
    Ok(Sums { items, tax, delivery_fee, tip, total })
}
