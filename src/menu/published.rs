//! The published menu: what customers read, in one language and at one time. Pure. Read and cached in
//! `actions/published.rs`.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use serde::Serialize;
use utoipa::ToSchema;

use super::allergens::{Declared, Diet};
use super::dayparts::{DayPart, TimeSpan, Week};
use super::orderable::{self, NotOrderable};
use super::satisfiable::Satisfiable;
use super::translations::{Texts, Translations};
use super::{Category, Contents, Group, Item, Modifier};
use crate::ids::{CategoryId, ItemId, ModifierGroupId, ModifierId, RestaurantId};
use crate::images::Image;
use crate::money::{Currency, Money};

/// A modifier, as customers see it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MenuModifier {
    /// The id of the modifier.
    pub id: ModifierId,
    /// The name of the modifier.
    pub name: String,
    /// What it adds to the price.
    pub price: Money,
    /// Whether it is switched on.
    pub available: bool,
    /// When it becomes available again.
    pub unavailable_until: Option<DateTime<Utc>>,
    /// Whether stock is counted and none is left.
    pub sold_out: bool,
    /// Whether it can be chosen now: switched on, not sold out, and its required modifier groups can be satisfied.
    pub orderable: bool,
    /// The allergens; null: not declared.
    pub allergens: Option<Vec<Declared>>,
    /// The diets for which it is suitable.
    pub diets: Vec<Diet>,
    /// Ids of the nested modifier groups, in order.
    pub modifier_groups: Vec<ModifierGroupId>,
}

/// A modifier group, as customers see it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MenuGroup {
    /// The id of the modifier group.
    pub id: ModifierGroupId,
    /// The name of the group, such as "Size".
    pub name: String,
    /// The smallest number of choices.
    pub min: i16,
    /// The largest number of choices.
    pub max: i16,
    /// The modifiers, in order.
    pub modifiers: Vec<MenuModifier>,
}

/// An item, as customers see it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MenuItem {
    /// The id of the item.
    pub id: ItemId,
    /// The id of the category.
    pub category_id: CategoryId,
    /// The name of the item.
    pub name: String,
    /// The description shown to customers.
    pub description: Option<String>,
    /// The price of one, without modifiers; with tax, if `pricesIncludeTax` of the restaurant is true.
    pub price: Money,
    /// Whether it is switched on.
    pub available: bool,
    /// When it becomes available again.
    pub unavailable_until: Option<DateTime<Utc>>,
    /// Whether stock is counted and none is left.
    pub sold_out: bool,
    /// Whether it can be ordered now: switched on, not sold out, served at this time, and its required modifier groups
    /// can be satisfied together.
    pub orderable: bool,
    /// Why not; null: it can be ordered.
    pub reason: Option<NotOrderable>,
    /// The position within the category; smaller values come first.
    pub position: i32,
    /// The item's image; absent: it has none.
    pub image: Option<Image>,
    /// When the item is served; empty: whenever its category is.
    pub day_parts: Vec<DayPart>,
    /// The allergens; null: not declared.
    pub allergens: Option<Vec<Declared>>,
    /// The diets for which it is suitable.
    pub diets: Vec<Diet>,
    /// Ids of the modifier groups of the item, in order; see `modifierGroups` of the menu.
    pub modifier_groups: Vec<ModifierGroupId>,
}

/// A category with its items.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MenuCategory {
    /// The id of the category.
    pub id: CategoryId,
    /// The name of the category.
    pub name: String,
    /// The position among the categories; smaller values come first.
    pub position: i32,
    /// When the category is served; empty: at any time.
    pub day_parts: Vec<DayPart>,
    /// The items, in order.
    pub items: Vec<MenuItem>,
}

/// The menu of a restaurant, as customers see it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Menu {
    /// The id of the restaurant.
    pub restaurant_id: RestaurantId,
    /// Increases with every change.
    pub version: i64,
    /// The currency of all prices.
    #[schema(value_type = String, example = "EUR")]
    pub currency: Currency,
    /// The language of the texts, if known.
    pub language: Option<String>,
    /// The categories, in order.
    pub categories: Vec<MenuCategory>,
    /// The modifier groups to which items and modifiers refer.
    pub modifier_groups: Vec<MenuGroup>,
}

/// A text in the requested language, or the menu's own text.
fn translated(
    translations: &Translations,
    language: Option<&str>,
    written: String,
    of: fn(&Texts) -> Option<&str>,
) -> String {
    let translated = language.and_then(|language| translations.get(language)).and_then(of);
    translated.map_or(written, ToOwned::to_owned)
}

fn name_of(texts: &Texts) -> Option<&str> {
    texts.name.as_deref()
}

