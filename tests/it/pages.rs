//! Pages of every list, while rows are added, changed and removed between them: nothing is shown twice, and nothing is
//! lost that was there all the time.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::TestApp;
use crate::people::{Person, id_of};
use crate::shop::Shop;

/// All changes of a list between two of its pages.
struct Turmoil<'a> {
    app: &'a TestApp,
    shop: &'a Shop,
    guest: &'a Person,
    /// Entries that are removed one by one, and entries that are changed instead.
    items: Vec<String>,
    coupons: Vec<String>,
    orders: Vec<Value>,
}

impl Turmoil<'_> {
    async fn coupon(&self) -> Value {
        let code = Uuid::new_v4().simple().to_string()[..12].to_owned();
        let coupon = json!({ "code": code, "kind": "PERCENT", "basisPoints": 1000 });
        self.shop.owner.post(&self.shop.path("/coupons"), &coupon).await.expect(201)
    }

    async fn item(&self) -> Value {
        let price = json!({ "amount": 500, "currency": "EUR" });
        let item = json!({ "categoryId": self.shop.category, "name": "New", "price": price, "position": 0 });
        self.shop.owner.post(&self.shop.path("/items"), &item).await.expect(201)
    }

    /// One more of each kind, one changed, and one less; returns the names of the removed ones.
    async fn change_everything(&mut self, round: usize) -> Vec<String> {
        let owner = &self.shop.owner;
        self.app.customer("Newcomer").await;
        self.app.restaurant(&format!("New {round}")).opens().await;
        self.item().await;
        self.coupon().await;
        let bicycle = self.app.driver("Rider").await;
        assert!(!bicycle.id.is_empty());
        self.guest.orders_delivery(self.shop, &[(self.shop.any_dish(), 1)]).await;
        if let Some(order) = self.orders.pop() {
            owner.moves(&order, "CONFIRMED").await;
        }
        let changed = json!({ "name": format!("Changed {round}"), "position": 99 - round });
        if let Some(item) = self.items.get(1) {
            owner.patch(&self.shop.path(&format!("/items/{item}")), &changed).await.expect(200);
        }
        if let Some(coupon) = self.coupons.pop() {
            owner.patch(&self.shop.path(&format!("/coupons/{coupon}")), &json!({ "active": false })).await.expect(200);
        }
        let place = json!({ "description": format!("Round {round}") });
        owner.patch(&self.shop.path(""), &place).await.expect(200);
        if self.items.len() > 3 {
            let gone = self.items.remove(2);
            owner.delete(&self.shop.path(&format!("/items/{gone}"))).await.expect(204);
            return vec![gone];
        }
        Vec::new()
    }
}

/// The name of an entry of a list.
fn name_of(entry: &Value) -> String {
    ["id", "seq", "userId"].iter().find_map(|field| entry.get(*field)).unwrap_or(entry).to_string()
}

async fn names(person: &Person, path: &str) -> Vec<String> {
    let page = person.get(path).await.expect(200);
    page["data"].as_array().unwrap().iter().map(name_of).collect()
}

#[tokio::test]
async fn pages_lose_nothing_that_was_there_all_the_time() {
    let app = TestApp::with(&[("ORDER_MAX_OPEN", "500"), ("ORDER_MAX_RECENT", "500")]).await;
    let admin = app.admin().await;
    let guest = app.customer("Ada").await;
    let shop = app.restaurant("Luigi").sells_counted("Soup", 500, 500).opens().await;
    let mut turmoil = Turmoil { app: &app, shop: &shop, guest: &guest, items: vec![], coupons: vec![], orders: vec![] };
    for round in 0..6 {
        turmoil.items.push(id_of(&turmoil.item().await).to_owned());
        turmoil.coupons.push(id_of(&turmoil.coupon().await).to_owned());
        turmoil.orders.push(guest.orders_delivery(&shop, &[(shop.any_dish(), 1)]).await);
        app.restaurant(&format!("Old {round}")).opens().await;
        app.driver("Driver").await;
    }
    let lists = [
        (&admin, "/api/admin/users?".to_owned()),
        (&admin, "/api/admin/drivers?".to_owned()),
        (&guest, "/api/restaurants?".to_owned()),
        (&guest, "/api/restaurants?near=44.4949,11.3426&".to_owned()),
        (&guest, "/api/orders?".to_owned()),
        (&shop.owner, format!("/api/orders?restaurantId={}&", shop.id)),
        (&shop.owner, format!("/api/deliveries?restaurantId={}&", shop.id)),
        (&shop.owner, shop.path("/coupons?")),
        (&shop.owner, shop.path("/items?")),
        (&shop.owner, shop.path("/stock-ledger?")),
    ];
    for (person, path) in lists {
        let mut there = names(person, &format!("{path}limit=200")).await.into_iter().collect::<BTreeSet<_>>();
        assert!(there.len() >= 5, "{path} {there:?}");
        let (mut seen, mut cursor, mut round) = (Vec::new(), String::new(), 0);
        loop {
            let page = person.get(&format!("{path}limit=3{cursor}")).await.expect(200);
            seen.extend(page["data"].as_array().unwrap().iter().map(name_of));
            // Lists with the newest first end; a list whose new rows come last is read for a while.
            match page["nextCursor"].as_str().filter(|_| round < 40) {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
            if round < 3 {
                for gone in turmoil.change_everything(round).await {
                    there.remove(&json!(gone).to_string());
                }
            }
            round += 1;
        }
        let once: BTreeSet<_> = seen.iter().cloned().collect();
        assert_eq!(once.len(), seen.len(), "{path} shows something twice: {seen:?}");
        let lost: Vec<_> = there.difference(&once).collect();
        assert!(lost.is_empty(), "{path} lost {lost:?} of {seen:?}");
    }
}
