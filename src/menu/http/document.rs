//! `PUT …/menu`, export, import and copy: a whole menu at once, as a document, as CSV or from another restaurant.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::client::Client;
use crate::extract::{Body, CsvBody, IfMatch, JsonBytes, Query, Versioned};
use crate::ids::RestaurantId;
use crate::limits::too_many;
use crate::menu::actions::replace::{MenuDifference, MenuSource, ReplaceOptions, contents, replace};
use crate::menu::csv::Separator;
use crate::menu::document::{self, Document};
use crate::menu::{Contents, sql, table};
use crate::permission::Operation;
use crate::problem::{Problem, ProblemBody};
use crate::restaurants::access::{self, Staff};
use crate::tenancy::RestaurantScope;

/// The routes of this file, except `put_menu`, which shares its path with `get_menu`.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(get_menu_document))
        .routes(routes!(export_menu, import_menu))
        .routes(routes!(copy_menu))
}

/// The query parameters of a replacement.
#[derive(Clone, Copy, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub(super) struct ReplaceQuery {
    /// True: only return the changes, without making them.
    #[serde(default)]
    dry_run: bool,
}

impl ReplaceQuery {
    fn how(self, if_match: IfMatch, app: &App) -> ReplaceOptions {
        ReplaceOptions { dry_run: self.dry_run, if_match, bounds: app.config.menus }
    }
}

/// Changes may list everything on a menu, so they are serialised on separate threads.
async fn versioned(app: &App, scope: RestaurantScope, difference: MenuDifference) -> Result<Response, Problem> {
    app.heavy
        .run(scope.into(), move || Versioned { version: difference.version, body: difference }.into_response())
        .await
}

/// Replace the whole menu
///
/// The document is the complete menu: entries with the same key as before are updated and keep their ids, missing ones
/// are deleted. All or nothing; repeating it changes nothing. Stock and availability that the document leaves out stay
/// unchanged, so that a menu kept elsewhere does not undo what the kitchen does here. Images stay with their items.
#[utoipa::path(put, path = "/api/restaurants/{restaurantId}/menu", tag = "menu", security(("token" = [])),
    params(("restaurantId" = RestaurantId, Path), ReplaceQuery,
        ("If-Match" = Option<String>, Header, description = "The expected version of the menu, in quotes as in ETag")),
    request_body = Document,
    responses(
        (status = 200, description = "The changes made to the menu", body = MenuDifference),
        (status = 404, description = "The restaurant does not exist, or the caller has no access to it",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 412, description = "Version conflict", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "Invalid request; nothing was changed",
            body = ProblemBody, content_type = "application/problem+json"),
))]
pub(super) async fn put_menu(
    State(app): State<Arc<App>>,
    staff: Staff,
    Query(query): Query<ReplaceQuery>,
    if_match: IfMatch,
    JsonBytes(body): JsonBytes,
) -> Result<Response, Problem> {
    let (scope, how) = (staff.scope, query.how(if_match, &app));
    let document = app.heavy.run(scope.into(), move || document::read(&body, how.bounds)).await??;
    let difference = replace(&app, scope, MenuSource::Document(document), how).await?;
    versioned(&app, scope, difference).await
}

/// The menu, for its staff.
async fn contents_of(app: &App, scope: RestaurantScope) -> Result<Contents, Problem> {
    app.db.read(scope, move |tx| Box::pin(async move { contents(tx, scope.restaurant()).await })).await
}

