//! Tax: rates by class and fulfilment, included in prices or added to them, rounded once for each rate and line.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::people::id_of;
use comanda::fulfilment::Fulfilment;
use comanda::money::{Amount, Rounding};
use comanda::orders::pricing::{Charges, Sums, TaxShare, sums};
use comanda::restaurants::tax::{
    ClassRates, MAX_TAX_CLASSES, Rate, Rates, TaxClass, TaxRoundingLevel, TaxRules, TaxedPart,
};

const FULFILMENTS: [Fulfilment; 3] = [Fulfilment::Delivery, Fulfilment::Pickup, Fulfilment::DineIn];

fn class(name: &str) -> TaxClass {
    name.to_owned().try_into().unwrap()
}

fn rate(millionths: i32) -> Rate {
    Rate::from_millionths(millionths).unwrap()
}

fn portion(name: Option<&str>, units: i64) -> TaxedPart {
    TaxedPart { class: name.map(class), amount: Amount::minor(units) }
}

/// Rates in millionths: without a class, and by class for delivery, pickup and dine-in.
fn rules(included: bool, standard: i32, classes: &[(&str, [i32; 3])]) -> TaxRules {
    let one = |(name, [delivery, pickup, dine_in]): &(&str, [i32; 3])| ClassRates {
        name: class(name),
        basis_points: Rates { delivery: rate(*delivery), pickup: rate(*pickup), dine_in: rate(*dine_in) },
    };
    let classes = classes.iter().map(one).collect();
    TaxRules {
        included,
        standard: rate(standard),
        classes,
        rounding: Rounding::HalfEven,
        level: TaxRoundingLevel::Line,
    }
}

/// Rate, net and tax, as numbers.
fn plain(shares: &[TaxShare]) -> Vec<(u32, i64, i64)> {
    shares.iter().map(|share| (share.rate.millionths(), share.net.units(), share.tax.units())).collect()
}

#[test]
fn tax_in_a_price_and_on_top_of_it_is_rounded_half_to_even() {
    // Rate in millionths, price, tax added to it, tax included in it.
    let cases = [
        (100_000, 855, 86, 78),
        (100_000, 845, 84, 77),
        (100_000, 1300, 130, 118),
        (220_000, 250, 55, 45),
        (70_000, 999, 70, 65),
        (88_750, 400, 36, 33),
        (88_750, 1200, 106, 98),
        (99_750, 2000, 200, 181),
        (1_000_000, 1, 1, 0),
        (1_000_000, 3, 3, 2),
        (250_000, 2, 0, 0),
        (250_000, 6, 2, 1),
        (0, 1300, 0, 0),
        (200_000, 0, 0, 0),
    ];
    for (millionths, units, on_top, within) in cases {
        let (rate, amount) = (rate(millionths), Amount::minor(units));
        let both = (
            rate.on_top_of(amount, Rounding::HalfEven).unwrap().units(),
            rate.within(amount, Rounding::HalfEven).unwrap().units(),
        );
        assert_eq!(both, (on_top, within), "{units} at {millionths}");
    }
}

#[test]
fn a_line_is_taxed_in_the_classes_of_its_parts() {
    let german = rules(true, 190_000, &[("food", [70_000, 70_000, 190_000]), ("fees", [190_000, 190_000, 190_000])]);
    let lines = [
        vec![portion(Some("food"), 1000), portion(None, 350), portion(Some("food"), 70), portion(Some("food"), 0)],
        vec![portion(Some("food"), 999)],
    ];
    let charges = Charges { delivery_fee: Amount::minor(290), tip: Amount::minor(100), ..Charges::default() };
    let brought = sums(&lines, &german, Fulfilment::Delivery, charges).unwrap();
    assert_eq!(plain(&brought.lines[0]), [(70_000, 1000, 70), (190_000, 294, 56)]);
    assert_eq!(plain(&brought.lines[1]), [(70_000, 934, 65)]);
    assert_eq!(plain(&brought.taxes), [(70_000, 1934, 135), (190_000, 538, 102)]);
    let units = |amount: Amount| amount.units();
    assert_eq!((units(brought.tax), units(brought.included_tax), units(brought.total)), (0, 237, 2419 + 290 + 100));
    // For dine-in all items have the same rate, and there is no delivery fee.
    let served = sums(&lines, &german, Fulfilment::DineIn, charges).unwrap();
    assert_eq!(plain(&served.taxes), [(190_000, 1193 + 839, 227 + 160)]);
    assert_eq!((units(served.delivery_fee), units(served.total)), (0, 2519));
    // The same rules with prices without tax.
    let added = sums(&lines, &TaxRules { included: false, ..german }, Fulfilment::Delivery, charges).unwrap();
    assert_eq!(plain(&added.taxes), [(70_000, 2069, 75 + 70), (190_000, 640, 66 + 55)]);
    assert_eq!((units(added.tax), units(added.included_tax), units(added.total)), (266, 0, 2419 + 266 + 390));
}

