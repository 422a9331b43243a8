//! Creates restaurants for tests.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::TestApp;
use crate::people::{Person, id_of};

/// An item of a menu.
#[derive(Clone, Debug)]
pub struct Dish {
    /// The item's id, `itm_…`.
    pub id: String,
    /// The item's name.
    pub name: String,
}

/// A restaurant that is open, with its owner.
#[derive(Clone, Debug)]
pub struct Shop {
    /// The restaurant's id, `rst_…`.
    pub id: String,
    /// The response to its creation.
    pub body: Value,
    /// The one category of all items.
    pub category: String,
    /// The items on its menu.
    pub dishes: Vec<Dish>,
    /// The owner of the restaurant.
    pub owner: Person,
}

impl Shop {
    /// A path below the restaurant's.
    pub fn path(&self, rest: &str) -> String {
        format!("/api/restaurants/{}{rest}", self.id)
    }

    /// An item by its name.
    #[track_caller]
    pub fn dish(&self, name: &str) -> &Dish {
        self.dishes.iter().find(|dish| dish.name == name).unwrap_or_else(|| panic!("{name} is not on the menu"))
    }

    /// The first item.
    pub fn any_dish(&self) -> &Dish {
        &self.dishes[0]
    }

    /// Invites a user, who accepts.
    pub async fn takes_on(&self, person: &Person, role: &str) {
        let wanted = json!({ "email": person.email, "role": role });
        let invitation = self.owner.post(&self.path("/members"), &wanted).await.expect(202);
        let accept = format!("/api/me/invitations/{}/accept", id_of(&invitation));
        person.post(&accept, &json!({ "code": invitation["code"] })).await.expect(200);
    }

    /// How many portions are left.
    pub async fn stock_of(&self, dish: &Dish) -> Option<i64> {
        self.owner.get(&self.path(&format!("/items/{}", dish.id))).await.expect(200)["stock"].as_i64()
    }
}

/// A restaurant to be created.
pub struct ShopBuilder<'a> {
    app: &'a TestApp,
    name: String,
    profile: Value,
    dishes: Vec<(String, i64, Option<u32>)>,
}

impl TestApp {
    /// A restaurant with this name; unless other items are added, the menu has a Margherita for 8.50.
    pub fn restaurant(&self, name: &str) -> ShopBuilder<'_> {
        let slug = format!("{}-{}", name.to_lowercase().replace(' ', "-"), Uuid::new_v4().simple());
        let profile = json!({
            "name": name, "slug": slug, "address": "Via Zamboni 1", "place": { "lat": 44.4949, "lng": 11.3426 },
            "timezone": "Europe/Rome", "currency": "EUR",
        });
        ShopBuilder { app: self, name: name.to_owned(), profile, dishes: Vec::new() }
    }
}

impl ShopBuilder<'_> {
    /// Adds an item.
    pub fn sells(mut self, name: &str, price: i64) -> Self {
        self.dishes.push((name.to_owned(), price, None));
        self
    }

    /// Adds an item with this stock.
    pub fn sells_counted(mut self, name: &str, price: i64, stock: u32) -> Self {
        self.dishes.push((name.to_owned(), price, Some(stock)));
        self
    }

    /// Sets a field of the profile.
    pub fn with(mut self, field: &str, value: Value) -> Self {
        self.profile[field] = value;
        self
    }

    /// Creates it as an administrator, makes a user its owner, and writes the menu as the owner.
    pub async fn opens(self) -> Shop {
        let admin = self.app.admin().await;
        let body = admin.post("/api/restaurants", &self.profile).await.expect(201);
        let id = id_of(&body).to_owned();
        let owner = self.app.customer(&format!("{} Owner", self.name)).await;
        let members = format!("/api/restaurants/{id}/members");
        admin.post(&members, &json!({ "email": owner.email, "role": "OWNER" })).await.expect(201);
        let category = owner.post(&format!("/api/restaurants/{id}/categories"), &json!({ "name": "Menu" })).await;
        let category = id_of(&category.expect(201)).to_owned();
        let mut shop = Shop { id, body, category, dishes: Vec::new(), owner };
        let dishes = if self.dishes.is_empty() { vec![("Margherita".into(), 850, None)] } else { self.dishes };
        for (name, price, stock) in dishes {
            let money = json!({ "amount": price, "currency": shop.body["currency"] });
            let item = json!({ "categoryId": shop.category, "name": name, "price": money, "stock": stock });
            let item = shop.owner.post(&shop.path("/items"), &item).await.expect(201);
            shop.dishes.push(Dish { id: id_of(&item).to_owned(), name });
        }
        shop
    }
}
