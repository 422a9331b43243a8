//! Configures an item with chosen modifiers: whether the choices fit the groups, what they add to the price, and the
//! stock that they require. Pure; clients send ids and quantities, the server computes prices.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::allergens::{Effective, FoodPart, effective};
use super::{Group, Modifier};
use crate::bounded;
use crate::ids::{ModifierGroupId, ModifierId};
use crate::money::{Amount, Overflow};
use crate::problem::{FieldError, Problem};
use crate::restaurants::tax::{TaxClass, TaxedPart};
use crate::step_count;

/// The most choices on one line, nested ones included.
pub const MAX_CHOICES: usize = 100;

const fn once() -> u8 {
    1
}

/// A modifier that was chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = ModifierChoice)]
pub struct Choice {
    /// The id of the modifier.
    pub modifier_id: ModifierId,
    /// The quantity for each one of the item; default: 1.
    #[serde(default = "once")]
    #[schema(minimum = 1, maximum = 99)]
    pub quantity: u8,
    /// Choices in the nested modifier groups of this modifier.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "bounded::list::<_, _, 100>")]
    pub modifiers: Vec<NestedChoice>,
}

/// A modifier that was chosen for another modifier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = NestedModifierChoice)]
pub struct NestedChoice {
    /// The id of the modifier.
    pub modifier_id: ModifierId,
    /// The quantity for each one of the parent modifier; default: 1.
    #[serde(default = "once")]
    #[schema(minimum = 1, maximum = 99)]
    pub quantity: u8,
}

/// The number of modifiers chosen on a line, nested ones included.
pub fn count(choices: &[Choice]) -> usize {
    choices.iter().map(|choice| 1 + choice.modifiers.len()).sum()
}

/// Checks the number of choices of each line, and of all lines together.
///
/// # Errors
/// 422 for the first line with too many, or for all lines together.
pub fn check_counts<'a>(
    lines: impl IntoIterator<Item = (usize, &'a [Choice])>,
    max_of_all: usize,
) -> Result<(), Problem> {
    let mut all = 0;
    for (index, choices) in lines {
        let count = count(choices);
        if count > MAX_CHOICES {
            return Err(Problem::invalid_field(format!("/lines/{index}/modifiers"), "must have at most 100 entries"));
        }
        all += count;
    }
    if all > max_of_all { Err(too_many(all, max_of_all)) } else { Ok(()) }
}

/// 422: all lines together have too many choices.
pub fn too_many(count: usize, max: usize) -> Problem {
    let message = format!("must have at most {max} modifiers, all lines together, not {count}: split the order");
    Problem::invalid_field("/lines", message)
}

/// An error of a choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidChoice {
    /// The pointer below the line, such as `/modifiers/0/modifierId`.
    pub pointer: String,
    /// What is wrong with the choice, for the customer.
    pub message: String,
}

impl InvalidChoice {
    /// The error for a request with the line at this pointer.
    pub fn field_error(&self, line: &str) -> FieldError {
        FieldError::invalid(format!("{line}{}", self.pointer), &self.message)
    }
}

/// A choice with its current name and price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chosen {
    /// The modifier that was chosen.
    pub modifier_id: ModifierId,
    /// The modifier's name in the menu's own language.
    pub name: String,
    /// What one adds to the price.
    pub price: Amount,
    /// The tax class; `None`: that of the item or modifier that it is chosen for.
    pub tax_class: Option<TaxClass>,
    /// The quantity for each portion, or for each of the parent modifier.
    pub quantity: u8,
    /// The nested choices.
    pub modifiers: Vec<Self>,
}

/// The portions of a counted modifier that one item requires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequiredPortions {
    /// The modifier's name.
    pub name: String,
    /// The number of portions.
    pub portions: u32,
    /// The number of portions left.
    pub left: i32,
}

/// An item with its chosen modifiers.
#[derive(Debug, Clone)]
pub struct Configured {
    /// The choices in the order of the groups.
    pub chosen: Vec<Chosen>,
    /// What all choices add to the price of one portion.
    pub extra: Amount,
    /// The counted modifiers that one portion requires.
    pub required_portions: BTreeMap<ModifierId, RequiredPortions>,
    /// Whether all chosen modifiers are switched on.
    pub available: bool,
    /// The allergens and diets of the item with the choices.
    pub allergens: Effective,
}

/// Modifier groups by id, and each modifier with its group: an index for all lines of a basket.
pub struct GroupIndex<'a> {
    groups: HashMap<ModifierGroupId, &'a Group>,
    modifiers: HashMap<ModifierId, (ModifierGroupId, &'a Modifier)>,
}

impl<'a> GroupIndex<'a> {
    /// Indexes groups. Modifiers that no line chooses may be left out.
    pub fn of(groups: &'a [Group]) -> Self {
        let modifiers = groups.iter().flat_map(|group| group.modifiers.iter().map(|one| (one.id, (group.id, one))));
        Self { groups: groups.iter().map(|group| (group.id, group)).collect(), modifiers: modifiers.collect() }
    }
}

struct ChoiceReader<'a, 'q> {
    groups: &'q GroupIndex<'a>,
    invalid_choices: Vec<InvalidChoice>,
    required_portions: BTreeMap<ModifierId, RequiredPortions>,
    parts: Vec<FoodPart<'a>>,
    available: bool,
}

