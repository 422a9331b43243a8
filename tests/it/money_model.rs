//! Whole carts against an exact model: decimal digits by long division, rounded as one does on paper.
//!
//! `MONEY_CASES` is the number of carts; default: a few thousand. The model knows nothing of the program's arithmetic
//! but the rules: tax half up or half even, on each line and fee or on the whole order, shares likewise, discounts and
//! the tax of an order split by largest remainder. The first table was computed by hand.

use std::collections::BTreeMap;

use chrono::DateTime;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};

use comanda::cart::PricedLine;
use comanda::coupons::rules::{CouponState, Purchase, Saving};
use comanda::coupons::{Coupon, CouponCode, CouponKind};
use comanda::fulfilment::Fulfilment;
use comanda::ids::{CouponId, ItemId, ModifierId, RestaurantId};
use comanda::menu::allergens::Effective;
use comanda::menu::configure::Chosen;
use comanda::money::{Amount, Currency, Rounding};
use comanda::orders::pricing::{Charges, Sums, TaxShare, sums};
use comanda::restaurants::service_fee::ServiceFee;
use comanda::restaurants::tax::{ClassRates, Rate, Rates, TaxClass, TaxRoundingLevel, TaxRules, TaxedPart};

/// A quotient as computed by hand: the digits before the decimal point by long division, one digit after it, and
/// whether there is a remainder. It is rounded by that digit.
fn on_paper(above: i128, below: i128, rounding: Rounding) -> i128 {
    let (mut written, mut carried) = (String::new(), 0);
    for digit in above.to_string().chars().chain(['0']) {
        carried = carried * 10 + i128::from(digit.to_digit(10).expect("no amount is negative"));
        let mut times = 0;
        while carried >= below {
            carried -= below;
            times += 1;
        }
        written.push(char::from(b'0' + times));
    }
    let behind = written.pop().unwrap();
    let last = written.chars().last().unwrap_or('0');
    let whole: i128 = written.parse().unwrap_or(0);
    let goes_up = match (behind, carried == 0, rounding) {
        ('0'..='4', ..) => false,
        ('5', true, Rounding::HalfEven) => "13579".contains(last),
        _ => true,
    };
    whole + i128::from(goes_up)
}

/// By hand: price, rate in hundredths of a percent, tax added half up, half even, tax included half up, half even.
const BY_HAND: &[(i64, i32, [i64; 4])] = &[
    // 100.05 at 10 %: 10.005; included 9.09545….
    (10_005, 1_000, [1_001, 1_000, 910, 910]),
    // 2.50 at 5 %: 0.125; included 0.119….
    (250, 500, [13, 12, 12, 12]),
    // 0.10 at 5 %: 0.005; 0.30 at 5 %: 0.015.
    (10, 500, [1, 0, 0, 0]),
    (30, 500, [2, 2, 1, 1]),
    // 1.05 at 110 / 10: included 0.0954…; 0.55 at 10 %: 0.055, included 0.05 exactly.
    (55, 1_000, [6, 6, 5, 5]),
    // 0.45 at 10 %: 0.045; included 0.0409….
    (45, 1_000, [5, 4, 4, 4]),
    // Half a cent within a price: 0.03 at 20 % holds 0.005; 0.09 holds 0.015; 0.15 holds 0.025.
    (3, 2_000, [1, 1, 1, 0]),
    (9, 2_000, [2, 2, 2, 2]),
    (15, 2_000, [3, 3, 3, 2]),
    // 4.00 at 8.875 %: 0.355.
    (400, 888, [36, 36, 33, 33]),
    // 0 % and 100 %.
    (0, 1_900, [0, 0, 0, 0]),
    (1, 10_000, [1, 1, 1, 0]),
    (999, 0, [0, 0, 0, 0]),
    // Amounts as in IDR: 1,500,000.05 at 11 %: 165,000.0055.
    (150_000_005, 1_100, [16_500_001, 16_500_001, 14_864_865, 14_864_865]),
];

