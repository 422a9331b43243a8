//! What the dearest requests cost on data that the API accepts and nobody would have: processor time of the server for
//! each, and how long somebody else waits meanwhile.
//!
//! The restaurant has the longest hours, exceptions, zones, menus and carts that there may be; each window lasts a minute.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chrono::{Days, Utc};
use comanda::database::Reached;
use serde_json::{Value, json};
use sqlx::postgres::PgPoolOptions;

use crate::flood::{self, Customer};
use crate::measure::{self, Connection, Server};

/// Requests of a kind; clock ticks are ten milliseconds.
const TIMES: u32 = 20;

fn time(minute: u32) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

fn euros(amount: i64) -> Value {
    json!({ "amount": amount, "currency": "EUR" })
}

/// 30 windows of a minute, on every day.
fn windows(shift: u32) -> Vec<Value> {
    let window = |n: u32| {
        let from = (n * 47 + shift) % 1_439;
        json!({ "days": [1, 2, 3, 4, 5, 6, 7], "from": time(from), "to": time(from + 1) })
    };
    (0..30).map(window).collect()
}

/// 200 categories, 1,000 items with windows, 100 groups of 100 answers.
fn menu() -> Value {
    let groups: Vec<_> = (0..100)
        .map(|group| {
            let answers: Vec<_> = (0..100)
                .map(|answer| json!({ "key": format!("m{group}-{answer}"), "name": "Answer", "price": euros(10) }))
                .collect();
            json!({ "key": format!("g{group}"), "name": "Question", "min": 0, "max": 99, "modifiers": answers })
        })
        .collect();
    let categories: Vec<_> = (0..200_u32)
        .map(|category| {
            let items: Vec<_> = (0..5)
                .map(|item| {
                    let asked: Vec<_> = (0..20).map(|group| format!("g{}", (category + group) % 100)).collect();
                    json!({ "key": format!("i{category}-{item}"), "name": format!("Dish {category} {item}"),
                            "price": euros(100), "dayParts": windows(category + item), "modifierGroups": asked })
                })
                .collect();
            json!({ "key": format!("c{category}"), "name": "Chapter", "dayParts": windows(category), "items": items })
        })
        .collect();
    json!({ "categories": categories, "modifierGroups": groups })
}

/// 14 spans of a minute on each day of the week, and 16 on each of 400 dates: as many as a body holds.
fn hours() -> Value {
    let weekly: Vec<_> = (0..98_u32)
        .map(|n| json!({ "weekday": 1 + n % 7, "opens": time(n / 7 * 90), "closes": time(n / 7 * 90 + 1) }))
        .collect();
    let today = Utc::now().date_naive();
    let exceptions: Vec<_> = (0..400_u64)
        .map(|day| {
            let spans: Vec<_> =
                (0..16_u32).map(|n| json!({ "opens": time(n * 71), "closes": time(n * 71 + 1) })).collect();
            json!({ "date": today + Days::new(day), "spans": spans })
        })
        .collect();
    json!({ "weekly": weekly, "exceptions": exceptions })
}

/// Ten rings of 500 points, nine of them holes.
fn zones() -> Value {
    let ring = |x: f64, radius: f64| -> Vec<[f64; 2]> {
        let point = |n: u32| {
            let angle = f64::from(n % 499) / 499.0 * std::f64::consts::TAU;
            [x + radius * angle.cos(), 44.5 + radius * angle.sin()]
        };
        (0..500).map(point).collect()
    };
    let holes = (0..9_u32).map(|hole| ring(11.0 + f64::from(hole) * 0.06, 0.02));
    let rings: Vec<_> = std::iter::once(ring(11.3, 0.6)).chain(holes).collect();
    let properties = json!({ "name": "Lace", "fee": { "base": euros(100) } });
    let feature =
        json!({ "type": "Feature", "geometry": { "type": "Polygon", "coordinates": rings }, "properties": properties });
    json!({ "type": "FeatureCollection", "features": [feature] })
}

fn table() -> String {
    let mut table = "type,key,in,name,price,currency\n".to_owned();
    for number in 0..30_000 {
        let _ = writeln!(table, "category,c{number},,Chapter {number},,");
    }
    table
}

