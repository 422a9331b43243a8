//! Limits the size of the results of a batch in one response: a request of a few kilobytes can ask for hundreds of
//! orders.

/// The bytes of results that one response may still carry.
#[derive(Debug)]
pub struct ResultBudget {
    left: usize,
    has_first: bool,
}

impl ResultBudget {
    /// A response that carries at most `limit` bytes of results, and its first result in any case.
    pub const fn new(limit: usize) -> Self {
        Self { left: limit, has_first: false }
    }

    /// Whether the budget is used up, so that further results need not be serialised.
    pub const fn is_exhausted(&self) -> bool {
        self.has_first && self.left == 0
    }

    /// Takes the bytes of the next result; false: it and all later ones have to be left out.
    #[must_use]
    pub const fn take(&mut self, bytes: usize) -> bool {
        let fits = bytes <= self.left || !self.has_first;
        self.has_first = true;
        self.left = if fits { self.left.saturating_sub(bytes) } else { 0 };
        fits
    }
}
