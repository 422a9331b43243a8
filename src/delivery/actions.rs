//! Use cases of deliveries.

pub mod assign;
pub mod follow;
pub mod late_step;
pub mod presence;
pub mod repeated;
pub mod status;
