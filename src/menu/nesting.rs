//! Which groups may hang on which modifiers: one level, and never in a circle. Pure.

use std::collections::{HashMap, HashSet};

use super::Group;
use crate::ids::ModifierGroupId;

/// What is wrong with how a group's modifiers ask further questions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NestingFault {
    /// The group, by its place in the list.
    pub group: usize,
    /// Its modifier, by its place in the group.
    pub modifier: usize,
    /// The nested group, by its place at the modifier.
    pub nested: usize,
    /// What is wrong with the nesting.
    pub message: &'static str,
}

/// The first fault among all groups of a menu.
///
/// # Errors
/// Where it is, and what.
pub fn check(groups: &[Group]) -> Result<(), NestingFault> {
    let nested_in = |group: &Group| -> HashSet<ModifierGroupId> {
        group.modifiers.iter().flat_map(|modifier| modifier.modifier_groups.iter().copied()).collect()
    };
    let by_id: HashMap<ModifierGroupId, _> = groups.iter().map(|group| (group.id, nested_in(group))).collect();
    for (at_group, group) in groups.iter().enumerate() {
        for (at_modifier, modifier) in group.modifiers.iter().enumerate() {
            let mut seen = HashSet::new();
            for (nested, id) in modifier.modifier_groups.iter().enumerate() {
                let fault = |message| NestingFault { group: at_group, modifier: at_modifier, nested, message };
                if *id == group.id {
                    return Err(fault("is the group that it would hang on"));
                }
                if !seen.insert(*id) {
                    return Err(fault("is listed more than once"));
                }
                let below = by_id.get(id).ok_or_else(|| fault("is no modifier group of this restaurant"))?;
                if below.contains(&group.id) {
                    return Err(fault("hangs on this one: groups must not nest in a circle"));
                }
                if !below.is_empty() {
                    return Err(fault("has nested groups itself: one level is the most"));
                }
            }
        }
    }
    Ok(())
}