#[test]
fn half_cents_round_as_computed_by_hand() {
    for (price, points, expected) in BY_HAND {
        let rate = Rate::from_millionths(points * 100).unwrap();
        let mut said = Vec::new();
        for included in [false, true] {
            for rounding in [Rounding::HalfUp, Rounding::HalfEven] {
                let rules = TaxRules { included, rounding, standard: rate, ..TaxRules::default() };
                let line = vec![TaxedPart { class: None, amount: Amount::minor(*price) }];
                let sums = sums(&[line], &rules, Fulfilment::Pickup, Charges::default()).unwrap();
                said.push(sums.tax.units() + sums.included_tax.units());
                assert_eq!(i128::from(*said.last().unwrap()), tax((*price).into(), rate, &rules), "{price} {points}");
            }
        }
        assert_eq!(said, expected, "{price} at {points}");
    }
}

/// Two lines of 0.05 and a fee of 0.05 at 10 %: a cent on each, or 0.015 on all of them together, which is two.
#[test]
fn an_order_is_rounded_once_where_the_restaurant_chooses_so() {
    let line = || vec![TaxedPart { class: None, amount: Amount::minor(5) }];
    let fees =
        ClassRates { name: class("fees"), basis_points: Rates { delivery: ten(), pickup: ten(), dine_in: ten() } };
    let rules = |level| TaxRules { level, standard: ten(), classes: vec![fees.clone()], ..TaxRules::default() };
    let charges = Charges { service_fee: Amount::minor(5), ..Charges::default() };
    let by = |level| sums(&[line(), line()], &rules(level), Fulfilment::Pickup, charges).unwrap();
    assert_eq!(by(TaxRoundingLevel::Line).tax.units(), 3);
    let whole = by(TaxRoundingLevel::Order);
    assert_eq!((whole.tax.units(), whole.total.units()), (2, 17));
    assert_eq!(plain(&whole.lines[0]), [(100_000, 5, 1)]);
    assert_eq!(plain(&whole.lines[1]), [(100_000, 5, 1)]);
}

fn ten() -> Rate {
    Rate::basis_points(1_000).unwrap()
}

const CLASSES: [&str; 3] = ["food", "drinks", "gone"];

/// An order, with everything that its price depends on.
struct Case {
    lines: Vec<PricedLine>,
    tax: TaxRules,
    fulfilment: Fulfilment,
    fee: ServiceFee,
    delivery_fee: i64,
    tip: i64,
    coupon: Option<CouponState>,
}

fn class(name: &str) -> TaxClass {
    name.to_owned().try_into().unwrap()
}

fn some_class(random: &mut StdRng) -> Option<TaxClass> {
    random.random_bool(0.5).then(|| class(CLASSES.choose(random).unwrap()))
}

/// Realistic prices: round ones, odd ones, zero, and sometimes the largest.
fn price(random: &mut StdRng) -> Amount {
    let units = match random.random_range(0..20) {
        0 => 0,
        1 => 100_000_000,
        2..8 => random.random_range(1..40) * 50,
        _ => random.random_range(1..5_000),
    };
    Amount::minor(units)
}

fn rate(random: &mut StdRng) -> Rate {
    let usual = [0, 40_000, 70_000, 88_750, 100_000, 190_000, 220_000, 1_000_000];
    let millionths =
        if random.random_bool(0.7) { *usual.choose(random).unwrap() } else { random.random_range(0..=1_000_000) };
    Rate::from_millionths(millionths).unwrap()
}

fn chosen(random: &mut StdRng, depth: u8) -> Vec<Chosen> {
    let one = |random: &mut StdRng| Chosen {
        modifier_id: ModifierId::new(),
        name: "Extra".into(),
        price: price(random),
        tax_class: some_class(random),
        quantity: random.random_range(1..=3),
        modifiers: if depth == 0 { chosen(random, 1) } else { Vec::new() },
    };
    let count = if random.random_bool(0.4) { random.random_range(1..=3) } else { 0 };
    (0..count).map(|_| one(random)).collect()
}

/// What the chosen modifiers add to one portion.
fn extra(chosen: &[Chosen]) -> i64 {
    chosen.iter().map(|one| (one.price.units() + extra(&one.modifiers)) * i64::from(one.quantity)).sum()
}

