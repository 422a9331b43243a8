//! The check of an item against its restaurant's menu.

use crate::menu::faults::MenuFaults;
use crate::menu::{Item, MAX_GROUPS, sql};
use crate::problem::Problem;
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// Checks what needs the database: the currency, the category and the groups of an item.
///
/// # Errors
/// 422 with every fault.
pub async fn check(tx: &mut Tx, scope: &RestaurantScope, item: &Item) -> Result<(), Problem> {
    let mut faults = MenuFaults::default();
    faults.currency("/price", item.price, sql::currency(tx, scope.restaurant()).await?);
    faults.day_parts("", &item.day_parts);
    faults.translations("", &item.translations);
    faults.allergens_and_diets("", item.allergens.as_deref(), &item.diets);
    faults.tax_class(tx, scope, "", item.tax_class.as_ref()).await?;
    let now = tx.now();
    let known = sql::groups::with_nested(tx, scope.restaurant(), &item.modifier_groups, Some(&[]), now).await?;
    for (index, id) in item.modifier_groups.iter().enumerate() {
        let pointer = format!("/modifierGroups/{index}");
        if !known.iter().any(|group| group.id == *id) {
            faults.note(pointer, "is not a modifier group of this restaurant");
        } else if item.modifier_groups[..index].contains(id) {
            faults.note(pointer, "is listed more than once");
        } else if index >= MAX_GROUPS {
            faults.note(pointer, "exceeds the limit of 20 entries");
        }
    }
    faults.none()?;
    sql::items::require_category(tx, scope, item.category_id).await
}
