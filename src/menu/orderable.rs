//! Whether an item can be ordered at all, whoever asks: what stands in the way of the item itself, and of the answers to
//! the questions that have to be answered about it. Pure.

use std::collections::HashMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::{Group, Item, Modifier};
use crate::ids::ModifierGroupId;

/// Why an item cannot be ordered now; in the words of a cart's `reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NotOrderable {
    /// Switched off.
    Unavailable,
    /// Counted, and none is left.
    OutOfStock,
    /// Not served at this hour.
    NotNow,
    /// A group that has to be answered cannot be: too many of its modifiers are switched off or sold out, or what has to
    /// be chosen on them is.
    ChoicesUnavailable,
}

/// Most of one modifier that may be chosen on one item.
const MOST_OF_ONE: u32 = 99;

/// Which groups can be answered by what is switched on and left.
pub struct Answerable(HashMap<ModifierGroupId, bool>);

impl Answerable {
    /// Of all groups of a menu. Groups nest one level deep: nested ones are looked at first.
    pub fn of(groups: &[Group]) -> Self {
        let all = |nested: &Self| groups.iter().map(|group| (group.id, nested.can_answer(group))).collect();
        let nested = Self(all(&Self(HashMap::new())));
        Self(all(&nested))
    }

    /// Whether so many as the group asks for can be chosen: one modifier may be chosen several times, as often as it is
    /// left.
    fn can_answer(&self, group: &Group) -> bool {
        let available = group.modifiers.iter().filter(|modifier| self.can_choose(modifier));
        let left = |modifier: &Modifier| modifier.stock.map_or(MOST_OF_ONE, i32::unsigned_abs).min(MOST_OF_ONE);
        available.map(left).sum::<u32>() >= u32::from(group.min.unsigned_abs())
    }

    /// Whether every one of these groups can be answered. One that is not there asks nothing.
    pub fn all(&self, groups: &[ModifierGroupId]) -> bool {
        groups.iter().all(|group| self.0.get(group).copied().unwrap_or(true))
    }

    /// Whether a modifier can be chosen.
    pub fn can_choose(&self, modifier: &Modifier) -> bool {
        modifier.available && modifier.stock != Some(0) && self.all(&modifier.modifier_groups)
    }

    /// What stands in the way of ordering an item, which is served now or not.
    pub fn obstacle(&self, item: &Item, in_time: bool) -> Option<NotOrderable> {
        if !item.available {
            Some(NotOrderable::Unavailable)
        } else if item.stock == Some(0) {
            Some(NotOrderable::OutOfStock)
        } else if !in_time {
            Some(NotOrderable::NotNow)
        } else if !self.all(&item.modifier_groups) {
            Some(NotOrderable::ChoicesUnavailable)
        } else {
            None
        }
    }
}
