//! Completes a change of counted stock, made by staff or by a synchronising device.

use crate::menu::sql;
use crate::menu::stock::StockOutcome;
use crate::problem::{Code, Problem};
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// Refuses a change of stock that was not possible, and announces one that is visible on the menu.
///
/// # Errors
/// `out_of_stock` when the stock is lower than the reduction, or is not counted.
pub async fn finish_change(tx: &mut Tx, scope: &RestaurantScope, counted: StockOutcome) -> Result<(), Problem> {
    if !counted.done {
        let detail = "The stock is lower than the reduction, or the stock is not counted. Get the stock and try again.";
        return Err(Problem::new(Code::OutOfStock, detail));
    }
    if counted.visible { sql::announce(tx, scope).await } else { Ok(()) }
}
