//! The dear requests at a restaurant of the generator, and copies of rows that nobody would send one by one.

use chrono::NaiveDate;
use serde_json::{Value, json};

use super::generator::{DOOR, Recipe};

/// Who sends the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// Nobody who is known.
    Stranger,
    /// Somebody who orders.
    Customer,
    /// Somebody who works at the restaurant.
    Staff,
}

/// A request, and how it is answered.
#[derive(Debug, Clone)]
pub struct Ask {
    /// In a report.
    pub name: String,
    /// Who sends the request.
    pub asker: Asker,
    /// The method of the request.
    pub method: &'static str,
    /// Path and query.
    pub path: String,
    /// JSON, or CSV where the path says so; null: none.
    pub body: Value,
    /// It needs a fresh `Idempotency-Key` each time.
    pub is_keyed: bool,
    /// The status of the response.
    pub status: u16,
    /// Whole menus, zones and bodies beyond 64 kB are worked on beside the threads that answer requests.
    pub is_heavy: bool,
}

impl Ask {
    fn new(asker: Asker, method: &'static str, name: &str, path: String) -> Self {
        let name = format!("{method} {name}");
        Self { name, asker, method, path, body: Value::Null, is_keyed: false, status: 200, is_heavy: false }
    }

    fn with(mut self, body: Value) -> Self {
        // As the server has it: what is larger is parsed beside the threads that answer.
        self.is_heavy = body.to_string().len() > 64 << 10;
        self.body = body;
        self
    }

    fn creates(mut self) -> Self {
        (self.is_keyed, self.status) = (true, 201);
        self
    }

    fn heavy(mut self) -> Self {
        self.is_heavy = true;
        self
    }
}

/// The dear requests at a restaurant whose menu, hours and zones are in place, and at which the customer has an order.
/// `slot` is an instant for which an order can be placed.
pub fn requests(recipe: &Recipe, restaurant: &str, menu: &Value, slot: &Value, today: NaiveDate) -> Vec<Ask> {
    use Asker::{Customer, Staff, Stranger};
    let path = |rest: &str| format!("/api/restaurants/{restaurant}{rest}");
    let lines = recipe.cart_lines(menu);
    let (lat, lng) = DOOR;
    let wanted = json!({ "lines": lines, "fulfilment": "PICKUP", "scheduledFor": slot });
    let mut brought = wanted.clone();
    brought["fulfilment"] = json!("DELIVERY");
    brought["place"] = json!({ "lat": lat, "lng": lng });
    let mut order = wanted.clone();
    order["restaurantId"] = json!(restaurant);
    // What is not served at that hour cannot be had.
    let created = |ask: Ask| {
        let ask = ask.creates();
        if recipe.is_served { ask } else { Ask { status: 409, ..ask } }
    };
    // The cart is full: a line that is not there is taken out, and the cart is shown.
    let line = json!({ "lines": [{ "key": "one", "quantity": 0 }] });
    let words = "q=dish%20199%20text%20a%20b%20c%20d%20e%20f&openNow=true";
    let get = |asker, name: &str, below: &str| Ask::new(asker, "GET", name, path(below));
    let put = |name: &str, below: &str, body: Value| Ask::new(Staff, "PUT", name, path(below)).with(body);
    vec![
        Ask::new(Customer, "PUT", "cart", path("/cart")).with(json!({ "lines": lines })),
        Ask::new(Customer, "PATCH", "cart, one line", path("/cart")).with(line),
        get(Customer, "cart", "/cart"),
        created(Ask::new(Customer, "POST", "quotes, pickup", path("/quotes")).with(wanted)),
        created(Ask::new(Customer, "POST", "quotes, delivery", path("/quotes")).with(brought)),
        created(Ask::new(Customer, "POST", "orders, from lines", "/api/orders".to_owned()).with(order)),
        Ask::new(Customer, "GET", "orders, a page of 200", "/api/orders?limit=200".to_owned()),
        Ask::new(Customer, "GET", "orders by text", "/api/orders?limit=200&q=nowhere".to_owned()),
        get(Stranger, "slots, pickup", "/slots?fulfilment=PICKUP"),
        get(Stranger, "slots, delivery", &format!("/slots?fulfilment=DELIVERY&deliversTo={lat},{lng}")),
        get(Stranger, "restaurant", ""),
        get(Stranger, "hours", "/hours"),
        get(Stranger, "zones", "/zones"),
        get(Stranger, "menu, kept", "/menu"),
        get(Stranger, "menu, kept, in a language", "/menu?lang=pt-BR"),
        Ask::new(Stranger, "GET", "restaurants by words", format!("/api/restaurants?limit=200&{words}")),
        Ask::new(
            Stranger,
            "GET",
            "restaurants at a door",
            format!("/api/restaurants?limit=200&near={lat},{lng}&deliversTo={lat},{lng}&openNow=true"),
        ),
        Ask::new(Stranger, "GET", "restaurants, a page of 200", "/api/restaurants?limit=200".to_owned()),
        get(Staff, "items, a page of 200", "/items?limit=200"),
        get(Staff, "modifier groups", "/modifier-groups"),
        get(Staff, "menu document", "/menu/document").heavy(),
        get(Staff, "menu.csv", "/menu.csv").heavy(),
        Ask::new(Staff, "GET", "orders of the restaurant", format!("/api/orders?restaurantId={restaurant}&limit=200")),
        put("hours", "/hours", recipe.hours(today)),
        put("zones", "/zones", recipe.zones()).heavy(),
        put("menu, dry", "/menu?dryRun=true", recipe.menu()).heavy(),
    ]
}

/// 200 restaurants with the weekly hours of one (`$1`), for lists.
pub const COPY_RESTAURANT: &str = "
    with copies as (
        insert into restaurants
        select (jsonb_populate_record(r, jsonb_build_object('id', gen_random_uuid(), 'slug', r.slug || '-' || n))).*
        from restaurants r, generate_series(1, 200) n where r.id = $1 returning id
    ), menus as (
        insert into menus (restaurant_id, version) select id, 1 from copies
    )
    insert into opening_hours select (jsonb_populate_record(h, jsonb_build_object('restaurant_id', c.id))).*
    from opening_hours h, copies c where h.restaurant_id = $1";

/// 2,000 orders like the latest one at a restaurant (`$1`), with a note that Unicode takes apart; the latest 200 have
/// its lines too.
pub const COPY_ORDER: &str = "
    with latest as (
        select id from orders where restaurant_id = $1 order by placed_at desc limit 1
    ), copies as (
        insert into orders
        select (jsonb_populate_record(o, jsonb_build_object('id', gen_random_uuid(), 'number', 100000 + n,
            'cart_id', null, 'quote_id', null, 'scheduled_from', null, 'scheduled_until', null, 'note', repeat('ﷺ', 500), 'placed_at', o.placed_at - n * interval '1 second'))).*
        from orders o, generate_series(1, 2000) n where o.id = (select id from latest)
        returning id, number
    )
    insert into order_items select (jsonb_populate_record(i, jsonb_build_object('order_id', c.id))).*
    from order_items i, copies c where i.order_id = (select id from latest) and c.number <= 100200";