#[test]
fn a_discount_applies_before_tax_and_never_makes_a_total_negative() {
    let rules = rules(false, 100_000, &[]);
    let lines = [vec![portion(None, 300)], vec![portion(None, 600), portion(None, 100)]];
    let off = |units: i64| Charges { discount: Amount::minor(units), ..Charges::default() };
    let some = sums(&lines, &rules, Fulfilment::Pickup, off(100)).unwrap();
    assert_eq!(plain(&some.taxes), [(100_000, 900, 27 + 63)]);
    assert_eq!((some.items.units(), some.discount.units(), some.total.units()), (1000, 100, 990));
    let all = sums(&lines, &rules, Fulfilment::Pickup, off(5000)).unwrap();
    assert_eq!((all.discount.units(), all.total.units(), all.taxes.len()), (1000, 0, 0));
}

#[test]
fn standard_and_fees_are_classes_with_a_meaning() {
    let rules = rules(false, 10, &[("standard", [1, 2, 3]), ("drinks", [4, 5, 6])]);
    for (index, fulfilment) in (0..).zip(FULFILMENTS) {
        assert_eq!(rules.rate(None, fulfilment), rate(1 + index));
        assert_eq!(rules.rate(Some(&class("drinks")), fulfilment), rate(4 + index));
        assert_eq!(rules.rate(Some(&class("gone")), fulfilment), rate(1 + index));
        assert_eq!(rules.rate_of_fees(fulfilment), None);
    }
    assert_eq!(TaxRules { standard: rate(10), ..TaxRules::default() }.rate(None, Fulfilment::Pickup), rate(10));
}

#[test]
fn a_rate_has_two_decimals_at_most() {
    let read = |value: Value| serde_json::from_value::<Rate>(value).ok();
    for (points, millionths) in [(json!(0), 0), (json!(1000), 100_000), (json!(887.5), 88_750), (json!(0.01), 1)] {
        assert_eq!(read(points.clone()), Some(rate(millionths)));
        assert_eq!(json!(rate(millionths)), points);
    }
    assert_eq!(read(json!(10_000.0)), Some(rate(1_000_000)));
    for bad in [json!(-0.01), json!(10_000.01), json!(0.001), json!(887.555), json!("1000"), json!(null), json!(1e300)]
    {
        assert_eq!(read(bad.clone()), None, "{bad}");
    }
    for millionths in 0..=1_000_000 {
        assert_eq!(read(json!(rate(millionths))), Some(rate(millionths)));
    }
}

/// Whether a rounded amount is the nearest whole number to `parts / of`, ties to even; computed in integers.
fn is_nearest(rounded: Amount, parts: i128, of: i128) -> bool {
    let twice = (i128::from(rounded.units()) * of - parts).abs() * 2;
    twice < of || (twice == of && rounded.units() % 2 == 0)
}

/// Whether a share is its price split exactly at its rate.
fn is_exact(share: &TaxShare, price: i64, included: bool) -> bool {
    let millionths = i128::from(share.rate.millionths());
    let of = if included { 1_000_000 + millionths } else { 1_000_000 };
    let adds_up = share.net.units() + if included { share.tax.units() } else { 0 } == price;
    adds_up && is_nearest(share.tax, i128::from(price) * millionths, of)
}

const NAMES: [Option<&str>; 4] = [None, Some("drinks"), Some("books"), Some("gone")];

prop_compose! {
    fn any_rules()(
        included: bool,
        standard in 0..=1_000_000,
        drinks in prop::array::uniform3(0..=1_000_000),
        books in prop::array::uniform3(prop::sample::select(vec![0, 50_000, 88_750, 190_000])),
        fees in prop::option::of(prop::array::uniform3(0..=1_000_000)),
    ) -> TaxRules {
        let mut classes = vec![("drinks", drinks), ("books", books)];
        classes.extend(fees.map(|fees| ("fees", fees)));
        rules(included, standard, &classes)
    }
}

