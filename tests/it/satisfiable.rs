//! Whether the required groups of an item can be satisfied together, compared with a search of all possibilities.

use std::collections::HashMap;

use comanda::ids::{ModifierGroupId, ModifierId};
use comanda::menu::configure::{Choice, GroupIndex, NestedChoice, configure};
use comanda::menu::satisfiable::Satisfiable;
use comanda::menu::translations::Translations;
use comanda::menu::{Group, Modifier};
use comanda::money::Amount;
use comanda::step_count;
use proptest::collection::vec;
use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::menu_modifiers::euros;
use crate::people::id_of;

fn modifier(stock: Option<i32>, available: bool, asks: Vec<ModifierGroupId>) -> Modifier {
    Modifier {
        id: ModifierId::new(),
        key: None,
        name: "M".to_owned(),
        price: Amount::ZERO,
        tax_class: None,
        available,
        unavailable_until: None,
        stock,
        allergens: None,
        diets: Vec::new(),
        modifier_groups: asks,
        translations: Translations::default(),
    }
}

fn group(min: i16, max: i16, modifiers: Vec<Modifier>) -> Group {
    let (id, name) = (ModifierGroupId::new(), "G".to_owned());
    Group { id, key: None, name, min, max, translations: Translations::default(), modifiers }
}

/// One modifier: its stock, whether it is switched on, and its nested groups.
type OneModifier = (Option<i32>, bool, Vec<bool>);

/// Nested groups, and the groups of items, some of which have the nested ones.
fn menus() -> impl Strategy<Value = (Vec<Group>, Vec<ModifierGroupId>)> {
    let stock = prop_oneof![1 => Just(None), 5 => (0..=4).prop_map(Some)];
    let one = move |nested: usize| (stock.clone(), prop::bool::weighted(0.9), vec(prop::bool::weighted(0.6), nested));
    let groups = move |one: BoxedStrategy<OneModifier>, count| {
        vec(
            (prop_oneof![1 => Just(0_i16), 4 => Just(1), 3 => Just(2), 1 => Just(3)], 0..=1_i16, vec(one, 1..=3)),
            count,
        )
    };
    let shape = (groups(one(0).boxed(), 2..=2), groups(one(2).boxed(), 1..=3), vec(prop::bool::weighted(0.3), 2));
    shape.prop_map(|(below, above, direct)| {
        let made = |(min, more, modifiers): (i16, i16, Vec<OneModifier>), nested: &[ModifierGroupId]| {
            let one = |(stock, available, asks): OneModifier| {
                let asks = nested.iter().zip(asks).filter_map(|(id, asks)| asks.then_some(*id)).collect();
                modifier(stock, available, asks)
            };
            group(min, (min + more).max(1), modifiers.into_iter().map(one).collect())
        };
        let mut groups: Vec<_> = below.into_iter().map(|one| made(one, &[])).collect();
        let nested: Vec<_> = groups.iter().map(|group| group.id).collect();
        groups.extend(above.into_iter().map(|one| made(one, &nested)));
        let direct = nested.iter().zip(direct).filter_map(|(id, direct)| direct.then_some(*id));
        let asked = groups[2..].iter().map(|group| group.id).chain(direct).collect();
        (groups, asked)
    })
}

/// Tries every possible choice, one modifier after the other, while there is enough of each.
struct Oracle<'a> {
    groups: HashMap<ModifierGroupId, &'a Group>,
    left: HashMap<ModifierId, i32>,
    choices: Vec<Choice>,
}

/// What must still be chosen: the minimum and maximum of the modifiers of a group from this one on, for the item or
/// for a quantity of the last choice.
#[derive(Clone, Copy)]
struct Open<'a> {
    modifiers: &'a [Modifier],
    min: i16,
    max: i16,
    below: Option<u8>,
}

impl<'a> Oracle<'a> {
    fn of(groups: &'a [Group]) -> Self {
        let left = groups.iter().flat_map(|group| &group.modifiers).map(|one| (one.id, one.stock.unwrap_or(1_000)));
        let left = left.collect();
        Self { groups: groups.iter().map(|group| (group.id, group)).collect(), left, choices: Vec::new() }
    }

