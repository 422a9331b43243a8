//! Whether the required groups of one item can all be satisfied with what is switched on and left, each portion counted
//! once. Pure.
//!
//! Only groups whose modifiers are all counted can compete for portions: the same group asked about several modifiers, or
//! about a modifier and the item itself. What remains after the others are set aside is a small packing problem, and is
//! searched. The search is exact up to a number of steps; beyond it, a combination that was not found counts as none, so
//! that whatever is called satisfiable is.

use std::collections::HashMap;

use super::configure::MOST_CHOICES;
use super::{Group, Modifier};
use crate::ids::ModifierGroupId;
use crate::work;

/// Most of one modifier that may be chosen at once.
const MOST_OF_ONE: u32 = 99;
/// Steps of the search for one combination of groups.
const MOST_STEPS: usize = 20_000;
/// Steps of the searches for all combinations of groups of a menu.
const MOST_STEPS_OF_A_MENU: usize = 400_000;

/// How many of a modifier can be chosen, whatever is asked about it.
fn left(modifier: &Modifier) -> u32 {
    let left = modifier.stock.map_or(MOST_OF_ONE, |stock| stock.max(0).unsigned_abs()).min(MOST_OF_ONE);
    if modifier.available { left } else { 0 }
}

/// A required group all of whose modifiers are counted and ask nothing.
struct Pool {
    min: u32,
    /// How many are left of each of its modifiers, the most first.
    left: Vec<u32>,
    /// About how many of a modifier it can be asked, when nobody else draws on it.
    most: u32,
}

impl Pool {
    fn of(min: u32, mut left: Vec<u32>) -> Self {
        left.sort_unstable_by(|one, other| other.cmp(one));
        let mut pool = Self { min, left, most: 0 };
        let mut beyond = MOST_OF_ONE + 1;
        while pool.most + 1 < beyond {
            let middle = u32::midpoint(pool.most, beyond);
            if pool.has(middle, min) {
                pool.most = middle;
            } else {
                beyond = middle;
            }
        }
        pool
    }

    /// Whether this many pieces of `size` portions, each from one modifier, can be taken when nobody else takes any.
    fn has(&self, size: u32, pieces: u32) -> bool {
        work::step(self.left.len());
        self.left.iter().map(|left| left / size).sum::<u32>() >= pieces
    }
}

/// A modifier that can be chosen, and asks something.
struct AskingOption {
    /// How many of it can be chosen.
    most: u32,
    /// Its own entry and one for each nested required group that is not a pool.
    entries: usize,
    /// The pools that it draws on, by their places, in order.
    pools: Vec<usize>,
}

/// What a group asks for.
enum Demand {
    /// Nothing has to be chosen.
    Optional,
    /// Something of which there is always enough.
    Free,
    /// Portions of a pool.
    Pool(usize),
    /// This many of these modifiers, some of which ask something themselves.
    Options(u32, Vec<AskingOption>),
}

/// All modifier groups of a menu, prepared for the check.
pub struct Satisfiable {
    pools: Vec<Pool>,
    /// What each group asks for where it is asked about an item.
    demands: HashMap<ModifierGroupId, Demand>,
    /// What was found out about lists of groups: many items have the same.
    known: HashMap<Vec<ModifierGroupId>, bool>,
    steps_left: usize,
}

