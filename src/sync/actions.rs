//! Use cases of offline synchronisation: storing a batch, running an operation, and the worker.

pub mod run;
pub mod runs;
pub mod store;
pub mod worker;