/// Checks the choices against the modifier groups of an item. `groups` contains these groups and their nested ones.
///
/// # Errors
/// All choices that do not fit.
pub fn configure<'a>(
    group_ids: &[ModifierGroupId],
    groups: &GroupIndex<'a>,
    item: FoodPart<'a>,
    choices: &[Choice],
) -> Result<Configured, Vec<InvalidChoice>> {
    let mut reader = ChoiceReader {
        groups,
        invalid_choices: Vec::new(),
        required_portions: BTreeMap::new(),
        parts: vec![item],
        available: true,
    };
    let flat: Vec<_> = choices.iter().map(|choice| (choice.modifier_id, choice.quantity)).collect();
    let found = reader.read_choices(group_ids, &flat, "", 1);
    let mut chosen = Vec::with_capacity(choices.len());
    for (index, (choice, modifier)) in choices.iter().zip(found).enumerate() {
        let Some(modifier) = modifier else { continue };
        let below: Vec<_> = choice.modifiers.iter().map(|nested| (nested.modifier_id, nested.quantity)).collect();
        let parent = format!("/modifiers/{index}");
        let nested = reader.read_choices(&modifier.modifier_groups, &below, &parent, u32::from(choice.quantity));
        let nested = below.iter().zip(nested).filter_map(|((_, count), found)| Some(as_chosen(found?, *count, vec![])));
        chosen.push(as_chosen(modifier, choice.quantity, nested.collect()));
    }
    if !reader.invalid_choices.is_empty() {
        return Err(reader.invalid_choices);
    }
    let overflow = |_| vec![InvalidChoice { pointer: "/modifiers".into(), message: "the amount is too large".into() }];
    Ok(Configured {
        extra: extra(&chosen).map_err(overflow)?,
        required_portions: reader.required_portions,
        available: reader.available,
        allergens: effective(reader.parts),
        chosen,
    })
}

fn as_chosen(modifier: &Modifier, quantity: u8, modifiers: Vec<Chosen>) -> Chosen {
    let (name, tax_class) = (modifier.name.clone(), modifier.tax_class.clone());
    Chosen { modifier_id: modifier.id, name, price: modifier.price, tax_class, quantity, modifiers }
}

fn extra(chosen: &[Chosen]) -> Result<Amount, Overflow> {
    let one = |choice: &Chosen| choice.price.plus(extra(&choice.modifiers)?)?.times(u32::from(choice.quantity));
    chosen.iter().try_fold(Amount::ZERO, |sum, choice| sum.plus(one(choice)?))
}

/// The prices of the choices times `times`, by tax class. A choice without a tax class has that of the item or modifier
/// that it is chosen for.
///
/// # Errors
/// When an amount leaves the range of 64 bits.
pub fn taxed_parts(chosen: &[Chosen], class: Option<&TaxClass>, times: u32) -> Result<Vec<TaxedPart>, Overflow> {
    let mut parts = Vec::new();
    for choice in chosen {
        let class = choice.tax_class.as_ref().or(class);
        let times = times.checked_mul(u32::from(choice.quantity)).ok_or(Overflow)?;
        let amount = choice.price.times(times)?;
        if amount != Amount::ZERO {
            parts.push(TaxedPart { class: class.cloned(), amount });
        }
        parts.extend(self::taxed_parts(&choice.modifiers, class, times)?);
    }
    Ok(parts)
}

impl<'a> ChoiceReader<'a, '_> {
    /// The modifiers of the choices for these groups; `None`: the choice is invalid.
    fn read_choices(
        &mut self,
        group_ids: &[ModifierGroupId],
        choices: &[(ModifierId, u8)],
        parent: &str,
        portions: u32,
    ) -> Vec<Option<&'a Modifier>> {
        let groups: Vec<&'a Group> = group_ids.iter().filter_map(|id| self.groups.groups.get(id).copied()).collect();
        let mut counts = vec![0_u32; groups.len()];
        let mut named = HashSet::with_capacity(choices.len());
        let mut found = Vec::with_capacity(choices.len());
        step_count::step(groups.len());
        for (index, (id, quantity)) in choices.iter().enumerate() {
            step_count::step(1);
            let pointer = format!("{parent}/modifiers/{index}");
            if !(1..=99).contains(quantity) {
                self.invalid_choice(format!("{pointer}/quantity"), "must be between 1 and 99".into());
            }
            let named_before = !named.insert(*id);
            let hit =
                self.groups.modifiers.get(id).copied().and_then(|(group, modifier)| {
                    groups.iter().position(|one| one.id == group).map(|at| (at, modifier))
                });
            match hit {
                Some(_) if named_before => {
                    self.invalid_choice(
                        format!("{pointer}/modifierId"),
                        "is listed more than once: use quantity instead".into(),
                    );
                    found.push(None);
                }
                Some((at, modifier)) => {
                    counts[at] += u32::from(*quantity);
                    self.note(modifier, u32::from(*quantity) * portions);
                    found.push(Some(modifier));
                }
                None => {
                    self.invalid_choice(format!("{pointer}/modifierId"), "cannot be chosen here".into());
                    found.push(None);
                }
            }
        }
        for (group, count) in groups.iter().zip(counts) {
            let (min, max) = (group.min.unsigned_abs().into(), group.max.unsigned_abs().into());
            if count < min || count > max {
                let expected = if min == max { format!("exactly {min}") } else { format!("{min} to {max}") };
                let message = format!("must have {expected} of “{}”, not {count}", group.name);
                self.invalid_choice(format!("{parent}/modifiers"), message);
            }
        }
        found
    }

    fn invalid_choice(&mut self, pointer: String, message: String) {
        self.invalid_choices.push(InvalidChoice { pointer, message });
    }

    fn note(&mut self, modifier: &'a Modifier, portions: u32) {
        self.available &= modifier.available;
        self.parts.push((modifier.allergens.as_deref(), &modifier.diets));
        if let Some(left) = modifier.stock {
            let new = || RequiredPortions { name: modifier.name.clone(), portions: 0, left };
            self.required_portions.entry(modifier.id).or_insert_with(new).portions += portions;
        }
    }
}