fn line(random: &mut StdRng) -> PricedLine {
    let (bare_price, chosen) = (price(random), chosen(random, 0));
    PricedLine {
        key: String::new(),
        item_id: ItemId::new(),
        name: "Dish".into(),
        quantity: if random.random_bool(0.8) { random.random_range(1..=4) } else { random.random_range(1..=99) },
        choices: Vec::new(),
        price: Amount::minor(bare_price.units() + extra(&chosen)),
        bare_price,
        chosen,
        tax_class: some_class(random),
        required_portions: BTreeMap::new(),
        allergens: Effective::default(),
        note: None,
        stock: None,
        obstacle: None,
        invalid_choices: Vec::new(),
        shortages: Vec::new(),
        available_from: None,
    }
}

fn coupon(random: &mut StdRng, currency: Currency) -> CouponState {
    let kind = *[CouponKind::Percent, CouponKind::Amount, CouponKind::FreeDelivery].choose(random).unwrap();
    let money = |units: i64| Amount::minor(units).of(currency);
    let is = |wanted: CouponKind| kind == wanted;
    let now = DateTime::UNIX_EPOCH;
    let cap = (is(CouponKind::Percent) && random.random_bool(0.4)).then(|| money(random.random_range(1..3_000)));
    let coupon = Coupon {
        id: CouponId::new(),
        restaurant_id: RestaurantId::new(),
        code: CouponCode::try_from("CODE".to_owned()).unwrap(),
        kind,
        basis_points: is(CouponKind::Percent).then(|| rate(random)),
        cap,
        amount: is(CouponKind::Amount).then(|| money(random.random_range(1..20_000))),
        minimum_items: money(0),
        valid_from: None,
        valid_until: None,
        limit_total: None,
        limit_per_user: None,
        active: true,
        redeemed: 0,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    CouponState { coupon, used: 0, is_customer_verified: true }
}

impl Case {
    fn any(random: &mut StdRng, currency: Currency) -> Self {
        let rates = |random: &mut StdRng| Rates { delivery: rate(random), pickup: rate(random), dine_in: rate(random) };
        let mut names = vec!["food", "drinks"];
        names.extend(random.random_bool(0.5).then_some("fees"));
        let classes = names.into_iter().map(|name| ClassRates { name: class(name), basis_points: rates(random) });
        Self {
            tax: TaxRules {
                classes: classes.collect(),
                included: random.random_bool(0.5),
                rounding: if random.random_bool(0.5) { Rounding::HalfUp } else { Rounding::HalfEven },
                level: if random.random_bool(0.5) { TaxRoundingLevel::Line } else { TaxRoundingLevel::Order },
                standard: rate(random),
            },
            lines: (0..random.random_range(1..=8)).map(|_| line(random)).collect(),
            fulfilment: *[Fulfilment::Delivery, Fulfilment::Pickup, Fulfilment::DineIn].choose(random).unwrap(),
            fee: ServiceFee {
                share: rate(random),
                cap: random.random_bool(0.5).then(|| price(random)),
                fixed: if random.random_bool(0.5) { price(random) } else { Amount::ZERO },
            },
            delivery_fee: random.random_range(0..1_000),
            tip: random.random_range(0..1_000),
            coupon: random.random_bool(0.6).then(|| coupon(random, currency)),
        }
    }

    /// The result of the program, by the functions that quotes and orders use.
    fn priced(&self) -> Sums {
        let items = Amount::sum(self.lines.iter().map(|line| line.total().unwrap())).unwrap();
        let is_delivery = self.fulfilment == Fulfilment::Delivery;
        let fee = if is_delivery { self.delivery_fee } else { 0 };
        let delivery_fee = is_delivery.then_some(Amount::minor(fee));
        let rounding = self.tax.rounding;
        let purchase = Purchase { items, delivery_fee, at: DateTime::UNIX_EPOCH, rounding };
        let usable = self.coupon.as_ref().filter(|offered| offered.refusal(purchase).is_none());
        let saving = usable.map(|offered| offered.saving(purchase).unwrap());
        let off_lines = saving.as_ref().map_or(Amount::ZERO, Saving::off_lines);
        let off_delivery = saving.as_ref().map_or(Amount::ZERO, Saving::off_delivery);
        let charges = Charges {
            delivery_fee: Amount::minor(fee).minus(off_delivery).unwrap(),
            service_fee: self.fee.on(items, self.tax.rounding).unwrap(),
            tip: Amount::minor(self.tip),
            discount: off_lines,
        };
        let parts: Vec<_> = self.lines.iter().map(|line| line.taxed_parts().unwrap()).collect();
        sums(&parts, &self.tax, self.fulfilment, charges).unwrap()
    }
}

/// The price of one line: parts with their tax classes.
fn parts(line: &PricedLine) -> Vec<(Option<TaxClass>, i128)> {
    fn below(chosen: &[Chosen], class: Option<&TaxClass>, times: i128, parts: &mut Vec<(Option<TaxClass>, i128)>) {
        for one in chosen {
            let class = one.tax_class.as_ref().or(class);
            let times = times * i128::from(one.quantity);
            parts.push((class.cloned(), i128::from(one.price.units()) * times));
            below(&one.modifiers, class, times, parts);
        }
    }
    let quantity = i128::from(line.quantity);
    let mut parts = vec![(line.tax_class.clone(), i128::from(line.bare_price.units()) * quantity)];
    below(&line.chosen, line.tax_class.as_ref(), quantity, &mut parts);
    parts.retain(|(_, amount)| *amount > 0);
    parts
}

/// Distributes a discount: every exact share is rounded down, and the largest remainders get one more unit.
fn spread(discount: i128, over: &[i128]) -> Vec<i128> {
    let whole: i128 = over.iter().sum();
    if discount == 0 {
        return vec![0; over.len()];
    }
    let mut cuts: Vec<_> = over.iter().map(|amount| (discount * amount) / whole).collect();
    let left = discount - cuts.iter().sum::<i128>();
    let mut order: Vec<_> = (0..over.len()).collect();
    let lost = |index: usize| discount * over[index] - (discount * over[index]) / whole * whole;
    order.sort_by(|one, other| lost(*other).cmp(&lost(*one)).then(one.cmp(other)));
    for index in order.into_iter().take(usize::try_from(left).unwrap()) {
        cuts[index] += 1;
    }
    cuts
}

/// The tax on a price, added to it or included in it.
fn tax(price: i128, rate: Rate, rules: &TaxRules) -> i128 {
    let parts = i128::from(rate.millionths());
    let of = if rules.included { 1_000_000 + parts } else { 1_000_000 };
    on_paper(price * parts, of, rules.rounding)
}

/// Rate in millionths, net and tax.
type Share = (u32, i128, i128);

/// The result of the model: items, discount, added tax, included tax, delivery fee, service fee, total; tax by rate
/// and by line.
struct Exact {
    amounts: [i128; 7],
    taxes: Vec<Share>,
    lines: Vec<Vec<Share>>,
}

fn exact(case: &Case) -> Exact {
    let lines: Vec<_> = case.lines.iter().map(parts).collect();
    let over: Vec<_> = lines.iter().flatten().map(|(_, amount)| *amount).collect();
    let items: i128 = over.iter().sum();
    let share = |rate: Rate| on_paper(items * i128::from(rate.millionths()), 1_000_000, case.tax.rounding);
    let is_delivery = case.fulfilment == Fulfilment::Delivery;
    let (mut discount, mut delivery) = (0, if is_delivery { i128::from(case.delivery_fee) } else { 0 });
    if let Some(CouponState { coupon, .. }) = &case.coupon {
        match coupon.kind {
            CouponKind::Percent => {
                discount = share(coupon.basis_points.unwrap());
                discount = coupon.cap.map_or(discount, |cap| discount.min(cap.amount.units().into()));
            }
            CouponKind::Amount => discount = items.min(coupon.amount.unwrap().amount.units().into()),
            CouponKind::FreeDelivery => delivery = 0,
        }
    }
    let service = case.fee.cap.map_or(share(case.fee.share), |cap| share(case.fee.share).min(cap.units().into()));
    let service = service + i128::from(case.fee.fixed.units());
    let mut cuts = spread(discount, &over).into_iter();
    // Every taxed amount: its line (the fees are last), rate and amount.
    let mut entries: Vec<(usize, Rate, i128)> = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let mut by_rate: BTreeMap<Rate, i128> = BTreeMap::new();
        for (class, amount) in line {
            let left = amount - cuts.next().unwrap();
            if left > 0 {
                *by_rate.entry(case.tax.rate(class.as_ref(), case.fulfilment)).or_default() += left;
            }
        }
        entries.extend(by_rate.into_iter().map(|(rate, amount)| (at, rate, amount)));
    }
    if let Some(rate) = case.tax.rate_of_fees(case.fulfilment) {
        entries.extend([delivery, service].into_iter().filter(|fee| *fee > 0).map(|fee| (lines.len(), rate, fee)));
    }
    let taxes: Vec<i128> = match case.tax.level {
        TaxRoundingLevel::Line => entries.iter().map(|(_, rate, amount)| tax(*amount, *rate, &case.tax)).collect(),
        TaxRoundingLevel::Order => {
            let mut taxes = vec![0; entries.len()];
            let rates: std::collections::BTreeSet<Rate> = entries.iter().map(|(_, rate, _)| *rate).collect();
            for rate in rates {
                let at: Vec<usize> = (0..entries.len()).filter(|index| entries[*index].1 == rate).collect();
                let amounts: Vec<i128> = at.iter().map(|index| entries[*index].2).collect();
                let parts = spread(tax(amounts.iter().sum(), rate, &case.tax), &amounts);
                for (index, part) in at.into_iter().zip(parts) {
                    taxes[index] = part;
                }
            }
            taxes
        }
    };
    let mut whole: BTreeMap<u32, (i128, i128)> = BTreeMap::new();
    let mut of_lines = vec![Vec::new(); lines.len() + 1];
    for ((line, rate, price), tax) in entries.into_iter().zip(taxes) {
        let net = if case.tax.included { price - tax } else { price };
        let sum = whole.entry(rate.millionths()).or_default();
        *sum = (sum.0 + net, sum.1 + tax);
        of_lines[line].push((rate.millionths(), net, tax));
    }
    of_lines.pop();
    let all: i128 = whole.values().map(|(_, tax)| tax).sum();
    let (added, included) = if case.tax.included { (0, all) } else { (all, 0) };
    let total = items - discount + added + delivery + service + i128::from(case.tip);
    Exact {
        amounts: [items, discount, added, included, delivery, service, total],
        taxes: whole.into_iter().map(|(rate, (net, tax))| (rate, net, tax)).collect(),
        lines: of_lines,
    }
}

