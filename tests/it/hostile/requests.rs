//! The expensive requests at a generated restaurant, and copies of rows that would take many requests.

use chrono::NaiveDate;
use serde_json::{Value, json};

use super::generator::{ADDRESS, Recipe};

/// The sender of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// A client without a token.
    Stranger,
    /// A customer of the restaurant.
    Customer,
    /// A member of the restaurant.
    Staff,
}

/// A request, and its expected status.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The name in a report.
    pub name: String,
    /// The sender of the request.
    pub asker: Asker,
    /// The method of the request.
    pub method: &'static str,
    /// Path and query.
    pub path: String,
    /// JSON, or CSV where the path says so; null: none.
    pub body: Value,
    /// The body of every second request, so that each changes what the previous one wrote; null: the same.
    pub other_body: Value,
    /// The menu is rendered again, because its version has changed since the previous request.
    pub is_built: bool,
    /// It needs a new `Idempotency-Key` each time.
    pub is_keyed: bool,
    /// The status of the response.
    pub status: u16,
    /// Whole menus, zones and bodies of more than 64 kB are processed on separate threads.
    pub is_heavy: bool,
}

impl Ask {
    fn new(asker: Asker, method: &'static str, name: &str, path: String) -> Self {
        let name = format!("{method} {name}");
        let (body, other_body) = (Value::Null, Value::Null);
        Self {
            name,
            asker,
            method,
            path,
            body,
            other_body,
            is_built: false,
            is_keyed: false,
            status: 200,
            is_heavy: false,
        }
    }

    fn with(mut self, body: Value) -> Self {
        // As in the server: larger bodies are parsed on separate threads.
        self.is_heavy = body.to_string().len() > 64 << 10;
        self.body = body;
        self
    }

    fn alternating(mut self, other: Value) -> Self {
        self.other_body = other;
        self
    }

    fn built(mut self) -> Self {
        (self.is_built, self.is_heavy) = (true, true);
        self
    }

    /// Content type and bytes of the body of its n-th request, counted from 0.
    pub fn sends(&self, count: u32) -> (&'static str, String) {
        let alternates = !count.is_multiple_of(2) && !self.other_body.is_null();
        match if alternates { &self.other_body } else { &self.body } {
            Value::Null => ("application/json", String::new()),
            Value::String(table) => ("text/csv", table.clone()),
            json => ("application/json", json.to_string()),
        }
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

/// The objects of the requests.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The id of the restaurant.
    pub restaurant: &'a str,
    /// Its menu as it is shown.
    pub menu: &'a Value,
    /// Its menu as CSV.
    pub table: &'a str,
    /// An instant for which an order can be placed.
    pub slot: &'a Value,
    /// The id of an order of the customer there; null: there is none.
    pub order: &'a Value,
}

/// The expensive requests at a restaurant whose menu, hours and zones are written, and where the customer has an
/// order.
pub fn requests(recipe: &Recipe, target: &Target<'_>, today: NaiveDate) -> Vec<Ask> {
    use Asker::{Customer, Staff, Stranger};
    let Target { restaurant, menu, table, slot, order: placed } = target;
    let path = |rest: &str| format!("/api/restaurants/{restaurant}{rest}");
    let lines = recipe.cart_lines(menu);
    let (lat, lng) = ADDRESS;
    let wanted = json!({ "lines": lines, "fulfilment": "PICKUP", "scheduledFor": slot });
    let mut brought = wanted.clone();
    brought["fulfilment"] = json!("DELIVERY");
    brought["place"] = json!({ "lat": lat, "lng": lng });
    let mut order = wanted.clone();
    order["restaurantId"] = json!(restaurant);
    // An item that is not served at that hour cannot be ordered.
    let created = |ask: Ask| {
        let ask = ask.creates();
        if recipe.is_served { ask } else { Ask { status: 409, ..ask } }
    };
    // The cart is full: a line that does not exist is removed, and the cart is returned.
    let line = json!({ "lines": [{ "key": "one", "quantity": 0 }] });
    let words = "q=dish%20199%20text%20a%20b%20c%20d%20e%20f&openNow=true";
    let get = |asker, name: &str, below: &str| Ask::new(asker, "GET", name, path(below));
    let put = |name: &str, below: &str, body: Value| Ask::new(Staff, "PUT", name, path(below)).with(body);
    let events = placed
        .as_str()
        .map(|order| Ask::new(Customer, "GET", "events of an order", format!("/api/orders/{order}/events?limit=200")));
    let mut all = vec![
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
        get(Stranger, "menu, built", "/menu").built(),
        get(Stranger, "menu, built, in a language", "/menu?lang=pt-BR").built(),
        put("menu, dry", "/menu?dryRun=true", recipe.menu()).heavy(),
        put("menu, dry, all new", "/menu?dryRun=true", recipe.other_menu()).heavy(),
        Ask { status: 422, ..put("menu, one fault", "/menu", recipe.faulty_menu()).heavy() },
        Ask::new(Staff, "POST", "menu.csv, dry", path("/menu.csv?dryRun=true")).with(json!(table)).heavy(),
        put("menu, all changed", "/menu", recipe.other_menu()).alternating(recipe.menu()).heavy(),
    ];
    all.extend(events);
    all
}

/// A hundred events of each of the orders that were placed at a restaurant (`$1`): as many as contain the whole
/// order.
pub const COPY_EVENTS: &str = "
    insert into events select (jsonb_populate_record(e,
        jsonb_build_object('seq', e.seq + 100 + n, 'version', e.version + 1000 + n))).*
    from events e, generate_series(1, 100) n where e.restaurant_id = $1 and e.name = 'order:new'";

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

/// 2,000 orders like the latest one at a restaurant (`$1`), with a note that Unicode decomposes; the latest 200 have
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
