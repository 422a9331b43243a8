//! Two restaurants with all kinds of objects, and all kinds of callers.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use comanda::ids::{
    AddressId, CartId, CategoryId, CouponId, DeliveryId, DeviceId, DriverId, InvitationId, ItemId, ModifierGroupId,
    ModifierId, OrderId, QuoteId, RestaurantId, SessionId, UserId,
};
use comanda::permission::Operation;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::callers::{CANARY, Caller, Target};
use crate::app::TestApp;
use crate::people::{Person, delivery_details, id_of};
use crate::reply::Reply;
use crate::shop::Shop;

/// Ids by the names of the path parameters.
pub type Ids = BTreeMap<&'static str, String>;

/// Two restaurants with users, orders and deliveries of each kind.
pub struct World {
    pub app: TestApp,
    people: BTreeMap<Caller, Person>,
    ids: BTreeMap<Target, Ids>,
    pub shops: [Shop; 2],
}

/// Limits that no test of permissions should reach.
const NO_LIMITS: [(&str, &str); 4] = [
    ("RATE_LIMIT_USER", "1000000/1m"),
    ("RATE_LIMIT_ADDRESS", "1000000/1m"),
    ("RATE_LIMIT_AUTH", "1000000/1m"),
    ("SOCKET_EVENTS", "1000000/1m"),
];

impl World {
    pub async fn new() -> Self {
        let app = TestApp::with(&NO_LIMITS).await;
        let mut shops = Vec::new();
        for name in ["A", "B"] {
            shops.push(app.restaurant(name).with("autoAccept", json!(false)).opens().await);
        }
        let shops: [Shop; 2] = shops.try_into().unwrap_or_else(|_| unreachable!("two restaurants"));
        let mut people = BTreeMap::from([(Caller::Anonymous, app.stranger()), (Caller::Admin, app.admin().await)]);
        people.insert(Caller::OwnerA, shops[0].owner.clone());
        people.insert(Caller::OwnerB, shops[1].owner.clone());
        for (caller, name) in [
            (Caller::Ada, "canarya Ada"),
            (Caller::Bob, "canarya Bob"),
            (Caller::Carl, "Carl"),
            (Caller::StaffA, "canarya Staff"),
            (Caller::ManagerA, "canarya Manager"),
            (Caller::StaffB, "Staff"),
            (Caller::Expired, "Expired"),
            (Caller::Revoked, "Revoked"),
            (Caller::Forged, "Forged"),
        ] {
            people.insert(caller, app.customer(name).await);
        }
        for caller in [Caller::Nina, Caller::Otto] {
            let guest = app.stranger().post("/api/guests", &Value::Null).await.expect(201);
            let token = guest["guestToken"].as_str().map(Into::into);
            people.insert(caller, Person { token, ..app.stranger() });
        }
        for (caller, name) in [(Caller::Mario, "Mario"), (Caller::Luca, "Luca")] {
            people.insert(caller, app.driver(name).await);
        }
        shops[0].takes_on(&people[&Caller::StaffA], "STAFF").await;
        shops[0].takes_on(&people[&Caller::ManagerA], "MANAGER").await;
        shops[1].takes_on(&people[&Caller::StaffB], "STAFF").await;
        let mut world = Self { app, people, ids: BTreeMap::new(), shops };
        world.spoil_tokens().await;
        world.furnish().await;
        world.plants_canaries().await;
        world
    }

    /// Three users whose tokens are not valid any more, or never were.
    async fn spoil_tokens(&mut self) {
        let now = self.app.clock.now();
        let expired: UserId = self.people[&Caller::Expired].id.parse().unwrap();
        let long_ago = self.app.running().app.tokens.issue(expired, SessionId::new(), 0, now - TimeDelta::days(1));
        self.people.get_mut(&Caller::Expired).unwrap().token = Some(long_ago.unwrap());
        self.people[&Caller::Revoked].post("/api/auth/logout-all", &Value::Null).await.expect(204);
        let forged = self.people.get_mut(&Caller::Forged).unwrap();
        let good = forged.token.clone().unwrap();
        forged.token = Some(good[..good.len() - 6].to_owned() + "AAAAAA");
    }

