//! Settings of menus, read and checked. Defaults and descriptions: `variables/menus.rs`.

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
    pub max_categories: usize,
    /// `MENU_MAX_ITEMS`: maximum number of items of a menu (1 to 100000).
    pub max_items: usize,
    /// `MENU_MAX_GROUPS`: maximum number of modifier groups of a menu (1 to 10000).
    pub max_groups: usize,
    /// `MENU_MAX_MODIFIERS`: maximum number of modifiers of a group (1 to 1000).
    pub max_modifiers: usize,
    /// `MENU_MAX_ALL_MODIFIERS`: most modifiers of a menu, in all its groups together (1 to 100000).
    pub max_all_modifiers: usize,
    /// `MENU_MAX_DETAILS`: most translations, day-parts and references to modifier groups of a menu, all together (1 to
    /// 1000000).
    pub max_details: usize,
    /// `MENU_MAX_LANGUAGES`: most languages into which a menu is translated (1 to 100).
    pub max_languages: usize,
    /// `MENU_MAX_BYTES`: largest whole menu that may be sent, and most bytes of the texts of a menu (1024 to 67108864).
    pub max_bytes: usize,
}

impl Menus {
    pub(super) fn gather(reader: &mut Reader<'_>) -> Self {
        Self {
            cache_bytes: reader.number("MENU_CACHE_BYTES", 1 << 20, 4 << 30),
            cache_life: reader.duration("MENU_CACHE_LIFE"),
            max_categories: reader.number("MENU_MAX_CATEGORIES", 1, 10_000),
            max_items: reader.number("MENU_MAX_ITEMS", 1, 100_000),
            max_groups: reader.number("MENU_MAX_GROUPS", 1, 10_000),
            max_modifiers: reader.number("MENU_MAX_MODIFIERS", 1, 1_000),
            max_all_modifiers: reader.number("MENU_MAX_ALL_MODIFIERS", 1, 100_000),
            max_details: reader.number("MENU_MAX_DETAILS", 1, 1_000_000),
            max_languages: reader.number("MENU_MAX_LANGUAGES", 1, 100),
            max_bytes: reader.number("MENU_MAX_BYTES", 1_024, 64 << 20),
        }
    }
}