impl Satisfiable {
    /// Of all groups of a menu, which nest one level deep.
    pub fn of(groups: &[Group]) -> Self {
        let mut this = Self {
            pools: Vec::new(),
            demands: HashMap::with_capacity(groups.len()),
            known: HashMap::new(),
            steps_left: MOST_STEPS_OF_A_MENU,
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

    /// What a group asks for whose modifiers ask nothing.
    fn plain(&mut self, group: &Group) -> Demand {
        let min = minimum(group);
        if min == 0 {
            return Demand::Optional;
        }
        if group.modifiers.iter().any(|modifier| modifier.available && modifier.stock.is_none()) {
            return Demand::Free;
        }
        self.pools.push(Pool::of(min, group.modifiers.iter().map(left).filter(|left| *left > 0).collect()));
        Demand::Pool(self.pools.len() - 1)
    }

    /// The modifiers of a group that can be chosen, those that draw on the fewest pools first.
    fn options(&self, group: &Group, nested: &HashMap<ModifierGroupId, Demand>) -> Vec<AskingOption> {
        let option = |modifier: &Modifier| {
            let mut option = AskingOption { most: left(modifier), entries: 1, pools: Vec::new() };
            work::step(1 + modifier.modifier_groups.len());
            // A group that is not there asks nothing.
            for demand in modifier.modifier_groups.iter().filter_map(|group| nested.get(group)) {
                match demand {
                    Demand::Pool(pool) => option.pools.push(*pool),
                    Demand::Free | Demand::Options(..) => option.entries += 1,
                    Demand::Optional => {}
                }
            }
            option.pools.sort_unstable();
            option.most = option.pools.iter().fold(option.most, |most, pool| most.min(self.pools[*pool].most));
            option
        };
        let mut options: Vec<_> = group.modifiers.iter().map(option).filter(|option| option.most > 0).collect();
        options.sort_by(|one, other| {
            let by_pools = one.pools.len().cmp(&other.pools.len()).then_with(|| one.pools.cmp(&other.pools));
            by_pools.then_with(|| other.most.cmp(&one.most))
        });
        options
    }

    /// Whether a modifier can be chosen: it is there, and so is what has to be chosen on it.
    pub fn can_choose(&self, modifier: &Modifier) -> bool {
        let asked = modifier.modifier_groups.iter().filter_map(|group| self.demands.get(group));
        let has = |demand: &Demand| match demand {
            Demand::Pool(pool) => self.pools[*pool].most > 0,
            Demand::Optional | Demand::Free | Demand::Options(..) => true,
        };
        left(modifier) > 0 && asked.into_iter().all(has)
    }

    /// Whether every one of these groups can be satisfied, all of them together. One that is not there asks nothing.
    pub fn all(&mut self, groups: &[ModifierGroupId]) -> bool {
        if let Some(known) = self.known.get(groups) {
            return *known;
        }
        let steps = MOST_STEPS.min(self.steps_left);
        let (is_satisfiable, steps) = self.search(groups, steps);
        self.steps_left -= steps;
        self.known.insert(groups.to_vec(), is_satisfiable);
        is_satisfiable
    }

    /// Whether these groups can be satisfied, and how many of the steps it took to find out.
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
        // The fewer ways there are, the sooner a wrong one is noticed.
        search.open.sort_by_key(|open| open.options.len());
        let found = is_possible && search.satisfies(0);
        (found, steps - search.steps_left)
    }
}

fn minimum(group: &Group) -> u32 {
    group.min.unsigned_abs().into()
}

/// A group of which so many have to be chosen of modifiers that draw on pools.
struct OpenGroup<'a> {
    missing: u32,
    options: &'a [AskingOption],
}

struct PortionSearch<'a> {
    pools: &'a [Pool],
    /// For each pool the sizes in which its minimum is taken: so many times, each piece from one modifier.
    taken: HashMap<usize, Vec<u32>>,
    open: Vec<OpenGroup<'a>>,
    /// Choices that a line has.
    entries: usize,
    steps_left: usize,
}

impl<'a> PortionSearch<'a> {
    /// What draws on no pool is chosen first: it takes nothing from anybody.
    fn open_group(&mut self, min: u32, options: &'a [AskingOption]) {
        let free = options.iter().take_while(|option| option.pools.is_empty());
        let mut missing = min;
        for option in free.clone() {
            if missing == 0 {
                break;
            }
            missing -= option.most.min(missing);
            self.entries += option.entries;
        }
        if missing > 0 {
            self.open.push(OpenGroup { missing, options: &options[free.count()..] });
        }
    }

    /// Takes a pool's minimum once more, for `size` of what asks for it; whether it may be there.
    fn take(&mut self, pool: usize, size: u32) -> bool {
        let taken = self.taken.entry(pool).or_default();
        taken.push(size);
        let (pool, sum) = (&self.pools[pool], taken.iter().sum::<u32>());
        self.steps_left = self.steps_left.saturating_sub(1 + pool.left.len());
        work::step(1 + pool.left.len());
        let largest = taken.iter().copied().max().unwrap_or(1);
        let largest_ones = u32::try_from(taken.iter().filter(|size| **size == largest).count()).unwrap_or(u32::MAX);
        pool.left.iter().sum::<u32>() >= pool.min * sum && pool.has(largest, pool.min * largest_ones)
    }

