//! Completes a change of counted stock, made by staff or by a synchronising device.

use crate::menu::sql;
use crate::menu::stock::StockOutcome;
use crate::problem::{Code, Problem};
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// Refuses a change of stock that was not possible, and announces one that is visible on the menu.
///
/// # Errors
/// 422 when the stock would be more than the largest one; `out_of_stock` when it is lower than the reduction, or is not
/// counted.
pub async fn finish_change(tx: &mut Tx, scope: &RestaurantScope, counted: StockOutcome) -> Result<(), Problem> {
    if counted.is_too_much {
        return Err(Problem::invalid_field("/change", "must leave a stock of at most 1000000"));
    }
    if !counted.is_done {
        let detail = "The stock is lower than the reduction, or the stock is not counted. Get the stock and try again.";
        return Err(Problem::new(Code::OutOfStock, detail));
    }
    if counted.visible { sql::announce(tx, scope).await } else { Ok(()) }
}
