//! `/api/restaurants/{restaurantId}/modifier-groups`: modifier groups with their modifiers.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::input::{present, too_many, too_many_together};
use super::modifiers::ModifierBody;
use crate::app::App;
use crate::bounded;
use crate::config::Menus;
use crate::extract::{Body, Json, Path};
use crate::idempotency::{IdempotentBody, IdempotentResponse};
use crate::ids::{ModifierGroupId, ModifierId, RestaurantId};
use crate::menu::faults::MenuFaults;
use crate::menu::groups::ModifierGroup;
use crate::menu::stock::StockChange;
use crate::menu::translations::{self, Translations};
use crate::menu::{Group, nesting, sql};
use crate::paging::List;
use crate::problem::{Problem, ProblemBody};
use crate::restaurants::access::Staff;
use crate::tenancy::RestaurantScope;
use crate::text::SingleLine;
use crate::uow::Tx;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(list_modifier_groups, create_modifier_group)).routes(routes!(
        get_modifier_group,
        update_modifier_group,
        delete_modifier_group
    ))
}

/// The response for staff.
pub(super) async fn body(tx: &mut Tx, scope: &RestaurantScope, id: ModifierGroupId) -> Result<ModifierGroup, Problem> {
    let currency = sql::currency(tx, scope.restaurant()).await?;
    let group = sql::groups::get(tx, scope.restaurant(), id).await?.ok_or_else(Problem::not_found)?;
    Ok(group.into_body(currency))
}

/// Refuses a modifier that does not belong to the group.
pub(super) async fn require(
    tx: &mut Tx,
    scope: &RestaurantScope,
    group: ModifierGroupId,
    id: ModifierId,
) -> Result<(), Problem> {
    let group = sql::groups::get(tx, scope.restaurant(), group).await?.ok_or_else(Problem::not_found)?;
    group.modifiers.iter().any(|modifier| modifier.id == id).then_some(()).ok_or_else(Problem::not_found)
}

/// Saves a group, if it fits the other groups of the menu.
async fn save(tx: &mut Tx, scope: &RestaurantScope, group: Group, bounds: Menus) -> Result<ModifierGroup, Problem> {
    sql::lock_menu(tx, scope).await?;
    let mut groups = sql::groups::all(tx, scope.restaurant()).await?;
    let place = groups.iter().position(|other| other.id == group.id).unwrap_or(groups.len());
    let before = (place < groups.len()).then(|| groups.remove(place));
    groups.insert(place, group);
    if groups.len() > bounds.max_groups {
        return Err(too_many("modifier groups", bounds.max_groups, "MENU_MAX_GROUPS"));
    }
    let (modifiers, max) = (groups.iter().map(|group| group.modifiers.len()).sum::<usize>(), bounds.max_all_modifiers);
    let grows = before.as_ref().is_none_or(|before| before.modifiers.len() < groups[place].modifiers.len());
    if grows && modifiers > max {
        return Err(too_many_together("modifiers", modifiers, max, "MENU_MAX_ALL_MODIFIERS"));
    }
    nesting::check(&groups).map_err(|fault| {
        let here = format!("/modifiers/{}/modifierGroups/{}", fault.modifier, fault.nested);
        // A group that is nested in others must not have nested groups: then the error is reported for `modifiers`.
        let pointer = if fault.group == place { here } else { "/modifiers".into() };
        Problem::invalid_field(pointer, format!("{} (in “{}”)", fault.message, groups[fault.group].name))
    })?;
    let group = &groups[place];
    let mut faults = MenuFaults::default();
    for (index, modifier) in group.modifiers.iter().enumerate() {
        faults.tax_class(tx, scope, &format!("/modifiers/{index}"), modifier.tax_class.as_ref()).await?;
    }
    faults.none()?;
    sql::groups::save(tx, scope, group).await?;
    sql::groups::nest(tx, scope, group).await?;
    for modifier in &group.modifiers {
        let known = before.as_ref().is_some_and(|old| old.modifiers.iter().any(|one| one.id == modifier.id));
        if !known && modifier.stock.is_some() {
            sql::stock::of_modifier(tx, scope, modifier.id, StockChange::To(modifier.stock)).await?;
        }
    }
    sql::edited(tx, scope).await?.check(bounds)?;
    body(tx, scope, group.id).await
}

