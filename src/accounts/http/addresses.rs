//! `/api/me/addresses`: the saved addresses of the caller.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::accounts::addresses::{NewAddress, SavedAddress};
use crate::accounts::caller::SignedIn;
use crate::accounts::sql::addresses as sql;
use crate::app::App;
use crate::extract::{Body, Json, Path};
use crate::idempotency::{IdempotentBody, IdempotentResponse};
use crate::ids::AddressId;
use crate::paging::List;
use crate::problem::{Problem, ProblemBody};
use crate::row_limit::{self, RowLimit};
use crate::tenancy::TenancyContext;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(list_addresses, create_address))
        .routes(routes!(replace_address, delete_address))
}

/// List the saved addresses
#[utoipa::path(get, path = "/api/me/addresses", tag = "auth", security(("token" = [])), responses(
    (status = 200, description = "The saved addresses, last changed first", body = List<SavedAddress>),
    (status = 401, description = "Authentication required",
        body = ProblemBody, content_type = "application/problem+json"),
))]
async fn list_addresses(
    State(app): State<Arc<App>>,
    SignedIn(caller): SignedIn,
) -> Result<Json<List<SavedAddress>>, Problem> {
    let user = caller.user;
    let addresses = app
        .db
        .read(TenancyContext::user(user), move |tx| Box::pin(async move { sql::of_user(tx, user).await }))
        .await?;
    Ok(Json(List::whole(addresses)))
}

/// Create an address
#[utoipa::path(post, path = "/api/me/addresses", tag = "auth", security(("token" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "A new random key; repeat the request with the \
                                                                       same key")),
    request_body = NewAddress,
    responses(
        (status = 201, description = "The address", body = SavedAddress),
        (status = 409, description = "Limit reached: `ADDRESS_MAX` addresses are saved",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "Invalid request", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn create_address(
    State(app): State<Arc<App>>,
    SignedIn(caller): SignedIn,
    IdempotentBody { value: new, key }: IdempotentBody<NewAddress>,
) -> Result<IdempotentResponse, Problem> {
    let (user, max) = (caller.user, app.config.accounts.max_addresses);
    key.create(&app.db, TenancyContext::user(user), move |tx| {
        Box::pin(async move {
            row_limit::check(tx, RowLimit::SavedAddresses, user.uuid(), max).await?;
            sql::insert(tx, user, AddressId::new(), &new).await
        })
    })
    .await
}

/// Replace an address
#[utoipa::path(put, path = "/api/me/addresses/{addressId}", tag = "auth", security(("token" = [])),
    params(("addressId" = AddressId, Path)), request_body = NewAddress,
    responses(
        (status = 200, description = "The address after the change", body = SavedAddress),
        (status = 404, description = "The caller has no such resource",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "Invalid request", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn replace_address(
    State(app): State<Arc<App>>,
    SignedIn(caller): SignedIn,
    Path(id): Path<AddressId>,
    Body(new): Body<NewAddress>,
) -> Result<Json<SavedAddress>, Problem> {
    let user = caller.user;
    let replaced = app
        .db
        .write(TenancyContext::user(user), move |tx| Box::pin(async move { sql::replace(tx, user, id, &new).await }))
        .await?;
    replaced.map(Json).ok_or_else(Problem::not_found)
}

/// Delete an address
#[utoipa::path(delete, path = "/api/me/addresses/{addressId}", tag = "auth", security(("token" = [])),
    params(("addressId" = AddressId, Path)),
    responses(
        (status = 204, description = "The address is deleted"),
        (status = 404, description = "The caller has no such resource",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn delete_address(
    State(app): State<Arc<App>>,
    SignedIn(caller): SignedIn,
    Path(id): Path<AddressId>,
) -> Result<StatusCode, Problem> {
    let user = caller.user;
    let deleted = app
        .db
        .write(TenancyContext::user(user), move |tx| Box::pin(async move { sql::delete(tx, user, id).await }))
        .await?;
    if deleted { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::not_found()) }
}