fn plain(shares: &[TaxShare]) -> Vec<Share> {
    let one = |share: &TaxShare| (share.rate.millionths(), share.net.units().into(), share.tax.units().into());
    shares.iter().map(one).collect()
}

#[expect(clippy::disallowed_methods, reason = "how many carts is for whoever runs the test to say")]
fn cases() -> u64 {
    std::env::var("MONEY_CASES").ok().map_or(4_000, |count| count.parse().expect("MONEY_CASES is a whole number"))
}

#[test]
fn every_total_equals_exact_fractions() {
    let currency: Currency = "EUR".parse().unwrap();
    let (mut taxed, mut discounted) = (0_u64, 0_u64);
    for seed in 0..cases() {
        let case = Case::any(&mut StdRng::seed_from_u64(seed), currency);
        let (said, exact) = (case.priced(), exact(&case));
        let amounts =
            [said.items, said.discount, said.tax, said.included_tax, said.delivery_fee, said.service_fee, said.total];
        assert_eq!(amounts.map(|amount| i128::from(amount.units())), exact.amounts, "cart {seed}");
        assert_eq!(plain(&said.taxes), exact.taxes, "cart {seed}");
        let lines: Vec<_> = said.lines.iter().map(|line| plain(line)).collect();
        assert_eq!(lines, exact.lines, "cart {seed}");
        taxed += u64::from(exact.amounts[2] + exact.amounts[3] > 0);
        discounted += u64::from(exact.amounts[1] > 0);
    }
    assert!(taxed * 2 > cases() && discounted * 5 > cases(), "{taxed} taxed and {discounted} discounted carts");
}
