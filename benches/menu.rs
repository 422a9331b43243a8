//! Measures reads of the public menu, compared with a handler that returns the same bytes from memory, and with a SQL
//! statement that builds the same menu.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::HeaderMap;
use axum::routing::get;
use chrono::{DateTime, Utc};
use comanda::admission::Admission;
use comanda::cache::CachedResponse;
use comanda::clock::Clock;
use comanda::database::DatabaseServer;
use comanda::ids::{CategoryId, ItemId, ModifierGroupId, ModifierId, RestaurantId};
use comanda::menu::actions::published::respond;
use comanda::{middleware, server};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio_util::sync::CancellationToken;

use crate::measure::{self, Connection, Server, median, processor, processor_of_postgres};

const CONNECTIONS: usize = 32;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(2);
const CATEGORIES: usize = 8;
const ITEMS: usize = 60;
const GROUPS: usize = 12;
const MODIFIERS: usize = 20;

/// The statement that builds the same menu in PostgreSQL.
const IN_SQL: &str = "select json_build_object('restaurantId', r.id, 'currency', r.currency,
    'categories', (select json_agg(json_build_object('id', c.id, 'name', c.name, 'position', c.position,
        'items', (select coalesce(json_agg(json_build_object('id', i.id, 'categoryId', i.category_id, 'name', i.name,
            'description', i.description, 'price', json_build_object('amount', i.price, 'currency', r.currency),
            'available', i.available, 'soldOut', i.stock = 0, 'position', i.position, 'allergens', i.allergens,
            'diets', i.diets, 'modifierGroups', array(select g.group_id from item_modifier_groups g
                where g.restaurant_id = r.id and g.item_id = i.id order by g.position)) order by i.position), '[]')
            from menu_items i where i.restaurant_id = r.id and i.category_id = c.id and i.deleted_at is null))
        order by c.position) from menu_categories c where c.restaurant_id = r.id and c.deleted_at is null),
    'modifierGroups', (select json_agg(json_build_object('id', g.id, 'name', g.name, 'min', g.min_choices,
        'max', g.max_choices, 'modifiers', (select json_agg(json_build_object('id', m.id, 'name', m.name,
            'price', json_build_object('amount', m.price, 'currency', r.currency), 'available', m.available,
            'soldOut', m.stock = 0, 'allergens', m.allergens, 'diets', m.diets) order by m.position)
            from modifiers m where m.restaurant_id = r.id and m.group_id = g.id and m.deleted_at is null)))
        from modifier_groups g where g.restaurant_id = r.id and g.deleted_at is null))::text
    from restaurants r where r.id = $1";

/// Serves the same bytes with the same headers, listener and middleware, without a query.
pub async fn serve_memory(file: &str) {
    let bytes = std::fs::read(file).unwrap();
    let answer = Arc::new(CachedResponse::new(1, DateTime::<Utc>::MAX_UTC, bytes));
    let handler = move |headers: HeaderMap| {
        let answer = Arc::clone(&answer);
        async move { respond(&answer, &headers) }
    };
    let http = measure::config("postgres://nowhere", "").http;
    let router = Router::new().route("/api/restaurants/{restaurantId}/menu", get(handler));
    let admission = Admission::new(1, Duration::ZERO);
    let router = middleware::inside(router, &http, 10 << 20, tokio_util::task::TaskTracker::new());
    let router = middleware::outside(router, &http, admission, Arc::default());
    let listener = server::listen(&http).await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    let stop = CancellationToken::new();
    let ended = stop.clone();
    tokio::spawn(async move {
        measure::orphaned().await;
        ended.cancel();
    });
    server::serve(listener, router, &http, stop).await;
}

/// Repeats one request over one connection until `stop`.
async fn one_connection(address: String, request: Vec<u8>, stop: Arc<AtomicBool>, answered: Arc<AtomicU64>) {
    let mut connection = Connection::open(&address).await;
    while !stop.load(Ordering::Relaxed) {
        let (status, _) = connection.send(&request).await;
        assert!(matches!(status, 200 | 304), "{status}");
        answered.fetch_add(1, Ordering::Relaxed);
    }
}

/// The result of a round.
#[derive(Clone, Copy, Default)]
struct Figures {
    per_second: f64,
    server_micros: f64,
    postgres_micros: f64,
}

async fn load(postmaster: u32, server: &Server, request: &[u8]) -> Figures {
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let before = (server.processor(), processor_of_postgres(postmaster), Instant::now());
    let one = || one_connection(server.address.clone(), request.to_vec(), Arc::clone(&stop), Arc::clone(&answered));
    let connections: Vec<_> = (0..CONNECTIONS).map(|_| tokio::spawn(one())).collect();
    tokio::time::sleep(ROUND).await;
    stop.store(true, Ordering::Relaxed);
    for connection in connections {
        connection.await.unwrap();
    }
    let count = answered.load(Ordering::Relaxed) as f64;
    Figures {
        per_second: count / before.2.elapsed().as_secs_f64(),
        server_micros: (server.processor() - before.0) * 1e6 / count,
        postgres_micros: (processor_of_postgres(postmaster) - before.1) * 1e6 / count,
    }
}