    /// Whether the open groups from `group` on can be satisfied.
    fn satisfies(&mut self, group: usize) -> bool {
        match self.open.get(group) {
            Some(open) => self.chooses(group, 0, open.missing, MOST_OF_ONE),
            None => self.packs(),
        }
    }

    /// Chooses what is missing of the open group at `group` from its options at `from` on, and then what the groups after it
    /// ask for. Of options that are alike no more is taken of the later one than of the one before it, `before`. As deep as
    /// a line has choices.
    fn chooses(&mut self, group: usize, from: usize, missing: u32, before: u32) -> bool {
        if missing == 0 {
            return self.satisfies(group + 1);
        }
        let options = self.open[group].options;
        let is_alike = |at: usize| at > 0 && options[at].pools == options[at - 1].pools;
        let mut at = from;
        while let Some(option) = options.get(at) {
            let most = option.most.min(missing).min(if at == from && is_alike(at) { before } else { MOST_OF_ONE });
            for count in (1..=most).rev() {
                if !self.may_step() {
                    return false;
                }
                let mut may_be = self.entries + option.entries <= MOST_CHOICES;
                for pool in &option.pools {
                    may_be &= self.take(*pool, count);
                }
                self.entries += option.entries;
                if may_be && self.chooses(group, at + 1, missing - count, count) {
                    return true;
                }
                self.entries -= option.entries;
                for pool in &option.pools {
                    self.taken.get_mut(pool).map(Vec::pop);
                }
            }
            // Where none of it is taken, none is of those that are like it.
            at += 1;
            while at < options.len() && is_alike(at) {
                at += 1;
            }
        }
        false
    }

    fn may_step(&mut self) -> bool {
        work::step(1);
        self.steps_left = self.steps_left.saturating_sub(1);
        self.steps_left > 0
    }

    /// Whether every pool has what is taken from it, and a line can have so many choices.
    fn packs(&mut self) -> bool {
        let mut entries = self.entries;
        for (pool, sizes) in &self.taken {
            let Pool { min, left, .. } = &self.pools[*pool];
            let mut sizes = sizes.clone();
            sizes.sort_unstable_by(|one, other| other.cmp(one));
            if sizes.is_empty() {
                continue;
            }
            let (left, steps_left) = (left.clone(), &mut self.steps_left);
            let mut packing = Packing { min: *min, sizes: &sizes, left, entries, steps_left };
            if !packing.fits(0, 0, *min) {
                return false;
            }
            entries = packing.entries;
        }
        entries <= MOST_CHOICES
    }
}

/// Pieces of these sizes, `min` of each, the largest first, to be taken from what is left of several modifiers.
struct Packing<'a> {
    min: u32,
    sizes: &'a [u32],
    left: Vec<u32>,
    /// Choices that a line has, with those made here.
    entries: usize,
    steps_left: &'a mut usize,
}

impl Packing<'_> {
    /// Whether the pieces can be taken, from the size at `size` on, of which `missing` are to come from the modifiers at
    /// `from` on. As deep as a line has choices.
    fn fits(&mut self, size: usize, from: usize, missing: u32) -> bool {
        if missing == 0 {
            return size + 1 == self.sizes.len() || self.fits(size + 1, 0, self.min);
        }
        if self.entries >= MOST_CHOICES {
            return false;
        }
        let piece = self.sizes[size];
        for bin in from..self.left.len() {
            for count in (1..=(self.left[bin] / piece).min(missing)).rev() {
                work::step(1);
                *self.steps_left = self.steps_left.saturating_sub(1);
                if *self.steps_left == 0 {
                    return false;
                }
                self.left[bin] -= count * piece;
                self.entries += 1;
                if self.fits(size, bin + 1, missing - count) {
                    return true;
                }
                self.entries -= 1;
                self.left[bin] += count * piece;
            }
        }
        false
    }
}
