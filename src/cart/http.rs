//! `/api/restaurants/{restaurantId}/cart`.

use std::sync::Arc;

use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::sql::{self, WantedLine};
use super::{Cart, CartStatus, MOST_LINES, Quantity};
use crate::app::App;
use crate::ids::{ItemId, RestaurantId, UserId};
use crate::menu::configure::{Choice, MOST_CHOICES};
use crate::money::Amount;
use crate::problem::{Problem, ProblemBody};
use crate::restaurants::staff::Guest;
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;
use crate::wire::{Body, Json, Text};

/// The routes of this slice.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(get_cart, put_cart))
}

/// The open cart, or an empty one that has not been written yet.
async fn read(tx: &mut Tx, scope: &RestaurantScope, user: UserId) -> Result<Cart, Problem> {
    let currency = crate::menu::sql::currency(tx, scope.restaurant()).await?;
    let Some(row) = sql::open_cart(tx, scope, user).await? else {
        return Ok(Cart {
            id: None,
            restaurant_id: scope.restaurant(),
            version: 0,
            status: CartStatus::Open,
            lines: Vec::new(),
            items_total: Amount::ZERO.of(currency),
            updated_at: None,
        });
    };
    let stored = sql::lines(tx, scope, row.id).await?;
    let lines = stored.into_iter().map(|line| line.into_line(currency)).collect::<Result<Vec<_>, _>>()?;
    let items_total = Amount::sum(lines.iter().map(|line| line.total.amount))?.of(currency);
    Ok(Cart {
        id: Some(row.id),
        restaurant_id: row.restaurant_id,
        version: row.version,
        status: row.status,
        lines,
        items_total,
        updated_at: Some(row.updated_at),
    })
}

/// Read one's cart
#[utoipa::path(get, path = "/api/restaurants/{restaurantId}/cart", tag = "cart", security(("token" = [])),
    params(("restaurantId" = RestaurantId, Path)),
    responses(
        (status = 200, description = "The open cart, at the menu's prices of this moment", body = Cart),
        (status = 404, description = "No such restaurant", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn get_cart(State(app): State<Arc<App>>, guest: Guest) -> Result<Json<Cart>, Problem> {
    let (scope, user) = (guest.scope, guest.caller.user);
    let cart = app.db.read(scope, move |tx| Box::pin(async move { read(tx, &scope, user).await })).await?;
    Ok(Json(cart))
}

/// What the cart is to hold.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CartContent {
    /// The lines, at most 100; none empties the cart.
    #[schema(max_items = 100)]
    lines: Vec<WantedCartLine>,
}

/// What, how many, and a wish.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WantedCartLine {
    item_id: ItemId,
    quantity: Quantity,
    /// What is chosen on each of them; at most 100 choices, nested ones included.
    #[serde(default)]
    modifiers: Vec<Choice>,
    #[schema(inline)]
    note: Option<Text<1, 500>>,
}

impl CartContent {
    fn into_lines(self) -> Result<Vec<WantedLine>, Problem> {
        if self.lines.len() > MOST_LINES {
            return Err(Problem::invalid_field("/lines", "must be at most 100"));
        }
        let choices = |line: &WantedCartLine| line.modifiers.iter().map(|one| 1 + one.modifiers.len()).sum::<usize>();
        if let Some(index) = self.lines.iter().position(|line| choices(line) > MOST_CHOICES) {
            return Err(Problem::invalid_field(format!("/lines/{index}/modifiers"), "must be at most 100"));
        }
        let line = |line: WantedCartLine| WantedLine {
            item_id: line.item_id,
            quantity: line.quantity.get().into(),
            choices: line.modifiers,
            note: line.note.map(Text::into_string),
        };
        Ok(self.lines.into_iter().map(line).collect())
    }
}

/// Replace what is in one's cart
#[utoipa::path(put, path = "/api/restaurants/{restaurantId}/cart", tag = "cart", security(("token" = [])),
    params(("restaurantId" = RestaurantId, Path)), request_body = CartContent,
    responses(
        (status = 200, description = "The cart now", body = Cart),
        (status = 404, description = "No such restaurant", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "An item is not on this menu, its choices do not fit its groups, or a quantity is out of range", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn put_cart(
    State(app): State<Arc<App>>,
    guest: Guest,
    Body(content): Body<CartContent>,
) -> Result<Json<Cart>, Problem> {
    let lines = content.into_lines()?;
    let (scope, user) = (guest.scope, guest.caller.user);
    let cart = app
        .db
        .write(scope, move |tx| {
            Box::pin(async move {
                let id = sql::touch(tx, &scope, user).await?;
                let faults = sql::faults(tx, &scope, &lines).await?;
                if !faults.is_empty() {
                    return Err(Problem::invalid(faults));
                }
                sql::set_lines(tx, &scope, id, &lines).await?;
                read(tx, &scope, user).await
            })
        })
        .await?;
    Ok(Json(cart))
}
