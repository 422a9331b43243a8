//! Ids in bodies: an id of another restaurant or another user is answered like one that does not exist, byte for byte,
//! and nothing changes.
//!
//! Where a body can hold an id is read from the OpenAPI document (`id_fields.rs`); a place that none of the cases fills
//! fails the test, so a new operation needs a case here.

use std::collections::{BTreeMap, BTreeSet};

use comanda::ids::{ChallengeId, ResetId};
use comanda::openapi;
use comanda::permission::Operation;
use comanda::router;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::callers::{Caller, Target};
use super::exercise::path_parameters;
use super::id_fields::id_fields_of_bodies;
use super::world::{Ids, World};
use crate::people::{PASSWORD, Person, id_of};
use crate::reply::Reply;
use crate::second_factor::sets_up;
use crate::shop::Shop;

/// One request of an operation, with a body in which all ids are the caller's own.
struct Case {
    operation: Operation,
    caller: Caller,
    body: Value,
    /// A field that the body omits, because no value would be valid there.
    never_right: Option<&'static str>,
}

/// The objects that bodies can refer to, of one side.
struct Named {
    category: String,
    item: String,
    outer_group: String,
    inner_group: String,
    outer: String,
    inner: String,
}

fn euros(amount: i64) -> Value {
    json!({ "amount": amount, "currency": "EUR" })
}

impl Named {
    /// Adds a group with a nested group to the restaurant's item.
    async fn of(shop: &Shop) -> Self {
        let asks = async |name: &str, nested: &[&str]| {
            let answer = json!({ "name": name, "price": euros(50), "modifierGroups": nested });
            let question = json!({ "name": name, "max": 1, "modifiers": [answer] });
            shop.owner.post(&shop.path("/modifier-groups"), &question).await.expect(201)
        };
        let inner = asks("Ripeness", &[]).await;
        let outer = asks("Cheese", &[id_of(&inner)]).await;
        let item = shop.any_dish().id.clone();
        let groups = json!({ "modifierGroups": [id_of(&outer)] });
        shop.owner.patch(&shop.path(&format!("/items/{item}")), &groups).await.expect(200);
        Self {
            category: shop.category.clone(),
            item,
            outer_group: id_of(&outer).to_owned(),
            inner_group: id_of(&inner).to_owned(),
            outer: id_of(&outer["modifiers"][0]).to_owned(),
            inner: id_of(&inner["modifiers"][0]).to_owned(),
        }
    }
}

/// All objects that the requests need.
struct Stage {
    world: World,
    own: Named,
    theirs: Named,
    /// Ada's pending order, and her cart.
    order: String,
    cart: String,
    /// An available driver.
    spare: String,
    /// A sign-in that waits for the second factor, and a password reset, of another user.
    challenge: String,
    reset: String,
    /// A user who is to become a member of a restaurant, and one who is to become a driver.
    newcomers: [String; 2],
}

impl Stage {
    async fn set(world: World) -> Self {
        let (own, theirs) = (Named::of(&world.shops[0]).await, Named::of(&world.shops[1]).await);
        let (shop, ada) = (&world.shops[0], world.person(Caller::Ada));
        let order = id_of(&ada.places_order(shop, &[(shop.any_dish(), 1)]).await).to_owned();
        let cart = id_of(&ada.puts_in_cart(shop, &[(shop.any_dish(), 1)]).await).to_owned();
        let spare = world.fresh(Operation::AssignDelivery, "", Caller::Admin, Target::OtherCustomer).await;
        let guarded = sets_up(&world.app, world.app.customer("Guarded").await).await.person;
        let login = json!({ "email": guarded.email, "password": PASSWORD });
        let half = world.app.stranger().post("/api/auth/login", &login).await.expect(200);
        let forgot = json!({ "email": world.person(Caller::Bob).email });
        let reset = world.app.stranger().post("/api/auth/forgot-password", &forgot).await.expect(202);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let (challenge, reset) = (text(&half["challenge"]), text(&reset["resetId"]));
        let newcomers = [world.app.customer("Waiter").await.id, world.app.customer("Rider").await.id];
        Self { own, theirs, order, cart, spare: spare["spareDriver"].clone(), challenge, reset, newcomers, world }
    }

