//! The restaurants and customers of the benchmark, created over HTTP.

use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::measure::Connection;

const SHOPS: usize = 16;
const DISHES: usize = 20;
const PASSWORD: &str = "a password for measuring";

/// A restaurant of the benchmark.
#[derive(Clone)]
pub struct Shop {
    id: String,
    items: Vec<String>,
}

/// A customer of the benchmark.
#[derive(Clone)]
pub struct Customer {
    /// The id of the user.
    pub id: Uuid,
    /// The access token.
    pub token: String,
    number: usize,
}

/// All restaurants and customers.
pub struct City {
    /// The customers who place orders.
    pub customers: Vec<Customer>,
    /// The token of the owner of all restaurants.
    pub owner: String,
    shops: Vec<Shop>,
}

impl City {
    /// Signs all users up, and creates the restaurants.
    pub async fn found(address: &str, pool: &PgPool, customers: usize) -> Self {
        let mut http = Connection::open(address).await;
        let (_, admin) = signs_up(&mut http, pool, "admin", true).await;
        let (owner_id, owner) = signs_up(&mut http, pool, "owner", false).await;
        let mut city = Self { customers: Vec::new(), owner, shops: Vec::new() };
        for number in 0..customers {
            let (id, token) = signs_up(&mut http, pool, &format!("customer{number}"), false).await;
            city.customers.push(Customer { id, token, number });
        }
        for number in 0..SHOPS {
            let shop = opens(&mut http, &admin, number).await;
            let restaurant = shop.id.parse::<comanda::ids::RestaurantId>().unwrap();
            sqlx::query(
                "insert into memberships (restaurant_id, user_id, role, created_at) values ($1, $2, 'OWNER', now())",
            )
            .bind(restaurant.uuid())
            .bind(owner_id)
            .execute(pool)
            .await
            .unwrap();
            city.shops.push(shop);
        }
        city
    }

    /// The restaurant at which a customer orders: the same one for all, or spread over all restaurants.
    pub fn shop_of(&self, customer: &Customer, at_one: bool) -> &Shop {
        &self.shops[if at_one { 0 } else { customer.number % SHOPS }]
    }
}

/// Registers and signs in.
async fn signs_up(http: &mut Connection, pool: &PgPool, name: &str, admin: bool) -> (Uuid, String) {
    let email = format!("{name}@bench.example");
    let body = json!({ "email": email, "password": PASSWORD, "name": name });
    http.ask("POST", "/api/auth/register", "", None, &body).await;
    let role = if admin { "ADMIN" } else { "CUSTOMER" };
    let id: Uuid = sqlx::query_scalar("update users set role = $2::user_role where email = $1 returning id")
        .bind(&email)
        .bind(role)
        .fetch_one(pool)
        .await
        .unwrap();
    let body = json!({ "email": email, "password": PASSWORD });
    let session = http.ask("POST", "/api/auth/login", "", None, &body).await;
    (id, session["accessToken"].as_str().unwrap().to_owned())
}

async fn opens(http: &mut Connection, admin: &str, number: usize) -> Shop {
    let id_of = |body: Value| body["id"].as_str().unwrap().to_owned();
    let money = |amount: usize| json!({ "amount": amount, "currency": "EUR" });
    let body = json!({
        "name": format!("Trattoria {number}"), "address": "Via Zamboni 1", "place": { "lat": 44.4949, "lng": 11.3426 },
        "timezone": "Europe/Rome", "currency": "EUR", "taxBasisPoints": 1000, "deliveryFee": money(250),
    });
    let id = id_of(http.ask("POST", "/api/restaurants", admin, None, &body).await);
    let path = |rest: &str| format!("/api/restaurants/{id}/{rest}");
    let category = id_of(http.ask("POST", &path("categories"), admin, None, &json!({ "name": "Menu" })).await);
    let mut items = Vec::new();
    for dish in 0..DISHES {
        let body = json!({ "categoryId": category, "name": format!("Dish {dish}"), "price": money(800 + 10 * dish) });
        items.push(id_of(http.ask("POST", &path("items"), admin, None, &body).await));
    }
    Shop { id, items }
}

impl Customer {
    /// Fills a cart and orders it; returns the order's id.
    pub async fn places(&self, http: &mut Connection, shop: &Shop) -> String {
        let line = |step: usize| json!({ "itemId": shop.items[(self.number + step) % DISHES], "quantity": 1 + step });
        let lines = json!({ "lines": [line(0), line(1), line(2)] });
        let cart = http.ask("PUT", &format!("/api/restaurants/{}/cart", shop.id), &self.token, None, &lines).await;
        let body = json!({
            "cartId": cart["id"], "fulfilment": "DELIVERY", "address": "Via Rizzoli 4",
            "place": { "lat": 44.4939, "lng": 11.3448 },
        });
        let key = Uuid::new_v4().to_string();
        let order = http.ask("POST", "/api/orders", &self.token, Some(&key), &body).await;
        order["id"].as_str().unwrap().to_owned()
    }
}

/// Staff accept an order.
pub async fn confirm(http: &mut Connection, staff: &str, order: &str) {
    http.ask("PATCH", &format!("/api/orders/{order}/status"), staff, None, &json!({ "status": "CONFIRMED" })).await;
}
