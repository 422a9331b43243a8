//! Allergens and diets of items and modifiers, and of an item with its chosen modifiers. Pure.
//!
//! "Not declared" is not "no allergens": while a part of a dish is not declared, the whole is `complete: false`, and it
//! is suitable only for diets that every part declares.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::step_count;

/// The fourteen allergens of Regulation (EU) No 1169/2011, annex II.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Allergen {
    Gluten,
    Crustaceans,
    Eggs,
    Fish,
    Peanuts,
    Soybeans,
    Milk,
    Nuts,
    Celery,
    Mustard,
    Sesame,
    Sulphites,
    Lupin,
    Molluscs,
}

/// Whether an allergen is contained, or may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = AllergenLevel)]
pub enum Level {
    /// It may contain traces.
    MayContain,
    /// It contains it.
    Contains,
}

/// One declared allergen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DeclaredAllergens)]
pub struct Declared {
    /// The name of the allergen.
    pub allergen: Allergen,
    /// Whether it is contained, or may be.
    pub level: Level,
}

/// A diet for which an item is suitable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Diet {
    Vegan,
    Vegetarian,
    Pescatarian,
    Halal,
    Kosher,
    GlutenFree,
    LactoseFree,
}

/// The allergens and diets of an item together with its chosen modifiers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ItemAllergens)]
pub struct Effective {
    /// Allergens that are contained.
    pub contains: Vec<Allergen>,
    /// Allergens that may be contained.
    pub may_contain: Vec<Allergen>,
    /// Whether every part has been declared; if not, there may be other allergens.
    pub complete: bool,
    /// Diets for which every part is suitable.
    pub diets: Vec<Diet>,
}

/// The declaration of an item or modifier; no allergens: not declared.
pub type FoodPart<'a> = (Option<&'a [Declared]>, &'a [Diet]);

/// Combines the declarations of all parts.
pub fn effective<'a>(parts: impl IntoIterator<Item = FoodPart<'a>>) -> Effective {
    let (mut levels, mut complete) = (BTreeMap::<Allergen, Level>::new(), true);
    let mut diets: Option<Vec<Diet>> = None;
    for (declared, suits) in parts {
        step_count::step(1 + declared.unwrap_or_default().len() + suits.len());
        complete &= declared.is_some();
        for one in declared.unwrap_or_default() {
            let level = levels.entry(one.allergen).or_insert(one.level);
            *level = one.level.max(*level);
        }
        diets = Some(match diets {
            None => suits.to_vec(),
            Some(common) => common.into_iter().filter(|diet| suits.contains(diet)).collect(),
        });
    }
    let of = |wanted: Level| levels.iter().filter(|(_, level)| **level == wanted).map(|(one, _)| *one).collect();
    let mut diets = diets.unwrap_or_default();
    diets.sort_unstable();
    diets.dedup();
    Effective { contains: of(Level::Contains), may_contain: of(Level::MayContain), complete, diets }
}

/// The first allergen that is named twice.
pub fn named_twice(declared: &[Declared]) -> Option<usize> {
    (1..declared.len()).find(|&index| declared[..index].iter().any(|one| one.allergen == declared[index].allergen))
}