    async fn furnish(&mut self) {
        let staffed =
            [(Target::A, Caller::Ada, 0), (Target::OtherCustomer, Caller::Bob, 0), (Target::B, Caller::Carl, 1)];
        for (target, customer, shop) in staffed {
            let ids = self.furnish_for(target, &self.people[&customer], &self.shops[shop]).await;
            self.ids.insert(target, ids);
        }
        for (caller, shop, mark) in [(Caller::Nina, 0, CANARY), (Caller::Otto, 1, "plain")] {
            let shop = &self.shops[shop];
            let line = json!({ "itemId": shop.any_dish().id, "quantity": 1, "note": format!("{mark} line") });
            self.people[&caller].put(&shop.path("/cart"), &json!({ "lines": [line] })).await.expect(200);
        }
        let mario = &self.people[&Caller::Mario];
        mario.goes_online(44.4960, 11.3400).await;
        let driver = |person: Value| id_of(&person["driver"]).to_owned();
        let (mario, luca) = (driver(self.me(Caller::Mario).await), driver(self.me(Caller::Luca).await));
        let assign = format!("/api/deliveries/{}/assign", self.ids[&Target::A]["deliveryId"]);
        self.shops[0].owner.post(&assign, &json!({ "driverId": mario })).await.expect(200);
        self.people[&Caller::Luca].goes_online(44.4960, 11.3400).await;
        let ids = |target: &Target| self.ids[target].clone();
        let (mut a, mut bobs, mut b) = (ids(&Target::A), ids(&Target::OtherCustomer), ids(&Target::B));
        a.insert("driverId", mario);
        bobs.insert("driverId", DriverId::new().to_string());
        b.insert("driverId", luca);
        let nothing = Ids::from([
            ("restaurantId", RestaurantId::new().to_string()),
            ("itemId", ItemId::new().to_string()),
            ("categoryId", CategoryId::new().to_string()),
            ("groupId", ModifierGroupId::new().to_string()),
            ("modifierId", ModifierId::new().to_string()),
            ("invitationId", InvitationId::new().to_string()),
            ("userId", UserId::new().to_string()),
            ("orderId", OrderId::new().to_string()),
            ("deliveryId", DeliveryId::new().to_string()),
            ("addressId", AddressId::new().to_string()),
            ("deviceId", DeviceId::new().to_string()),
            ("sessionId", SessionId::new().to_string()),
            ("cartId", CartId::new().to_string()),
            ("quoteId", QuoteId::new().to_string()),
            ("couponId", CouponId::new().to_string()),
            ("driverId", DriverId::new().to_string()),
            ("accountId", UserId::new().to_string()),
        ]);
        let at_a = |mut rest: Ids| {
            rest.insert("restaurantId", a["restaurantId"].clone());
            rest
        };
        let (crossed, missing) = (at_a(b.clone()), at_a(nothing.clone()));
        self.ids = BTreeMap::from([
            (Target::A, a),
            (Target::OtherCustomer, bobs),
            (Target::B, b),
            (Target::Crossed, crossed),
            (Target::Missing, missing),
            (Target::Nowhere, nothing),
        ]);
    }

    async fn me(&self, caller: Caller) -> Value {
        self.people[&caller].get("/api/me").await.expect(200)
    }

    /// The objects of a restaurant, and those of a customer there.
    async fn furnish_for(&self, target: Target, customer: &Person, shop: &Shop) -> Ids {
        let mark = if target == Target::B { "plain" } else { CANARY };
        let (owner, item) = (&shop.owner, shop.any_dish().id.clone());
        let question = json!({ "name": "Size", "max": 1, "modifiers": [
            { "name": "Large", "price": { "amount": 100, "currency": "EUR" } }] });
        let group = owner.post(&shop.path("/modifier-groups"), &question).await.expect(201);
        let lines = json!({ "lines": [{ "itemId": item, "quantity": 1, "note": format!("{mark} line") }] });
        let cart = customer.put(&shop.path("/cart"), &lines).await.expect(200);
        let mut details = delivery_details();
        details["address"] = format!("{mark} street 1").into();
        details["note"] = format!("{mark} note").into();
        let order = customer.orders_cart(&cart, &details).await.expect(201);
        owner.moves(&order, "CONFIRMED").await;
        let delivery = owner.finds_delivery(&order).await;
        let cart = customer.put(&shop.path("/cart"), &lines).await.expect(200);
        let noted = json!([{ "itemId": item, "quantity": 1, "note": format!("{mark} line") }]);
        let basket = json!({ "lines": noted, "fulfilment": "PICKUP" });
        let quote = customer.post(&shop.path("/quotes"), &basket).await.expect(201);
        let code = format!("{mark}-{}", Uuid::new_v4().simple());
        let coupon = json!({ "code": &code[..20], "kind": "FREE_DELIVERY" });
        let coupon = owner.post(&shop.path("/coupons"), &coupon).await.expect(201);
        let invited = json!({ "email": customer.email, "role": "STAFF" });
        let invitation = owner.post(&shop.path("/invitations"), &invited).await.expect(201);
        let address = json!({ "label": "Home", "address": format!("{mark} street 1") });
        let device = json!({ "kind": "fcm", "target": Uuid::new_v4(), "locale": "en" });
        let staff = if target == Target::B { Caller::StaffB } else { Caller::StaffA };
        Ids::from([
            ("restaurantId", shop.id.clone()),
            ("itemId", item),
            ("categoryId", shop.category.clone()),
            ("groupId", id_of(&group).to_owned()),
            ("modifierId", id_of(&group["modifiers"][0]).to_owned()),
            ("invitationId", id_of(&invitation).to_owned()),
            ("userId", self.people[&staff].id.clone()),
            ("orderId", id_of(&order).to_owned()),
            ("deliveryId", id_of(&delivery).to_owned()),
            ("addressId", id_of(&customer.post("/api/me/addresses", &address).await.expect(201)).to_owned()),
            ("deviceId", id_of(&customer.post("/api/me/devices", &device).await.expect(201)).to_owned()),
            ("sessionId", self.opens_session(customer).await.to_string()),
            ("cartId", id_of(&cart).to_owned()),
            ("quoteId", id_of(&quote).to_owned()),
            ("couponId", id_of(&coupon).to_owned()),
            ("accountId", customer.id.clone()),
        ])
    }

