//! Modifiers in the body of their group, and the route that switches one on or off.

use std::sync::Arc;

use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::groups;
use super::input::Availability;
use crate::app::App;
use crate::bounded;
use crate::config::Menus;
use crate::extract::{Body, Json, Path};
use crate::ids::{ModifierGroupId, ModifierId, RestaurantId};
use crate::menu::MAX_GROUPS;
use crate::menu::allergens::{Declared, Diet};
use crate::menu::faults::MenuFaults;
use crate::menu::groups::ModifierGroup;
use crate::menu::stock::PortionCount;
use crate::menu::translations::{self, Translations};
use crate::menu::{Modifier, sql};
use crate::money::{Currency, Money};
use crate::problem::{Problem, ProblemBody};
use crate::restaurants::access::Staff;
use crate::restaurants::tax::TaxClass;
use crate::text::SingleLine;
use crate::timestamp::Timestamp;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(set_modifier_availability))
}

/// A modifier of a group.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ModifierBody {
    /// The id of an existing modifier of the group; absent: a new one.
    id: Option<ModifierId>,
    /// A key of your own, for `PUT …/menu`.
    #[schema(inline)]
    key: Option<SingleLine<80>>,
    #[schema(inline)]
    name: SingleLine<120>,
    /// What it adds to the price, in the restaurant's currency.
    price: Money,
    /// One of the restaurant's `taxClasses`; null or absent: that of the item for which it is chosen.
    #[schema(inline)]
    tax_class: Option<TaxClass>,
    /// Absent: unchanged; new modifiers are available.
    available: Option<bool>,
    /// The stock of a new modifier; null or absent: not counted. Use `PUT …/stock` to change it later.
    stock: Option<PortionCount>,
    /// The allergens; null or absent: not declared.
    #[serde(default, deserialize_with = "bounded::some_list::<_, _, 14>")]
    allergens: Option<Vec<Declared>>,
    #[serde(default, deserialize_with = "bounded::list::<_, _, 7>")]
    diets: Vec<Diet>,
    /// Ids of the nested modifier groups, in order.
    #[serde(default, deserialize_with = "bounded::list::<_, _, 20>")]
    #[schema(max_items = 20)]
    modifier_groups: Vec<ModifierGroupId>,
    #[serde(default, deserialize_with = "translations::map")]
    translations: Translations,
}

impl ModifierBody {
    /// Reads the modifiers of a group's body; `known` are the existing ones.
    pub(super) fn read_all(
        bodies: Vec<Self>,
        known: &[Modifier],
        currency: Currency,
        bounds: Menus,
        faults: &mut MenuFaults,
    ) -> Vec<Modifier> {
        if bodies.len() > bounds.max_modifiers {
            let message = format!("must be at most {} (MENU_MAX_MODIFIERS of the server)", bounds.max_modifiers);
            faults.note("/modifiers", message);
        }
        let mut modifiers: Vec<Modifier> = Vec::with_capacity(bodies.len());
        for (index, body) in bodies.into_iter().enumerate() {
            let place = format!("/modifiers/{index}");
            if body.id.is_some_and(|id| modifiers.iter().any(|earlier| earlier.id == id)) {
                faults.note(format!("{place}/id"), "is listed more than once");
            }
            modifiers.push(body.read(known, currency, &place, faults));
        }
        modifiers
    }

    fn read(self, known: &[Modifier], currency: Currency, place: &str, faults: &mut MenuFaults) -> Modifier {
        let before = self.id.and_then(|id| known.iter().find(|modifier| modifier.id == id));
        if self.id.is_some() && before.is_none() {
            faults.note(format!("{place}/id"), "is not a modifier of this group");
        }
        faults.currency(format_args!("{place}/price"), self.price, currency);
        faults.translations(place, &self.translations);
        faults.allergens_and_diets(place, self.allergens.as_deref(), &self.diets);
        if self.modifier_groups.len() > MAX_GROUPS {
            faults.note(format!("{place}/modifierGroups"), "must have at most 20 entries");
        }
        let until = before.and_then(|before| before.unavailable_until).filter(|_| self.available.is_none());
        Modifier {
            id: self.id.unwrap_or_default(),
            key: self.key.map(String::from),
            name: self.name.into_string(),
            price: self.price.amount,
            tax_class: self.tax_class,
            available: self.available.unwrap_or(before.is_none_or(|before| before.available)),
            unavailable_until: until,
            stock: before.map_or(self.stock.map(|stock| stock.0), |before| before.stock),
            allergens: self.allergens,
            diets: self.diets,
            modifier_groups: self.modifier_groups,
            translations: self.translations,
        }
    }
}

/// Set the availability of a modifier
///
/// With `until`, the modifier becomes available again at that time.
#[utoipa::path(put,
    path = "/api/restaurants/{restaurantId}/modifier-groups/{groupId}/modifiers/{modifierId}/availability",
    tag = "menu", security(("token" = [])),
    params(("restaurantId" = RestaurantId, Path), ("groupId" = ModifierGroupId, Path),
        ("modifierId" = ModifierId, Path)),
    request_body = Availability,
    responses(
        (status = 200, description = "The modifier group after the change", body = ModifierGroup),
        (status = 404, description = "Resource not found",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "The end is not in the future",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn set_modifier_availability(
    State(app): State<Arc<App>>,
    staff: Staff,
    Path((_, group, id)): Path<(RestaurantId, ModifierGroupId, ModifierId)>,
    Body(requested): Body<Availability>,
) -> Result<Json<ModifierGroup>, Problem> {
    let scope = staff.scope;
    let requested = requested.check(app.clock.now())?;
    let body = app
        .db
        .write(scope, move |tx| {
            Box::pin(async move {
                groups::require(tx, &scope, group, id).await?;
                let until = requested.until.map(Timestamp::utc);
                if sql::groups::switch(tx, &scope, id, requested.available, until).await? {
                    sql::announce(tx, &scope).await?;
                }
                groups::body(tx, &scope, group).await
            })
        })
        .await?;
    Ok(Json(body))
}
