//! The router: every feature's routes, their permissions, the OpenAPI document and the middleware around them; and the
//! routes for the health of the server.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::extract::Json;
use crate::operations::Operations;
use crate::permission::Operation;
use crate::problem::Problem;
use crate::{
    accounts, cart, console, coupons, delivery, images, menu, middleware, notifications, openapi, orders, restaurants,
    sync, users,
};

/// The router and what the middleware around it has to know.
pub struct Routes {
    /// The routes of the API and the console.
    pub router: Router,
    /// The operations of its routes.
    pub operations: Arc<Operations>,
}

/// A route without an operation, or an operation without a route.
#[derive(Debug, thiserror::Error)]
pub enum RouterError {
    /// The OpenAPI document names an operation that the permission table does not have.
    #[error("{0} has no row in permission.rs")]
    NoPermission(String),
    /// The permission table has an operation without a route.
    #[error("{0} in permission.rs has no route")]
    NoRoute(&'static str),
}

/// All routes of the API with their descriptions.
fn api() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(openapi::head())
        .routes(routes!(get_health))
        .routes(routes!(get_liveness))
        .merge(accounts::http::routes())
        .merge(restaurants::http::routes())
        .merge(menu::http::routes())
        .merge(cart::http::routes())
        .merge(coupons::http::routes())
        .merge(orders::http::routes())
        .merge(sync::http::routes())
        .merge(delivery::http::routes())
        .merge(users::http::routes())
        .merge(notifications::http::routes())
}

/// The OpenAPI document, finished.
pub fn document() -> Value {
    openapi::finish(api().into_openapi())
}

/// The routes of the API and the console. Sockets and the middleware of all requests are added around them
/// (`serve.rs`).
///
/// Layers that follow each other are added in one call: each call boxes every route once more, and a request clones
/// all boxes inside a layer for each layer that it enters.
///
/// # Errors
/// When routes and permissions do not match; then the server does not start.
pub fn router(app: &Arc<App>) -> Result<Routes, RouterError> {
    let (routes, document) = api().split_for_parts();
    let document = openapi::finish(document);
    let operations = Arc::new(operations(&document)?);
    // A menu has many images, and many people of one network load them at once, so they are not rate limited.
    let routes = routes
        .merge(openapi::routes(&document))
        .merge(console::routes())
        .layer((
            from_fn_with_state(Arc::clone(app), middleware::failed_authentication::log),
            from_fn_with_state(Arc::clone(app), middleware::rate_limit::limit),
            from_fn_with_state(Arc::clone(app), middleware::admission::admit),
        ))
        .merge(images::http::routes())
        .fallback(not_found)
        .with_state(Arc::clone(app));
    Ok(Routes {
        router: middleware::inside(routes, &app.config.http, app.config.images.max_bytes, app.jobs.clone()),
        operations,
    })
}

/// Reads the operations of the document and compares them with the permission table.
fn operations(document: &Value) -> Result<Operations, RouterError> {
    let mut found = Operations::default();
    for (path, method, id) in openapi::operations(document) {
        let operation = Operation::by_id(&id).ok_or(RouterError::NoPermission(id))?;
        found.add(path, method, operation);
    }
    let without_route = |operation: &&Operation| {
        !operation.is_socket_only() && **operation != Operation::ListRestaurantOrders && !found.contains(**operation)
    };
    match Operation::ALL.iter().find(without_route) {
        Some(operation) => Err(RouterError::NoRoute(operation.id())),
        None => Ok(found),
    }
}

async fn not_found() -> Problem {
    Problem::not_found()
}

/// The health of the server.
#[derive(Serialize, ToSchema)]
struct Health {
    /// Always `ok`. If the database cannot be reached, the response is 503.
    status: &'static str,
    /// The version of the program.
    version: &'static str,
    /// Whether the demo data has been created.
    demo: bool,
}

/// Get the liveness of the process
///
/// Answers without using the database: for a supervisor that restarts a process that hangs. `/api/health` says whether
/// requests can be served.
#[utoipa::path(get, path = "/api/health/live", tag = "server",
    responses((status = 204, description = "The process is running")))]
async fn get_liveness() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// Get the health of the server
///
/// Says whether the server is up and reaches its database.
#[utoipa::path(get, path = "/api/health", tag = "server", responses(
    (status = 200, description = "The server is up and reaches its database", body = Health),
))]
async fn get_health(State(app): State<Arc<App>>) -> Result<(StatusCode, Json<Health>), Problem> {
    sqlx::query_scalar!("select 1 as one").fetch_one(app.db.pool()).await?;
    let health = Health { status: "ok", version: env!("CARGO_PKG_VERSION"), demo: app.demo };
    Ok((StatusCode::OK, Json(health)))
}
