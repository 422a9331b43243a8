//! Use cases of deliveries.

pub mod assign;
pub mod presence;
pub mod status;
