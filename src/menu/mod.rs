//! The menu: categories and the items in them, with prices, availability and counted stock.
//!
//! Every change that a guest can see gives the menu a new version. Deleting hides: past orders keep their items. Nothing
//! here sells anything; stock is taken by `orders`, and only what sells out or comes back changes the menu: guests read
//! whether there is any left, staff read how many.

use serde::Serialize;
use utoipa::ToSchema;

use crate::ids::{CategoryId, ItemId, RestaurantId};
use crate::money::{Currency, Money};

pub mod categories;
pub mod heads;
pub mod http;
pub mod items;
pub mod published;
pub mod sql;

/// A chapter of the menu.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Category {
    /// Its id.
    pub id: CategoryId,
    /// Its heading.
    pub name: String,
    /// Where it stands; smaller first.
    pub position: i32,
}

/// Something that can be ordered.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// Its id.
    pub id: ItemId,
    /// The chapter it stands in.
    pub category_id: CategoryId,
    /// Its name.
    pub name: String,
    /// What it is.
    pub description: Option<String>,
    /// What one costs, without tax.
    pub price: Money,
    /// Whether it can be ordered.
    pub available: bool,
    /// Portions left; null: not counted.
    pub stock: Option<i32>,
    /// Where it stands; smaller first.
    pub position: i32,
}

/// Something that can be ordered, as guests read it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MenuItem {
    /// Its id.
    pub id: ItemId,
    /// The chapter it stands in.
    pub category_id: CategoryId,
    /// Its name.
    pub name: String,
    /// What it is.
    pub description: Option<String>,
    /// What one costs, without tax.
    pub price: Money,
    /// Whether it can be ordered.
    pub available: bool,
    /// Counted, and none is left.
    pub sold_out: bool,
    /// Where it stands; smaller first.
    pub position: i32,
}

/// A chapter with its items.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MenuCategory {
    /// The chapter.
    #[serde(flatten)]
    pub category: Category,
    /// Its items, in order.
    pub items: Vec<MenuItem>,
}

/// The whole menu.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Menu {
    /// Whose.
    pub restaurant_id: RestaurantId,
    /// Grows with every change.
    pub version: i64,
    /// What prices are in.
    #[schema(value_type = String, example = "EUR")]
    pub currency: Currency,
    /// The chapters, in order.
    pub categories: Vec<MenuCategory>,
}
