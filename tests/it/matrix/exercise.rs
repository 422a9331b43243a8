//! How each operation is called: its path parameters, and a valid body.

use chrono::{DateTime, TimeDelta, Utc};
use comanda::ids::ChallengeId;
use comanda::permission::Operation;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::callers::{Caller, PARAMETERS, Target};
use super::world::{Ids, World};
use crate::images::files;
use crate::people::{PASSWORD, id_of};
use crate::reply::Reply;

/// The names of the parameters of a path, a query, or a placeholder in a body (`#{cartId}`).
pub fn path_parameters(path: &str) -> Vec<&'static str> {
    let names = path.split('{').skip(1).filter_map(|rest| rest.split('}').next());
    names.map(|name| *PARAMETERS.iter().find(|parameter| **parameter == name).unwrap_or(&"unknown")).collect()
}

/// Operations that end what the others need: run after all others.
pub const fn is_last(operation: Operation) -> bool {
    matches!(operation, Operation::AcceptInvitation | Operation::ChangePassword | Operation::LogoutAll)
}

/// Operations that succeed only with a code that was sent or shown once; `recovery.rs` and `second_factor.rs` test
/// their success.
pub const fn needs_a_secret(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::ResetPassword
            | Operation::CompleteLogin
            | Operation::ConfirmSecondFactor
            | Operation::RequestPhoneCode
            | Operation::ConfirmPhone
            | Operation::ConfirmEmail
            | Operation::RemoveSecondFactor
    )
}

/// Sends the request of a cell.
pub async fn send(
    world: &World,
    operation: Operation,
    method: &Method,
    path: &str,
    caller: Caller,
    target: Target,
    ids: &Ids,
) -> Reply {
    let mut person = world.person(caller).clone();
    if let Some(token) = ids.get("token").filter(|_| caller.is_signed_in()) {
        person.token = Some(token.clone());
    }
    let path = path.split('#').next().unwrap_or_default();
    let filled = path_parameters(path)
        .iter()
        .fold(path.to_owned(), |path, parameter| path.replace(&format!("{{{parameter}}}"), &ids[parameter]));
    let mut request = person.request(method.clone(), &filled);
    if matches!(operation, Operation::PlaceOrder | Operation::SyncOperations) {
        request = request.header("idempotency-key", Uuid::new_v4().to_string());
    }
    request = match body(operation, caller, target, ids, world.app.clock.now()) {
        Some(Value::String(table)) => request.header("content-type", "text/csv").body(table),
        Some(body) => request.json(&body),
        None => request,
    };
    if operation.takes_image() {
        request = request.header("content-type", "image/png").body(files::png(20, 20));
    }
    person.send(request).await
}

/// Whether it has a body.
pub fn has_body(operation: Operation) -> bool {
    operation.takes_image() || body(operation, Caller::Admin, Target::A, &Ids::new(), DateTime::UNIX_EPOCH).is_some()
}

fn euros(amount: i64) -> Value {
    json!({ "amount": amount, "currency": "EUR" })
}

fn fresh_email() -> String {
    format!("somebody.{}@example.com", Uuid::new_v4().simple())
}

