//! Prices lines at the current menu, of which only the named items and modifiers are read.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::CartLineRow;
use crate::cart::lines::UnpricedLine;
use crate::cart::{PricedLine, shortage};
use crate::ids::{ItemId, ModifierGroupId, ModifierId};
use crate::menu::configure::{Choice, GroupIndex};
use crate::menu::dayparts::{TimeSpan, Week};
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

/// Whether an item is served at the requested time, and when it is served next.
struct Serving {
    in_time: bool,
    next: Option<DateTime<Utc>>,
}

/// The lines with the prices of the current menu, and their availability at `at`.
pub(super) async fn priced_lines(
    tx: &mut Tx,
    scope: &RestaurantScope,
    rows: Vec<CartLineRow>,
    at: DateTime<Utc>,
    known: LoadedGroups,
) -> Result<Vec<PricedLine>, Problem> {
    let Some(first) = rows.first() else { return Ok(Vec::new()) };
    let zone: Tz = first.timezone.parse().map_err(|error| Problem::internal(&error))?;
    let group_ids: HashSet<_> = rows.iter().flat_map(|row| row.group_ids.iter().copied()).collect();
    let chosen: HashSet<_> = rows.iter().flat_map(|row| named(&row.choices)).collect();
    let known = if group_ids.is_subset(&known.group_ids) && chosen.is_subset(&known.chosen) {
        known
    } else {
        LoadedGroups::read(tx, scope, group_ids, chosen, at).await?
    };
    let (groups, time) = (known.index(), TimeSpan::longest_wait(zone, at));
    // Computed once for each item: a cart may have a hundred lines of one.
    let mut serving: HashMap<ItemId, Serving> = HashMap::new();
    let mut lines = Vec::with_capacity(rows.len());
    for row in rows {
        let serving = serving.entry(row.item_id).or_insert_with(|| {
            let week = Week::of(&row.day_parts.0).and(&Week::of(&row.category_parts.0));
            let in_time = week.serves(zone, at);
            Serving { in_time, next: if in_time { None } else { week.next_change(&time) } }
        });
        let line = UnpricedLine {
            key: row.key,
            item_id: row.item_id,
            name: row.name,
            quantity: row.quantity,
            price: row.price,
            tax_class: row.tax_class,
            choices: row.choices.0,
            group_ids: row.group_ids,
            note: row.note,
            available: row.available,
            in_time: serving.in_time,
            available_from: if row.available { serving.next } else { row.unavailable_until },
            stock: row.stock,
            deleted: row.deleted,
            allergens: row.allergens.map(|allergens| allergens.0),
            diets: row.diets.0,
        };
        lines.push(line.priced(&groups)?);
    }
    shortage::mark(&mut lines);
    Ok(lines)
}
