//! Whether the required groups of an item can all be satisfied with the modifiers that are switched on and in stock,
//! each portion used once. Pure.
//!
//! Only groups whose modifiers are all counted can compete for portions: the same group at several modifiers, or at a
//! modifier and the item itself. The rest is a small packing problem, which is solved by search. The search is exact up
//! to a number of steps; beyond it, the groups count as not satisfiable, so that the result "satisfiable" is always
//! correct.

use std::collections::HashMap;

use super::{Group, Modifier};
use crate::ids::ModifierGroupId;
use crate::step_count;

mod search;

use search::PortionSearch;

/// The largest quantity of one modifier.
const MAX_QUANTITY: u32 = 99;
/// The most steps of the search for one combination of groups.
const MAX_STEPS: usize = 20_000;
/// The most steps of all searches of a menu.
const MAX_STEPS_OF_MENU: usize = 400_000;

/// How many of a modifier can be chosen, its nested groups aside.
fn portions_left(modifier: &Modifier) -> u32 {
    let left = modifier.stock.map_or(MAX_QUANTITY, |stock| stock.max(0).unsigned_abs()).min(MAX_QUANTITY);
    if modifier.available { left } else { 0 }
}

/// A required group whose modifiers are all counted and have no required nested groups.
struct Pool {
    min: u32,
    /// The stock of its modifiers, largest first.
    left: Vec<u32>,
    /// How many of a modifier can take its minimum, if nothing else takes from it.
    max_quantity: u32,
}

impl Pool {
    fn of(min: u32, mut left: Vec<u32>) -> Self {
        left.sort_unstable_by(|one, other| other.cmp(one));
        let mut pool = Self { min, left, max_quantity: 0 };
        let mut beyond = MAX_QUANTITY + 1;
        while pool.max_quantity + 1 < beyond {
            let middle = u32::midpoint(pool.max_quantity, beyond);
            if pool.has(middle, min) {
                pool.max_quantity = middle;
            } else {
                beyond = middle;
            }
        }
        pool
    }

    /// Whether this many pieces of `size` portions, each from one modifier, can be taken if nothing else is taken.
    fn has(&self, size: u32, pieces: u32) -> bool {
        step_count::step(self.left.len());
        self.left.iter().map(|left| left / size).sum::<u32>() >= pieces
    }
}

/// A modifier that can be chosen and has required nested groups.
struct NestedOption {
    /// The largest quantity that can be chosen.
    max_quantity: u32,
    /// The number of choices it adds to a line: its own, and one for each required nested group that is not a pool.
    entries: usize,
    /// The indexes of the pools that it takes from, in order.
    pools: Vec<usize>,
}

/// What a group requires.
enum Demand {
    /// Nothing has to be chosen.
    Optional,
    /// Modifiers of which there is always enough.
    Free,
    /// Portions of a pool.
    Pool(usize),
    /// This many of these modifiers, some of which have required nested groups.
    Options(u32, Vec<NestedOption>),
}

/// All modifier groups of a menu, prepared for the check.
pub struct Satisfiable {
    pools: Vec<Pool>,
    /// What each group of an item requires.
    demands: HashMap<ModifierGroupId, Demand>,
    /// Results for lists of groups, because many items have the same.
    known: HashMap<Vec<ModifierGroupId>, bool>,
    steps_left: usize,
}

impl Satisfiable {
    /// Prepares all groups of a menu, which are nested one level deep.
    pub fn of(groups: &[Group]) -> Self {
        let mut this = Self {
            pools: Vec::new(),
            demands: HashMap::with_capacity(groups.len()),
            known: HashMap::new(),
            steps_left: MAX_STEPS_OF_MENU,
        };
        let nested: HashMap<_, _> = groups.iter().map(|group| (group.id, this.plain(group))).collect();
        for group in groups {
            let asks = group.modifiers.iter().any(|modifier| !modifier.modifier_groups.is_empty());
            let demand = match &nested[&group.id] {
                Demand::Optional => Demand::Optional,
                _ if asks => Demand::Options(minimum(group), this.options(group, &nested)),
                Demand::Pool(pool) => Demand::Pool(*pool),
                Demand::Free | Demand::Options(..) => Demand::Free,
            };
            this.demands.insert(group.id, demand);
        }
        this
    }

