//! Currencies against ISO 4217 and the rates of 2026, and sums of any amounts that they allow.

use proptest::prelude::*;

use comanda::fulfilment::Fulfilment;
use comanda::money::{Amount, Currency, Overflow};
use comanda::orders::pricing::{Charges, sums};
use comanda::restaurants::tax::{Rate, TaxRules, TaxedPart};

/// ISO 4217 codes with their minor units, and the exchange rate to the euro of those in use.
fn iso4217() -> impl Iterator<Item = (&'static str, Option<u32>, bool, Option<f64>)> {
    include_str!("currencies/iso4217.csv").lines().skip(1).map(|line| {
        let cells: Vec<_> = line.split(',').collect();
        (cells[0], cells[1].parse().ok(), cells[2] == "fund", cells[3].parse().ok())
    })
}

#[test]
fn every_currency_has_the_minor_units_of_iso_4217_and_a_bound_of_about_a_million_euros() {
    let mut known = 0;
    for (code, digits, is_fund, per_euro) in iso4217() {
        let currency = code.parse::<Currency>();
        let Some(per_euro) = per_euro else {
            assert!(currency.is_err(), "{code} is nothing that a meal is paid with");
            continue;
        };
        let currency = currency.unwrap_or_else(|_| panic!("{code} is not known"));
        assert_eq!((Some(currency.exponent()), is_fund), (digits, false), "{code}");
        #[expect(clippy::cast_precision_loss, reason = "an order of magnitude")]
        let euros =
            currency.largest_named_amount() as f64 / 10_f64.powi(currency.exponent().try_into().unwrap()) / per_euro;
        assert!((250_000.0..=10_000_000.0).contains(&euros), "the bound of {code} is worth {euros} euros");
        known += 1;
    }
    assert_eq!(known, 155);
}

/// The minor units in the console are the same as in the server: browsers have others, for LBP or IRR.
#[test]
fn the_console_computes_amounts_like_the_server() {
    let console = std::fs::read_to_string("console/format.js").unwrap();
    for (name, digits) in [("WHOLE", 0), ("THOUSANDTHS", 3)] {
        let codes = iso4217().filter(|(code, of, ..)| *of == Some(digits) && code.parse::<Currency>().is_ok());
        let list: Vec<_> = codes.map(|(code, ..)| code).collect();
        let line = format!("const {name} = '{}'.split(' ');", list.join(" "));
        assert!(console.contains(&line), "console/format.js must say: {line}");
    }
    let others = iso4217().filter(|(code, of, ..)| code.parse::<Currency>().is_ok() && !matches!(of, Some(0 | 2 | 3)));
    assert_eq!(others.count(), 0);
}

fn bounded_amount() -> impl Strategy<Value = i64> {
    let largest = "IRR".parse::<Currency>().unwrap().largest_named_amount();
    prop_oneof![1 => Just(0), 4 => 1..=largest, 2 => Just(largest)]
}

proptest! {
    /// For all amounts that clients may send: the sums are exact, or refused because they exceed 64 bits.
    #[test]
    fn sums_of_named_amounts_are_exact_or_refused(
        prices in prop::collection::vec((bounded_amount(), 1_u32..=99, 0_u32..=9_801), 1..=100),
        charges in [bounded_amount(), bounded_amount(), bounded_amount(), bounded_amount()],
        millionths in 0_i32..=1_000_000,
        included: bool,
    ) {
        let line = |(price, quantity, extras): &(i64, u32, u32)| {
            let portion = |times: u32| Amount::minor(*price).times(times).map(|amount| TaxedPart { class: None, amount });
            Ok::<_, Overflow>(vec![portion(*quantity)?, portion(quantity * extras)?])
        };
        let exact_items: i128 = prices.iter()
            .map(|(price, quantity, extras)| i128::from(*price) * i128::from(quantity * (1 + extras)))
            .sum();
        let [delivery_fee, service_fee, tip, discount] = charges.map(Amount::minor);
        let charges = Charges { delivery_fee, service_fee, tip, discount };
        let rules = TaxRules { included, standard: Rate::from_millionths(millionths).unwrap(), ..TaxRules::default() };
        let lines: Result<Vec<_>, _> = prices.iter().map(line).collect();
        match lines.and_then(|lines| sums(&lines, &rules, Fulfilment::Delivery, charges)) {
            Ok(sums) => {
                let whole = |amount: Amount| i128::from(amount.units());
                prop_assert_eq!(whole(sums.items), exact_items);
                let off = exact_items.min(whole(discount));
                prop_assert_eq!(whole(sums.discount), off);
                let total = exact_items - off + whole(sums.tax) + whole(delivery_fee) + whole(service_fee) + whole(tip);
                prop_assert_eq!(whole(sums.total), total);
                prop_assert!(sums.tax >= Amount::ZERO && sums.total >= Amount::ZERO);
            }
            // The sum, the same amount as tax, and three fees.
            Err(Overflow) => prop_assert!(exact_items > (1_i128 << 63) / 2 - 4_000_000_000_000_000),
        }
    }
}
