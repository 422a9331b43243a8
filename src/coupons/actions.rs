//! Use cases of coupons.

pub mod attempt_limits;
