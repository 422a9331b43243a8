//! `/api/restaurants/{restaurantId}/cart`, and `/api/me/carts`: taking over the carts of a guest.

use std::sync::Arc;

use axum::extract::State;
use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::actions::content;
use super::actions::merge::{CartMerge, GuestClaim};
use super::owner::Shopper;
use super::sql::RequestedLine;
use super::sql::lines::{Extent, LineWrite};
use super::{Cart, Quantity};
use crate::accounts::caller::SignedIn;
use crate::app::App;
use crate::bounded;
use crate::clock::clamp;
use crate::extract::{Body, Json};
use crate::ids::{ItemId, RestaurantId};
use crate::menu::configure::Choice;
use crate::problem::{Problem, ProblemBody};
use crate::text::{MultiLine, SingleLine};
use crate::timestamp::Timestamp;

/// The routes of this slice.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(get_cart, put_cart, patch_cart)).routes(routes!(take_over_carts))
}

/// Get the caller's cart
#[utoipa::path(get, path = "/api/restaurants/{restaurantId}/cart", tag = "cart", security(("token" = []), ("guest" = [])),
    params(("restaurantId" = RestaurantId, Path)),
    responses(
        (status = 200, description = "The open cart at current prices", body = Cart),
        (status = 404, description = "The restaurant does not exist", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn get_cart(State(app): State<Arc<App>>, shopper: Shopper) -> Result<Json<Cart>, Problem> {
    let (scope, owner) = (shopper.scope, shopper.owner);
    let cart = app.db.read(scope, move |tx| Box::pin(async move { content::read(tx, &scope, owner).await })).await?;
    Ok(Json(cart))
}

/// What the cart is to hold.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CartUpdate)]
struct CartContent {
    /// The lines, at most 100; none empties the cart.
    #[schema(max_items = 100)]
    #[serde(deserialize_with = "bounded::list::<_, _, 100>")]
    lines: Vec<WantedCartLine>,
    /// When it was put together, by the client's clock; absent: now. Lines that were written later stay.
    at: Option<Timestamp>,
}

/// What, how many, and a wish.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = CartLineInput)]
struct WantedCartLine {
    /// What the client calls the line; the server names it when absent.
    #[schema(inline)]
    key: Option<SingleLine<64>>,
    item_id: ItemId,
    quantity: Quantity,
    /// What is chosen on each of them; at most 100 choices, nested ones included.
    #[serde(default, deserialize_with = "bounded::list::<_, _, 100>")]
    modifiers: Vec<Choice>,
    #[schema(inline)]
    note: Option<MultiLine<500>>,
}

impl WantedCartLine {
    fn into_write(self) -> LineWrite {
        LineWrite {
            key: self.key.map_or_else(content::fresh_key, String::from),
            at: None,
            content: Some(RequestedLine {
                item_id: self.item_id,
                quantity: self.quantity.get().into(),
                choices: self.modifiers,
                note: self.note.map(String::from),
            }),
        }
    }
}

/// Replace the caller's cart
#[utoipa::path(put, path = "/api/restaurants/{restaurantId}/cart", tag = "cart", security(("token" = []), ("guest" = [])),
    params(("restaurantId" = RestaurantId, Path)), request_body = CartContent,
    responses(
        (status = 200, description = "The cart after the change", body = Cart),
        (status = 404, description = "The restaurant does not exist", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "An item is not on this menu, its choices do not fit its groups, a quantity is out of range, or the client's clock is wrong", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn put_cart(
    State(app): State<Arc<App>>,
    shopper: Shopper,
    Body(wanted): Body<CartContent>,
) -> Result<Json<Cart>, Problem> {
    let at = instant(wanted.at, app.clock.now(), "/at")?;
    let writes: Vec<_> = wanted.lines.into_iter().map(WantedCartLine::into_write).collect();
    let (scope, owner) = (shopper.scope, shopper.owner);
    let most_choices = app.config.orders.max_choices;
    let cart = app
        .db
        .write(scope, move |tx| {
            Box::pin(async move {
                shopper.keep(tx).await?;
                content::write(tx, &scope, owner, &writes, Extent::Whole(at), most_choices).await
            })
        })
        .await?;
    Ok(Json(cart))
}

/// The instant a client's write counts as having.
fn instant(at: Option<Timestamp>, now: DateTime<Utc>, pointer: &str) -> Result<Option<DateTime<Utc>>, Problem> {
    at.map(|at| clamp(at.utc(), now)).transpose().map_err(|_| Problem::clock_skew(pointer, now))
}

/// Lines to be changed, added or taken out; the others stay.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CartPatch {
    /// At most 100, each named once.
    #[schema(max_items = 100)]
    #[serde(deserialize_with = "bounded::list::<_, _, 100>")]
    lines: Vec<LinePatch>,
}

/// A line, or its end.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LinePatch {
    /// What the client calls the line: a fresh random name adds one.
    #[schema(inline)]
    key: SingleLine<64>,
    /// How many; 0 takes the line out.
    #[schema(minimum = 0, maximum = 99)]
    quantity: u8,
    /// Required unless the line is taken out.
    item_id: Option<ItemId>,
    #[serde(default, deserialize_with = "bounded::list::<_, _, 100>")]
    modifiers: Vec<Choice>,
    #[schema(inline)]
    note: Option<MultiLine<500>>,
    /// When it was written, by the client's clock; absent: now. A line that was written later keeps what it is.
    at: Option<Timestamp>,
}

impl LinePatch {
    /// The write, at the instant it counts as having.
    fn into_write(self, now: DateTime<Utc>, place: &str) -> Result<LineWrite, Problem> {
        let at = instant(self.at, now, &format!("{place}/at"))?;
        let content = match (self.quantity, self.item_id) {
            (0, None) if self.modifiers.is_empty() && self.note.is_none() => None,
            (0, _) => {
                let message = "must be the only thing said of a line that is taken out, besides its key and time";
                return Err(Problem::invalid_field(format!("{place}/quantity"), message));
            }
            (1..=99, Some(item_id)) => Some(RequestedLine {
                item_id,
                quantity: self.quantity.into(),
                choices: self.modifiers,
                note: self.note.map(String::from),
            }),
            (1..=99, None) => return Err(Problem::invalid_field(format!("{place}/itemId"), "is required")),
            _ => return Err(Problem::invalid_field(format!("{place}/quantity"), "must be between 0 and 99")),
        };
        Ok(LineWrite { key: self.key.into_string(), at, content })
    }
}

/// Update lines of the caller's cart
///
/// Each line by its key: of two writes to a line, the one with the later `at` wins, whichever arrives first, and a
/// deleted line stays deleted unless a later write restores it. The response shows the current cart.
#[utoipa::path(patch, path = "/api/restaurants/{restaurantId}/cart", tag = "cart", security(("token" = []), ("guest" = [])),
    params(("restaurantId" = RestaurantId, Path)), request_body = CartPatch,
    responses(
        (status = 200, description = "The cart after the change", body = Cart),
        (status = 404, description = "The restaurant does not exist", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "Invalid lines as for the whole cart, a repeated key, or a wrong client clock", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn patch_cart(
    State(app): State<Arc<App>>,
    shopper: Shopper,
    Body(patch): Body<CartPatch>,
) -> Result<Json<Cart>, Problem> {
    let now = app.clock.now();
    let write = |(index, line): (usize, LinePatch)| line.into_write(now, &format!("/lines/{index}"));
    let writes = patch.lines.into_iter().enumerate().map(write).collect::<Result<Vec<_>, _>>()?;
    let (scope, owner) = (shopper.scope, shopper.owner);
    let most_choices = app.config.orders.max_choices;
    let cart = app
        .db
        .write(scope, move |tx| {
            Box::pin(async move {
                shopper.keep(tx).await?;
                content::write(tx, &scope, owner, &writes, Extent::Lines, most_choices).await
            })
        })
        .await?;
    Ok(Json(cart))
}

/// The token of a guest.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = CartMergeRequest)]
struct GuestCarts {
    #[schema(value_type = String, example = "gt_3q2-7wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    guest_token: SecretString,
}

/// Move a guest's carts to the account
///
/// Like signing in with `guestToken`, for a user who is signed in already. Repeating it returns the same response to
/// the same user; a token that is wrong, expired or already used by another user moves nothing.
#[utoipa::path(post, path = "/api/me/carts", tag = "cart", security(("token" = [])), request_body = GuestCarts,
    responses(
        (status = 200, description = "The merged carts, and the lines that could not be merged", body = CartMerge),
        (status = 401, description = "Authentication required", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn take_over_carts(
    State(app): State<Arc<App>>,
    SignedIn(caller): SignedIn,
    Body(given): Body<GuestCarts>,
) -> Result<Json<CartMerge>, Problem> {
    let (user, claim) = (caller.user, GuestClaim::of(&app, Some(&given.guest_token)).await?);
    let taken =
        app.db.write(claim.who(user), move |tx| Box::pin(async move { claim.take_over(tx, user).await })).await?;
    Ok(Json(taken.unwrap_or_else(CartMerge::nothing)))
}