fn request(method: &str, path: &str, token: &str, kind: &str, body: &str) -> Vec<u8> {
    let head =
        format!("{method} {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: {kind}\r\nauthorization: Bearer {token}\r\n");
    format!("{head}content-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// Asks for something small again and again; the longest that took, in milliseconds.
async fn waits(address: String, stop: Arc<AtomicBool>) -> f64 {
    let mut http = Connection::open(&address).await;
    let mut longest = 0.0_f64;
    while !stop.load(Ordering::Relaxed) {
        let begun = Instant::now();
        http.send(b"GET /api/restaurants?limit=1 HTTP/1.1\r\nhost: bench\r\n\r\n").await;
        longest = longest.max(begun.elapsed().as_secs_f64() * 1e3);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    longest
}

async fn cost(server: &Server, name: &str, request: Vec<u8>) {
    let mut http = Connection::open(&server.address).await;
    let (first, answer) = http.send(&request).await;
    let size = answer.len();
    let stop = Arc::new(AtomicBool::new(false));
    let other = tokio::spawn(waits(server.address.clone(), Arc::clone(&stop)));
    let (before, begun) = (server.processor(), Instant::now());
    for _ in 0..TIMES {
        http.send(&request).await;
    }
    let took = begun.elapsed().as_secs_f64() * 1e3 / f64::from(TIMES);
    let processor = (server.processor() - before) * 1e3 / f64::from(TIMES);
    stop.store(true, Ordering::Relaxed);
    let other = other.await.unwrap();
    println!(
        "{name:<34}{first:>8}{:>10}{size:>11}{processor:>10.1}{took:>10.1}{other:>10.1}{:>9.0}",
        request.len(),
        server.resident()
    );
}

/// The figures of this run.
pub async fn measure(database: &str) {
    let reached = Reached::find(&measure::config(database, "")).await.unwrap();
    reached.migrate().await.unwrap();
    let pool = PgPoolOptions::new().max_connections(2).connect(database).await.unwrap();
    let (restaurant, item) = flood::seed(&pool).await;
    let server = Server::start(&["serve", database, "-"]);
    let owner = Customer::signed_in(&server.address, 0, restaurant, item).await;
    sqlx::query(
        "insert into memberships (restaurant_id, user_id, role, created_at) select $1, id, 'OWNER', now() from users",
    )
    .bind(restaurant.uuid())
    .execute(&pool)
    .await
    .unwrap();
    let guest = Customer::signed_in(&server.address, 1, restaurant, item).await;
    let mut http = Connection::open(&server.address).await;
    let path = |rest: &str| format!("/api/restaurants/{restaurant}{rest}");
    for (below, body) in [("/hours", hours()), ("/zones", zones()), ("/menu", menu())] {
        http.ask("PUT", &path(below), &owner.token, None, &body).await;
    }
    let shown = http.ask("GET", &path("/menu"), "", None, &Value::Null).await;
    let dishes = shown["categories"].as_array().unwrap().iter().flat_map(|one| one["items"].as_array().unwrap());
    let lines: Vec<_> = dishes
        .take(100)
        .map(|dish| {
            let group =
                shown["modifierGroups"].as_array().unwrap().iter().find(|one| one["id"] == dish["modifierGroups"][0]);
            let chosen = group.unwrap()["modifiers"].as_array().unwrap().iter().take(20);
            let chosen: Vec<_> = chosen.map(|one| json!({ "modifierId": one["id"] })).collect();
            json!({ "itemId": dish["id"], "quantity": 1, "modifiers": chosen })
        })
        .collect();
    let cart = json!({ "lines": lines });
    http.ask("PUT", &path("/cart"), &guest.token, None, &cart).await;
    let quote = json!({ "lines": lines, "fulfilment": "PICKUP" });
    let zeros = format!("{{\"categories\":[{}0]}}", "0,".repeat(1_900_000));
    println!(
        "{:<34}{:>8}{:>10}{:>11}{:>10}{:>10}{:>10}{:>9}",
        "request", "status", "bytes in", "bytes out", "cpu ms", "took ms", "other ms", "RSS MiB"
    );
    let of_guest = |method: &str, below: &str, body: &Value| {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        request(method, &path(below), &guest.token, "application/json", &body)
    };
    let of_owner =
        |method: &str, below: &str, kind: &str, body: &str| request(method, &path(below), &owner.token, kind, body);
    cost(&server, "GET cart, 100 lines", of_guest("GET", "/cart", &Value::Null)).await;
    cost(&server, "PUT cart, 100 lines, 2,000 choices", of_guest("PUT", "/cart", &cart)).await;
    cost(&server, "POST quotes, 100 lines", of_guest("POST", "/quotes", &quote)).await;
    cost(&server, "GET slots", of_guest("GET", "/slots?fulfilment=PICKUP", &Value::Null)).await;
    let door = "/slots?fulfilment=DELIVERY&deliversTo=44.5,11.3";
    cost(&server, "GET slots, at a door in the lace", of_guest("GET", door, &Value::Null)).await;
    cost(&server, "GET hours", of_guest("GET", "/hours", &Value::Null)).await;
    cost(&server, "GET menu, kept", of_guest("GET", "/menu", &Value::Null)).await;
    let words = "/api/restaurants?q=dish%20199%204&near=44.5,11.3&deliversTo=44.5,11.3&openNow=true";
    cost(&server, "GET restaurants, by words and door", request("GET", words, &guest.token, "application/json", ""))
        .await;
    cost(&server, "PUT hours, 6,500 spans", of_owner("PUT", "/hours", "application/json", &hours().to_string())).await;
    cost(&server, "PUT zones, 5,000 points", of_owner("PUT", "/zones", "application/json", &zones().to_string())).await;
    let dry = "/menu?dryRun=true";
    cost(&server, "PUT menu, dry, whole", of_owner("PUT", dry, "application/json", &menu().to_string())).await;
    cost(&server, "PUT menu, dry, 2,000,000 zeros", of_owner("PUT", dry, "application/json", &zeros)).await;
    let dry = "/menu.csv?dryRun=true";
    cost(&server, "POST menu.csv, dry, 30,000 lines", of_owner("POST", dry, "text/csv", &table())).await;
}
