//! Nesting of modifier groups in modifiers: one level, without cycles. Pure.

use std::collections::{HashMap, HashSet};

use super::Group;
use crate::ids::ModifierGroupId;

/// An error in the nesting of groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NestingFault {
    /// The index of the group in the list.
    pub group: usize,
    /// The index of its modifier in the group.
    pub modifier: usize,
    /// The index of the nested group at the modifier.
    pub nested: usize,
    /// What is wrong with the nesting.
    pub message: &'static str,
}

/// Checks all groups of a menu.
///
/// # Errors
/// The first error.
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
                    return Err(fault("is the group of the modifier itself"));
                }
                if !seen.insert(*id) {
                    return Err(fault("is listed more than once"));
                }
                let below = by_id.get(id).ok_or_else(|| fault("is not a modifier group of this restaurant"))?;
                if below.contains(&group.id) {
                    return Err(fault("contains this group: groups must not be nested in a cycle"));
                }
                if !below.is_empty() {
                    return Err(fault("has nested groups itself: only one level is allowed"));
                }
            }
        }
    }
    Ok(())
}
