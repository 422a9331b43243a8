//! `GET /api/me`: the caller's profile, memberships and driver profile.

use std::sync::Arc;

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::accounts::caller::SignedIn;
use crate::accounts::{User, sql};
use crate::app::App;
use crate::delivery::Driver;
use crate::delivery::sql::drivers;
use crate::extract::Json;
use crate::problem::{Problem, ProblemBody};
use crate::restaurants::Membership;
use crate::restaurants::sql::memberships_of;
use crate::tenancy::TenancyContext;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(get_me))
}

/// The profile of the caller.
#[derive(Serialize, ToSchema)]
#[schema(as = Profile)]
struct Me {
    #[serde(flatten)]
    user: User,
    /// The restaurants for which the user works.
    memberships: Vec<Membership>,
    /// The user's driver profile.
    driver: Option<Driver>,
}

/// Get the caller's profile
#[utoipa::path(get, path = "/api/me", tag = "auth", security(("token" = [])), responses(
    (status = 200, description = "The profile of the caller", body = Me),
    (status = 401, description = "Authentication required",
        body = ProblemBody, content_type = "application/problem+json"),
))]
async fn get_me(State(app): State<Arc<App>>, SignedIn(caller): SignedIn) -> Result<Json<Me>, Problem> {
    let presence = app.config.delivery.presence;
    let me = app
        .db
        // Whether a driver is busy depends on deliveries, which only the driver may read.
        .read(TenancyContext { driver: caller.driver, ..TenancyContext::user(caller.user) }, move |tx| {
            Box::pin(async move {
                let user = sql::get(tx, caller.user).await?.ok_or_else(Problem::unauthenticated)?;
                let memberships = memberships_of(tx, caller.user).await?;
                let driver = drivers::of_user(tx, caller.user, presence).await?;
                Ok(Me { user, memberships, driver })
            })
        })
        .await?;
    Ok(Json(me))
}
