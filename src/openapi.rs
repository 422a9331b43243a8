//! The OpenAPI document: its head, additions that handlers cannot declare (events, status tables, permissions), and its
//! routes. Each operation is declared at its handler by `#[utoipa::path]`, in the `http.rs` or `http/` of its feature;
//! errors of all operations are in `openapi/shared.rs`.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderMap, Method};
use axum::routing::get;
use serde_json::{Value, json};
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, OpenApi, OpenApiBuilder, tag::TagBuilder};

use crate::app::App;
use crate::content_coding::Prepared;
use crate::events::kind::{EventKind, EventRow, PayloadType};
use crate::orders::status::{AppliesTo, STEPS};
use crate::permission;
use crate::problem::Code;

mod shared;

/// The head of the document, before the paths.
pub fn head() -> OpenApi {
    let about = "Restaurant ordering and delivery. Errors are `application/problem+json` with a stable `code`; amounts \
                 are integers in minor units; instants are RFC 3339 in UTC; ids have a prefix that says what they \
                 identify. Live updates are sent over Socket.IO at `/socket.io`.";
    let info = InfoBuilder::new()
        .title("Comanda")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(about))
        .license(Some(utoipa::openapi::License::new("MIT")))
        .build();
    let token = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some("The accessToken of POST /api/auth/login."))
        .build();
    let guest = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("The guestToken of POST /api/guests, for carts."))
        .build();
    let tags = [
        ("auth", "Registration, sign-in, sessions, second factor and the caller's profile."),
        ("restaurants", "Restaurants, their opening hours, delivery zones, coupons and members."),
        ("menu", "Categories, items, modifiers, availability and stock."),
        ("cart", "Carts of customers and guests."),
        ("orders", "Quotes, orders, their status and offline synchronisation."),
        ("deliveries", "Deliveries and their assignment to drivers."),
        ("drivers", "Driver profiles, availability and location."),
        ("server", "Health and messages of the server."),
    ];
    OpenApiBuilder::new()
        .info(info)
        .tags(Some(tags.map(|(name, about)| TagBuilder::new().name(name).description(Some(about)).build())))
        .components(Some(
            ComponentsBuilder::new()
                .security_scheme("token", SecurityScheme::Http(token))
                .security_scheme("guest", SecurityScheme::Http(guest))
                .build(),
        ))
        .build()
}

/// Adds the tables of the code: statuses, socket events, problem codes.
///
/// The result is JSON, which can express more than utoipa's types.
pub fn finish(mut document: OpenApi) -> Value {
    let steps: Vec<_> = STEPS
        .iter()
        .map(|step| {
            let applies = match step.applies {
                AppliesTo::All => "",
                AppliesTo::Delivery => "DELIVERY only. ",
                AppliesTo::PickupAndDineIn => "PICKUP and DINE_IN only. ",
            };
            json!({ "from": step.from, "to": step.to, "who": step.actors, "note": format!("{applies}{}", step.note) })
        })
        .collect();
    let socket_events: Vec<_> = EventKind::ALL.into_iter().map(socket_event).collect();
    let codes: Vec<_> = Code::ALL
        .iter()
        .map(|code| json!({ "code": code.as_str(), "status": code.status().as_u16(), "title": code.title() }))
        .collect();
    let permissions: Vec<_> = permission::Operation::ALL
        .iter()
        .map(|operation| {
            let relations: Vec<_> = operation.allowed_to().iter().map(|relation| format!("{relation:?}")).collect();
            json!({ "operation": operation.id(), "allowedTo": relations })
        })
        .collect();
    document.extensions = Some(
        Extensions::builder()
            .add("x-order-status-table", json!(steps))
            .add("x-socket-events", json!(socket_events))
            .add("x-problem-codes", json!(codes))
            .add("x-permissions", json!(permissions))
            .build(),
    );
    let mut document = serde_json::to_value(document).unwrap_or_default();
    shared::merge_descriptions(&mut document);
    shared::add_refusals(&mut document);
    shared::rename_schemas(&mut document);
    document
}

/// A row of the table of events.
fn socket_event(kind: EventKind) -> Value {
    let EventRow { name, description, payload: (field, payload), rooms, driver_rooms, .. } = kind.row();
    let mut patterns: Vec<_> = rooms.iter().chain(driver_rooms).map(|room| room.pattern()).collect();
    let mut seen = BTreeSet::new();
    patterns.retain(|pattern| seen.insert(*pattern));
    let mut properties = json!({
        "seq": { "type": "integer", "description": "The event's number; send it as `after` when joining." },
        "version": { "type": "integer", "description": "The version of the object after the event; a gap shows that an \
                                                        event was missed." },
        "restaurantId": { "type": "string" },
        "at": { "type": "string", "format": "date-time" },
        "actor": { "$ref": "#/components/schemas/Actor" },
    });
    properties[field] = match payload {
        PayloadType::Schema(schema) => json!({ "$ref": format!("#/components/schemas/{schema}") }),
        PayloadType::Integer => json!({ "type": "integer" }),
        PayloadType::Text => json!({ "type": "string" }),
    };
    json!({ "name": name, "description": description, "rooms": patterns,
            "payload": { "type": "object", "properties": properties } })
}

/// Every operation: its path, method and id.
pub fn operations(document: &Value) -> Vec<(String, Method, String)> {
    let paths = document["paths"].as_object().into_iter().flatten();
    let of_path = |(path, item): (&String, &Value)| -> Vec<(String, Method, String)> {
        let operations = item.as_object().into_iter().flatten();
        let named = operations.filter_map(|(method, operation)| {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).ok()?;
            Some((path.clone(), method, operation["operationId"].as_str()?.to_owned()))
        });
        named.collect()
    };
    paths.flat_map(of_path).collect()
}

/// `/api/openapi.json`, serialised and compressed once.
pub fn routes(document: &Value) -> Router<Arc<App>> {
    let text = serde_json::to_string_pretty(document).unwrap_or_default();
    let prepared = Arc::new(Prepared::new("application/json", text.into_bytes().into()));
    let show = move |headers: HeaderMap| {
        let prepared = Arc::clone(&prepared);
        async move { prepared.respond(&headers) }
    };
    Router::new().route("/api/openapi.json", get(show))
}
