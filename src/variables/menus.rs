//! Variables of menus.

use super::{Variable, plain};

const MENUS: &str = "Menus";

pub(super) const TABLE: &[Variable] = &[
    plain(
        MENUS,
        "MENU_CACHE_BYTES",
        "67108864",
        "Maximum size of the menu cache in this process, in bytes (1048576 to 4294967296).",
    ),
    plain(
        MENUS,
        "MENU_CACHE_LIFE",
        "1m",
        "How long a rendered menu is cached, in this process and in Redis, and how long it may be returned while the \
         database does not answer.",
    ),
    plain(
        MENUS,
        "MENU_MAX_BYTES",
        "524288",
        "Maximum size of a whole menu in a request, as JSON or CSV, and of the texts of a menu that is written entity \
         by entity, in bytes (1024 to 67108864).",
    ),
    plain(MENUS, "MENU_MAX_CATEGORIES", "200", "Maximum number of categories of a menu (1 to 10000)."),
    plain(MENUS, "MENU_MAX_ITEMS", "1000", "Maximum number of items of a menu (1 to 100000)."),
    plain(MENUS, "MENU_MAX_GROUPS", "500", "Maximum number of modifier groups of a menu (1 to 10000)."),
    plain(MENUS, "MENU_MAX_MODIFIERS", "100", "Maximum number of modifiers of a group (1 to 1000)."),
    plain(
        MENUS,
        "MENU_MAX_ALL_MODIFIERS",
        "1500",
        "Maximum number of modifiers of a menu, in all its groups together (1 to 100000).",
    ),
    plain(
        MENUS,
        "MENU_MAX_DETAILS",
        "5000",
        "Maximum number of translations, day-parts and references to modifier groups of a menu, all together (1 to \
         1000000).",
    ),
    plain(MENUS, "MENU_MAX_LANGUAGES", "20", "Maximum number of languages into which a menu is translated (1 to 100)."),
];
