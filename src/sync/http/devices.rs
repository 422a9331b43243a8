//! `GET` and `DELETE /api/me/sync-devices`: the devices of the caller that synchronise.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::accounts::caller::SignedIn;
use crate::app::App;
use crate::extract::{Json, Query};
use crate::paging::List;
use crate::problem::{Code, Problem, ProblemBody};
use crate::sync::Device;
use crate::sync::sql::devices::{self, DeviceRemoval, ListedDevice};
use crate::tenancy::TenancyContext;
use crate::text::SingleLine;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(list_sync_devices)).routes(routes!(delete_sync_device))
}

/// A device that synchronises.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SyncDevice {
    /// The `deviceId` of its batches.
    device_id: String,
    /// The smallest `seq` that has not arrived yet.
    next_seq: i64,
    /// The number of operations that are stored and not finished.
    waiting: i64,
    /// When the device first synchronised.
    created_at: DateTime<Utc>,
    /// When the device last synchronised.
    last_synced_at: DateTime<Utc>,
}

impl From<ListedDevice> for SyncDevice {
    fn from(device: ListedDevice) -> Self {
        Self {
            device_id: device.device,
            next_seq: device.next_seq,
            waiting: device.waiting,
            created_at: device.created_at,
            last_synced_at: device.updated_at,
        }
    }
}

/// List offline devices
///
/// The devices known to `POST /api/orders/sync`, the most recent first; at most `SYNC_MAX_DEVICES`. When another one is
/// added, the one that has been idle longest and has nothing unfinished is removed.
#[utoipa::path(get, path = "/api/me/sync-devices", tag = "orders", security(("token" = [])), responses(
    (status = 200, description = "The devices", body = List<SyncDevice>),
))]
async fn list_sync_devices(
    State(app): State<Arc<App>>,
    SignedIn(caller): SignedIn,
) -> Result<Json<List<SyncDevice>>, Problem> {
    let user = caller.user;
    let found = app
        .db
        .read(TenancyContext::user(user), move |tx| Box::pin(async move { devices::list(tx, user).await }))
        .await?;
    Ok(Json(List::whole(found.into_iter().map(SyncDevice::from).collect())))
}

/// The device that the request is about.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
struct DeviceQuery {
    /// The `deviceId` of its batches.
    #[param(inline)]
    device_id: SingleLine<64>,
}

/// Delete an offline device
///
/// Its stored operations are deleted, and operations that wait for a missing one are dropped. Its sequence numbers are
/// remembered: a device that returns continues where it was, and nothing is done twice. Deleting an unknown device
/// changes nothing.
#[utoipa::path(delete, path = "/api/me/sync-devices", tag = "orders", security(("token" = [])), params(DeviceQuery),
    responses(
        (status = 204, description = "The device is deleted"),
        (status = 409, description = "The device has unfinished operations",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn delete_sync_device(
    State(app): State<Arc<App>>,
    SignedIn(caller): SignedIn,
    Query(query): Query<DeviceQuery>,
) -> Result<StatusCode, Problem> {
    let device = Device { user: caller.user, name: query.device_id.into_string() };
    let removed = app
        .db
        .write(TenancyContext::user(caller.user), move |tx| Box::pin(async move { devices::retire(tx, &device).await }))
        .await?;
    match removed {
        DeviceRemoval::Removed => Ok(StatusCode::NO_CONTENT),
        DeviceRemoval::Unfinished => {
            let detail = "Operations of this device are still pending. Try again when they are finished.";
            Err(Problem::new(Code::OperationsUnfinished, detail))
        }
    }
}