/// Export the menu as a document
///
/// The format that `PUT …/menu` takes: sending it back changes nothing.
#[utoipa::path(get, path = "/api/restaurants/{restaurantId}/menu/document", tag = "menu", security(("token" = [])),
    params(("restaurantId" = RestaurantId, Path)),
    responses(
        (status = 200, description = "The document; its version is the ETag", body = Document),
        (status = 404, description = "The restaurant does not exist, or the caller has no access to it",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn get_menu_document(State(app): State<Arc<App>>, staff: Staff) -> Result<Response, Problem> {
    let contents = contents_of(&app, staff.scope).await?;
    let work = move || Versioned { version: contents.version, body: document::of(contents) }.into_response();
    app.heavy.run(staff.scope.into(), work).await
}

/// The query parameters of the export.
#[derive(Clone, Copy, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct TableQuery {
    /// The separator of cells: `comma` (default), or `semicolon`, which spreadsheets expect where prices are written
    /// 12,50. An import detects it.
    #[serde(default)]
    #[param(inline)]
    separator: Separator,
}

/// Export the menu as CSV
///
/// One row per category, item, modifier group and modifier, in UTF-8 with a byte order mark, which Excel needs. Cells
/// that a spreadsheet would read as a formula start with an apostrophe, which the import removes.
#[utoipa::path(get, path = "/api/restaurants/{restaurantId}/menu.csv", tag = "menu", security(("token" = [])),
    params(("restaurantId" = RestaurantId, Path), TableQuery),
    responses(
        (status = 200, description = "The menu as CSV", body = String, content_type = "text/csv"),
        (status = 404, description = "The restaurant does not exist, or the caller has no access to it",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn export_menu(
    State(app): State<Arc<App>>,
    staff: Staff,
    Query(query): Query<TableQuery>,
) -> Result<Response, Problem> {
    let contents = contents_of(&app, staff.scope).await?;
    let work = move || table::write(&document::of(contents), query.separator);
    let table = app.heavy.run(staff.scope.into(), work).await?.map_err(|error| Problem::internal(&error))?;
    let about = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8; header=present")),
        (header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"menu.csv\"")),
    ];
    Ok((about, table).into_response())
}

/// Import the menu from CSV
///
/// The table is the complete menu, with the columns of the export in any order. Errors give line and column; nothing is
/// changed then. The language of the menu does not change.
#[utoipa::path(post, path = "/api/restaurants/{restaurantId}/menu.csv", tag = "menu", security(("token" = [])),
    params(("restaurantId" = RestaurantId, Path), ReplaceQuery,
        ("If-Match" = Option<String>, Header, description = "The expected version of the menu, in quotes as in ETag")),
    request_body(content = String, content_type = "text/csv"),
    responses(
        (status = 200, description = "The changes made to the menu", body = MenuDifference),
        (status = 404, description = "The restaurant does not exist, or the caller has no access to it",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 412, description = "Version conflict", body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, description = "The body is not CSV",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "A cell is not valid; nothing was changed",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn import_menu(
    State(app): State<Arc<App>>,
    staff: Staff,
    Query(query): Query<ReplaceQuery>,
    if_match: IfMatch,
    CsvBody(body): CsvBody,
) -> Result<Response, Problem> {
    let (scope, how) = (staff.scope, query.how(if_match, &app));
    let currency =
        app.db.read(scope, move |tx| Box::pin(async move { sql::currency(tx, scope.restaurant()).await })).await?;
    let table = app
        .heavy
        .run(scope.into(), move || table::read(&body, currency, how.bounds))
        .await?
        .map_err(Problem::invalid)?;
    let difference = replace(&app, scope, MenuSource::Table(table), how).await?;
    versioned(&app, scope, difference).await
}

/// The restaurant that receives the menu.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct MenuCopyRequest {
    /// The id of the restaurant that receives the menu. The caller must manage it, too.
    to: RestaurantId,
}

/// A copy writes much more than its request contains, so each entry counts as one write in the daily quotas of the
/// caller and of their network.
///
/// # Errors
/// 429 when that is used up.
async fn pay(app: &App, staff: &Staff, client: Client, document: &Document) -> Result<(), Problem> {
    let items: usize = document.categories.iter().map(|category| 1 + category.items.len()).sum();
    let modifiers: usize = document.modifier_groups.iter().map(|group| 1 + group.modifiers.len()).sum();
    let cost = u32::try_from(items + modifiers).unwrap_or(u32::MAX);
    let drawn = app.limits.draw_writes(Some(staff.caller.user), client.network(), cost).await;
    drawn.map_err(|refused| too_many(refused.decision.wait))?;
    Ok(())
}

/// Copy the menu to another restaurant
///
/// The other menu becomes this one. The copies have their own ids and are matched by key or source id, so that copying
/// again brings only changes. Stock and availability of the other restaurant do not change; the stock of new entries
/// there is not counted, and they are switched off if they are switched off here without an end. Images are not copied.
/// The caller works for both restaurants or is an administrator.
#[utoipa::path(post, path = "/api/restaurants/{restaurantId}/menu/copy", tag = "menu", security(("token" = [])),
    params(("restaurantId" = RestaurantId, Path), ReplaceQuery), request_body = MenuCopyRequest,
    responses(
        (status = 200, description = "The changes made to the other menu", body = MenuDifference),
        (status = 404, description = "One of the restaurants does not exist, or the caller has no access to it",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "The restaurants have different currencies",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn copy_menu(
    State(app): State<Arc<App>>,
    staff: Staff,
    client: Client,
    Query(query): Query<ReplaceQuery>,
    Body(copy): Body<MenuCopyRequest>,
) -> Result<Response, Problem> {
    let access = access::relations(&app, &staff.caller, copy.to).await?;
    let scope = access.scope(Operation::CopyMenu)?;
    let how = query.how(IfMatch(None), &app);
    let source = contents_of(&app, staff.scope).await?;
    let currency = source.currency;
    let document = app.heavy.run(staff.scope.into(), move || document::of(source)).await?;
    if !how.dry_run {
        pay(&app, &staff, client, &document).await?;
    }
    let difference = replace(&app, scope, MenuSource::Restaurant(document, currency), how).await?;
    versioned(&app, scope, difference).await
}
