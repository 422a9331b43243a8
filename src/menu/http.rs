//! `/api/restaurants/{restaurantId}/menu`: what a guest reads.

use std::sync::Arc;

use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Menu, categories, items, sql};
use crate::app::App;
use crate::events::{self, Event};
use crate::ids::RestaurantId;
use crate::problem::{Problem, ProblemBody};
use crate::restaurants::sql::next_menu_version;
use crate::tenancy::{RestaurantScope, Who};
use crate::uow::Tx;
use crate::wire::{Path, Versioned};

/// The routes of this slice.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(get_menu)).merge(categories::routes()).merge(items::routes())
}

/// Read the menu
#[utoipa::path(get, path = "/api/restaurants/{restaurantId}/menu", tag = "menu",
    params(("restaurantId" = RestaurantId, Path)),
    responses(
        (status = 200, description = "The whole menu; its version is the ETag", body = Menu),
        (status = 404, description = "No such restaurant", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn get_menu(State(app): State<Arc<App>>, Path(id): Path<RestaurantId>) -> Result<Versioned<Menu>, Problem> {
    let menu = app.db.read(Who::nobody(), move |tx| Box::pin(async move { sql::menu(tx, id).await })).await?;
    let body = menu.ok_or_else(Problem::not_found)?;
    Ok(Versioned { version: body.version, body })
}

/// Gives the menu its next version, and says so: the end of every change of it.
pub(super) async fn changed(tx: &mut Tx, scope: &RestaurantScope) -> Result<(), Problem> {
    let version = next_menu_version(tx, scope).await?;
    events::publish(tx, scope, Event::MenuChanged { version }).await
}
