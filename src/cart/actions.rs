//! Use cases of carts. Each runs in a unit of work that its caller opens.

pub mod lines;
pub mod merge;