    /// A valid body for each operation that takes one.
    fn cases(&self) -> Vec<Case> {
        let own = &self.own;
        let restaurant = &self.world.shops[0].id;
        let choices = json!([{ "modifierId": own.outer, "modifiers": [{ "modifierId": own.inner }] }]);
        let line = json!({ "itemId": own.item, "quantity": 1, "modifiers": choices });
        let mut patched = line.clone();
        patched["key"] = json!("a line");
        let answer = json!({ "name": "Large", "price": euros(100), "modifierGroups": [own.inner_group] });
        let mut known = answer.clone();
        known["id"] = json!(own.outer);
        let item = json!({ "categoryId": own.category, "name": "New", "price": euros(500),
          "modifierGroups": [own.outer_group] });
        let order = |status: &str, id: &str| json!({ "changes": [{ "orderId": id, "status": status }] });
        let reset = json!({ "email": self.world.person(Caller::Ada).email, "otp": "00000000", "password": PASSWORD });
        let (staff, ada) = (Caller::StaffA, Caller::Ada);
        let case = |operation, caller, body| Case { operation, caller, body, never_right: None };
        let mut cases = vec![
            case(Operation::CreateItem, staff, item),
            case(
                Operation::UpdateItem,
                staff,
                json!({ "categoryId": own.category, "modifierGroups": [own.outer_group] }),
            ),
            Case {
                never_right: Some("/modifiers/*/id"),
                ..case(
                    Operation::CreateModifierGroup,
                    staff,
                    json!({ "name": "Size", "max": 1, "modifiers": [answer] }),
                )
            },
            case(Operation::UpdateModifierGroup, staff, json!({ "modifiers": [known] })),
            case(Operation::PutCart, ada, json!({ "lines": [line] })),
            case(Operation::PatchCart, ada, json!({ "lines": [patched] })),
            case(Operation::CreateQuote, ada, json!({ "cartId": self.cart, "fulfilment": "PICKUP" })),
            case(Operation::CreateQuote, ada, json!({ "lines": [line], "fulfilment": "PICKUP" })),
            case(Operation::PlaceOrder, ada, json!({ "cartId": self.cart, "fulfilment": "PICKUP" })),
            case(Operation::PlaceOrder, ada, json!({ "quoteId": self.world.ids(Target::A)["quoteId"] })),
            case(
                Operation::PlaceOrder,
                ada,
                json!({ "restaurantId": restaurant, "lines": [line], "fulfilment": "PICKUP" }),
            ),
            case(
                Operation::BulkUpdateRestaurantOrders,
                staff,
                order("PREPARING", &self.world.ids(Target::A)["orderId"]),
            ),
            case(Operation::BulkUpdateOrders, Caller::Admin, order("PREPARING", &self.world.ids(Target::B)["orderId"])),
            case(Operation::AssignDelivery, staff, json!({ "driverId": self.spare })),
            case(Operation::AddMember, Caller::Admin, json!({ "userId": self.newcomers[0], "role": "STAFF" })),
            case(Operation::CreateDriver, Caller::Admin, json!({ "userId": self.newcomers[1], "vehicle": "BICYCLE" })),
            // A member of one restaurant only has no restaurant to copy its menu to.
            Case { never_right: Some("/to"), ..case(Operation::CopyMenu, staff, json!({})) },
            Case { never_right: Some("/resetId"), ..case(Operation::ResetPassword, Caller::Anonymous, reset) },
            Case {
                never_right: Some("/challenge"),
                ..case(Operation::CompleteLogin, Caller::Anonymous, json!({ "code": "000000" }))
            },
        ];
        let stock = |field: &str, id: &str| json!({ "restaurantId": restaurant, field: id, "stock": 50 });
        let lines = json!([{ "itemId": own.item, "quantity": 1, "modifiers": choices }]);
        for (kind, caller, payload) in [
            ("stock.change", staff, stock("itemId", &own.item)),
            ("stock.change", staff, stock("modifierId", &own.outer)),
            ("order.place", ada, json!({ "restaurantId": restaurant, "lines": lines, "fulfilment": "PICKUP" })),
            (
                "cart.line",
                ada,
                json!({ "restaurantId": restaurant, "key": "offline", "quantity": 1, "itemId": own.item,
                  "modifiers": choices }),
            ),
            ("order.status", ada, json!({ "orderId": self.order, "status": "CANCELLED" })),
        ] {
            let op =
                json!({ "seq": 1, "at": self.world.app.clock.now(), "kind": kind, "payload": payload, "opId": "one" });
            cases.push(case(Operation::SyncOperations, caller, json!({ "deviceId": "a phone", "ops": [op] })));
        }
        cases
    }

