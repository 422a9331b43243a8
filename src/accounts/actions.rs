//! Use cases of accounts.

pub mod attempt_limits;
pub mod grantee;
pub mod notices;
pub mod profile;
pub mod recovery;
pub mod second_factor;
pub mod sessions;
