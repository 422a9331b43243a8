//! A phone's offline batch: what was done while there was no network, taken in once and in order.
//!
//! A batch is stored before anything of it is done. Final orders, status updates and stock changes run in the order of
//! the phone's own numbers, each in a transaction that holds its result as well; lines of carts and fields of profiles
//! run whenever they come, and the latest write of each holds. Whoever works on a phone's operations holds a lease that
//! each transaction checks and prolongs; when it runs out, another worker goes on. The contract is in `docs/sync.md`.

use serde::Serialize;

use crate::ids::UserId;

pub mod actions;
pub mod http;
pub mod kinds;
pub mod queue;
pub mod runs;
pub mod sql;

/// One phone of one user; the phone names itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Device {
    /// The user it belongs to.
    pub user: UserId,
    /// The name that the device chose for itself.
    pub name: String,
}

/// How far an operation has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, sqlx::Type)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "sync_state", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OperationState {
    /// Not done yet.
    Pending,
    /// Done; its result is kept.
    Applied,
    /// It cannot be done; the problem is kept.
    Rejected,
    /// It failed again and again, by a fault of ours; an operator has to look.
    Dead,
}
