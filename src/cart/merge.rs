//! A guest's cart comes to a user's: which lines hold, which do not, and why.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::MOST_LINES;
use super::sql::lines::Line;
use crate::ids::ItemId;

/// Why a guest's line is not in the user's cart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = UnmergedReason)]
pub enum WhyLeft {
    /// The user has ordered here since it was written.
    OrderedSince,
    /// The user has written a line of that key later, or taken it out.
    WrittenLater,
    /// The cart has a hundred lines without it.
    CartFull,
}

/// A guest's line that is not in the user's cart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = UnmergedLine)]
pub struct LeftBehind {
    /// What the client called it.
    pub key: String,
    /// What.
    pub item_id: ItemId,
    /// How many.
    #[schema(minimum = 1, maximum = 99)]
    pub quantity: i32,
    /// Why.
    pub reason: WhyLeft,
}

/// The user's cart, before.
#[derive(Debug, Default)]
pub struct Own {
    /// Its lines, those that were taken out among them.
    pub lines: Vec<Line>,
    /// Everything written before was replaced, by a cart that was put whole or by the last order.
    pub replaced_at: Option<DateTime<Utc>>,
    /// When the user last ordered here.
    pub ordered_at: Option<DateTime<Utc>>,
}

/// What is to be written, and what stays behind.
#[derive(Debug, Default)]
pub struct Plan {
    /// In this sequence.
    pub writes: Vec<Line>,
    /// In the sequence of the guest's cart.
    pub left_behind: Vec<LeftBehind>,
}

/// Of two writes of a line the later holds, and what was written before the last order belongs to that order, as ever.
/// A cart that was put whole knew nothing of the guest's lines: they count as written right then. What the user has
/// stays; of the guest's further lines the first ones come along, until there are a hundred.
pub fn plan(own: &Own, theirs: Vec<Line>) -> Plan {
    let known: BTreeMap<_, _> = own.lines.iter().map(|line| (line.key.clone(), (line.at, line.is_live()))).collect();
    let is_before = |line: &Line| own.ordered_at.is_some_and(|ordered| line.at < ordered);
    // At the same instant a line goes before its end.
    let loses = |line: &Line| known.get(&line.key).is_some_and(|held| (line.at, line.is_live()) < *held);
    let is_live = |key: &String| known.get(key).is_some_and(|(_, is_live)| *is_live);
    let ends = theirs.iter().filter(|line| !line.is_live() && is_live(&line.key) && !is_before(line) && !loses(line));
    let mut live = own.lines.iter().filter(|line| line.is_live()).count() - ends.count();
    let mut plan = Plan::default();
    for mut line in theirs {
        let is_further = line.is_live() && !is_live(&line.key);
        let reason = if is_before(&line) {
            Some(WhyLeft::OrderedSince)
        } else if loses(&line) {
            Some(WhyLeft::WrittenLater)
        } else {
            (is_further && live >= MOST_LINES).then_some(WhyLeft::CartFull)
        };
        if let Some(reason) = reason {
            plan.left_behind.extend(line.left_behind(reason));
            continue;
        }
        live += usize::from(is_further);
        line.at = own.replaced_at.map_or(line.at, |replaced| line.at.max(replaced));
        plan.writes.push(line);
    }
    plan
}

impl Line {
    fn is_live(&self) -> bool {
        self.content.is_some()
    }

    /// What is told of it; nothing of a line that was taken out.
    pub fn left_behind(self, reason: WhyLeft) -> Option<LeftBehind> {
        let content = self.content?;
        Some(LeftBehind { key: self.key, item_id: content.item_id, quantity: content.quantity, reason })
    }
}