    /// What a group requires whose modifiers have no required nested groups.
    fn plain(&mut self, group: &Group) -> Demand {
        let min = minimum(group);
        if min == 0 {
            return Demand::Optional;
        }
        if group.modifiers.iter().any(|modifier| modifier.available && modifier.stock.is_none()) {
            return Demand::Free;
        }
        self.pools.push(Pool::of(min, group.modifiers.iter().map(portions_left).filter(|left| *left > 0).collect()));
        Demand::Pool(self.pools.len() - 1)
    }

    /// The modifiers of a group that can be chosen, those that use the fewest pools first.
    fn options(&self, group: &Group, nested: &HashMap<ModifierGroupId, Demand>) -> Vec<NestedOption> {
        let option = |modifier: &Modifier| {
            let mut option = NestedOption { max_quantity: portions_left(modifier), entries: 1, pools: Vec::new() };
            step_count::step(1 + modifier.modifier_groups.len());
            // A group that does not exist requires nothing.
            for demand in modifier.modifier_groups.iter().filter_map(|group| nested.get(group)) {
                match demand {
                    Demand::Pool(pool) => option.pools.push(*pool),
                    Demand::Free | Demand::Options(..) => option.entries += 1,
                    Demand::Optional => {}
                }
            }
            option.pools.sort_unstable();
            option.max_quantity = option
                .pools
                .iter()
                .fold(option.max_quantity, |max_quantity, pool| max_quantity.min(self.pools[*pool].max_quantity));
            option
        };
        let mut options: Vec<_> = group.modifiers.iter().map(option).filter(|option| option.max_quantity > 0).collect();
        options.sort_by(|one, other| {
            let by_pools = one.pools.len().cmp(&other.pools.len()).then_with(|| one.pools.cmp(&other.pools));
            by_pools.then_with(|| other.max_quantity.cmp(&one.max_quantity))
        });
        options
    }

    /// Whether a modifier can be chosen: it is in stock, and its required nested groups can be satisfied.
    pub fn can_choose(&self, modifier: &Modifier) -> bool {
        let demands = modifier.modifier_groups.iter().filter_map(|group| self.demands.get(group));
        let has = |demand: &Demand| match demand {
            Demand::Pool(pool) => self.pools[*pool].max_quantity > 0,
            Demand::Optional | Demand::Free | Demand::Options(..) => true,
        };
        portions_left(modifier) > 0 && demands.into_iter().all(has)
    }

    /// Whether all these groups can be satisfied together. One that does not exist requires nothing.
    pub fn all(&mut self, groups: &[ModifierGroupId]) -> bool {
        if let Some(known) = self.known.get(groups) {
            return *known;
        }
        let steps = MAX_STEPS.min(self.steps_left);
        let (is_satisfiable, steps) = self.search(groups, steps);
        self.steps_left -= steps;
        self.known.insert(groups.to_vec(), is_satisfiable);
        is_satisfiable
    }

    /// Whether these groups can be satisfied, and the number of steps that the search took.
    fn search(&self, groups: &[ModifierGroupId], steps: usize) -> (bool, usize) {
        let mut search = PortionSearch {
            pools: &self.pools,
            taken: HashMap::new(),
            open: Vec::new(),
            entries: 0,
            steps_left: steps,
        };
        let mut is_possible = true;
        for demand in groups.iter().filter_map(|group| self.demands.get(group)) {
            match demand {
                Demand::Optional => {}
                Demand::Free => search.entries += 1,
                Demand::Pool(pool) => is_possible &= search.take(*pool, 1),
                Demand::Options(min, options) => search.open_group(*min, options),
            }
        }
        // Groups with few options first, so that dead ends are found early.
        search.open.sort_by_key(|open| open.options.len());
        let found = is_possible && search.satisfies(0);
        (found, steps - search.steps_left)
    }
}

fn minimum(group: &Group) -> u32 {
    group.min.unsigned_abs().into()
}
