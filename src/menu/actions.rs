//! Use cases of the menu: reading the published menu, replacing it, changes of stock.

pub mod items;
pub mod published;
pub mod replace;
pub mod stock;
pub mod version_batcher;
