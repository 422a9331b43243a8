//! The search for portions with which all groups of an item can be satisfied together. Pure.

use std::collections::HashMap;

use super::{MAX_QUANTITY, NestedOption, Pool};
use crate::menu::configure::MAX_CHOICES;
use crate::step_count;

/// A group of which a number of modifiers that use pools has to be chosen.
pub(super) struct OpenGroup<'a> {
    missing: u32,
    pub(super) options: &'a [NestedOption],
}

pub(super) struct PortionSearch<'a> {
    pub(super) pools: &'a [Pool],
    /// For each pool the sizes of the pieces that are taken from it, each from one modifier.
    pub(super) taken: HashMap<usize, Vec<u32>>,
    pub(super) open: Vec<OpenGroup<'a>>,
    /// The number of choices of the line.
    pub(super) entries: usize,
    pub(super) steps_left: usize,
}

impl<'a> PortionSearch<'a> {
    /// Options without pools are chosen first, because they compete with nothing.
    pub(super) fn open_group(&mut self, min: u32, options: &'a [NestedOption]) {
        let free = options.iter().take_while(|option| option.pools.is_empty());
        let mut missing = min;
        for option in free.clone() {
            if missing == 0 {
                break;
            }
            missing -= option.max_quantity.min(missing);
            self.entries += option.entries;
        }
        if missing > 0 {
            self.open.push(OpenGroup { missing, options: &options[free.count()..] });
        }
    }

    /// Takes a piece of `size` from a pool; false: the pool does not have it.
    pub(super) fn take(&mut self, pool: usize, size: u32) -> bool {
        let taken = self.taken.entry(pool).or_default();
        taken.push(size);
        let (pool, sum) = (&self.pools[pool], taken.iter().sum::<u32>());
        self.steps_left = self.steps_left.saturating_sub(1 + pool.left.len());
        step_count::step(1 + pool.left.len());
        let largest = taken.iter().copied().max().unwrap_or(1);
        let largest_ones = u32::try_from(taken.iter().filter(|size| **size == largest).count()).unwrap_or(u32::MAX);
        pool.left.iter().sum::<u32>() >= pool.min * sum && pool.has(largest, pool.min * largest_ones)
    }

    /// Whether the open groups from `group` on can be satisfied.
    pub(super) fn satisfies(&mut self, group: usize) -> bool {
        match self.open.get(group) {
            Some(open) => self.chooses(group, 0, open.missing, MAX_QUANTITY),
            None => self.packs(),
        }
    }

    /// Chooses `missing` modifiers of the open group at `group` from its options at `from` on, and then continues with
    /// the groups after it. Among equal options, a later one is taken at most as often as the one before it (`before`),
    /// because other distributions are equivalent. The recursion is at most as deep as the number of choices of a line.
    fn chooses(&mut self, group: usize, from: usize, missing: u32, before: u32) -> bool {
        if missing == 0 {
            return self.satisfies(group + 1);
        }
        let options = self.open[group].options;
        let is_alike = |at: usize| at > 0 && options[at].pools == options[at - 1].pools;
        let mut at = from;
        while let Some(option) = options.get(at) {
            let max_quantity =
                option.max_quantity.min(missing).min(if at == from && is_alike(at) { before } else { MAX_QUANTITY });
            for count in (1..=max_quantity).rev() {
                if !self.may_step() {
                    return false;
                }
                let mut may_be = self.entries + option.entries <= MAX_CHOICES;
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
            // If this option is not taken, the equal ones after it are not taken either.
            at += 1;
            while at < options.len() && is_alike(at) {
                at += 1;
            }
        }
        false
    }

    fn may_step(&mut self) -> bool {
        step_count::step(1);
        self.steps_left = self.steps_left.saturating_sub(1);
        self.steps_left > 0
    }

    /// Whether every pool has the pieces that are taken from it, within the limit on choices of a line.
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
        entries <= MAX_CHOICES
    }
}

/// Pieces of these sizes, `min` of each, largest first, to be taken from the stock of several modifiers.
struct Packing<'a> {
    min: u32,
    sizes: &'a [u32],
    left: Vec<u32>,
    /// The number of choices of the line, with those made here.
    entries: usize,
    steps_left: &'a mut usize,
}

impl Packing<'_> {
    /// Whether the pieces can be taken, from the size at `size` on, of which `missing` are taken from the modifiers at
    /// `from` on. The recursion is at most as deep as the number of choices of a line.
    fn fits(&mut self, size: usize, from: usize, missing: u32) -> bool {
        if missing == 0 {
            return size + 1 == self.sizes.len() || self.fits(size + 1, 0, self.min);
        }
        if self.entries >= MAX_CHOICES {
            return false;
        }
        let piece = self.sizes[size];
        for bin in from..self.left.len() {
            for count in (1..=(self.left[bin] / piece).min(missing)).rev() {
                step_count::step(1);
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
