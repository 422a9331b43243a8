//! What a public menu read costs: beside a handler that returns the same bytes from memory, and beside PostgreSQL's own
//! answer. `bin/bench menu` runs it; every figure is to be read beside the others of the same run.
//!
//! Each server is a process of its own, so that its processor time can be read from /proc; the load comes from this one.
#![expect(clippy::print_stdout, clippy::unwrap_used, clippy::panic, reason = "a measuring program")]
#![expect(clippy::cast_precision_loss, clippy::disallowed_methods, reason = "ratios; tasks of its own")]

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::HeaderMap;
use axum::routing::get;
use chrono::{DateTime, Utc};
use comanda::cache::Answer;
use comanda::clock::Clock;
use comanda::config::{Config, Source};
use comanda::database::Reached;
use comanda::ids::{CategoryId, ItemId, ModifierGroupId, ModifierId, RestaurantId, UserId};
use comanda::menu::published::show;
use comanda::{middleware, serve, server};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CONNECTIONS: usize = 32;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(2);
const CATEGORIES: usize = 8;
const ITEMS: usize = 60;
const GROUPS: usize = 12;
const MODIFIERS: usize = 20;

/// The same menu, put together by PostgreSQL.
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

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    match words.as_slice() {
        ["measure", database, redis] => runtime.block_on(measure(database, redis)),
        ["serve", database, redis] => runtime.block_on(serve_comanda(database, redis)),
        ["memory", file] => runtime.block_on(serve_memory(file)),
        _ => println!("run it with bin/bench menu"),
    }
}

fn config(database: &str, redis: &str) -> Config {
    let pairs = [
        ("PORT", "0"),
        ("DATABASE_URL", database),
        ("REDIS_URL", redis),
        ("RATE_LIMIT_ADDRESS", "off"),
        ("JWT_SECRET", "a secret for measuring that is long enough"),
        ("JWT_REFRESH_SECRET", "another secret for measuring, long enough too"),
        ("MENU_CACHE_LIFE", "10m"),
    ];
    Config::read(&Source::from_pairs(pairs)).unwrap_or_else(|faults| panic!("{faults}"))
}

async fn serve_comanda(database: &str, redis: &str) {
    let redis = if redis == "-" { "" } else { redis };
    let config = config(database, redis);
    let reached = Reached::find(&config).await.unwrap();
    let running = serve::start(config, &reached, Clock::System, false).await.unwrap();
    println!("{}", running.address);
    std::future::pending::<()>().await;
}

/// The same bytes, the same headers, the same listener and middleware: only the question to the database is missing.
async fn serve_memory(file: &str) {
    let bytes = std::fs::read(file).unwrap();
    let answer = Arc::new(Answer::new(1, DateTime::<Utc>::MAX_UTC, bytes));
    let handler = move |headers: HeaderMap| {
        let answer = Arc::clone(&answer);
        async move { show(&answer, &headers) }
    };
    let http = config("postgres://nowhere", "").http;
    let router = Router::new().route("/api/restaurants/{restaurantId}/menu", get(handler));
    let router = middleware::outside(middleware::inside(router, &http, 10 << 20), &http);
    let listener = server::listen(&http).await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    server::serve(listener, router, &http, CancellationToken::new()).await;
}

/// A server in a process of its own.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(words: &[&str]) -> Self {
        let program = std::env::current_exe().unwrap();
        let mut child = Command::new(program).args(words).stdout(Stdio::piped()).spawn().unwrap();
        let mut address = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut address).unwrap();
        Self { child, address: address.trim().to_owned() }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Processor time of a process so far, in seconds; clock ticks are hundredths.
fn processor(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok()).unwrap_or_default();
    (ticks(11) + ticks(12)) / 100.0
}

/// Processor time of PostgreSQL: its server processes, those that have ended included.
fn processor_of_postgres() -> f64 {
    let mut sum = 0.0;
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&line).starts_with("postgres: comanda bench") {
            sum += processor(pid);
        }
    }
    sum
}