fn description_of(texts: &Texts) -> Option<&str> {
    texts.description.as_deref()
}

/// Renders entities, and determines until when the result is valid.
struct MenuRenderer<'a> {
    language: Option<&'a str>,
    zone: Tz,
    now: DateTime<Utc>,
    /// The span in which the result may be used.
    time: TimeSpan,
    until: DateTime<Utc>,
    currency: Currency,
    satisfiable: Satisfiable,
}

impl MenuRenderer<'_> {
    /// Limits the validity to the instant at which something is switched on again.
    fn limit_validity(&mut self, until: Option<DateTime<Utc>>) {
        self.until = until.map_or(self.until, |until| until.min(self.until));
    }

    fn served(&mut self, windows: &[DayPart]) -> bool {
        if windows.is_empty() {
            return true;
        }
        let week = Week::of(windows);
        self.limit_validity(week.next_change(&self.time));
        week.serves(self.zone, self.now)
    }

    fn item(&mut self, item: Item, category_served: bool) -> MenuItem {
        self.limit_validity(item.unavailable_until);
        let in_time = self.served(&item.day_parts) && category_served;
        let reason = orderable::why_not_orderable(&item, in_time, &mut self.satisfiable);
        let translate = |written: String| translated(&item.translations, self.language, written, description_of);
        MenuItem {
            id: item.id,
            category_id: item.category_id,
            name: translated(&item.translations, self.language, item.name, name_of),
            description: item.description.map(translate),
            price: item.price,
            available: item.available,
            unavailable_until: item.unavailable_until,
            sold_out: item.stock == Some(0),
            orderable: reason.is_none(),
            reason,
            position: item.position,
            image: item.image,
            day_parts: item.day_parts,
            allergens: item.allergens,
            diets: item.diets,
            modifier_groups: item.modifier_groups,
        }
    }

    fn modifier(&mut self, modifier: Modifier) -> MenuModifier {
        self.limit_validity(modifier.unavailable_until);
        let orderable = self.satisfiable.can_choose(&modifier);
        MenuModifier {
            id: modifier.id,
            name: translated(&modifier.translations, self.language, modifier.name, name_of),
            price: modifier.price.of(self.currency),
            available: modifier.available,
            unavailable_until: modifier.unavailable_until,
            sold_out: modifier.stock == Some(0),
            orderable,
            allergens: modifier.allergens,
            diets: modifier.diets,
            modifier_groups: modifier.modifier_groups,
        }
    }

    fn group(&mut self, group: Group) -> MenuGroup {
        MenuGroup {
            id: group.id,
            name: translated(&group.translations, self.language, group.name, name_of),
            min: group.min,
            max: group.max,
            modifiers: group.modifiers.into_iter().map(|modifier| self.modifier(modifier)).collect(),
        }
    }

    fn category(&mut self, category: Category, items: Vec<Item>) -> MenuCategory {
        let in_time = self.served(&category.day_parts);
        MenuCategory {
            id: category.id,
            name: translated(&category.translations, self.language, category.name, name_of),
            position: category.position,
            items: items.into_iter().map(|item| self.item(item, in_time)).collect(),
            day_parts: category.day_parts,
        }
    }
}

/// The published menu in a language, and until when it is valid: `life` from now, or the next time at which serving of
/// something begins or ends.
///
/// # Errors
/// When the restaurant's zone is not known.
pub fn render(
    restaurant_id: RestaurantId,
    contents: Contents,
    language: Option<&str>,
    now: DateTime<Utc>,
    life: TimeDelta,
) -> Result<(Menu, DateTime<Utc>), chrono_tz::ParseError> {
    let (zone, currency) = (contents.timezone.parse()?, contents.currency);
    let (until, time) = (now + life, TimeSpan::between(zone, now, now + life));
    let satisfiable = Satisfiable::of(&contents.groups);
    let mut renderer = MenuRenderer { language, zone, now, time, until, currency, satisfiable };
    let mut items: HashMap<CategoryId, Vec<Item>> = HashMap::new();
    for item in contents.items {
        items.entry(item.category_id).or_default().push(item);
    }
    let mut categories = Vec::with_capacity(contents.categories.len());
    for category in contents.categories {
        let items = items.remove(&category.id).unwrap_or_default();
        categories.push(renderer.category(category, items));
    }
    let modifier_groups = contents.groups.into_iter().map(|group| renderer.group(group)).collect();
    let language = language.map_or(contents.language, |language| Some(language.to_owned()));
    let menu = Menu { restaurant_id, version: contents.version, currency, language, categories, modifier_groups };
    Ok((menu, renderer.until))
}
