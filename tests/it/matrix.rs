//! Every operation × caller × object, and every room: the result is that of the permission table.
//!
//! Nothing here lists operations: they are those of the OpenAPI document, and one that cannot be exercised fails the
//! test. Expected answers come from `permission::decide` alone. Along the way: a refused request changes nothing in the
//! database, another user's object gets the same response as a missing one, byte for byte, and no member of one
//! restaurant ever receives a text of another (every private text of restaurant A contains a canary).

mod bodies;
mod callers;
mod canaries;
mod contract;
mod exercise;
mod fuzz;
mod fuzz_channels;
mod hostile_values;
mod id_fields;
mod row_security;
mod sockets;
mod texts;
mod world;

use std::collections::BTreeMap;

use comanda::events::EventKind;
use comanda::openapi;
use comanda::permission::{Operation, Relation, decide};
use comanda::problem::Code;
use comanda::router;
use reqwest::Method;
use serde_json::{Value, json};

use crate::app::eventually;
use crate::reply::Reply;
use crate::socket::{Received, Socket};
use callers::{CALLERS, CANARY, Caller, PARAMETERS, Target, assert_no_canary};
use canaries::SHOWN;
use exercise::{path_parameters, send};
use world::World;

/// The expected result of one cell by the permission table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    Allowed,
    Refused(Code),
}

/// The expected response for a caller, an operation and an object.
fn expected(operation: Operation, path: &str, caller: Caller, target: Target) -> Expected {
    let is_for_guests = operation.allowed_to().contains(&Relation::Guest);
    if caller.is_guest() && !is_for_guests && !operation.is_public() {
        return Expected::Refused(Code::AccountRequired);
    }
    if !(caller.is_signed_in() || caller.is_guest()) {
        let is_refused = !operation.is_public();
        return if is_refused { Expected::Refused(Code::Unauthenticated) } else { exists(path, caller, target) };
    }
    let mut held = caller.relations();
    held.extend(caller.relations_to(path, target));
    match decide(operation, &held) {
        Err(problem) => Expected::Refused(problem.code()),
        Ok(()) => exists(path, caller, target),
    }
}

/// A caller with the permission succeeds with existing objects, and with their own ones among personal objects.
fn exists(path: &str, caller: Caller, target: Target) -> Expected {
    if target.has(path) && caller.owns(path, target) { Expected::Allowed } else { Expected::Refused(Code::NotFound) }
}

/// The operation that a query without a filter for personal objects becomes.
const GUARDED_QUESTIONS: [(&str, Operation); 3] = [
    ("/api/orders?restaurantId={restaurantId}", Operation::ListRestaurantOrders),
    ("/api/deliveries?restaurantId={restaurantId}", Operation::ListRestaurantOrders),
    ("/api/deliveries?orderId={orderId}", Operation::GetOrder),
];

/// The operations of an area, in an order that keeps the world usable for later ones.
fn operations(area: impl Fn(&str) -> bool) -> Vec<(String, Method, Operation)> {
    let mut all: Vec<_> = openapi::operations(&router::document())
        .into_iter()
        .filter(|(path, ..)| area(path))
        .map(|(path, method, id)| (path, method, Operation::by_id(&id).unwrap()))
        .map(|(path, method, operation)| match operation {
            // The cart is in the body.
            Operation::PlaceOrder => (format!("{path}#{{cartId}}"), method, operation),
            Operation::DeleteSyncDevice => (format!("{path}?deviceId=phone"), method, operation),
            Operation::ListSlots => (format!("{path}?fulfilment=PICKUP"), method, operation),
            // The others need the entities of the menu.
            Operation::PutMenu | Operation::ImportMenu => (format!("{path}?dryRun=true"), method, operation),
            _ => (path, method, operation),
        })
        .collect();
    let questions = GUARDED_QUESTIONS.iter().filter(|(path, _)| area(path));
    all.extend(questions.map(|(path, operation)| ((*path).to_owned(), Method::GET, *operation)));
    all.sort_by_key(|(path, method, operation)| (exercise::is_last(*operation), *method != Method::GET, path.clone()));
    all
}