/// A valid body of an operation.
pub fn body(operation: Operation, caller: Caller, target: Target, ids: &Ids, now: DateTime<Utc>) -> Option<Value> {
    let id = |name: &str| ids.get(name).map_or(Value::Null, |id| json!(id));
    let name = Uuid::new_v4().to_string();
    let place = json!({ "lat": 44.4960, "lng": 11.3400 });
    let channels = json!({ "push": true, "sms": true, "email": true });
    let is_customer = matches!(caller, Caller::Ada | Caller::Bob | Caller::Carl);
    Some(match operation {
        Operation::Register => json!({ "email": fresh_email(), "password": PASSWORD, "name": "Somebody" }),
        Operation::Login => json!({ "email": id("email"), "password": PASSWORD }),
        Operation::Refresh => json!({ "refreshToken": id("refreshToken") }),
        Operation::ForgotPassword => json!({ "email": fresh_email() }),
        Operation::ResetPassword => json!({ "email": fresh_email(), "otp": "00000000", "password": PASSWORD }),
        Operation::CompleteLogin => json!({ "challenge": ChallengeId::random(), "code": "000000" }),
        Operation::ChangePassword => json!({ "currentPassword": PASSWORD, "newPassword": "four yellow pears" }),
        Operation::UpdateMe => json!({ "name": { "value": "Somebody", "at": now } }),
        Operation::CreateAddress | Operation::ReplaceAddress => json!({ "address": "Via Zamboni 2" }),
        Operation::RegisterDevice => json!({ "kind": "fcm", "target": name, "locale": "en" }),
        Operation::PutNotificationPreferences => {
            json!({ "security": channels, "order": channels, "marketing": channels })
        }
        Operation::AcceptInvitation => json!({ "code": ids.get("code").map_or("not this one", String::as_str) }),
        Operation::AddSecondFactor => json!({ "password": PASSWORD }),
        Operation::ConfirmPhone | Operation::ConfirmEmail => json!({ "code": "00000000" }),
        Operation::ConfirmSecondFactor => json!({ "code": "000000" }),
        Operation::RemoveSecondFactor => json!({ "password": PASSWORD, "code": "000000" }),
        Operation::UpdateUser => json!({ "disabled": false }),
        Operation::CreateRestaurant => json!({
            "name": "C", "slug": name, "address": "Via Zamboni 3", "place": place, "timezone": "Europe/Rome",
            "currency": "EUR" }),
        Operation::UpdateRestaurant => json!({ "preparationMinutes": 20 }),
        Operation::UpdateRestaurantSecurity => json!({ "requireSecondFactor": false }),
        Operation::PutHours => {
            // Every day, so that later orders of the exercise are possible on every day.
            let whole_day = |day| json!({ "weekday": day, "opens": "00:00", "closes": "24:00" });
            json!({ "weekly": (1..=7).map(whole_day).collect::<Vec<_>>() })
        }
        Operation::PutPause => json!({ "until": now + TimeDelta::hours(1), "reason": "A break" }),
        Operation::PutZones => json!({ "type": "FeatureCollection", "features": [] }),
        Operation::AddMember => json!({ "email": id("email"), "role": "STAFF" }),
        Operation::UpdateMember => json!({ "role": "STAFF" }),
        Operation::CreateInvitation => json!({ "email": fresh_email(), "role": "STAFF" }),
        Operation::CreateCategory | Operation::UpdateCategory | Operation::UpdateModifierGroup => {
            json!({ "name": name })
        }
        Operation::PutMenu => json!({ "categories": [] }),
        Operation::ImportMenu => json!("type,key,in,name,price,currency\n"),
        Operation::CopyMenu => json!({ "to": id("restaurantId") }),
        Operation::CreateItem => json!({ "categoryId": id("categoryId"), "name": name, "price": euros(500) }),
        Operation::UpdateItem => json!({ "description": name }),
        Operation::SetAvailability | Operation::SetModifierAvailability => json!({ "available": true }),
        Operation::SetStock | Operation::SetModifierStock => json!({ "stock": 50 }),
        Operation::CreateModifierGroup => {
            json!({ "name": name, "max": 1, "modifiers": [{ "name": "Large", "price": euros(100) }] })
        }
        Operation::PutCart => json!({ "lines": [{ "itemId": id("itemId"), "quantity": 1 }] }),
        Operation::PatchCart => json!({ "lines": [{ "key": name, "itemId": id("itemId"), "quantity": 1 }] }),
        Operation::TakeOverCarts => json!({ "guestToken": id("guestToken") }),
        Operation::CreateQuote => {
            json!({ "lines": [{ "itemId": id("itemId"), "quantity": 1 }], "fulfilment": "PICKUP" })
        }
        Operation::CreateCoupon => json!({ "code": &name[..8], "kind": "FREE_DELIVERY" }),
        Operation::UpdateCoupon => json!({ "limitTotal": 100 }),
        Operation::SyncOperations => {
            let fields = json!({ "locale": "en" });
            let op = json!({ "seq": 1, "opId": name, "at": now, "kind": "profile.fields", "payload": fields });
            json!({ "deviceId": name, "ops": [op] })
        }
        Operation::UpdateOrderPromise => json!({ "promisedAt": now + TimeDelta::hours(2) }),
        Operation::BulkUpdateOrders | Operation::BulkUpdateRestaurantOrders => {
            json!({ "changes": [{ "orderId": id("orderId"), "status": "CONFIRMED" }] })
        }
        Operation::PlaceOrder => json!({ "cartId": id("cartId"), "fulfilment": "PICKUP" }),
        Operation::UpdateOrderStatus if is_customer => json!({ "status": "CANCELLED" }),
        Operation::UpdateOrderStatus if caller == Caller::Mario => json!({ "status": "DELIVERED" }),
        Operation::UpdateOrderStatus => json!({ "status": "CONFIRMED" }),
        Operation::CreateDriver => json!({ "email": id("email"), "vehicle": "BICYCLE" }),
        Operation::SetDriverAvailability => json!({ "status": "AVAILABLE", "place": place }),
        Operation::ReportLocation => json!({ "place": place }),
        // Only Bob's delivery is reassigned, so that the others keep their drivers.
        Operation::AssignDelivery if target == Target::OtherCustomer => json!({ "driverId": id("spareDriver") }),
        Operation::AssignDelivery => json!({ "driverId": id("busyDriver") }),
        Operation::UpdateDeliveryStatus => json!({ "status": "ARRIVED" }),
        _ => return None,
    })
}

