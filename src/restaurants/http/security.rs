//! `/api/restaurants/{restaurantId}/security`: security settings for the restaurant's staff.

use std::sync::Arc;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::accounts;
use crate::app::App;
use crate::extract::{Body, Json};
use crate::ids::RestaurantId;
use crate::problem::{Code, Problem, ProblemBody};
use crate::restaurants::access::Staff;
use crate::restaurants::sql;
use crate::tenancy::RestaurantScope;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(get_restaurant_security, update_restaurant_security))
}

/// The security settings of a restaurant.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = SecuritySettings)]
struct Security {
    /// Whether staff need a second factor to act for the restaurant.
    require_second_factor: bool,
}

/// Get the security settings
#[utoipa::path(get, path = "/api/restaurants/{restaurantId}/security", tag = "restaurants", security(("token" = [])),
    params(("restaurantId" = RestaurantId, Path)),
    responses(
        (status = 200, description = "The security settings", body = Security),
        (status = 403, description = "Requires the role OWNER",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "The restaurant does not exist",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn get_restaurant_security(State(app): State<Arc<App>>, staff: Staff) -> Result<Json<Security>, Problem> {
    let scope: RestaurantScope = staff.scope;
    let require_second_factor =
        app.db.read(scope, move |tx| Box::pin(async move { sql::requires_second_factor(tx, &scope).await })).await?;
    Ok(Json(Security { require_second_factor }))
}

/// Update the security settings
///
/// When a second factor is required, members without one lose access at once, on open sockets too, until they have set
/// one up. An owner must have one to require it.
#[utoipa::path(patch, path = "/api/restaurants/{restaurantId}/security", tag = "restaurants", security(("token" = [])),
    params(("restaurantId" = RestaurantId, Path)), request_body = Security,
    responses(
        (status = 200, description = "The security settings after the change", body = Security),
        (status = 403, description = "Requires an owner with a second factor",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "The restaurant does not exist",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn update_restaurant_security(
    State(app): State<Arc<App>>,
    staff: Staff,
    Body(security): Body<Security>,
) -> Result<Json<Security>, Problem> {
    let (scope, requires) = (staff.scope, security.require_second_factor);
    let user = staff.caller.user;
    app.db
        .write(scope.changing_grants(), move |tx| {
            Box::pin(async move {
                let would_lock_out = requires && !scope.is_platform();
                if would_lock_out && accounts::sql::second_factor::get(tx, user).await?.is_none() {
                    let detail = "Set up your own second factor with POST /api/me/second-factor first, or you would be \
                                  locked out.";
                    return Err(Problem::new(Code::SecondFactorRequired, detail));
                }
                sql::require_second_factor(tx, &scope, requires).await
            })
        })
        .await?;
    Ok(Json(security))
}
