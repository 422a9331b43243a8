//! The limits on the size of a menu that is edited entity by entity: the same as for a menu that is replaced as a
//! whole. Pure.

use crate::config::Menus;
use crate::problem::Problem;

/// The size of a menu.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MenuSize {
    /// Bytes of its texts in all languages, and of its day-parts and allergens.
    pub bytes: i64,
    /// Its translations, day-parts and references to modifier groups, all together.
    pub details: i64,
    /// Languages into which it is translated.
    pub languages: i64,
}

/// The size of a menu before and after an edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct MenuGrowth {
    /// The size before the edit.
    pub before: MenuSize,
    /// The size after the edit.
    pub after: MenuSize,
}

impl MenuGrowth {
    /// Refuses an edit that makes the menu larger than a limit. One that makes a menu smaller is always allowed.
    ///
    /// # Errors
    /// 422 with the limit.
    pub fn check(self, bounds: Menus) -> Result<(), Problem> {
        let (before, after) = (self.before, self.after);
        let sizes = [
            (before.bytes, after.bytes, bounds.max_bytes, "bytes of texts", "MENU_MAX_BYTES"),
            (
                before.details,
                after.details,
                bounds.max_details,
                "translations, day-parts and references to groups",
                "MENU_MAX_DETAILS",
            ),
            (before.languages, after.languages, bounds.max_languages, "languages", "MENU_MAX_LANGUAGES"),
        ];
        for (before, after, max, what, variable) in sizes {
            if after > before && after > i64::try_from(max).unwrap_or(i64::MAX) {
                let detail = format!(
                    "would give the menu {after} {what}, and {max} are the most ({variable} of the server's \
                     configuration)"
                );
                return Err(Problem::invalid_field("", detail));
            }
        }
        Ok(())
    }
}