/// Whether an error is about permissions, and not about the state of an object.
fn is_refused(reply: &Reply) -> bool {
    reply.status >= 400
        && reply.json()["code"]
            .as_str()
            .is_some_and(|code| ["unauthenticated", "account_required", "forbidden", "not_found"].contains(&code))
}

/// Public texts of A must not be in a response about B.
#[track_caller]
fn assert_nothing_of_a(path: &str, target: Target, reply: &Reply) {
    let is_about_b = target == Target::B && path.contains("{restaurantId}");
    assert!(!is_about_b || !reply.text().contains(SHOWN), "{path} shows A's in what is B's: {}", reply.text());
}

async fn try_every_cell(mut world: World, area: impl Fn(&str) -> bool) {
    let operations = operations(area);
    assert!(!operations.is_empty());
    for (path, method, operation) in &operations {
        let targets = Target::of(path);
        let mut allowed = Vec::new();
        let before = world.digest().await;
        for caller in CALLERS {
            let mut nothing_there: BTreeMap<(String, Vec<String>), Target> = BTreeMap::new();
            for target in &targets {
                let Expected::Refused(code) = expected(*operation, path, caller, *target) else {
                    allowed.push((caller, *target));
                    continue;
                };
                let reply = send(&world, *operation, method, path, caller, *target, &world.ids(*target)).await;
                assert_no_canary(caller, &reply);
                assert_nothing_of_a(path, *target, &reply);
                reply.refused(code.status().as_u16(), code.as_str());
                let names: Vec<_> = reply.headers.keys().cloned().collect();
                if code == Code::NotFound {
                    nothing_there.insert((world.without_ids(&reply), names), *target);
                }
            }
            // All kinds of missing objects have the same response.
            assert!(nothing_there.len() <= 1, "{operation:?} tells {caller:?} things apart: {nothing_there:#?}");
        }
        assert_eq!(before, world.digest().await, "a refused {operation:?} changed something");
        let mut succeeded = 0;
        for (caller, target) in allowed {
            let ids = world.fresh(*operation, path, caller, target).await;
            let reply = send(&world, *operation, method, path, caller, target, &ids).await;
            assert_no_canary(caller, &reply);
            assert_nothing_of_a(path, target, &reply);
            let what = format!("{operation:?} by {caller:?} on {target:?} answered {} {}", reply.status, reply.text());
            assert!(reply.status < 500 && reply.status != 422 && !is_refused(&reply), "{what}");
            succeeded += u32::from(reply.status < 300);
            world.after(*operation, caller).await;
        }
        let needs_a_secret = exercise::needs_a_secret(*operation);
        assert_eq!(succeeded > 0, !needs_a_secret, "{operation:?} was never exercised with success");
    }
}

/// The document in five parts, by its paths.
const PARTS: [fn(&str) -> bool; 5] = [
    |path| path.starts_with("/api/restaurants") && path_parameters(path).len() < 2,
    |path| path.starts_with("/api/restaurants") && path_parameters(path).len() >= 2,
    |path| path.starts_with("/api/orders") || path.starts_with("/api/deliveries"),
    |path| path.starts_with("/api/me"),
    |path| !["/api/restaurants", "/api/orders", "/api/deliveries", "/api/me"].iter().any(|part| path.starts_with(part)),
];

#[tokio::test]
async fn restaurants_follow_the_permission_table() {
    try_every_cell(World::new().await, PARTS[0]).await;
}

#[tokio::test]
async fn resources_of_restaurants_follow_the_permission_table() {
    try_every_cell(World::new().await, PARTS[1]).await;
}

#[tokio::test]
async fn orders_and_deliveries_follow_the_permission_table() {
    try_every_cell(World::new().await, PARTS[2]).await;
}