    pub fn person(&self, caller: Caller) -> &Person {
        &self.people[&caller]
    }

    pub fn ids(&self, target: Target) -> Ids {
        self.ids[&target].clone()
    }

    /// Another session of a user, as a sign-in would create it.
    pub async fn opens_session(&self, person: &Person) -> SessionId {
        let (session, user): (SessionId, UserId) = (SessionId::new(), person.id.parse().unwrap());
        let now = self.app.clock.now();
        sqlx::query(
            "insert into sessions (id, user_id, created_at, last_used_at, refreshed_at, expires_at)
             values ($1, $2, $3, $3, $3, $3 + interval '30 days')",
        )
        .bind(session.uuid())
        .bind(user.uuid())
        .bind(now)
        .execute(&self.app.superuser)
        .await
        .unwrap();
        session
    }

    /// A token of another session.
    pub async fn token(&self, person: &Person) -> String {
        let session = self.opens_session(person).await;
        let tokens = &self.app.running().app.tokens;
        tokens.issue(person.id.parse().unwrap(), session, 0, self.app.clock.now()).unwrap()
    }

    /// A user who has just ended their own session signs in again.
    pub async fn after(&mut self, operation: Operation, caller: Caller) {
        if matches!(operation, Operation::LogoutAll | Operation::ChangePassword) {
            let token = self.token(&self.people[&caller]).await;
            self.people.get_mut(&caller).unwrap().token = Some(token);
        }
        // Later orders must not be refused because of the pause.
        if operation == Operation::PutPause {
            for shop in &self.shops {
                shop.owner.delete(&shop.path("/pause")).await;
            }
        }
    }

    /// Disables row level security on every table.
    pub async fn without_row_security(mut self) -> Self {
        // The final check would report it.
        self.app.without_check();
        let guarded =
            "select relname::text from pg_class where relrowsecurity and relnamespace = 'public'::regnamespace";
        let tables: Vec<String> = sqlx::query_scalar(guarded).fetch_all(&self.app.superuser).await.unwrap();
        assert!(tables.len() > 12, "{tables:?}");
        for table in tables {
            self.app.execute(&format!("alter table {table} disable row level security")).await;
        }
        self
    }

    /// A checksum of each table that a refused request must not change.
    pub async fn digest(&self) -> BTreeMap<String, String> {
        // Refused requests count sessions and attempts too, and the outbox is processed in the background.
        let questions: String = sqlx::query_scalar(
            "select string_agg(format(
                 'select %L, coalesce(sum(hashtextextended(t::text, 0)::numeric), 0)::text from %I t', relname,
                 relname),
                 ' union all ')
             from pg_class where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace and relname not in
                 ('sessions', 'attempt_limits', 'revocations', 'notifications', 'notification_deliveries')",
        )
        .fetch_one(&self.app.superuser)
        .await
        .unwrap();
        let rows: Vec<(String, String)> =
            sqlx::query_as(AssertSqlSafe(questions)).fetch_all(&self.app.superuser).await.unwrap();
        rows.into_iter().collect()
    }

    /// An error without the values that differ between any two requests.
    pub fn without_ids(&self, reply: &Reply) -> String {
        let ids = self.ids.values().flat_map(BTreeMap::values);
        ids.fold(reply.without_request_id(), |text, id| text.replace(id.as_str(), ""))
    }
}
