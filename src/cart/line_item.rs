//! An item of a menu as far as lines of it depend on it, whatever the time. Pure.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::cache::CachedValue;
use crate::ids::{ItemId, ModifierGroupId};
use crate::menu::allergens::{Declared, Diet};
use crate::menu::dayparts::{TimeSpan, Week};
use crate::money::Amount;
use crate::restaurants::tax::TaxClass;

/// An item of a menu as far as lines of it depend on it.
#[derive(Debug, Clone)]
pub struct LineItem {
    /// The id of the item.
    pub id: ItemId,
    /// The version of the menu at which it was read. Everything but `stock` is as it is at this version, and so is
    /// whether stock is counted.
    pub menu_version: i64,
    /// The item's name in the menu's language.
    pub name: String,
    /// The price of one portion without modifiers.
    pub price: Amount,
    /// The tax class; `None`: the restaurant's standard rate.
    pub tax_class: Option<TaxClass>,
    /// The portions left; `None`: not counted.
    pub stock: Option<i32>,
    /// Whether it is switched on.
    pub available: bool,
    /// When it is switched on again automatically; `None`: not automatically, or it is switched on.
    pub unavailable_until: Option<DateTime<Utc>>,
    /// Whether it has been deleted from the menu.
    pub deleted: bool,
    /// The declared allergens; `None`: not declared.
    pub allergens: Option<Vec<Declared>>,
    /// The diets that it is suitable for.
    pub diets: Vec<Diet>,
    /// When it and its category are served.
    pub week: Week,
    /// The modifier groups, in their order.
    pub group_ids: Vec<ModifierGroupId>,
}

/// Items of one menu by id.
pub type LineItems = HashMap<ItemId, Arc<LineItem>>;

/// Whether an item can be ordered for an instant, apart from its stock.
#[derive(Debug, Clone, Copy)]
pub struct ItemAvailability {
    /// Whether the item is switched on.
    pub available: bool,
    /// Whether the item and its category are served then.
    pub in_time: bool,
    /// When it is served again, or switched on again automatically; `None`: unknown, or it is available now.
    pub from: Option<DateTime<Utc>>,
}

impl LineItem {
    /// Whether it can be ordered for an instant, in the restaurant's time zone.
    pub fn availability(&self, zone: Tz, at: DateTime<Utc>, time: &TimeSpan) -> ItemAvailability {
        let available = self.available || self.unavailable_until.is_some_and(|until| until <= at);
        let in_time = self.week.serves(zone, at);
        let served_next = if in_time { None } else { self.week.next_change(time) };
        ItemAvailability { available, in_time, from: if available { served_next } else { self.unavailable_until } }
    }
}

impl CachedValue for LineItem {
    fn version(&self) -> i64 {
        self.menu_version
    }

    fn weight(&self) -> usize {
        const ITEM: usize = 512;
        const ENTRY: usize = 32;
        let entries =
            self.allergens.as_ref().map_or(0, Vec::len) + self.diets.len() + self.week.ranges() + self.group_ids.len();
        ITEM + self.name.len() + ENTRY * entries
    }
}
