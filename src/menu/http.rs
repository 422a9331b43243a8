//! `/api/restaurants/{restaurantId}/menu`: the published menu, and the routes of this feature.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::actions::published;
use super::published::Menu;
use super::translations;
use crate::app::App;
use crate::extract::{Path, Query};
use crate::ids::{CategoryId, RestaurantId};
use crate::languages::{self, RequestedLanguages};
use crate::problem::{Problem, ProblemBody};

mod categories;
mod document;
mod groups;
mod image;
mod input;
mod items;
mod modifiers;
mod stock;
mod stock_ledger;

/// The routes of this feature.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(get_menu, document::put_menu))
        .merge(categories::routes())
        .merge(items::routes())
        .merge(image::routes())
        .merge(groups::routes())
        .merge(modifiers::routes())
        .merge(stock::routes())
        .merge(stock_ledger::routes())
        .merge(document::routes())
}

/// The query parameters of the menu.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct MenuQuery {
    /// Only this category, with the modifier groups that its items need; the whole menu when absent.
    category: Option<CategoryId>,
    /// The preferred language, such as `it` or `pt-BR`, before those of `Accept-Language`. Texts without a translation
    /// are in the menu's own language.
    lang: Option<String>,
}

impl MenuQuery {
    /// The requested languages, the preferred one first. `lang` is chosen by the user, the header by their browser.
    fn languages(&self, headers: &HeaderMap) -> Result<RequestedLanguages, Problem> {
        let values = headers.get_all(header::ACCEPT_LANGUAGE).iter().filter_map(|value| value.to_str().ok());
        let mut requested = languages::accept_language(&values.collect::<Vec<_>>().join(","));
        if let Some(lang) = &self.lang {
            let named = languages::canonical(lang);
            let named = named.ok_or_else(|| Problem::invalid_field("?lang", translations::NO_LANGUAGE))?;
            requested.accepted.insert(0, named);
            requested.refused.clear();
        }
        Ok(requested)
    }
}

/// Get the menu
///
/// The whole menu in one response. Send its `ETag` as `If-None-Match`: 304 means that nothing changed. The response is
/// never older than the request.
#[utoipa::path(get, path = "/api/restaurants/{restaurantId}/menu", tag = "menu",
    params(
        ("restaurantId" = RestaurantId, Path),
        MenuQuery,
        ("Accept-Language" = Option<String>, Header, description = "The preferred languages, as in RFC 9110; \
            `q=0` excludes one, unless all languages of the menu are excluded"),
        ("If-None-Match" = Option<String>, Header, description = "The ETag of a menu received before"),
    ),
    responses(
        (status = 200, description = "The menu; its ETag identifies these bytes, and Content-Language is the language \
                                      that was chosen, if known", body = Menu),
        (status = 304, description = "The menu has not changed since the version in If-None-Match"),
        (status = 404, description = "The restaurant or category does not exist",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn get_menu(
    State(app): State<Arc<App>>,
    Path(id): Path<RestaurantId>,
    Query(query): Query<MenuQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let requested = query.languages(&headers)?;
    let answer = app.menus.read(id, query.category, &requested, app.clock.now()).await?;
    Ok(published::respond(&answer, &headers))
}