prop_compose! {
    fn any_line()(parts in prop::collection::vec((0_usize..4, 0_i64..=9_900_000_000), 1..5)) -> Vec<TaxedPart> {
        parts.into_iter().map(|(name, units)| portion(NAMES[name], units)).collect()
    }
}

prop_compose! {
    fn any_charges()(fee in 0_i64..=100_000, service in 0_i64..=100_000, tip in 0_i64..=100_000_000,
                     discount in prop_oneof![Just(0_i64), 0_i64..=1_000_000_000]) -> Charges {
        let [delivery_fee, service_fee, tip, discount] = [fee, service, tip, discount].map(Amount::minor);
        Charges { delivery_fee, service_fee, tip, discount }
    }
}

/// The price of a line's portions at each rate, in the order of the rates.
fn prices(line: &[TaxedPart], rules: &TaxRules, fulfilment: Fulfilment) -> Vec<i64> {
    let mut by_rate = std::collections::BTreeMap::new();
    for portion in line.iter().filter(|portion| portion.amount.units() > 0) {
        *by_rate.entry(rules.rate(portion.class.as_ref(), fulfilment)).or_insert(0) += portion.amount.units();
    }
    by_rate.into_values().collect()
}

fn tax_of(shares: &[TaxShare]) -> i64 {
    shares.iter().map(|share| share.tax.units()).sum()
}

proptest! {
    #[test]
    fn an_order_costs_the_sum_of_its_parts(
        lines in prop::collection::vec(any_line(), 1..20), rules in any_rules(), charges in any_charges(), kind in 0_usize..3,
    ) {
        let fulfilment = FULFILMENTS[kind];
        let Sums { items, tax, included_tax, delivery_fee, service_fee, tip, discount, total, taxes, lines: by_line } =
            sums(&lines, &rules, fulfilment, charges).unwrap();
        let units = |amount: Amount| amount.units();
        let all: i64 = lines.iter().flatten().map(|portion| portion.amount.units()).sum();
        prop_assert_eq!(units(items), all);
        prop_assert_eq!(units(discount), units(charges.discount).min(all));
        prop_assert_eq!(units(delivery_fee), if kind == 0 { units(charges.delivery_fee) } else { 0 });
        prop_assert_eq!((service_fee, tip), (charges.service_fee, charges.tip));
        prop_assert_eq!(units(total), all + units(tax) + units(delivery_fee) + units(service_fee) + units(tip) - units(discount));
        prop_assert_eq!(units(tax) + units(included_tax), tax_of(&taxes));
        prop_assert_eq!(if rules.included { tax } else { included_tax }, Amount::ZERO);
        prop_assert!(taxes.is_sorted_by(|one, next| one.rate < next.rate));
        // Lines and fees are taxed once each, and nothing else is.
        let price = |share: &TaxShare| units(share.net) + if rules.included { units(share.tax) } else { 0 };
        let of_lines: i64 = by_line.iter().flatten().map(price).sum();
        prop_assert_eq!(of_lines, all - units(discount));
        let fees = if rules.rate_of_fees(fulfilment).is_some() { units(delivery_fee) + units(service_fee) } else { 0 };
        prop_assert_eq!(taxes.iter().map(price).sum::<i64>(), of_lines + fees);
        for share in by_line.iter().flatten() {
            prop_assert!(is_exact(share, price(share), rules.included));
        }
    }

    #[test]
    fn each_line_is_taxed_exactly_and_by_itself(
        lines in prop::collection::vec(any_line(), 1..20), rules in any_rules(), kind in 0_usize..3,
    ) {
        let (fulfilment, nothing) = (FULFILMENTS[kind], Charges::default());
        let whole = sums(&lines, &rules, fulfilment, nothing).unwrap();
        let mut tax = 0;
        for (line, shares) in lines.iter().zip(&whole.lines) {
            let alone = sums(std::slice::from_ref(line), &rules, fulfilment, nothing).unwrap();
            prop_assert_eq!(&alone.taxes, shares);
            tax += tax_of(&alone.taxes);
            let prices = prices(line, &rules, fulfilment);
            prop_assert_eq!(prices.len(), shares.len());
            prop_assert!(shares.iter().zip(prices).all(|(share, price)| is_exact(share, price, rules.included)));
        }
        prop_assert_eq!(tax, tax_of(&whole.taxes));
        let mut backwards = lines.clone();
        backwards.reverse();
        prop_assert_eq!(whole.taxes, sums(&backwards, &rules, fulfilment, nothing).unwrap().taxes);
    }
}

