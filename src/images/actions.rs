//! The use cases of images.

pub mod delete_unused;
pub mod upload;
