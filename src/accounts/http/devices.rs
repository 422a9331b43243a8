//! `/api/me/devices`: devices that receive push notifications.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::accounts::caller::SignedIn;
use crate::accounts::devices::{NewDevice, PushDevice};
use crate::accounts::sql::devices as sql;
use crate::app::App;
use crate::extract::{Json, Path};
use crate::idempotency::{IdempotentBody, IdempotentResponse};
use crate::ids::DeviceId;
use crate::paging::List;
use crate::problem::{Problem, ProblemBody};
use crate::tenancy::{PlatformScope, TenancyContext};

/// The routes of this file.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(list_devices, register_device)).routes(routes!(delete_device))
}

/// List the devices registered for push notifications
#[utoipa::path(get, path = "/api/me/devices", tag = "auth", security(("token" = [])), responses(
    (status = 200, description = "The devices with active sessions", body = List<PushDevice>),
    (status = 401, description = "Authentication required",
        body = ProblemBody, content_type = "application/problem+json"),
))]
async fn list_devices(
    State(app): State<Arc<App>>,
    SignedIn(caller): SignedIn,
) -> Result<Json<List<PushDevice>>, Problem> {
    let user = caller.user;
    let devices = app
        .db
        .read(TenancyContext::user(user), move |tx| Box::pin(async move { sql::of_user(tx, user).await }))
        .await?;
    Ok(Json(List::whole(devices)))
}

/// Register a device for push notifications
///
/// Registering the same target again renews it; a target registered by another user moves to the caller. Push
/// notifications stop when the session ends. A user has at most `PUSH_MAX_DEVICES` devices: of more, the one that was
/// registered longest ago is removed.
#[utoipa::path(post, path = "/api/me/devices", tag = "auth", security(("token" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "A new random key; repeat the request with the \
                                                                       same key")),
    request_body = NewDevice,
    responses(
        (status = 201, description = "The device", body = PushDevice),
        (status = 422, description = "Invalid request", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn register_device(
    State(app): State<Arc<App>>,
    SignedIn(caller): SignedIn,
    IdempotentBody { value: new, key }: IdempotentBody<NewDevice>,
) -> Result<IdempotentResponse, Problem> {
    if !new.target.as_str().is_ascii() {
        return Err(Problem::invalid_field(
            "/target",
            "must be ASCII, in the form that Firebase or the browser returned it",
        ));
    }
    let max = app.config.accounts.max_push_devices;
    let scope = PlatformScope::proven_by("a push target may have been somebody else's before", Some(caller.user));
    key.create(&app.db, scope, move |tx| {
        Box::pin(async move { sql::register(tx, &caller, DeviceId::new(), &new, max).await })
    })
    .await
}

/// Delete a device registered for push notifications
#[utoipa::path(delete, path = "/api/me/devices/{deviceId}", tag = "auth", security(("token" = [])),
    params(("deviceId" = DeviceId, Path)),
    responses(
        (status = 204, description = "The device is deleted"),
        (status = 404, description = "The caller has no such resource",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn delete_device(
    State(app): State<Arc<App>>,
    SignedIn(caller): SignedIn,
    Path(id): Path<DeviceId>,
) -> Result<StatusCode, Problem> {
    let user = caller.user;
    let deleted = app
        .db
        .write(TenancyContext::user(user), move |tx| Box::pin(async move { sql::delete(tx, user, id).await }))
        .await?;
    if deleted { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::not_found()) }
}