/// One request again and again over one connection, until told to stop.
async fn one_connection(address: String, request: Vec<u8>, stop: Arc<AtomicBool>, answered: Arc<AtomicU64>) {
    let mut stream = TcpStream::connect(&address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut buffer = vec![0_u8; 256 << 10];
    while !stop.load(Ordering::Relaxed) {
        stream.write_all(&request).await.unwrap();
        read_answer(&mut stream, &mut buffer).await;
        answered.fetch_add(1, Ordering::Relaxed);
    }
}

/// Reads one answer whole: its head, and as many bytes as the head says.
async fn read_answer(stream: &mut TcpStream, buffer: &mut [u8]) -> usize {
    let mut filled = 0;
    loop {
        filled += stream.read(&mut buffer[filled..]).await.unwrap();
        let Some(head) = buffer[..filled].windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let text = std::str::from_utf8(&buffer[..head]).unwrap().to_ascii_lowercase();
        assert!(text.starts_with("http/1.1 200") || text.starts_with("http/1.1 304"), "{text}");
        let length = text.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
        let body = length.and_then(|length| length.parse::<usize>().ok()).unwrap_or_default();
        while filled < head + 4 + body {
            filled += stream.read(&mut buffer[filled..]).await.unwrap();
        }
        return body;
    }
}

/// What a round came to.
#[derive(Clone, Copy, Default)]
struct Figures {
    per_second: f64,
    server_micros: f64,
    postgres_micros: f64,
}

async fn load(server: &Server, request: &[u8]) -> Figures {
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let before = (processor(server.child.id()), processor_of_postgres(), Instant::now());
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
        server_micros: (processor(server.child.id()) - before.0) * 1e6 / count,
        postgres_micros: (processor_of_postgres() - before.1) * 1e6 / count,
    }
}

/// Every read finds a menu that has just changed: it is built anew each time, one after another.
async fn misses(server: &Server, pool: &PgPool, restaurant: RestaurantId, request: &[u8]) -> Figures {
    let mut stream = TcpStream::connect(&server.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut buffer = vec![0_u8; 256 << 10];
    let before = (processor(server.child.id()), processor_of_postgres());
    let (mut reading, mut count) = (Duration::ZERO, 0.0);
    while reading < ROUND / 2 {
        sqlx::query("update menus set version = version + 1 where restaurant_id = $1")
            .bind(restaurant.uuid())
            .execute(pool)
            .await
            .unwrap();
        let begun = Instant::now();
        stream.write_all(request).await.unwrap();
        read_answer(&mut stream, &mut buffer).await;
        reading += begun.elapsed();
        count += 1.0;
    }
    Figures {
        per_second: count / reading.as_secs_f64(),
        server_micros: (processor(server.child.id()) - before.0) * 1e6 / count,
        postgres_micros: (processor_of_postgres() - before.1) * 1e6 / count,
    }
}

/// The same menu out of one statement, over as many connections as the server has.
async fn in_sql(pool: &PgPool, restaurant: RestaurantId) -> Figures {
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let before = (processor(std::process::id()), processor_of_postgres(), Instant::now());
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
        postgres_micros: (processor_of_postgres() - before.1) * 1e6 / count,
    }
}

/// A menu of the usual size.
async fn seed(pool: &PgPool) -> RestaurantId {
    let restaurant = RestaurantId::new();
    let now = Clock::System.now();
    let _ = UserId::new();
    sqlx::query(
        "insert into restaurants (id, slug, name, address, latitude, longitude, timezone, currency, created_at, updated_at)
         values ($1, 'bench', 'Bench', 'Via Zamboni 1', 44.5, 11.3, 'Europe/Rome', 'EUR', $2, $2)",
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
         select $1, id, ($4::uuid[])[1 + n % cardinality($4::uuid[])], 'Answer ' || n, n, n, $6, $6
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

fn median(mut rounds: Vec<Figures>) -> Figures {
    let middle = rounds.len() / 2;
    let mut of = |field: fn(&Figures) -> f64| {
        rounds.sort_by(|one, other| field(one).total_cmp(&field(other)));
        field(&rounds[middle])
    };
    Figures {
        per_second: of(|figures| figures.per_second),
        server_micros: of(|figures| figures.server_micros),
        postgres_micros: of(|figures| figures.postgres_micros),
    }
}

async fn measure(database: &str, redis: &str) {
    let reached = Reached::find(&config(database, "")).await.unwrap();
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
    let memory = Server::start(&["memory", file.to_str().unwrap()]);
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
            figures.push(load(case.1, &case.2).await);
        }
    }
    let medians: Vec<_> = rounds.into_iter().map(median).collect();
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
        rounds[0].push(in_sql(&pool, restaurant).await);
        rounds[1].push(misses(&alone, &pool, restaurant, &request("")).await);
        rounds[2].push(misses(&shared, &pool, restaurant, &request("")).await);
    }
    let [sql, miss, shared_miss] = rounds.map(median);
    line("PostgreSQL's own answer (16)", sql, medians[0]);
    line("menu, miss (1 at a time)", miss, medians[0]);
    line("the same with Redis", shared_miss, medians[0]);
    std::fs::remove_file(&file).unwrap();
}