#[tokio::test]
async fn own_resources_follow_the_permission_table() {
    try_every_cell(World::new().await, PARTS[3]).await;
}

#[tokio::test]
async fn all_other_operations_follow_the_permission_table() {
    try_every_cell(World::new().await, PARTS[4]).await;
}

// The same with row level security off: the predicates of the statements are sufficient alone.

#[tokio::test]
async fn without_row_security_restaurants_answer_the_same() {
    try_every_cell(World::new().await.without_row_security().await, PARTS[0]).await;
}

#[tokio::test]
async fn without_row_security_resources_of_restaurants_answer_the_same() {
    try_every_cell(World::new().await.without_row_security().await, PARTS[1]).await;
}

#[tokio::test]
async fn without_row_security_orders_and_deliveries_answer_the_same() {
    try_every_cell(World::new().await.without_row_security().await, PARTS[2]).await;
}

#[tokio::test]
async fn without_row_security_own_resources_answer_the_same() {
    try_every_cell(World::new().await.without_row_security().await, PARTS[3]).await;
}

#[tokio::test]
async fn without_row_security_all_other_operations_answer_the_same() {
    try_every_cell(World::new().await.without_row_security().await, PARTS[4]).await;
}

/// Each kind of room with the operation that has the same permission, and its path.
const ROOMS: [(&str, Operation, &str); 5] = [
    ("restaurant", Operation::JoinRestaurantRoom, "/{restaurantId}"),
    ("order", Operation::GetOrder, "/{orderId}"),
    ("delivery", Operation::GetDelivery, "/{deliveryId}"),
    ("driver", Operation::JoinDriverRoom, "/{driverId}"),
    ("user", Operation::JoinUserRoom, "/{accountId}"),
];

#[tokio::test]
async fn rooms_follow_the_permission_table_and_only_members_receive_events() {
    let world = World::new().await;
    let base = &world.app.endpoint.base;
    let mut sockets = Vec::new();
    for caller in CALLERS {
        let token = world.person(caller).token.clone().unwrap_or_default();
        let opened = Socket::open(base, &token).await;
        let Ok(mut socket) = opened else {
            assert!(!caller.is_signed_in(), "{caller:?} was not let in");
            continue;
        };
        assert!(caller.is_signed_in(), "{caller:?} was let in");
        let mut entitled = Vec::new();
        for (kind, operation, path) in ROOMS {
            for target in Target::ALL {
                let ids = world.ids(target);
                let id = &ids[path_parameters(path)[0]];
                let answer = socket.joins(&format!("{kind}:{id}")).await;
                match expected(operation, path, caller, target) {
                    Expected::Allowed => {
                        assert_eq!(answer["ok"], true, "{caller:?} {kind} {target:?}: {answer}");
                        entitled.push((kind, target));
                    }
                    Expected::Refused(code) => {
                        assert_eq!(answer["error"]["code"], code.as_str(), "{caller:?} {kind} {target:?}: {answer}");
                    }
                }
            }
        }
        sockets.push((caller, socket, entitled));
    }
    sockets::leaving_tells_nothing(&world, &mut sockets).await;
    sockets::renewing_takes_one_s_own_token_alone(&world, &mut sockets).await;
    let caused = world.causes_every_event().await;
    let stored = EventKind::ALL.into_iter().filter(|kind| kind.is_stored());
    let named: Vec<_> = stored.map(|kind| kind.name().to_owned()).collect();
    assert!(named.iter().all(|name| caused.contains(name)), "{caused:?} of {named:?}");
    for (caller, socket, entitled) in &mut sockets {
        hears_only_its_own(&world, *caller, socket, entitled).await;
    }
}