/// Cache misses: the menu is changed before each read, so that it is rendered each time, one after another.
async fn misses(postmaster: u32, server: &Server, pool: &PgPool, restaurant: RestaurantId, request: &[u8]) -> Figures {
    let mut connection = Connection::open(&server.address).await;
    let before = (server.processor(), processor_of_postgres(postmaster));
    let (mut reading, mut count) = (Duration::ZERO, 0.0);
    while reading < ROUND / 2 {
        sqlx::query("update menus set version = version + 1 where restaurant_id = $1")
            .bind(restaurant.uuid())
            .execute(pool)
            .await
            .unwrap();
        let begun = Instant::now();
        assert_eq!(connection.send(request).await.0, 200);
        reading += begun.elapsed();
        count += 1.0;
    }
    Figures {
        per_second: count / reading.as_secs_f64(),
        server_micros: (server.processor() - before.0) * 1e6 / count,
        postgres_micros: (processor_of_postgres(postmaster) - before.1) * 1e6 / count,
    }
}

/// Builds the same menu with one SQL statement, over as many connections as the server has.
async fn in_sql(postmaster: u32, pool: &PgPool, restaurant: RestaurantId) -> Figures {
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let before = (processor(std::process::id()), processor_of_postgres(postmaster), Instant::now());
    let mut tasks = Vec::new();
    for _ in 0..16 {
        let (pool, stop, answered) = (pool.clone(), Arc::clone(&stop), Arc::clone(&answered));
        tasks.push(tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let text: String = sqlx::query_scalar(IN_SQL).bind(restaurant.uuid()).fetch_one(&pool).await.unwrap();
                assert!(text.len() > 10_000);
                answered.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    tokio::time::sleep(ROUND).await;
    stop.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.unwrap();
    }
    let count = answered.load(Ordering::Relaxed) as f64;
    Figures {
        per_second: count / before.2.elapsed().as_secs_f64(),
        server_micros: (processor(std::process::id()) - before.0) * 1e6 / count,
        postgres_micros: (processor_of_postgres(postmaster) - before.1) * 1e6 / count,
    }
}

/// A menu of the usual size.
async fn seed(pool: &PgPool) -> RestaurantId {
    let restaurant = RestaurantId::new();
    let now = Clock::System.now();
    sqlx::query(
        "insert into restaurants (id, slug, name, address, latitude, longitude, timezone, currency, always_open,
           created_at, updated_at)
         values ($1, 'bench', 'Bench', 'Via Zamboni 1', 44.5, 11.3, 'Europe/Rome', 'EUR', true, $2, $2)",
    )
    .bind(restaurant.uuid())
    .bind(now)
    .execute(pool)
    .await
    .unwrap();
    sqlx::query("insert into menus (restaurant_id, version) values ($1, 2)")
        .bind(restaurant.uuid())
        .execute(pool)
        .await
        .unwrap();
    let categories: Vec<_> = (0..CATEGORIES).map(|_| CategoryId::new().uuid()).collect();
    let items: Vec<_> = (0..ITEMS).map(|_| ItemId::new().uuid()).collect();
    let groups: Vec<_> = (0..GROUPS).map(|_| ModifierGroupId::new().uuid()).collect();
    let modifiers: Vec<_> = (0..GROUPS * MODIFIERS).map(|_| ModifierId::new().uuid()).collect();
    let statements = [
        "insert into menu_categories (restaurant_id, id, name, position, created_at, updated_at)
         select $1, id, 'Category ' || n, n, $6, $6 from unnest($2::uuid[]) with ordinality c(id, n)
         where cardinality($3::uuid[]) + cardinality($4::uuid[]) + cardinality($5::uuid[]) > 0",
        "insert into menu_items (restaurant_id, id, category_id, name, description, price, position, allergens, diets,
             created_at, updated_at)
         select $1, id, ($2::uuid[])[1 + n % cardinality($2::uuid[])], 'Dish number ' || n,
             'Slowly cooked with what the market had this morning, and a little pepper', 500 + n * 10, n,
             '[{\"allergen\":\"GLUTEN\",\"level\":\"CONTAINS\"}]', '[\"VEGETARIAN\"]', $6, $6
         from unnest($3::uuid[]) with ordinality i(id, n)
         where cardinality($4::uuid[]) + cardinality($5::uuid[]) > 0",
        "insert into modifier_groups (restaurant_id, id, name, min_choices, max_choices, created_at, updated_at)
         select $1, id, 'Question ' || n, 0, 5, $6, $6 from unnest($4::uuid[]) with ordinality g(id, n)
         where cardinality($2::uuid[]) + cardinality($3::uuid[]) + cardinality($5::uuid[]) > 0",
        "insert into modifiers (restaurant_id, id, group_id, name, price, position, created_at, updated_at)
         select $1, id, ($4::uuid[])[1 + n % cardinality($4::uuid[])], 'CachedResponse ' || n, n, n, $6, $6
         from unnest($5::uuid[]) with ordinality m(id, n)
         where cardinality($2::uuid[]) + cardinality($3::uuid[]) > 0",
        "insert into item_modifier_groups (restaurant_id, item_id, group_id, position)
         select $1, id, ($4::uuid[])[1 + (n + k) % cardinality($4::uuid[])], k
         from unnest($3::uuid[]) with ordinality i(id, n), generate_series(1, 2) k
         where cardinality($2::uuid[]) + cardinality($5::uuid[]) > 0 and $6::timestamptz is not null",
    ];
    for statement in statements {
        let filled = sqlx::query(statement).bind(restaurant.uuid()).bind(&categories).bind(&items);
        filled.bind(&groups).bind(&modifiers).bind(now).execute(pool).await.unwrap();
    }
    sqlx::query("analyze").execute(pool).await.unwrap();
    restaurant
}