/// A modifier group to create.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewModifierGroup {
    /// A key of your own, for `PUT …/menu`.
    #[schema(inline)]
    key: Option<SingleLine<80>>,
    /// The name of the group, such as "Size".
    #[schema(inline, example = "Size")]
    name: SingleLine<120>,
    /// The smallest number of choices; default: 0.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 99)]
    min: i16,
    /// The largest number of choices.
    #[schema(minimum = 1, maximum = 99)]
    max: i16,
    /// The modifiers, in order.
    #[serde(deserialize_with = "bounded::list::<_, _, 1000>")]
    modifiers: Vec<ModifierBody>,
    #[serde(default, deserialize_with = "translations::map")]
    translations: Translations,
}

/// Create a modifier group
///
/// Add its id to `modifierGroups` of items, or of modifiers (one level deep). Sizes are a group with `min` 1 and `max`
/// 1 whose modifiers add to the price of the item, which is the price of the smallest size.
#[utoipa::path(post, path = "/api/restaurants/{restaurantId}/modifier-groups", tag = "menu",
    security(("token" = [])),
    params(("restaurantId" = RestaurantId, Path),
        ("Idempotency-Key" = Option<String>, Header,
            description = "A new random key; repeat the request with the same key")),
    request_body = NewModifierGroup,
    responses(
        (status = 201, description = "The group", body = ModifierGroup),
        (status = 404, description = "The restaurant does not exist, or the caller has no access to it",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "Invalid request, nesting too deep or circular, or the limit is reached",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn create_modifier_group(
    State(app): State<Arc<App>>,
    staff: Staff,
    IdempotentBody { value: new, key }: IdempotentBody<NewModifierGroup>,
) -> Result<IdempotentResponse, Problem> {
    let (scope, bounds) = (staff.scope, app.config.menus);
    key.create(&app.db, scope, move |tx| {
        Box::pin(async move {
            let currency = sql::currency(tx, scope.restaurant()).await?;
            let mut faults = MenuFaults::default();
            faults.choices("", new.min, new.max);
            faults.translations("", &new.translations);
            let modifiers = ModifierBody::read_all(new.modifiers, &[], currency, bounds, &mut faults);
            faults.none()?;
            let group = Group {
                id: ModifierGroupId::new(),
                key: new.key.map(String::from),
                name: new.name.into_string(),
                min: new.min,
                max: new.max,
                translations: new.translations,
                modifiers,
            };
            save(tx, &scope, group, bounds).await
        })
    })
    .await
}

/// List modifier groups
#[utoipa::path(get, path = "/api/restaurants/{restaurantId}/modifier-groups", tag = "menu",
    security(("token" = [])), params(("restaurantId" = RestaurantId, Path)),
    responses(
        (status = 200, description = "All entries, oldest first; `nextCursor` is always null",
            body = List<ModifierGroup>),
        (status = 404, description = "The restaurant does not exist, or the caller has no access to it",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn list_modifier_groups(State(app): State<Arc<App>>, staff: Staff) -> Result<Json<List<ModifierGroup>>, Problem> {
    let scope = staff.scope;
    let (currency, groups) = app
        .db
        .read(scope, move |tx| {
            Box::pin(async move {
                let currency = sql::currency(tx, scope.restaurant()).await?;
                Ok((currency, sql::groups::all(tx, scope.restaurant()).await?))
            })
        })
        .await?;
    let data = groups.into_iter().map(|group| group.into_body(currency)).collect();
    Ok(Json(List { data, next_cursor: None }))
}

/// Get a modifier group for staff
///
/// With the current stock of its modifiers, which the menu does not show.
#[utoipa::path(get, path = "/api/restaurants/{restaurantId}/modifier-groups/{groupId}", tag = "menu",
    security(("token" = [])), params(("restaurantId" = RestaurantId, Path), ("groupId" = ModifierGroupId, Path)),
    responses(
        (status = 200, description = "The group", body = ModifierGroup),
        (status = 404, description = "Resource not found",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn get_modifier_group(
    State(app): State<Arc<App>>,
    staff: Staff,
    Path((_, id)): Path<(RestaurantId, ModifierGroupId)>,
) -> Result<Json<ModifierGroup>, Problem> {
    let scope = staff.scope;
    let (currency, group) = app
        .db
        .read(scope, move |tx| {
            Box::pin(async move {
                let currency = sql::currency(tx, scope.restaurant()).await?;
                Ok((currency, sql::groups::get(tx, scope.restaurant(), id).await?))
            })
        })
        .await?;
    group.map(|group| Json(group.into_body(currency))).ok_or_else(Problem::not_found)
}

/// The changes of a modifier group; absent fields stay unchanged.
#[derive(Deserialize, ToSchema)]
#[expect(clippy::option_option, reason = "key: absent stays, null takes it away")]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ModifierGroupPatch {
    /// Null removes the key.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    key: Option<Option<SingleLine<80>>>,
    #[schema(inline)]
    name: Option<SingleLine<120>>,
    #[schema(minimum = 0, maximum = 99)]
    min: Option<i16>,
    #[schema(minimum = 1, maximum = 99)]
    max: Option<i16>,
    /// Replaces all modifiers, in order: those with an id are kept, those without are created, others are deleted.
    #[serde(default, deserialize_with = "bounded::some_list::<_, _, 1000>")]
    modifiers: Option<Vec<ModifierBody>>,
    /// All translations by language tag; they replace those before.
    #[serde(default, deserialize_with = "translations::some_map")]
    translations: Option<Translations>,
}

/// Update a modifier group
#[utoipa::path(patch, path = "/api/restaurants/{restaurantId}/modifier-groups/{groupId}", tag = "menu",
    security(("token" = [])), params(("restaurantId" = RestaurantId, Path), ("groupId" = ModifierGroupId, Path)),
    request_body = ModifierGroupPatch,
    responses(
        (status = 200, description = "The group after the change", body = ModifierGroup),
        (status = 404, description = "Resource not found",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "Invalid request, nesting too deep or circular, or the limit is reached",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn update_modifier_group(
    State(app): State<Arc<App>>,
    staff: Staff,
    Path((_, id)): Path<(RestaurantId, ModifierGroupId)>,
    Body(patch): Body<ModifierGroupPatch>,
) -> Result<Json<ModifierGroup>, Problem> {
    let (scope, bounds) = (staff.scope, app.config.menus);
    let changed = app
        .db
        .write(scope, move |tx| {
            Box::pin(async move {
                sql::lock_menu(tx, &scope).await?;
                let currency = sql::currency(tx, scope.restaurant()).await?;
                let found = sql::groups::get(tx, scope.restaurant(), id).await?;
                let mut group = found.ok_or_else(Problem::not_found)?;
                let before = group.clone();
                let mut faults = MenuFaults::default();
                if let Some(key) = patch.key {
                    group.key = key.map(String::from);
                }
                group.name = patch.name.map_or(group.name, String::from);
                (group.min, group.max) = (patch.min.unwrap_or(group.min), patch.max.unwrap_or(group.max));
                group.translations = patch.translations.unwrap_or(group.translations);
                if let Some(modifiers) = patch.modifiers {
                    let known = &group.modifiers;
                    group.modifiers = ModifierBody::read_all(modifiers, known, currency, bounds, &mut faults);
                }
                faults.choices("", group.min, group.max);
                faults.translations("", &group.translations);
                faults.none()?;
                if group == before {
                    return Ok(group.into_body(currency));
                }
                save(tx, &scope, group, bounds).await
            })
        })
        .await?;
    Ok(Json(changed))
}

/// Delete a modifier group
#[utoipa::path(delete, path = "/api/restaurants/{restaurantId}/modifier-groups/{groupId}", tag = "menu",
    security(("token" = [])), params(("restaurantId" = RestaurantId, Path), ("groupId" = ModifierGroupId, Path)),
    responses(
        (status = 204, description = "Deleted, also from items and modifiers; past orders keep their choices"),
        (status = 404, description = "Resource not found",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn delete_modifier_group(
    State(app): State<Arc<App>>,
    staff: Staff,
    Path((_, id)): Path<(RestaurantId, ModifierGroupId)>,
) -> Result<StatusCode, Problem> {
    let scope = staff.scope;
    app.db
        .write(scope, move |tx| {
            Box::pin(async move {
                sql::lock_menu(tx, &scope).await?;
                sql::groups::delete(tx, &scope, id).await?;
                sql::edited(tx, &scope).await.map(|_| ())
            })
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