    /// Existing objects of a kind that do not belong to the caller. None where the caller may refer to all of them.
    fn foreign(&self, caller: Caller, field: &str, prefix: &str) -> Vec<String> {
        let is_nested = field.matches("modifiers").count() > 1;
        let of = |target: Target, parameter: &str| self.world.ids(target)[parameter].clone();
        match (prefix, caller) {
            // Administrators may refer to everybody's objects, customers to any restaurant, staff to any driver.
            (_, Caller::Admin) | ("rst", Caller::Ada) | ("drv", _) => vec![],
            ("rst", _) => vec![of(Target::B, "restaurantId")],
            ("cat", _) => vec![self.theirs.category.clone()],
            ("itm", _) => vec![self.theirs.item.clone()],
            ("mgr", _) => vec![self.theirs.inner_group.clone(), self.theirs.outer_group.clone()],
            ("mod", _) if is_nested => vec![self.theirs.inner.clone()],
            ("mod", _) => vec![self.theirs.outer.clone()],
            ("crt", _) => vec![of(Target::OtherCustomer, "cartId"), of(Target::B, "cartId")],
            ("quo", _) => vec![of(Target::OtherCustomer, "quoteId"), of(Target::B, "quoteId")],
            ("ord", Caller::Ada) => vec![of(Target::OtherCustomer, "orderId"), of(Target::B, "orderId")],
            ("ord", _) => vec![of(Target::B, "orderId")],
            ("rec", _) => vec![self.reset.clone()],
            ("chl", _) => vec![self.challenge.clone()],
            _ => panic!("{field} holds an id of the kind {prefix}_: say what of it is foreign"),
        }
    }

    /// Valid ids of objects that do not exist.
    fn missing(&self, prefix: &str) -> String {
        let nothing = self.world.ids(Target::Nowhere);
        let known = nothing.values().find(|id| id.starts_with(&format!("{prefix}_")));
        match prefix {
            "rec" => ResetId::random().to_string(),
            "chl" => ChallengeId::random().to_string(),
            _ => known.unwrap_or_else(|| panic!("no missing {prefix}_")).clone(),
        }
    }

    async fn send(&self, case: &Case, method: &Method, path: &str, body: &Value) -> Reply {
        let ids: Ids = self.world.ids(Target::A);
        let fill = |path: String, parameter: &&'static str| {
            path.replace(&format!("{{{parameter}}}"), self.in_path(case, parameter, &ids))
        };
        let path = path_parameters(path).iter().fold(path.to_owned(), fill);
        let person: &Person = self.world.person(case.caller);
        let key = Uuid::new_v4().to_string();
        person.send(person.request(method.clone(), &path).header("idempotency-key", key).json(body)).await
    }

    /// The object of the path, which the body is about.
    fn in_path<'a>(&'a self, case: &Case, parameter: &str, ids: &'a Ids) -> &'a str {
        match (case.operation, parameter) {
            (Operation::UpdateModifierGroup, "groupId") => &self.own.outer_group,
            _ => &ids[parameter],
        }
    }
}

/// Sets an id in a field, in the first entry of every list on the way.
fn put(body: &mut Value, field: &str, id: &str) {
    let (parent, name) = field.rsplit_once('/').unwrap();
    let there = body.pointer_mut(&parent.replace('*', "0")).unwrap_or_else(|| panic!("{field} has no place"));
    match there {
        Value::Array(all) => all[0] = json!(id),
        there => there[name] = json!(id),
    }
}

/// A batch that was never sent: device and operation ids are chosen by the client.
fn anew(case: &Case, body: &mut Value, field: &str) {
    if case.operation == Operation::SyncOperations {
        for (own, field) in
            [("/deviceId", "deviceId"), ("/ops/*/opId", "opId")].into_iter().filter(|(own, _)| *own != field)
        {
            put(body, own, &format!("{field} {}", Uuid::new_v4()));
        }
    }
}

/// A response without the values that differ between any two requests.
fn comparable(world: &World, reply: &Reply, body: &Value, id: &str) -> (u16, Vec<String>, String) {
    let mut text = world.without_ids(reply).replace(id, "");
    for name in [body.pointer("/deviceId"), body.pointer("/ops/0/opId")].into_iter().flatten() {
        text = text.replace(name.as_str().unwrap(), "");
    }
    (reply.status, reply.headers.keys().cloned().collect(), text)
}

/// Whether the request, or the one operation in it, was refused.
fn is_refused(reply: &Reply) -> bool {
    let one = &reply.json()["data"][0];
    reply.status >= 400 || one["outcome"] == "rejected" || one["status"].as_u64().is_some_and(|status| status >= 400)
}

/// What a refused request may write: the batch itself, and an attempt at a code.
const TRACES: [&str; 5] =
    ["idempotency_keys", "login_challenges", "password_resets", "sync_devices", "sync_operations"];

