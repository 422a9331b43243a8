//! Whole carts against an exact model: fractions of integers, rounded once where the house says that it rounds.
//!
//! `MONEY_CASES` says how many carts; a few thousand unless told. The model knows nothing of the program's arithmetic but
//! the rules: tax half to even once for each rate and line, shares half to even, discounts by largest remainder.

use std::collections::BTreeMap;

use chrono::DateTime;
use comanda::cart::StoredLine;
use comanda::coupons::rules::{Offered, Purchase, Saving};
use comanda::coupons::{Coupon, CouponCode, CouponKind};
use comanda::ids::{CouponId, ItemId, ModifierId, RestaurantId};
use comanda::menu::allergens::Effective;
use comanda::menu::configure::Chosen;
use comanda::money::{Amount, Currency};
use comanda::orders::Fulfilment;
use comanda::orders::pricing::{Charges, Sums, TaxShare, sums};
use comanda::restaurants::service_fee::ServiceFee;
use comanda::restaurants::tax::{ClassRates, Rate, Rates, TaxClass, TaxRules};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};

/// A fraction of whole numbers; the divisor is positive.
#[derive(Clone, Copy)]
struct Fraction(i128, i128);

impl Fraction {
    /// The nearest whole number; of two that are as near, the even one.
    fn nearest_even(self) -> i128 {
        let Self(above, below) = self;
        let floor = above.div_euclid(below);
        let candidates = [floor, floor + 1];
        let distance = |whole: i128| (whole * below - above).abs();
        match distance(candidates[0]).cmp(&distance(candidates[1])) {
            std::cmp::Ordering::Less => candidates[0],
            std::cmp::Ordering::Greater => candidates[1],
            std::cmp::Ordering::Equal => candidates.into_iter().find(|whole| whole % 2 == 0).unwrap(),
        }
    }
}

const CLASSES: [&str; 3] = ["food", "drinks", "gone"];

/// How somebody orders, with everything that decides what it costs.
struct Case {
    lines: Vec<StoredLine>,
    tax: TaxRules,
    fulfilment: Fulfilment,
    fee: ServiceFee,
    delivery_fee: i64,
    tip: i64,
    coupon: Option<Offered>,
}

fn class(name: &str) -> TaxClass {
    name.to_owned().try_into().unwrap()
}

fn some_class(random: &mut StdRng) -> Option<TaxClass> {
    random.random_bool(0.5).then(|| class(CLASSES.choose(random).unwrap()))
}

/// Prices as they are: round ones, odd ones, nothing, and now and then the largest there is.
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

/// What chosen things add to one portion.
fn extra(chosen: &[Chosen]) -> i64 {
    chosen.iter().map(|one| (one.price.units() + extra(&one.modifiers)) * i64::from(one.quantity)).sum()
}

fn line(random: &mut StdRng) -> StoredLine {
    let (bare_price, chosen) = (price(random), chosen(random, 0));
    StoredLine {
        key: String::new(),
        item_id: ItemId::new(),
        name: "Dish".into(),
        quantity: if random.random_bool(0.8) { random.random_range(1..=4) } else { random.random_range(1..=99) },
        choices: Vec::new(),
        price: Amount::minor(bare_price.units() + extra(&chosen)),
        bare_price,
        chosen,
        tax_class: some_class(random),
        takes: BTreeMap::new(),
        allergens: Effective::default(),
        note: None,
        stock: None,
        obstacle: None,
        available_from: None,
    }
}

fn coupon(random: &mut StdRng, currency: Currency) -> Offered {
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
    Offered { coupon, used: 0 }
}

