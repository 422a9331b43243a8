//! Counts the steps of pure rules, for the test that bounds what one request may cost (`tests/it/hostile/budget.rs`).
//!
//! Steps are counted in the primitives of the rules: an offset of a time zone, an edge of a polygon, a span of a
//! schedule, a choice. Every loop of a rule uses one of them. An optimised build counts nothing.

use std::cell::Cell;

thread_local! {
    static STEPS: Cell<u64> = const { Cell::new(0) };
}

/// Counts steps on this thread, in a build with debug assertions.
#[inline]
pub fn step(steps: usize) {
    if cfg!(debug_assertions) {
        STEPS.with(|counted| counted.set(counted.get() + steps as u64));
    }
}

/// The steps of this thread so far.
pub fn counted() -> u64 {
    STEPS.with(Cell::get)
}
