//! Menus and their bounds.

use std::time::Duration;

use super::source::Reader;

/// Menus and their bounds.
#[derive(Debug, Clone, Copy)]
pub struct Menus {
    /// `MENU_CACHE_BYTES`: maximum size of the menu cache in this process, in bytes (1048576 to 4294967296).
    pub cache_bytes: usize,
    /// `MENU_CACHE_LIFE`: how long a rendered menu is cached, in this process and in Redis, and how long it may be
    /// returned while the database does not answer.
    pub cache_life: Duration,
    /// `MENU_MAX_CATEGORIES`: maximum number of categories of a menu (1 to 10000).
    pub most_categories: usize,
    /// `MENU_MAX_ITEMS`: maximum number of items of a menu (1 to 100000).
    pub most_items: usize,
    /// `MENU_MAX_GROUPS`: maximum number of modifier groups of a menu (1 to 10000).
    pub most_groups: usize,
    /// `MENU_MAX_MODIFIERS`: maximum number of modifiers of a group (1 to 1000).
    pub most_modifiers: usize,
}

impl Menus {
    pub(super) fn gather(reader: &mut Reader<'_>) -> Self {
        Self {
            cache_bytes: reader.number("MENU_CACHE_BYTES", 1 << 20, 4 << 30),
            cache_life: reader.duration("MENU_CACHE_LIFE"),
            most_categories: reader.number("MENU_MAX_CATEGORIES", 1, 10_000),
            most_items: reader.number("MENU_MAX_ITEMS", 1, 100_000),
            most_groups: reader.number("MENU_MAX_GROUPS", 1, 10_000),
            most_modifiers: reader.number("MENU_MAX_MODIFIERS", 1, 1_000),
        }
    }
}
