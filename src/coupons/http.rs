//! Routes of a restaurant's coupons, below `/api/restaurants/{restaurantId}/coupons`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::requests::{CouponPatch, NewCoupon};
use super::{Coupon, sql};
use crate::app::App;
use crate::extract::{Body, IfMatch, Json, Path, Query, Versioned};
use crate::idempotency::{IdempotentBody, IdempotentResponse};
use crate::ids::{CouponId, RestaurantId};
use crate::menu;
use crate::paging::{List, PageQuery};
use crate::problem::{Problem, ProblemBody};
use crate::restaurants::access::Staff;
use crate::row_limit::{self, RowLimit};

/// The routes of this feature.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(list_coupons, create_coupon)).routes(routes!(
        get_coupon,
        update_coupon,
        delete_coupon
    ))
}

/// List coupons
#[utoipa::path(get, path = "/api/restaurants/{restaurantId}/coupons", tag = "restaurants", security(("token" = [])),
    params(("restaurantId" = RestaurantId, Path), PageQuery),
    responses(
        (status = 200, description = "A page of coupons, newest first", body = List<Coupon>),
        (status = 403, description = "Requires the role MANAGER",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "The restaurant does not exist, or the caller has no access to it",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn list_coupons(
    State(app): State<Arc<App>>,
    staff: Staff,
    Query(query): Query<PageQuery>,
) -> Result<Json<List<Coupon>>, Problem> {
    let (scope, page) = (staff.scope, query.page()?);
    let rows = app.db.read(scope, move |tx| Box::pin(async move { sql::list(tx, &scope, page).await })).await?;
    Ok(Json(page.cut(rows, |coupon| (coupon.created_at, coupon.id.uuid()))))
}

/// Create a coupon
///
/// Customers send its code with a quote or an order. A code belongs to one coupon at a time.
#[utoipa::path(post, path = "/api/restaurants/{restaurantId}/coupons", tag = "restaurants", security(("token" = [])),
    params(("restaurantId" = RestaurantId, Path),
        ("Idempotency-Key" = Option<String>, Header,
            description = "A new random key; repeat the request with the same key")),
    request_body = NewCoupon,
    responses(
        (status = 201, description = "The coupon", body = Coupon),
        (status = 403, description = "Requires the role MANAGER",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "The restaurant does not exist, or the caller has no access to it",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "Another coupon has this code, or `COUPON_MAX` coupons exist",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "Invalid request", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn create_coupon(
    State(app): State<Arc<App>>,
    staff: Staff,
    IdempotentBody { value: new, key }: IdempotentBody<NewCoupon>,
) -> Result<IdempotentResponse, Problem> {
    let (scope, max) = (staff.scope, app.config.restaurants.max_coupons);
    key.create(&app.db, scope, move |tx| {
        Box::pin(async move {
            row_limit::check(tx, RowLimit::Coupons, scope.restaurant().uuid(), max).await?;
            let currency = menu::sql::currency(tx, scope.restaurant()).await?;
            let coupon = new.into_coupon(scope.restaurant(), currency, tx.now())?;
            sql::insert(tx, &scope, &coupon).await?;
            Ok(coupon)
        })
    })
    .await
}

/// Get a coupon
#[utoipa::path(get, path = "/api/restaurants/{restaurantId}/coupons/{couponId}", tag = "restaurants",
    security(("token" = [])), params(("restaurantId" = RestaurantId, Path), ("couponId" = CouponId, Path)),
    responses(
        (status = 200, description = "The coupon; its version is the ETag", body = Coupon),
        (status = 403, description = "Requires the role MANAGER",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "Resource not found, or the caller has no access to it",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn get_coupon(
    State(app): State<Arc<App>>,
    staff: Staff,
    Path((_, id)): Path<(RestaurantId, CouponId)>,
) -> Result<Versioned<Coupon>, Problem> {
    let scope = staff.scope;
    let found = app.db.read(scope, move |tx| Box::pin(async move { sql::get(tx, &scope, id).await })).await?;
    let body = found.ok_or_else(Problem::not_found)?;
    Ok(Versioned { version: body.version, body })
}

/// Update a coupon
///
/// When, how often and whether it can be used. Its value never changes: create another coupon instead.
#[utoipa::path(patch, path = "/api/restaurants/{restaurantId}/coupons/{couponId}", tag = "restaurants",
    security(("token" = [])),
    params(("restaurantId" = RestaurantId, Path), ("couponId" = CouponId, Path),
        ("If-Match" = Option<String>, Header, description = "The expected version, in quotes as in ETag")),
    request_body = CouponPatch,
    responses(
        (status = 200, description = "The coupon after the change", body = Coupon),
        (status = 403, description = "Requires the role MANAGER",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "Resource not found, or the caller has no access to it",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 412, description = "Version conflict; `current` is the current state",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "Invalid request", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn update_coupon(
    State(app): State<Arc<App>>,
    staff: Staff,
    Path((_, id)): Path<(RestaurantId, CouponId)>,
    if_match: IfMatch,
    Body(patch): Body<CouponPatch>,
) -> Result<Versioned<Coupon>, Problem> {
    let scope = staff.scope;
    let body = app
        .db
        .write(scope, move |tx| {
            Box::pin(async move {
                let current = sql::lock(tx, &scope, id).await?.ok_or_else(Problem::not_found)?;
                if_match.check(current.version, &current)?;
                let updated = patch.apply(&current)?;
                if updated == current { Ok(current) } else { sql::update(tx, &scope, &updated).await }
            })
        })
        .await?;
    Ok(Versioned { version: body.version, body })
}

/// Delete a coupon
///
/// It can no longer be used, and its code is free again. Orders that used it keep their discount.
#[utoipa::path(delete, path = "/api/restaurants/{restaurantId}/coupons/{couponId}", tag = "restaurants",
    security(("token" = [])), params(("restaurantId" = RestaurantId, Path), ("couponId" = CouponId, Path)),
    responses(
        (status = 204, description = "Deleted"),
        (status = 403, description = "Requires the role MANAGER",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "Resource not found, or the caller has no access to it",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn delete_coupon(
    State(app): State<Arc<App>>,
    staff: Staff,
    Path((_, id)): Path<(RestaurantId, CouponId)>,
) -> Result<StatusCode, Problem> {
    let scope = staff.scope;
    let deleted = app.db.write(scope, move |tx| Box::pin(async move { sql::delete(tx, &scope, id).await })).await?;
    if deleted { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::not_found()) }
}
