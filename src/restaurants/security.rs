//! `/api/restaurants/{restaurantId}/security`: what the restaurant asks of those who work for it.

use std::sync::Arc;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::sql;
use super::staff::Staff;
use crate::accounts;
use crate::app::App;
use crate::ids::RestaurantId;
use crate::problem::{Code, Problem, ProblemBody};
use crate::tenancy::RestaurantScope;
use crate::wire::{Body, Json};

/// The routes of this file.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(get_restaurant_security, update_restaurant_security))
}

/// What is asked of the staff.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Security {
    /// Nobody may act for the restaurant without a second factor.
    require_second_factor: bool,
}

/// What the restaurant asks of its staff
#[utoipa::path(get, path = "/api/restaurants/{restaurantId}/security", tag = "restaurants", security(("token" = [])),
    params(("restaurantId" = RestaurantId, Path)),
    responses(
        (status = 200, description = "What is asked", body = Security),
        (status = 403, description = "Only owners may", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such restaurant", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn get_restaurant_security(State(app): State<Arc<App>>, staff: Staff) -> Result<Json<Security>, Problem> {
    let scope: RestaurantScope = staff.scope;
    let require_second_factor =
        app.db.read(scope, move |tx| Box::pin(async move { sql::requires_second_factor(tx, &scope).await })).await?;
    Ok(Json(Security { require_second_factor }))
}

/// Ask the staff for a second factor, or no longer
///
/// Whoever works here without one loses access at once, open sockets included, until they have set one up. An owner must
/// have one to ask for it.
#[utoipa::path(patch, path = "/api/restaurants/{restaurantId}/security", tag = "restaurants", security(("token" = [])),
    params(("restaurantId" = RestaurantId, Path)), request_body = Security,
    responses(
        (status = 200, description = "What is asked now", body = Security),
        (status = 403, description = "Only owners with a second factor may", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such restaurant", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn update_restaurant_security(
    State(app): State<Arc<App>>,
    staff: Staff,
    Body(wanted): Body<Security>,
) -> Result<Json<Security>, Problem> {
    let (scope, requires) = (staff.scope, wanted.require_second_factor);
    let user = staff.caller.user;
    app.db
        .write(scope.changing_grants(), move |tx| {
            Box::pin(async move {
                let would_lock_out = requires && !scope.is_platform();
                if would_lock_out && accounts::sql::second_factor::show(tx, user).await?.is_none() {
                    let detail = "Set up your own second factor with POST /api/me/second-factor first, or you would be locked out.";
                    return Err(Problem::new(Code::SecondFactorRequired, detail));
                }
                sql::require_second_factor(tx, &scope, requires).await
            })
        })
        .await?;
    Ok(Json(wanted))
}
