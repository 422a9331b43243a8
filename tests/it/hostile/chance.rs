//! A seeded random generator for expensive restaurants.

/// A source of repeatable numbers: the generator `SplitMix64`.
pub struct Chance(u64);

impl Chance {
    /// The same numbers for the same seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below this one.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    /// A small number or the limit itself, more often the limit.
    pub fn size(&mut self, bound: usize) -> usize {
        match self.below(4) {
            0 => usize::try_from(self.below(bound as u64 + 1)).unwrap_or(bound),
            1 => bound.min(1),
            _ => bound,
        }
    }

    /// True or false, equally often.
    pub fn is(&mut self) -> bool {
        self.below(2) == 1
    }
}
