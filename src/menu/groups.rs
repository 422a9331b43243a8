//! Modifier groups and their modifiers, as staff see them. Pure.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::allergens::{Declared, Diet};
use super::translations::Translations;
use super::{Group, Modifier};
use crate::ids::{ModifierGroupId, ModifierId};
use crate::money::{Currency, Money};
use crate::restaurants::tax::TaxClass;

/// A modifier group with its modifiers, as staff see it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModifierGroup {
    /// The id of the modifier group.
    pub id: ModifierGroupId,
    /// The key of the group, set by the client.
    pub key: Option<String>,
    /// The name of the group, such as "Size".
    pub name: String,
    /// The smallest number of choices.
    pub min: i16,
    /// The largest number of choices.
    pub max: i16,
    /// The modifiers, in order.
    pub modifiers: Vec<GroupModifier>,
    /// Translated texts by language tag.
    pub translations: Translations,
}

/// A modifier, as staff see it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GroupModifier {
    /// The id of the modifier.
    pub id: ModifierId,
    /// The key of the modifier, set by the client.
    pub key: Option<String>,
    /// The name of the modifier.
    pub name: String,
    /// What it adds to the price.
    pub price: Money,
    /// The tax class; null: that of the item for which it is chosen.
    #[schema(value_type = Option<String>)]
    pub tax_class: Option<TaxClass>,
    /// Whether it is switched on.
    pub available: bool,
    /// When it becomes available again.
    pub unavailable_until: Option<DateTime<Utc>>,
    /// Portions left; null: stock is not counted.
    pub stock: Option<i32>,
    /// The allergens; null: not declared.
    pub allergens: Option<Vec<Declared>>,
    /// The diets for which it is suitable.
    pub diets: Vec<Diet>,
    /// Ids of the nested modifier groups, in order.
    pub modifier_groups: Vec<ModifierGroupId>,
    /// Translated texts by language tag.
    pub translations: Translations,
}

impl Group {
    /// The response for staff.
    pub fn into_body(self, currency: Currency) -> ModifierGroup {
        let modifiers = self.modifiers.into_iter().map(|modifier| modifier.into_body(currency)).collect();
        ModifierGroup {
            id: self.id,
            key: self.key,
            name: self.name,
            min: self.min,
            max: self.max,
            modifiers,
            translations: self.translations,
        }
    }
}

impl Modifier {
    /// The response for staff.
    pub fn into_body(self, currency: Currency) -> GroupModifier {
        GroupModifier {
            id: self.id,
            key: self.key,
            name: self.name,
            price: self.price.of(currency),
            tax_class: self.tax_class,
            available: self.available,
            unavailable_until: self.unavailable_until,
            stock: self.stock,
            allergens: self.allergens,
            diets: self.diets,
            modifier_groups: self.modifier_groups,
            translations: self.translations,
        }
    }
}
