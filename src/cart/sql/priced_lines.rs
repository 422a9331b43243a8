//! Prices lines at the current menu, of which only the named items and modifiers are read.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::RequestedLine;
use crate::cart::line_item::{ItemAvailability, LineItems};
use crate::cart::lines::UnpricedLine;
use crate::cart::{PricedLine, shortage};
use crate::ids::{ItemId, ModifierGroupId, ModifierId};
use crate::menu::configure::{Choice, GroupIndex};
use crate::menu::dayparts::TimeSpan;
use crate::menu::{self, Group};
use crate::problem::Problem;
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// Modifier groups of a menu, each with those of its modifiers that were chosen.
#[derive(Debug, Default)]
pub struct LoadedGroups {
    groups: Vec<Group>,
    group_ids: HashSet<ModifierGroupId>,
    chosen: HashSet<ModifierId>,
}

impl LoadedGroups {
    /// Reads these modifier groups, with these modifiers.
    pub(super) async fn read(
        tx: &mut Tx,
        scope: &RestaurantScope,
        group_ids: HashSet<ModifierGroupId>,
        chosen: HashSet<ModifierId>,
        at: DateTime<Utc>,
    ) -> Result<Self, Problem> {
        let ids: Vec<_> = group_ids.iter().copied().collect();
        let answers: Vec<_> = chosen.iter().copied().collect();
        let groups = menu::sql::groups::with_nested(tx, scope.restaurant(), &ids, Some(&answers), at).await?;
        Ok(Self { groups, group_ids, chosen })
    }

    /// The groups, for `configure`.
    pub(super) fn index(&self) -> GroupIndex<'_> {
        GroupIndex::of(&self.groups)
    }
}

/// The ids of all chosen modifiers, nested ones included.
pub(super) fn named(choices: &[Choice]) -> impl Iterator<Item = ModifierId> {
    let nested = |choice: &Choice| choice.modifiers.iter().map(|nested| nested.modifier_id).collect::<Vec<_>>();
    choices.iter().flat_map(move |choice| std::iter::once(choice.modifier_id).chain(nested(choice)))
}

/// A line under its key.
pub(super) struct KeyedLine {
    /// The client's key of the line.
    pub(super) key: String,
    pub(super) line: RequestedLine,
}

/// The instant for which lines are priced, in the restaurant's time zone.
#[derive(Clone, Copy)]
pub(super) struct PricingTime {
    pub(super) zone: Tz,
    pub(super) at: DateTime<Utc>,
}

/// The lines with the prices of the current menu, and their availability at an instant. Lines whose item is not in
/// `items` are left out.
pub(super) async fn priced_lines(
    tx: &mut Tx,
    scope: &RestaurantScope,
    lines: Vec<KeyedLine>,
    items: &LineItems,
    PricingTime { zone, at }: PricingTime,
    known: LoadedGroups,
) -> Result<Vec<PricedLine>, Problem> {
    let used = || lines.iter().filter_map(|keyed| items.get(&keyed.line.item_id));
    let group_ids: HashSet<_> = used().flat_map(|item| item.group_ids.iter().copied()).collect();
    let chosen: HashSet<_> = lines.iter().flat_map(|keyed| named(&keyed.line.choices)).collect();
    let known = if group_ids.is_subset(&known.group_ids) && chosen.is_subset(&known.chosen) {
        known
    } else {
        LoadedGroups::read(tx, scope, group_ids, chosen, at).await?
    };
    let (groups, time) = (known.index(), TimeSpan::longest_wait(zone, at));
    // Computed once for each item: a cart may have a hundred lines of one.
    let mut availabilities: HashMap<ItemId, ItemAvailability> = HashMap::new();
    let mut priced = Vec::with_capacity(lines.len());
    for KeyedLine { key, line } in lines {
        let RequestedLine { item_id, quantity, choices, note } = line;
        let Some(item) = items.get(&item_id) else { continue };
        let availability = *availabilities.entry(item_id).or_insert_with(|| item.availability(zone, at, &time));
        priced.push(UnpricedLine { key, item, quantity, choices, note, availability }.priced(&groups)?);
    }
    shortage::mark(&mut priced);
    Ok(priced)
}