impl World {
    /// The object of a request that may succeed: one that it may use up.
    pub async fn fresh(&self, operation: Operation, path: &str, caller: Caller, target: Target) -> Ids {
        let mut ids = self.ids(target);
        let shop = &self.shops[usize::from(target == Target::B)];
        let (owner, person) = (&shop.owner, self.person(caller));
        let made = async |path: &str, body: Value| id_of(&owner.post(path, &body).await.expect(201)).to_owned();
        let fill = |operation| body(operation, caller, target, &ids, self.app.clock.now()).unwrap();
        match operation {
            Operation::Login | Operation::AddMember | Operation::CreateDriver => {
                ids.insert("email", self.app.customer("Somebody").await.email);
            }
            Operation::Refresh => {
                let session = self.opens_session(&self.app.customer("Somebody").await).await;
                ids.insert("refreshToken", self.app.running().app.refresh_tokens.issue(session, 0));
            }
            Operation::TakeOverCarts => {
                let guest = self.app.stranger().post("/api/guests", &Value::Null).await.expect(201);
                ids.insert("guestToken", guest["guestToken"].as_str().unwrap().to_owned());
            }
            Operation::Logout => _ = ids.insert("token", self.token(person).await),
            Operation::EndSession => _ = ids.insert("sessionId", self.opens_session(person).await.to_string()),
            Operation::DeleteAddress => {
                let address = person.post("/api/me/addresses", &fill(Operation::CreateAddress)).await.expect(201);
                ids.insert("addressId", id_of(&address).to_owned());
            }
            Operation::DeleteDevice => {
                let device = person.post("/api/me/devices", &fill(Operation::RegisterDevice)).await.expect(201);
                ids.insert("deviceId", id_of(&device).to_owned());
            }
            Operation::AcceptInvitation => {
                let invited = json!({ "email": person.email, "role": "STAFF" });
                let invitation = owner.post(&shop.path("/invitations"), &invited).await.expect(201);
                ids.insert("invitationId", id_of(&invitation).to_owned());
                ids.insert("code", invitation["code"].as_str().unwrap().to_owned());
            }
            Operation::DeleteInvitation => {
                let id = made(&shop.path("/invitations"), fill(Operation::CreateInvitation)).await;
                ids.insert("invitationId", id);
            }
            Operation::RemoveMember => _ = ids.insert("userId", self.app.staff_of(shop).await.id),
            Operation::DeleteCategory => {
                let id = made(&shop.path("/categories"), fill(Operation::CreateCategory)).await;
                ids.insert("categoryId", id);
            }
            Operation::DeleteCoupon => {
                let id = made(&shop.path("/coupons"), fill(Operation::CreateCoupon)).await;
                ids.insert("couponId", id);
            }
            Operation::DeleteItem => {
                let id = made(&shop.path("/items"), fill(Operation::CreateItem)).await;
                ids.insert("itemId", id);
            }
            Operation::DeleteModifierGroup => {
                let id = made(&shop.path("/modifier-groups"), fill(Operation::CreateModifierGroup)).await;
                ids.insert("groupId", id);
            }
            Operation::PlaceOrder => {
                let cart = person.puts_in_cart(shop, &[(shop.any_dish(), 1)]).await;
                ids.insert("cartId", id_of(&cart).to_owned());
            }
            Operation::UpdateOrderStatus if caller != Caller::Mario => {
                let customer = match target {
                    Target::A => Caller::Ada,
                    Target::OtherCustomer => Caller::Bob,
                    _ => Caller::Carl,
                };
                let order = self.person(customer).places_order(shop, &[(shop.any_dish(), 1)]).await;
                ids.insert("orderId", id_of(&order).to_owned());
            }
            Operation::AssignDelivery => {
                let spare = self.app.driver("Spare").await;
                spare.goes_online(44.4960, 11.3400).await;
                let profile = spare.get("/api/me").await.expect(200);
                ids.insert("spareDriver", id_of(&profile["driver"]).to_owned());
                ids.insert("busyDriver", self.ids(Target::A)["driverId"].clone());
            }
            _ => {}
        }
        debug_assert!(path_parameters(path).iter().all(|parameter| ids.contains_key(parameter)), "{path}");
        ids
    }

