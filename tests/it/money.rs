//! Money: exact sums, one rounding rule, known currencies.

use comanda::money::{Amount, Currency, Money, Overflow};
use comanda::orders::Fulfilment;
use comanda::orders::pricing::{Terms, sums};
use proptest::prelude::*;
use serde_json::json;

#[test]
fn a_half_goes_to_the_even_neighbour() {
    // 5 % of these amounts: 0.5, 1.5, 2.5, 3.5, 0.45, 0.55 cents.
    for (units, rounded) in [(10, 0), (30, 2), (50, 2), (70, 4), (9, 0), (11, 1), (-10, 0), (-30, -2), (-50, -2)] {
        assert_eq!(Amount::minor(units).basis_points(500), Ok(Amount::minor(rounded)), "{units}");
    }
}

#[test]
fn currencies_have_their_exponents() {
    for (code, digits) in [("EUR", 2), ("USD", 2), ("JPY", 0), ("KRW", 0), ("KWD", 3), ("TND", 3), ("CHF", 2)] {
        assert_eq!(code.parse::<Currency>().unwrap().exponent(), digits, "{code}");
    }
    for unknown in ["", "eur", "EURO", "XXX", "E R", "EUR ", "€"] {
        assert!(unknown.parse::<Currency>().is_err(), "{unknown:?}");
    }
}

#[test]
fn a_client_names_amounts_within_bounds_only() {
    let read = |amount: serde_json::Value| {
        serde_json::from_value::<Money>(json!({ "amount": amount, "currency": "EUR" })).is_ok()
    };
    for good in [json!(0), json!(1), json!(100_000_000)] {
        assert!(read(good.clone()), "{good}");
    }
    for bad in [json!(-1), json!(100_000_001), json!(1.5), json!("1"), json!(null), json!(1e30)] {
        assert!(!read(bad.clone()), "{bad}");
    }
}

proptest! {
    /// The share times 10,000 lies within half of it from the exact product, and on the even side of a tie.
    #[test]
    fn a_share_is_the_nearest_whole_number_ties_to_even(units: i64, points in 0_u32..=10_000) {
        let exact = i128::from(units) * i128::from(points);
        let share = Amount::minor(units).basis_points(points).unwrap();
        let distance = (i128::from(share.units()) * 10_000 - exact).abs();
        prop_assert!(distance <= 5_000);
        prop_assert!(distance < 5_000 || share.units() % 2 == 0);
    }

    #[test]
    fn sums_are_exact_or_refused(amounts in prop::collection::vec(any::<i64>(), 0..12), count: u32) {
        let exact: i128 = amounts.iter().copied().map(i128::from).sum();
        let partial_sums_fit = amounts.iter().try_fold(0_i64, |sum, amount| sum.checked_add(*amount)).is_some();
        let sum = Amount::sum(amounts.iter().copied().map(Amount::minor));
        prop_assert_eq!(sum.is_ok(), partial_sums_fit);
        if let Ok(sum) = sum {
            prop_assert_eq!(i128::from(sum.units()), exact);
            let product = i128::from(sum.units()) * i128::from(count);
            let expected = i64::try_from(product).map(Amount::minor).map_err(|_| Overflow);
            prop_assert_eq!(sum.times(count), expected);
        }
    }

    #[test]
    fn an_order_costs_the_sum_of_its_parts(
        lines in prop::collection::vec(0_i64..=9_900_000_000, 1..100),
        points in 0_u32..=10_000,
        fee in 0_i64..=100_000_000,
        tip in 0_i64..=100_000_000,
        kind in 0_usize..3,
    ) {
        let fulfilment = [Fulfilment::Delivery, Fulfilment::Pickup, Fulfilment::DineIn][kind];
        let lines: Vec<_> = lines.into_iter().map(Amount::minor).collect();
        let terms = Terms { tax_basis_points: points, delivery_fee: Amount::minor(fee) };
        let sums = sums(&lines, terms, fulfilment, Amount::minor(tip)).unwrap();
        let brought = if fulfilment == Fulfilment::Delivery { fee } else { 0 };
        prop_assert_eq!(sums.items, Amount::sum(lines.iter().copied()).unwrap());
        let tax: i64 = lines.iter().map(|line| line.basis_points(points).unwrap().units()).sum();
        prop_assert_eq!(sums.tax.units(), tax);
        prop_assert_eq!(sums.delivery_fee.units(), brought);
        prop_assert_eq!(sums.total.units(), sums.items.units() + tax + brought + tip);
    }
}
