//! Money: exact sums, one rounding rule, known currencies.

use comanda::money::{Amount, Currency, Money, Overflow, Rounding};
use proptest::prelude::*;
use serde_json::json;

#[test]
fn halves_round_up_or_to_even() {
    // 5 % of these amounts: 0.5, 1.5, 2.5, 3.5, 0.45, 0.55 cents.
    for (units, up, even) in [
        (10, 1, 0),
        (30, 2, 2),
        (50, 3, 2),
        (70, 4, 4),
        (9, 0, 0),
        (11, 1, 1),
        (-10, 0, 0),
        (-30, -1, -2),
        (-50, -2, -2),
    ] {
        let share = |rounding| Amount::minor(units).share(5, 100, rounding).unwrap().units();
        assert_eq!((share(Rounding::HalfUp), share(Rounding::HalfEven)), (up, even), "{units}");
    }
    assert_eq!(Rounding::default(), Rounding::HalfUp);
}

#[test]
fn the_largest_remainders_get_the_rest() {
    let spread = |units: i64, over: &[i64]| {
        let over: Vec<_> = over.iter().copied().map(Amount::minor).collect();
        Amount::minor(units).spread(&over).map(|parts| parts.into_iter().map(Amount::units).collect::<Vec<_>>())
    };
    assert_eq!(spread(100, &[1, 1, 1]), Ok(vec![34, 33, 33]));
    assert_eq!(spread(5, &[100, 250, 650]), Ok(vec![1, 1, 3]));
    assert_eq!(spread(1, &[0, 3, 4]), Ok(vec![0, 0, 1]));
    assert_eq!(spread(0, &[]), Ok(vec![]));
    assert_eq!(spread(0, &[0, 0]), Ok(vec![0, 0]));
    assert_eq!(spread(1, &[]), Err(Overflow));
    assert_eq!(spread(1, &[0]), Err(Overflow));
    assert_eq!(spread(1, &[2, -1]), Err(Overflow));
    assert_eq!(spread(-1, &[1]), Err(Overflow));
    assert_eq!(Amount::minor(1).share(1, 0, Rounding::HalfUp), Err(Overflow));
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
fn amounts_from_clients_are_bounded() {
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
    /// The share times the whole is within half a unit of the exact product, and ties are rounded by the mode.
    #[test]
    fn a_share_is_rounded_to_the_nearest_integer(units: i64, parts: u32, of in 1_u32.., even: bool) {
        let exact = i128::from(units) * i128::from(parts);
        let rounding = if even { Rounding::HalfEven } else { Rounding::HalfUp };
        match Amount::minor(units).share(parts, of, rounding) {
            Ok(share) => {
                let twice = (i128::from(share.units()) * i128::from(of) - exact) * 2;
                prop_assert!(twice.abs() <= i128::from(of));
                let is_tie = twice.abs() == i128::from(of);
                let is_right_side = if even { share.units() % 2 == 0 } else { twice > 0 };
                prop_assert!(!is_tie || is_right_side);
            }
            Err(Overflow) => prop_assert!(exact / i128::from(of) >= i64::MAX.into() || exact / i128::from(of) <= i64::MIN.into()),
        }
    }

    /// Parts add up to the whole, each differs by less than a unit from its exact share, and a smaller weight never
    /// gets more.
    #[test]
    fn distributed_amounts_add_up(units in 0_i64..=i64::MAX, over in prop::collection::vec(0_i64..=1_000_000_000, 1..40)) {
        let whole: i128 = over.iter().copied().map(i128::from).sum();
        prop_assume!(whole > 0);
        let amounts: Vec<_> = over.iter().copied().map(Amount::minor).collect();
        let parts = Amount::minor(units).spread(&amounts).unwrap();
        prop_assert_eq!(parts.iter().map(|part| i128::from(part.units())).sum::<i128>(), i128::from(units));
        for (part, over) in parts.iter().zip(&over) {
            let distance = i128::from(part.units()) * whole - i128::from(units) * i128::from(*over);
            prop_assert!(distance.abs() < whole);
        }
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
}