    fn open(&self, group: ModifierGroupId, below: Option<u8>) -> Open<'a> {
        let group = self.groups[&group];
        Open { modifiers: &group.modifiers, min: group.min, max: group.max, below }
    }

    fn finds(&mut self, open: &[Open<'a>]) -> bool {
        let Some((first, rest)) = open.split_first() else { return true };
        let Some((modifier, others)) = first.modifiers.split_first() else {
            return first.min <= 0 && self.finds(rest);
        };
        for quantity in 0..=first.max.try_into().unwrap_or(0_u8) {
            let portions = i32::from(quantity) * i32::from(first.below.unwrap_or(1));
            if quantity > 0 && (!modifier.available || self.left[&modifier.id] < portions) {
                continue;
            }
            let count = i16::from(quantity);
            let mut next = vec![];
            if quantity > 0 && first.below.is_none() {
                next.extend(modifier.modifier_groups.iter().map(|group| self.open(*group, Some(quantity))));
            }
            next.push(Open { modifiers: others, min: first.min - count, max: first.max - count, below: first.below });
            next.extend(rest);
            let before = self.choices.clone();
            if quantity > 0 {
                let modifier_id = modifier.id;
                if first.below.is_none() {
                    self.choices.push(Choice { modifier_id, quantity, modifiers: Vec::new() });
                } else {
                    let above = self.choices.last_mut().unwrap();
                    above.modifiers.push(NestedChoice { modifier_id, quantity });
                }
            }
            *self.left.get_mut(&modifier.id).unwrap() -= portions;
            if self.finds(&next) {
                return true;
            }
            *self.left.get_mut(&modifier.id).unwrap() += portions;
            self.choices = before;
        }
        false
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn groups_are_satisfiable_exactly_if_there_is_a_choice_that_fits((groups, asked) in menus()) {
        let mut oracle = Oracle::of(&groups);
        let open: Vec<_> = asked.iter().map(|group| oracle.open(*group, None)).collect();
        let expected = oracle.finds(&open);
        if expected {
            // The oracle is compared with the rules of an order.
            let configured = configure(&asked, &GroupIndex::of(&groups), (None, &[]), &oracle.choices).unwrap();
            prop_assert!(configured.available);
            prop_assert!(configured.required_portions.values().all(|take| i64::from(take.portions) <= take.left.into()));
        }
        prop_assert_eq!(Satisfiable::of(&groups).all(&asked), expected);
        let mut backwards = asked;
        backwards.reverse();
        prop_assert_eq!(Satisfiable::of(&groups).all(&backwards), expected);
    }
}

/// Menus that would make the search very long: the work is limited, also for many items with the groups in other
/// orders, and beyond the limit the groups count as not satisfiable.
#[test]
fn the_work_for_a_hostile_menu_is_bounded() {
    let mut random = StdRng::seed_from_u64(11);
    let mut max = 0;
    for round in 0..6 {
        let pools: Vec<_> = (0..30)
            .map(|_| {
                let left = |random: &mut StdRng| Some(random.random_range(1..=12));
                group(
                    random.random_range(1..=4),
                    99,
                    (0..20).map(|_| modifier(left(&mut random), true, vec![])).collect(),
                )
            })
            .collect();
        let tops: Vec<_> = (0..40)
            .map(|_| {
                let modifiers = (0..30).map(|_| {
                    let mut asks: Vec<_> = (0..6).map(|_| pools[random.random_range(0..30)].id).collect();
                    asks.sort_unstable();
                    asks.dedup();
                    modifier(Some(random.random_range(1..=9)), true, asks)
                });
                let modifiers = modifiers.collect();
                group(1 + round * 3, 99, modifiers)
            })
            .collect();
        let groups: Vec<_> = pools.iter().chain(&tops).cloned().collect();
        let before = step_count::counted();
        let mut satisfiable = Satisfiable::of(&groups);
        for _ in 0..2_000 {
            let asked: Vec<_> = (0..20).map(|_| tops[random.random_range(0..40)].id).collect();
            satisfiable.all(&asked);
        }
        max = max.max(step_count::counted() - before);
    }
    assert!(max < 800_000, "{max} steps");
}

/// The limit of a line is compared with it too: at most a hundred choices.
#[test]
fn more_choices_than_a_line_can_have_are_unsatisfiable() {
    let singles = |count: usize| group(60, 99, (0..count).map(|_| modifier(Some(1), true, vec![])).collect());
    for (groups, expected) in [(vec![singles(60)], true), (vec![singles(60), singles(60)], false)] {
        let asked: Vec<_> = groups.iter().map(|group| group.id).collect();
        assert_eq!(Satisfiable::of(&groups).all(&asked), expected);
    }
}

/// The menu agrees with orders: two sides, each with a dip, and one dip left.
#[tokio::test]
async fn groups_that_share_portions_are_orderable_while_there_is_enough_for_all() {
    let app = TestApp::start().await;
    let (shop, ada) = (app.restaurant("Bistro").opens().await, app.customer("Ada").await);
    let adds = async |name: &str, modifiers: Value| {
        let body = json!({ "name": name, "min": 1, "max": 1, "modifiers": modifiers });
        shop.owner.post(&shop.path("/modifier-groups"), &body).await.expect(201)
    };
    let dip = adds("Dip", json!([{ "name": "Aioli", "price": euros(0), "stock": 3 }])).await;
    let side = json!([{ "name": "Fries", "price": euros(0), "modifierGroups": [dip["id"]] }]);
    let (first, second) = (adds("First side", side.clone()).await, adds("Second side", side).await);
    let item = json!({ "categoryId": shop.category, "name": "Combo", "price": euros(900),
        "modifierGroups": [first["id"], second["id"]] });
    let item = shop.owner.post(&shop.path("/items"), &item).await.expect(201);
    let fries = |group: &Value| {
        json!({ "modifierId": group["modifiers"][0]["id"],
        "modifiers": [{ "modifierId": dip["modifiers"][0]["id"] }] })
    };
    let lines = json!([{ "itemId": item["id"], "quantity": 1, "modifiers": [fries(&first), fries(&second)] }]);
    let quote = json!({ "lines": lines, "fulfilment": "PICKUP" });
    let shown = async || {
        let menu = app.stranger().get(&shop.path("/menu")).await.expect(200);
        let items: Vec<_> =
            menu["categories"].as_array().unwrap().iter().flat_map(|one| one["items"].as_array().unwrap()).collect();
        let item = items.iter().find(|one| one["id"] == item["id"]).unwrap();
        (item["orderable"].clone(), item["reason"].clone())
    };
    assert_eq!(shown().await, (json!(true), Value::Null));
    ada.post(&shop.path("/quotes"), &quote).await.expect(201);
    // An order takes two of three, and its cancellation returns them.
    let order = json!({ "restaurantId": shop.id, "lines": lines, "fulfilment": "PICKUP" });
    let order = ada.asks_for_order("two-of-three", &order).await.expect(201);
    assert_eq!(shown().await, (json!(false), json!("choices_unavailable")));
    ada.post(&shop.path("/quotes"), &quote).await.refused(409, "out_of_stock");
    let cancel = json!({ "status": "CANCELLED" });
    ada.patch(&format!("/api/orders/{}/status", id_of(&order)), &cancel).await.expect(200);
    assert_eq!(shown().await, (json!(true), Value::Null));
    let stock = format!("/modifier-groups/{}/modifiers/{}/stock", id_of(&dip), id_of(&dip["modifiers"][0]));
    shop.owner.put(&shop.path(&stock), &json!({ "stock": 1 })).await.expect(200);
    assert_eq!(shown().await, (json!(false), json!("choices_unavailable")));
    ada.post(&shop.path("/quotes"), &quote).await.refused(409, "out_of_stock");
}