    /// Causes every event of both restaurants; returns their names.
    pub async fn causes_every_event(&self) -> Vec<String> {
        let newest = self.app.count("select coalesce(max(seq), 0) from events").await;
        for (caller, target) in [(Caller::Ada, Target::A), (Caller::Carl, Target::B)] {
            let shop = &self.shops[usize::from(target == Target::B)];
            let ids = self.fresh(Operation::AssignDelivery, "", Caller::Admin, Target::OtherCustomer).await;
            let mark = if target == Target::A { super::CANARY } else { "plain" };
            let cart = self.person(caller).puts_in_cart(shop, &[(shop.any_dish(), 1)]).await;
            let mut details = crate::people::delivery_details();
            details["note"] = format!("{mark} note").into();
            let order = self.person(caller).orders_cart(&cart, &details).await.expect(201);
            shop.owner.moves(&order, "CONFIRMED").await;
            let later = json!({ "promisedAt": self.app.clock.now() + TimeDelta::hours(2) });
            shop.owner.patch(&format!("/api/orders/{}/promise", id_of(&order)), &later).await.expect(200);
            let delivery = shop.owner.finds_delivery(&order).await;
            shop.owner.assigns(&delivery, Some(&json!({ "id": ids["spareDriver"] }))).await.expect(200);
            shop.owner.brings(&delivery, "ARRIVED").await;
            shop.owner.patch(&shop.path(""), &json!({ "description": "Something new" })).await.expect(200);
            let category = json!({ "name": "Something new" });
            shop.owner.post(&shop.path("/categories"), &category).await.expect(201);
        }
        super::relay_has_read(self, async |world| {
            let shop = &world.shops[1];
            shop.owner.post(&shop.path("/categories"), &json!({ "name": "The marker" })).await.expect(201);
        })
        .await;
        sqlx::query_scalar("select distinct name from events where seq > $1")
            .bind(newest)
            .fetch_all(&self.app.superuser)
            .await
            .unwrap()
    }
}
