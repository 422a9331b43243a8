//! Whether an item can be ordered at all, whoever asks: what stands in the way of the item itself, and of the answers to
//! the questions that have to be answered about it. Pure.

use std::collections::HashMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::{Group, Item, Modifier};
use crate::ids::{ModifierGroupId, ModifierId};

/// Why an item cannot be ordered now; in the words of a cart's `reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = NotOrderableReason)]
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

/// Which groups can be answered by what is switched on and left, and how many of each modifier can be chosen on one item.
/// Each group is judged by itself: where two groups that are asked together draw on the same portions, those count in both.
pub struct Answerable {
    groups: HashMap<ModifierGroupId, bool>,
    modifiers: HashMap<ModifierId, u32>,
}

/// How many of a modifier are there, whatever is asked about it.
fn left(modifier: &Modifier) -> u32 {
    let left = modifier.stock.map_or(MOST_OF_ONE, |stock| stock.max(0).unsigned_abs()).min(MOST_OF_ONE);
    if modifier.available { left } else { 0 }
}

/// So many as a group asks for.
fn minimum(group: &Group) -> u32 {
    group.min.unsigned_abs().into()
}

/// How often a group can be answered with the same modifiers, as it is when it is asked about several of the modifier above.
fn answered_so_often(group: &Group) -> u32 {
    let is_enough = |times: u32| group.modifiers.iter().map(|one| left(one) / times).sum::<u32>() >= minimum(group);
    let (mut least, mut most) = (0, MOST_OF_ONE);
    while least < most {
        let middle = (least + most).div_ceil(2);
        (least, most) = if is_enough(middle) { (middle, most) } else { (least, middle - 1) };
    }
    least
}

impl Answerable {
    /// Of all groups of a menu. Groups nest one level deep.
    pub fn of(groups: &[Group]) -> Self {
        let nested: HashMap<_, _> = groups.iter().map(|group| (group.id, answered_so_often(group))).collect();
        let most = |modifier: &Modifier| {
            // One that is not there asks nothing.
            let below = modifier.modifier_groups.iter().filter_map(|group| nested.get(group).copied());
            below.fold(left(modifier), u32::min)
        };
        let modifiers: HashMap<_, _> =
            groups.iter().flat_map(|group| &group.modifiers).map(|modifier| (modifier.id, most(modifier))).collect();
        let is_answerable = |group: &Group| group.modifiers.iter().map(most).sum::<u32>() >= minimum(group);
        Self { groups: groups.iter().map(|group| (group.id, is_answerable(group))).collect(), modifiers }
    }

    /// Whether every one of these groups can be answered. One that is not there asks nothing.
    pub fn all(&self, groups: &[ModifierGroupId]) -> bool {
        groups.iter().all(|group| self.groups.get(group).copied().unwrap_or(true))
    }

    /// Whether a modifier can be chosen.
    pub fn can_choose(&self, modifier: &Modifier) -> bool {
        self.modifiers.get(&modifier.id).is_some_and(|most| *most > 0)
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
