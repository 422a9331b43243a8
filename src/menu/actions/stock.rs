//! What follows a change of counted stock, whether staff or a synchronising device made it.

use crate::menu::sql;
use crate::menu::stock::StockOutcome;
use crate::problem::{Code, Problem};
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// Refuses a change of stock that could not be made, and announces one that the menu shows.
///
/// # Errors
/// `out_of_stock` when fewer are left than were to be taken, or they are not counted.
pub async fn finish_change(tx: &mut Tx, scope: &RestaurantScope, counted: StockOutcome) -> Result<(), Problem> {
    if !counted.done {
        let detail = "The stock is lower than that, or is not counted. Get the stock and try again.";
        return Err(Problem::new(Code::OutOfStock, detail));
    }
    if counted.visible { sql::announce(tx, scope).await } else { Ok(()) }
}
