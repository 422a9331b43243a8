//! What orders are decided on, kept in memory: restaurants with their hours and zones, and items of their menus.
//!
//! Nothing here expires, and no other node tells that something has changed. An order that was decided on it carries
//! the versions of restaurant and menu, and the call that writes the order compares them
//! (`migrations/0110_place_order.sql`). Stock, which changes without a new version, is taken by the same call. If the
//! order is not placed, what it was decided on is removed here and read again for the next decision.

use std::sync::Arc;

use chrono::NaiveDate;

use crate::cache::LocalCache;
use crate::cart::line_item::{LineItem, LineItems};
use crate::ids::{ItemId, RestaurantId};
use crate::restaurants::order_rules::RulesOfDay;

/// Restaurants and menu items, bounded in bytes.
pub struct FactsCache {
    rules: LocalCache<RestaurantId, RulesOfDay>,
    items: LocalCache<(RestaurantId, ItemId), LineItem>,
}

impl FactsCache {
    /// An empty cache of at most `max_bytes`: half of them for restaurants, half for items.
    pub fn new(max_bytes: usize) -> Self {
        Self { rules: LocalCache::new(max_bytes / 2), items: LocalCache::new(max_bytes / 2) }
    }

    /// The bytes of everything in it.
    pub fn bytes(&self) -> usize {
        self.rules.bytes() + self.items.bytes()
    }

    /// The rules of a restaurant, if they are known for the UTC day `today`.
    pub fn rules(&self, restaurant: RestaurantId, today: NaiveDate) -> Option<Arc<RulesOfDay>> {
        self.rules.get(&restaurant).filter(|rules| rules.day() == today)
    }

    /// Keeps the rules of a restaurant.
    pub fn keep_rules(&self, restaurant: RestaurantId, rules: RulesOfDay) -> Arc<RulesOfDay> {
        self.rules.put(restaurant, rules)
    }

    /// Those of the items that are known at this version of the menu.
    pub fn items(&self, restaurant: RestaurantId, menu_version: i64, ids: impl Iterator<Item = ItemId>) -> LineItems {
        ids.filter_map(|id| Some((id, self.items.get(&(restaurant, id))?)))
            .filter(|(_, item)| item.menu_version == menu_version)
            .collect()
    }

    /// Keeps items of a menu.
    pub fn keep_items(&self, restaurant: RestaurantId, items: &LineItems) {
        for (id, item) in items {
            self.items.put((restaurant, *id), Arc::clone(item));
        }
    }

    /// Forgets a restaurant and these items of it.
    pub fn forget(&self, restaurant: RestaurantId, items: impl Iterator<Item = ItemId>) {
        self.rules.remove(&restaurant);
        items.for_each(|id| self.items.remove(&(restaurant, id)));
    }
}
