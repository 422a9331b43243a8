//! Merging a guest's cart into a user's: which lines win. Pure.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::MAX_LINES;
use super::sql::lines::Line;
use crate::ids::ItemId;
use crate::menu::configure;

/// Why a line of a guest's cart was not merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = UnmergedReason)]
pub enum UnmergedReason {
    /// The user has ordered at the restaurant since it was written.
    OrderedSince,
    /// The user has written or removed the line with that key later.
    WrittenLater,
    /// The cart has reached the limit on its lines or chosen modifiers.
    CartFull,
}

/// A line of a guest's cart that was not merged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = UnmergedLine)]
pub struct UnmergedLine {
    /// The key of the line, set by the client.
    pub key: String,
    /// The id of the menu item.
    pub item_id: ItemId,
    /// The number of portions that were not merged.
    #[schema(minimum = 1, maximum = 99)]
    pub quantity: i32,
    /// Why it was not merged.
    pub reason: UnmergedReason,
}

/// The user's cart before the merge.
#[derive(Debug, Default)]
pub struct UserCart {
    /// Its lines, removed ones included.
    pub lines: Vec<Line>,
    /// When the cart was last replaced as a whole, or closed by an order; lines written before are gone.
    pub replaced_at: Option<DateTime<Utc>>,
    /// When the user last ordered at the restaurant.
    pub ordered_at: Option<DateTime<Utc>>,
}

/// The lines to write, and those that are not merged.
#[derive(Debug, Default)]
pub struct MergePlan {
    /// The lines to write, in this sequence.
    pub writes: Vec<Line>,
    /// The lines that are not merged, in the sequence of the guest's cart.
    pub left_behind: Vec<UnmergedLine>,
}

/// Plans the merge. As always, of two writes of a line the later wins, and lines written before the last order belong
/// to that order. If the user replaced the whole cart, the guest's lines were not known then, so older ones count as
/// written at that instant. The user's lines are kept; of the guest's lines the first ones are merged, up to the limits
/// of a cart.
pub fn plan(own: &UserCart, guest_lines: Vec<Line>, max_choices: usize) -> MergePlan {
    let known: BTreeMap<_, _> = own.lines.iter().map(|line| (line.key.clone(), (line.at, line.is_live()))).collect();
    let choices_of: BTreeMap<_, _> = own.lines.iter().map(|line| (line.key.clone(), line.choices())).collect();
    let is_before = |line: &Line| own.ordered_at.is_some_and(|ordered| line.at < ordered);
    // At the same instant, a written line is kept and its removal is not.
    let loses = |line: &Line| known.get(&line.key).is_some_and(|written| (line.at, line.is_live()) < *written);
    let is_live = |key: &String| known.get(key).is_some_and(|(_, is_live)| *is_live);
    let ends =
        guest_lines.iter().filter(|line| !line.is_live() && is_live(&line.key) && !is_before(line) && !loses(line));
    let ended: Vec<_> = ends.map(|line| choices_of.get(&line.key).copied().unwrap_or_default()).collect();
    let mut live = own.lines.iter().filter(|line| line.is_live()).count() - ended.len();
    let mut choices = choices_of.values().sum::<usize>() - ended.iter().sum::<usize>();
    let mut plan = MergePlan::default();
    for mut line in guest_lines {
        let is_further = line.is_live() && !is_live(&line.key);
        let before = choices_of.get(&line.key).copied().unwrap_or_default();
        let reason = if is_before(&line) {
            Some(UnmergedReason::OrderedSince)
        } else if loses(&line) {
            Some(UnmergedReason::WrittenLater)
        } else {
            let has_no_room = is_further && live >= MAX_LINES;
            let is_too_much = line.choices() > before && choices - before + line.choices() > max_choices;
            (line.is_live() && (has_no_room || is_too_much)).then_some(UnmergedReason::CartFull)
        };
        if let Some(reason) = reason {
            plan.left_behind.extend(line.left_behind(reason));
            continue;
        }
        live += usize::from(is_further);
        if line.is_live() {
            choices = choices - before + line.choices();
        }
        line.at = own.replaced_at.map_or(line.at, |replaced| line.at.max(replaced));
        plan.writes.push(line);
    }
    plan
}

impl Line {
    fn is_live(&self) -> bool {
        self.content.is_some()
    }

    fn choices(&self) -> usize {
        self.content.as_ref().map_or(0, |content| configure::count(&content.choices))
    }

    /// The line as it is reported; `None` for a removed line.
    pub fn left_behind(self, reason: UnmergedReason) -> Option<UnmergedLine> {
        let content = self.content?;
        Some(UnmergedLine { key: self.key, item_id: content.item_id, quantity: content.quantity, reason })
    }
}