fn german_taxes() -> Value {
    let rates = |delivery: i64, dine_in: i64| json!({ "delivery": delivery, "pickup": delivery, "dineIn": dine_in });
    json!([{ "name": "food", "basisPoints": rates(700, 1900) }, { "name": "fees", "basisPoints": rates(1900, 1900) }])
}

#[tokio::test]
async fn an_order_carries_tax_by_rate() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").sells("Menu", 1000).sells("Water", 250);
    let luigi = luigi.with("pricesIncludeTax", json!(true)).with("taxBasisPoints", json!(1900));
    let luigi =
        luigi.with("taxClasses", german_taxes()).with("deliveryFee", json!({ "amount": 290, "currency": "EUR" }));
    let luigi = luigi.opens().await;
    assert_eq!(luigi.body["taxClasses"][1]["name"], "food");
    let euros = |amount: i64| json!({ "amount": amount, "currency": "EUR" });
    let menu = luigi.path(&format!("/items/{}", luigi.dish("Menu").id));
    let drink = json!({ "name": "Drink", "min": 0, "max": 1, "modifiers": [
        { "name": "Beer", "price": euros(350), "taxClass": "standard" }, { "name": "Extra bread",
          "price": euros(70) }] });
    let refusal = luigi.owner.post(&luigi.path("/modifier-groups"), &drink).await.refused(422, "invalid_request");
    assert_eq!(refusal["errors"][0]["pointer"], "/modifiers/0/taxClass");
    let mut drink = drink;
    drink["max"] = json!(2);
    drink["modifiers"][0]["taxClass"] = json!("alcohol");
    let mut classes = german_taxes();
    let alcohol = json!({ "name": "alcohol", "basisPoints": { "delivery": 1900, "pickup": 1900, "dineIn": 1900 } });
    classes.as_array_mut().unwrap().push(alcohol);
    luigi.owner.patch(&luigi.path(""), &json!({ "taxClasses": classes })).await.expect(200);
    let group = luigi.owner.post(&luigi.path("/modifier-groups"), &drink).await.expect(201);
    let item = json!({ "taxClass": "food", "modifierGroups": [id_of(&group)] });
    assert_eq!(luigi.owner.patch(&menu, &item).await.expect(200)["taxClass"], "food");

    let ada = app.customer("Ada").await;
    let chosen: Vec<_> = [0, 1].map(|index| json!({ "modifierId": id_of(&group["modifiers"][index]) })).into();
    let lines = json!({ "lines": [{ "itemId": luigi.dish("Menu").id, "quantity": 1, "modifiers": chosen },
                                  { "itemId": luigi.dish("Water").id, "quantity": 2 }] });
    let order = async |details: Value| {
        let cart = ada.put(&luigi.path("/cart"), &lines).await.expect(200);
        ada.orders_cart(&cart, &details).await.expect(201)
    };
    let brought =
        order(json!({ "fulfilment": "DELIVERY", "address": "Via 1", "place": { "lat": 44.49, "lng": 11.34 } })).await;
    let at = |points: i64, net: i64, tax: i64| json!({ "basisPoints": points, "net": euros(net), "tax": euros(tax) });
    assert_eq!(brought["items"][0]["taxes"], json!([at(700, 1000, 70), at(1900, 294, 56)]));
    assert_eq!(brought["items"][1]["taxes"], json!([at(1900, 420, 80)]));
    let totals = &brought["totals"];
    // The fee of 2.90 includes 46 cents.
    assert_eq!(totals["taxes"], json!([at(700, 1000, 70), at(1900, 294 + 420 + 244, 56 + 80 + 46)]));
    assert_eq!(
        (&totals["tax"], &totals["includedTax"], &totals["total"]),
        (&euros(0), &euros(252), &euros(1920 + 290))
    );
    assert_eq!(ada.reads_order(&brought).await, brought);
    let served = order(json!({ "fulfilment": "DINE_IN", "table": "4" })).await;
    assert_eq!(served["totals"]["taxes"], json!([at(1900, 1193 + 420, 227 + 80)]));

    // The tax of an existing order does not change with the rules.
    luigi
        .owner
        .patch(&luigi.path(""), &json!({ "pricesIncludeTax": false, "taxBasisPoints": 887.5 }))
        .await
        .expect(200);
    assert_eq!(ada.reads_order(&brought).await, brought);
    let added = order(json!({ "fulfilment": "PICKUP" })).await;
    assert_eq!(
        added["totals"]["taxes"],
        json!([at(700, 1070, 75), { "basisPoints": 887.5, "net": euros(500), "tax": euros(44) }, at(1900, 350, 67)])
    );
    assert_eq!((&added["totals"]["tax"], &added["totals"]["total"]), (&euros(186), &euros(1920 + 186)));
}