/// The median of each figure.
fn medians_of(rounds: &[Figures]) -> Figures {
    let of = |field: fn(&Figures) -> f64| median(rounds.iter().map(field).collect());
    Figures {
        per_second: of(|figures| figures.per_second),
        server_micros: of(|figures| figures.server_micros),
        postgres_micros: of(|figures| figures.postgres_micros),
    }
}

pub async fn measure(database: &str, redis: &str, postgres: &str) {
    let postmaster = measure::postmaster(postgres);
    let reached = DatabaseServer::find(&measure::config(database, "")).await.unwrap();
    reached.migrate().await.unwrap();
    let pool = PgPoolOptions::new().max_connections(16).connect(database).await.unwrap();
    let restaurant = seed(&pool).await;
    let (alone, shared) = (Server::start(&["serve", database, "-"]), Server::start(&["serve", database, redis]));
    let path = format!("/api/restaurants/{restaurant}/menu");
    let request = |extra: &str| format!("GET {path} HTTP/1.1\r\nhost: bench\r\n{extra}\r\n").into_bytes();
    let body = reqwest::get(format!("http://{}{path}", alone.address)).await.unwrap();
    let tag = body.headers()["etag"].to_str().unwrap().to_owned();
    let body = body.bytes().await.unwrap();
    let file = std::env::temp_dir().join(format!("menu-{}.json", std::process::id()));
    std::fs::write(&file, &body).unwrap();
    let memory = Server::start(&["menu-memory", file.to_str().unwrap()]);
    let memory_tag = format!("\"1-{}\"", tag.trim_matches('"').split_once('-').unwrap().1);
    println!("{} bytes of menu, {CONNECTIONS} connections, {ROUNDS} rounds of {ROUND:?}, medians", body.len());

    let gzip = "accept-encoding: gzip\r\n";
    let (held, memory_held) = (format!("if-none-match: {tag}\r\n"), format!("if-none-match: {memory_tag}\r\n"));
    let cases: [(&str, &Server, Vec<u8>); 6] = [
        ("from memory", &memory, request("")),
        ("menu, hit", &alone, request("")),
        ("from memory, gzip", &memory, request(gzip)),
        ("menu, hit, gzip", &alone, request(gzip)),
        ("from memory, 304", &memory, request(&memory_held)),
        ("menu, 304", &alone, request(&held)),
    ];
    let mut rounds = vec![Vec::new(); cases.len()];
    for _ in 0..ROUNDS {
        for (case, figures) in cases.iter().zip(&mut rounds) {
            figures.push(load(postmaster, case.1, &case.2).await);
        }
    }
    let medians: Vec<_> = rounds.iter().map(|rounds| medians_of(rounds)).collect();
    println!("{:<28} {:>10} {:>8} {:>12} {:>14}", "", "requests/s", "ratio", "server µs", "PostgreSQL µs");
    let line = |name: &str, figures: Figures, base: Figures| {
        let ratio = figures.per_second / base.per_second;
        let Figures { per_second, server_micros, postgres_micros } = figures;
        println!("{name:<28} {per_second:>10.0} {ratio:>8.2} {server_micros:>12.1} {postgres_micros:>14.1}");
    };
    for (index, (name, ..)) in cases.iter().enumerate() {
        line(name, medians[index], medians[index - index % 2]);
    }
    let mut rounds = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        rounds[0].push(in_sql(postmaster, &pool, restaurant).await);
        rounds[1].push(misses(postmaster, &alone, &pool, restaurant, &request("")).await);
        rounds[2].push(misses(postmaster, &shared, &pool, restaurant, &request("")).await);
    }
    let [sql, miss, shared_miss] = rounds.map(|rounds| medians_of(&rounds));
    line("PostgreSQL's own answer (16)", sql, medians[0]);
    line("menu, miss (1 at a time)", miss, medians[0]);
    line("the same with Redis", shared_miss, medians[0]);
    std::fs::remove_file(&file).unwrap();
}