impl Case {
    fn any(random: &mut StdRng, currency: Currency) -> Self {
        let rates = |random: &mut StdRng| Rates { delivery: rate(random), pickup: rate(random), dine_in: rate(random) };
        let mut names = vec!["food", "drinks"];
        names.extend(random.random_bool(0.5).then_some("fees"));
        let classes = names.into_iter().map(|name| ClassRates { name: class(name), basis_points: rates(random) });
        Self {
            tax: TaxRules { classes: classes.collect(), included: random.random_bool(0.5), standard: rate(random) },
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

    /// What the program says, by the way that quotes and orders take.
    fn priced(&self) -> Sums {
        let items = Amount::sum(self.lines.iter().map(|line| line.total().unwrap())).unwrap();
        let is_delivery = self.fulfilment == Fulfilment::Delivery;
        let fee = if is_delivery { self.delivery_fee } else { 0 };
        let delivery_fee = is_delivery.then_some(Amount::minor(fee));
        let purchase = Purchase { items, delivery_fee, at: DateTime::UNIX_EPOCH };
        let usable = self.coupon.as_ref().filter(|offered| offered.refusal(purchase).is_none());
        let saving = usable.map(|offered| offered.saving(purchase).unwrap());
        let off_lines = saving.as_ref().map_or(Amount::ZERO, Saving::off_lines);
        let off_delivery = saving.as_ref().map_or(Amount::ZERO, Saving::off_delivery);
        let charges = Charges {
            delivery_fee: Amount::minor(fee).minus(off_delivery).unwrap(),
            service_fee: self.fee.on(items).unwrap(),
            tip: Amount::minor(self.tip),
            discount: off_lines,
        };
        let portions: Vec<_> = self.lines.iter().map(|line| line.portions().unwrap()).collect();
        sums(&portions, &self.tax, self.fulfilment, charges).unwrap()
    }
}

/// What one line costs: parts with the class that they are taxed in.
fn parts(line: &StoredLine) -> Vec<(Option<TaxClass>, i128)> {
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

/// Spreads a discount: everybody's exact share rounded down, and a unit more for those who were cut the most.
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

/// Tax on a price, added to it or in it.
fn tax(price: i128, rate: Rate, included: bool) -> i128 {
    let parts = i128::from(rate.millionths());
    let of = if included { 1_000_000 + parts } else { 1_000_000 };
    Fraction(price * parts, of).nearest_even()
}

/// Rate in millionths, net and tax.
type Share = (u32, i128, i128);

/// What the model says: items, discount, tax added, tax included, delivery fee, service fee, total; tax by rate, and of
/// each line.
struct Exact {
    amounts: [i128; 7],
    taxes: Vec<Share>,
    lines: Vec<Vec<Share>>,
}

fn exact(case: &Case) -> Exact {
    let lines: Vec<_> = case.lines.iter().map(parts).collect();
    let over: Vec<_> = lines.iter().flatten().map(|(_, amount)| *amount).collect();
    let items: i128 = over.iter().sum();
    let share = |rate: Rate| Fraction(items * i128::from(rate.millionths()), 1_000_000).nearest_even();
    let is_delivery = case.fulfilment == Fulfilment::Delivery;
    let (mut discount, mut delivery) = (0, if is_delivery { i128::from(case.delivery_fee) } else { 0 });
    if let Some(Offered { coupon, .. }) = &case.coupon {
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
    let mut whole: BTreeMap<u32, (i128, i128)> = BTreeMap::new();
    let mut add = |rate: Rate, price: i128| {
        let tax = tax(price, rate, case.tax.included);
        let net = if case.tax.included { price - tax } else { price };
        let sum = whole.entry(rate.millionths()).or_default();
        *sum = (sum.0 + net, sum.1 + tax);
        (rate.millionths(), net, tax)
    };
    let mut of_lines = Vec::new();
    for line in &lines {
        let mut by_rate: BTreeMap<Rate, i128> = BTreeMap::new();
        for (class, amount) in line {
            let left = amount - cuts.next().unwrap();
            if left > 0 {
                *by_rate.entry(case.tax.rate(class.as_ref(), case.fulfilment)).or_default() += left;
            }
        }
        of_lines.push(by_rate.into_iter().map(|(rate, price)| add(rate, price)).collect());
    }
    if let Some(rate) = case.tax.rate_of_fees(case.fulfilment) {
        for fee in [delivery, service].into_iter().filter(|fee| *fee > 0) {
            add(rate, fee);
        }
    }
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
fn every_cart_costs_what_exact_fractions_say() {
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