/// Reads the messages to a socket up to the last event of the world, and checks that its user may see each.
async fn hears_only_its_own(world: &World, caller: Caller, socket: &mut Socket, entitled: &[(&str, Target)]) {
    let user = world.person(caller).id.clone();
    // When this is acknowledged, all earlier messages have arrived: the relay had read all events by then.
    let (received, answer) = socket.asks_and_receives("join", &json!({ "room": format!("user:{user}") })).await;
    assert_eq!(answer["ok"], true, "{caller:?}: {answer}");
    let is_own = |body: &Value| body["order"]["customerId"] == user;
    let own_orders: Vec<_> =
        received.iter().filter(|(_, body)| is_own(body)).map(|(_, body)| &body["orderId"]).collect();
    for (name, body) in &received {
        let text = body.to_string();
        assert!(caller.may_know_of_a() || !text.contains(CANARY), "{caller:?} heard {name}: {text}");
        let concerns = |field: &str, kind: &str| {
            let id = body[field].as_str().unwrap_or_default();
            entitled.iter().any(|(room, target)| *room == kind && world.ids(*target)[id_field(kind)] == id)
        };
        let is_own = own_orders.contains(&&body["orderId"]);
        let is_carried = entitled.iter().any(|(room, target)| {
            *room == "driver" && body["delivery"]["driver"]["id"] == world.ids(*target)["driverId"]
        });
        assert!(
            concerns("restaurantId", "restaurant")
                || concerns("orderId", "order")
                || concerns("deliveryId", "delivery")
                || is_own
                || is_carried,
            "{caller:?} heard {name}: {text}"
        );
    }
    if entitled.contains(&("restaurant", Target::A)) {
        let of_a = |body: &Value| body["restaurantId"] == world.ids(Target::A)["restaurantId"];
        assert!(received.iter().any(|(_, body)| of_a(body)), "{caller:?} hears what happens at their restaurant");
    }
}

fn id_field(kind: &str) -> &'static str {
    match kind {
        "restaurant" => "restaurantId",
        "order" => "orderId",
        _ => "deliveryId",
    }
}

/// The areas above are complete.
#[test]
fn every_operation_is_called_by_the_permission_matrix() {
    let document = serde_json::to_value(router::document()).unwrap();
    let mut without = Vec::new();
    for (path, method, id) in openapi::operations(&router::document()) {
        let operation = Operation::by_id(&id).unwrap();
        let described = &document["paths"][&path][method.as_str().to_lowercase()];
        let has_body = described["requestBody"] != Value::Null;
        let is_known = path_parameters(&path).iter().all(|parameter| PARAMETERS.contains(parameter));
        if !is_known || has_body != exercise::has_body(operation) {
            without.push(format!("{id}: {method} {path}"));
        }
    }
    assert_eq!(
        without, [""; 0],
        "say in matrix/exercise.rs how these are asked for, and name new ids in PARAMETERS of matrix/callers.rs"
    );
    for (path, ..) in openapi::operations(&router::document()) {
        assert_eq!(PARTS.iter().filter(|part| part(&path)).count(), 1, "{path}");
    }
    let rooms: Vec<_> = ROOMS.iter().map(|(_, operation, _)| *operation).collect();
    let unguarded = Operation::ALL.iter().filter(|one| one.is_socket_only() && !rooms.contains(one));
    assert_eq!(unguarded.count(), 0, "a room without a row in ROOMS");
    assert!(Operation::ALL.iter().all(|one| !one.allowed_to().contains(&Relation::Anyone) || !one.is_socket_only()));
}

/// The relay has read everything when an administrator's socket has received an event that was written after it.
pub async fn relay_has_read(world: &World, marker: impl AsyncFn(&World)) {
    let token = world.person(Caller::Admin).token.clone().unwrap();
    let mut ear = Socket::open(&world.app.endpoint.base, &token).await.unwrap();
    let room = format!("restaurant:{}", world.ids(Target::B)["restaurantId"]);
    assert_eq!(ear.joins(&room).await["ok"], true);
    marker(world).await;
    let mut received = 0;
    eventually("the marker is heard", async || {
        received += usize::from(matches!(ear.receive().await, Received::Event(..)));
        received > 0
    })
    .await;
}