#[tokio::test]
async fn a_tax_class_that_the_menu_uses_cannot_be_deleted() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").with("taxClasses", german_taxes()).opens().await;
    let item = luigi.path(&format!("/items/{}", luigi.any_dish().id));
    let unknown = luigi.owner.patch(&item, &json!({ "taxClass": "books" })).await.refused(422, "invalid_request");
    assert_eq!(unknown["errors"][0]["pointer"], "/taxClass");
    luigi.owner.patch(&item, &json!({ "taxClass": "food" })).await.expect(200);
    let none = json!({ "taxClasses": [] });
    let refusal = luigi.owner.patch(&luigi.path(""), &none).await.refused(422, "invalid_request");
    assert_eq!(refusal["errors"][0]["pointer"], "/taxClasses");
    luigi.owner.delete(&item).await.expect(204);
    assert_eq!(luigi.owner.patch(&luigi.path(""), &none).await.expect(200)["taxClasses"], json!([]));
    // A member of another restaurant has no permission here.
    let other = app.restaurant("Other").opens().await;
    other.owner.patch(&luigi.path(""), &json!({ "taxBasisPoints": 0 })).await.refused(404, "not_found");
}

#[tokio::test]
async fn invalid_tax_classes_are_reported() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let rates = json!({ "delivery": 0, "pickup": 0, "dineIn": 0 });
    let many: Vec<_> =
        (0..=MAX_TAX_CLASSES).map(|n| json!({ "name": format!("c{n}"), "basisPoints": rates })).collect();
    for (classes, pointer) in [
        (json!([{ "name": "Food", "basisPoints": rates }]), "/taxClasses/0/name"),
        (json!([{ "name": "", "basisPoints": rates }]), "/taxClasses/0/name"),
        (json!([{ "name": "a", "basisPoints": rates }, { "name": "a", "basisPoints": rates }]), "/taxClasses/1/name"),
        (
            json!([{ "name": "a", "basisPoints": { "delivery": 10_001, "pickup": 0, "dineIn": 0 } }]),
            "/taxClasses/0/basisPoints/delivery",
        ),
        (json!([{ "name": "a", "basisPoints": { "delivery": 0, "pickup": 0 } }]), "/taxClasses/0/basisPoints/dineIn"),
        (json!(many), "/taxClasses"),
    ] {
        let refusal = luigi.owner.patch(&luigi.path(""), &json!({ "taxClasses": classes })).await;
        let refusal = refusal.refused(422, "invalid_request");
        assert_eq!(refusal["errors"][0]["pointer"], pointer, "{refusal}");
    }
    assert_eq!(app.count("select count(*) from tax_classes").await, 0);
}

#[tokio::test]
async fn the_database_refuses_totals_that_do_not_add_up() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").with("taxBasisPoints", json!(1000)).opens().await;
    let ada = app.customer("Ada").await;
    ada.places_order(&luigi, &[(luigi.any_dish(), 1)]).await;
    for (change, constraint) in [
        ("tax_total = tax_total + 1, total = total + 1", "orders_taxes_add_up"),
        ("tax_amounts = '{84}'", "orders_taxes_add_up"),
        ("tax_amounts = '{84,1}'", "orders_taxes_whole"),
        ("tax_included = 1, tax_total = tax_total - 1, total = total - 1", "orders_tax_one_way"),
        ("total = total - 1", "orders_total_adds_up"),
        ("tax_total = 0, total = total - 85, tax_included = -85, tax_amounts = '{-85}'", "orders_tax_one_way"),
    ] {
        let refused =
            sqlx::query(sqlx::AssertSqlSafe(format!("update orders set {change}"))).execute(&app.superuser).await;
        let refused = refused.unwrap_err();
        assert_eq!(refused.as_database_error().unwrap().constraint(), Some(constraint), "{change}");
    }
}
