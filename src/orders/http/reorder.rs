//! `POST /api/orders/{orderId}/reorder`: adds the lines of an order to the cart, and reports those that are not
//! available.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::actor::Actor;
use crate::app::App;
use crate::cart::actions::lines;
use crate::cart::sql::lines::{Extent, LineWrite};
use crate::cart::sql::{NOT_ON_THE_MENU, RequestedLine, unfit};
use crate::cart::{Cart, CartOwner, Obstacle};
use crate::idempotency::{IdempotentResponse, RequestKey};
use crate::ids::{ItemId, OrderId};
use crate::menu::configure::{Choice, NestedChoice};
use crate::orders::access::OrderAccess;
use crate::orders::{OrderLine, SoldModifier, sql};
use crate::problem::{FieldError, Problem, ProblemBody};

/// The route of this file.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(reorder))
}

/// A line that was not added to the cart.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SkippedLine {
    /// The number of the line in the order.
    line: i16,
    /// The id of the menu item.
    item_id: ItemId,
    /// The name of the item when it was ordered.
    name: String,
    /// Why it cannot be ordered any more.
    reason: Obstacle,
    /// Why it is no longer on the menu, for a person.
    detail: String,
    /// The single errors; pointers refer to the line as it would be sent to the cart.
    errors: Vec<FieldError>,
}

/// The result of adding the lines of an order to the cart.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ReorderResult {
    /// The cart with the added lines; a line that cannot be ordered now says why.
    cart: Cart,
    /// Lines that are no longer on the menu.
    left_out: Vec<SkippedLine>,
}

/// The line as it would be ordered again; with the note only for the customer who wrote it.
fn requested(line: &OrderLine, is_customer: bool) -> RequestedLine {
    let nested =
        |modifier: &SoldModifier| NestedChoice { modifier_id: modifier.modifier_id, quantity: modifier.quantity };
    let choice = |modifier: &SoldModifier| Choice {
        modifier_id: modifier.modifier_id,
        quantity: modifier.quantity,
        modifiers: modifier.modifiers.iter().map(nested).collect(),
    };
    RequestedLine {
        item_id: line.item_id,
        quantity: line.quantity,
        choices: line.modifiers.iter().map(choice).collect(),
        note: line.note.clone().filter(|_| is_customer),
    }
}

/// Add the lines of an order to the cart
///
/// Adds them to the caller's own cart at the restaurant, at current prices, and lists what is no longer available.
/// Allowed to everyone who may see the order; the notes of the lines are copied for the customer only. It places no
/// order.
#[utoipa::path(post, path = "/api/orders/{orderId}/reorder", tag = "orders", security(("token" = [])),
    params(("orderId" = OrderId, Path),
        ("Idempotency-Key" = Option<String>, Header,
            description = "A new random key; repeat the request with the same key, and the lines are added once")),
    responses(
        (status = 200, description = "The cart after the change, and the lines that were skipped",
            body = ReorderResult),
        (status = 404, description = "Resource not found, or the caller has no access to it",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "The cart would have too many lines",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn reorder(
    State(app): State<Arc<App>>,
    access: OrderAccess,
    key: RequestKey,
) -> Result<IdempotentResponse, Problem> {
    let (scope, id) = (access.scope, access.order);
    let owner = CartOwner::User(scope.actor_id().ok_or_else(Problem::not_found)?);
    let limits = app.config.orders.carts();
    let is_customer = scope.actor() == Actor::Customer;
    key.run(&app.db, scope, StatusCode::OK, move |tx| {
        Box::pin(async move {
            let order = sql::get(tx, &scope, id).await?.ok_or_else(Problem::not_found)?;
            let lines: Vec<_> = order.items.iter().map(|line| requested(line, is_customer)).collect();
            let mut obstacles: BTreeMap<usize, Vec<FieldError>> = BTreeMap::new();
            for (index, invalid_choice) in unfit(tx, &scope, &lines).await?.0 {
                obstacles.entry(index).or_default().push(invalid_choice.field_error(""));
            }
            let left_out = |(index, errors): (&usize, &Vec<FieldError>)| {
                let OrderLine { line, item_id, ref name, .. } = order.items[*index];
                let is_gone = errors.iter().any(|error| error.pointer == NOT_ON_THE_MENU);
                let detail = errors.iter().map(|error| format!("{} {}", error.pointer, error.message));
                SkippedLine {
                    line,
                    item_id,
                    name: name.clone(),
                    reason: if is_gone { Obstacle::Deleted } else { Obstacle::ChoicesChanged },
                    detail: detail.collect::<Vec<_>>().join("; "),
                    errors: errors.clone(),
                }
            };
            let left_out = obstacles.iter().map(left_out).collect();
            let fits = lines.into_iter().enumerate().filter(|(index, _)| !obstacles.contains_key(index));
            let write = |line| LineWrite { key: lines::fresh_key(), at: None, content: Some(line) };
            let writes: Vec<_> = fits.map(|(_, line)| write(line)).collect();
            let cart = if writes.is_empty() {
                lines::read(tx, &scope, owner).await?
            } else {
                lines::write(tx, &scope, owner, &writes, Extent::Lines, limits).await?
            };
            Ok(ReorderResult { cart, left_out })
        })
    })
    .await
}