async fn digest(world: &World) -> BTreeMap<String, String> {
    let mut digest = world.digest().await;
    digest.retain(|table, _| !TRACES.contains(&table.as_str()));
    digest
}

#[expect(clippy::print_stdout, reason = "the figures")]
async fn cross_every_id(world: World) {
    let stage = Stage::set(world).await;
    let world = &stage.world;
    let routes: BTreeMap<_, _> =
        openapi::operations(&router::document()).into_iter().map(|(path, method, id)| (id, (path, method))).collect();
    let mut left = BTreeSet::new();
    let id_fields = id_fields_of_bodies();
    for (id, id_fields) in &id_fields {
        left.extend(id_fields.keys().map(|field| (id.clone(), field.clone())));
    }
    let (mut crossed, count, cases) = (0, left.len(), stage.cases());
    for case in &cases {
        let id = case.operation.id();
        let (path, method) = &routes[id];
        for (field, prefix) in &id_fields[id] {
            let is_there = case.body.pointer(&field.replace('*', "0")).is_some();
            if !is_there && case.never_right != Some(field.as_str()) {
                continue;
            }
            left.remove(&(id.to_owned(), field.clone()));
            if prefix.is_empty() {
                continue;
            }
            let mut answers = Vec::new();
            let foreign = stage.foreign(case.caller, field, prefix);
            for wrong in foreign.into_iter().chain([stage.missing(prefix)]) {
                let mut body = case.body.clone();
                anew(case, &mut body, field);
                put(&mut body, field, &wrong);
                let before = digest(world).await;
                let reply = stage.send(case, method, path, &body).await;
                assert!(
                    reply.status < 500 && is_refused(&reply),
                    "{id} {field} {wrong}: {} {}",
                    reply.status,
                    reply.text()
                );
                assert_eq!(before, digest(world).await, "a refused {id} with {wrong} in {field} changed something");
                answers.push(comparable(world, &reply, &body, &wrong));
                crossed += 1;
            }
            assert!(answers.iter().all(|one| *one == answers[0]), "{id} tells at {field} what is there: {answers:#?}");
        }
    }
    assert!(left.is_empty(), "say in matrix/bodies.rs how these are asked for: {left:#?}");
    println!("{crossed} ids of others or of nothing, in {} places of {} bodies", count, id_fields.len());
    assert!(crossed > 50, "{crossed}");
    // The ids are the reason: with the caller's own ids everything succeeds.
    for case in cases.iter().filter(|case| !matches!(case.never_right, Some("/to" | "/resetId" | "/challenge"))) {
        let (path, method) = &routes[case.operation.id()];
        let mut body = case.body.clone();
        anew(case, &mut body, "");
        let reply = stage.send(case, method, path, &body).await;
        assert!(
            reply.status < 300 && !is_refused(&reply),
            "{}: {} {}",
            case.operation.id(),
            reply.status,
            reply.text()
        );
    }
}

#[tokio::test]
async fn ids_in_bodies_are_checked_like_ids_in_paths() {
    cross_every_id(World::new().await).await;
}

#[tokio::test]
async fn without_row_security_ids_in_bodies_are_checked_alike() {
    cross_every_id(World::new().await.without_row_security().await).await;
}

/// The names that a device chooses are its own: equal names of another user have no effect.
#[tokio::test]
async fn operation_ids_are_local_to_their_device() {
    let world = World::new().await;
    let fields = json!({ "name": "Somebody" });
    let batch = |device: &str, op: &str| {
        let op =
            json!({ "seq": 1, "opId": op, "at": world.app.clock.now(), "kind": "profile.fields", "payload": fields });
        json!({ "deviceId": device, "ops": [op] })
    };
    let sends = async |caller, body: Value| {
        let key = Uuid::new_v4().to_string();
        let person = world.person(caller);
        let reply =
            person.send(person.request(Method::POST, "/api/orders/sync").header("idempotency-key", key).json(&body));
        let reply = reply.await;
        reply.expect(200);
        comparable(&world, &reply, &body, "")
    };
    sends(Caller::Bob, batch("Bob's phone", "Bob's op")).await;
    let mut answers = Vec::new();
    for (device, op) in [("Bob's phone", "Bob's op"), ("no one's phone", "Bob's op"), ("another", "no one's op")] {
        answers.push(sends(Caller::Ada, batch(device, op)).await);
    }
    assert!(answers.iter().all(|one| one.2 == answers[0].2), "{answers:#?}");
    assert!(answers[0].2.contains("applied"), "{answers:#?}");
}
