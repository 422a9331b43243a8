//! Use cases of offline synchronisation: storing a batch, running its operations, and who works on them.

pub mod run;
pub mod store;
pub mod worker;
