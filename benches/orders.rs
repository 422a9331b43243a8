//! Measures placing, reading and updating orders over HTTP, compared with pgbench with the same statements as the
//! server sends.
//!
//! The statements are read from PostgreSQL's log: each client's requests are sent with the log on, and the logged
//! statements become that client's script (`orders/script.rs`). Then rounds of the server and of pgbench alternate.

mod capture;
mod city;
mod pgbench;
mod script;

use std::time::{Duration, Instant};

use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

use crate::measure::{self, Server, median, processor_of_postgres};
use city::{City, Customer};
use pgbench::Pgbench;

const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(3);
const CLIENTS: [usize; 3] = [1, 16, 64];

/// The result of a round.
#[derive(Clone, Copy)]
struct Figures {
    per_second: f64,
    /// Processor time for each thousand, in seconds.
    server: f64,
    postgres: f64,
}

/// Measures the duration of a round, and its processor time.
struct Stopwatch<'a> {
    server: &'a Server,
    postmaster: u32,
    begun: (Instant, f64, f64),
    processes: usize,
}

impl<'a> Stopwatch<'a> {
    fn start(server: &'a Server, postmaster: u32) -> Self {
        let processes = measure::children(postmaster).len();
        let begun = (Instant::now(), server.processor(), processor_of_postgres(postmaster));
        Self { server, postmaster, begun, processes }
    }

    fn stop(self, count: usize) -> Figures {
        let seconds = self.begun.0.elapsed().as_secs_f64();
        self.figures(count, seconds)
    }

    /// The same for a round with separate connections, whose processor time is known only after they have ended.
    async fn stop_alone(self, count: usize) -> Figures {
        let seconds = self.begun.0.elapsed().as_secs_f64();
        measure::only(self.postmaster, self.processes).await;
        self.figures(count, seconds)
    }

    fn figures(&self, count: usize, seconds: f64) -> Figures {
        let (_, server, postgres) = self.begun;
        let count = count as f64;
        Figures {
            per_second: count / seconds,
            server: (self.server.processor() - server) * 1e3 / count,
            postgres: (processor_of_postgres(self.postmaster) - postgres) * 1e3 / count,
        }
    }
}

/// The median of each figure.
fn medians_of(rounds: &[Figures]) -> Figures {
    let of = |field: fn(&Figures) -> f64| median(rounds.iter().map(field).collect());
    Figures {
        per_second: of(|figures| figures.per_second),
        server: of(|figures| figures.server),
        postgres: of(|figures| figures.postgres),
    }
}

/// Builds the city, writes the scripts, and measures.
pub async fn measure(database: &str, postgres: &str, program: &str) {
    let postmaster = measure::postmaster(postgres);
    let pool = PgPoolOptions::new().max_connections(2).connect(database).await.unwrap();
    let reached = comanda::database::DatabaseServer::find(&measure::config(database, "-")).await.unwrap();
    reached.migrate().await.unwrap();
    let (city, scripts) = {
        sqlx::query("alter database bench set log_statement = 'all'").execute(&pool).await.unwrap();
        let server = Server::start(&["serve", database, "-"]);
        let city = City::found(&server.address, &pool, CLIENTS[2]).await;
        let log = capture::Log::of(postgres);
        let mut scripts = Vec::new();
        for customer in &city.customers {
            scripts.push(script::write(&log, &city, customer, &server.address, &pool).await);
        }
        sqlx::query("alter database bench reset log_statement").execute(&pool).await.unwrap();
        (city, scripts)
    };
    let pgbench = Pgbench::new(program, database, &scripts);
    sqlx::query("vacuum analyze").execute(&pool).await.unwrap();
    let server = Server::start(&["serve", database, "-"]);
    println!("placing is two requests, the cart and the order, of three lines; {ROUNDS} rounds of {ROUND:?}, medians");
    println!(
        "{} statements to place, {} to move, {} to read",
        scripts[0].place.1, scripts[0].advance.1, scripts[0].read.1
    );
    println!(
        "{:<34} {:>8} {:>10} {:>8} {:>14} {:>18}",
        "", "clients", "per second", "ratio", "server s/1000", "PostgreSQL s/1000"
    );
    for clients in CLIENTS {
        let bench = Bench { city: &city, server: &server, postmaster, pgbench: &pgbench, pool: &pool, clients };
        bench.run().await;
    }
}

struct Bench<'a> {
    city: &'a City,
    server: &'a Server,
    postmaster: u32,
    pgbench: &'a Pgbench,
    pool: &'a PgPool,
    clients: usize,
}

const CASES: [(&str, usize); 7] = [
    ("place", 1),
    ("place, pgbench", 1),
    ("place, all at one restaurant", 0),
    ("read", 4),
    ("read, pgbench", 4),
    ("next status", 6),
    ("next status, pgbench", 6),
];

impl Bench<'_> {
    async fn run(&self) {
        let mut rounds = vec![Vec::new(); CASES.len()];
        for round in 0..ROUNDS {
            let (figures, placed) = self.place(false).await;
            rounds[0].push(figures);
            let (figures, counts) = self.place_by_pgbench(round).await;
            rounds[1].push(figures);
            rounds[2].push(self.place(true).await.0);
            rounds[3].push(self.read(&placed).await);
            rounds[4].push(self.read_by_pgbench().await);
            rounds[5].push(self.advance(&placed).await);
            rounds[6].push(self.advance_by_pgbench(round, &counts).await);
        }
        let medians: Vec<_> = rounds.iter().map(|rounds| medians_of(rounds)).collect();
        for (index, (name, base)) in CASES.iter().enumerate() {
            let Figures { per_second, server, postgres } = medians[index];
            let ratio = per_second / medians[*base].per_second;
            let of_server = if name.ends_with("pgbench") { "–".to_owned() } else { format!("{server:.2}") };
            println!("{name:<34} {:>8} {per_second:>10.0} {ratio:>8.2} {of_server:>14} {postgres:>18.2}", self.clients);
        }
    }

    fn customers(&self) -> &[Customer] {
        &self.city.customers[..self.clients]
    }

    fn watch(&self) -> Stopwatch<'_> {
        Stopwatch::start(self.server, self.postmaster)
    }

    /// Every customer fills a cart and orders it, repeatedly; returns the orders of each.
    async fn place(&self, at_one: bool) -> (Figures, Vec<Vec<String>>) {
        let watch = self.watch();
        let end = Instant::now() + ROUND;
        let mut tasks = Vec::new();
        for customer in self.customers() {
            let customer = customer.clone();
            let shop = self.city.shop_of(&customer, at_one).clone();
            let address = self.server.address.clone();
            tasks.push(tokio::spawn(async move {
                let mut connection = measure::Connection::open(&address).await;
                let mut placed = Vec::new();
                while Instant::now() < end {
                    placed.push(customer.places(&mut connection, &shop).await);
                }
                placed
            }));
        }
        let mut placed = Vec::new();
        for task in tasks {
            placed.push(task.await.unwrap());
        }
        let count = placed.iter().map(Vec::len).sum();
        (watch.stop(count), placed)
    }

    /// Runs the same statements with pgbench, and checks that each transaction placed an order.
    async fn place_by_pgbench(&self, round: usize) -> (Figures, Vec<usize>) {
        let before = self.orders_by_pgbench(1).await;
        let watch = self.watch();
        let counts = self.pgbench.place(self.clients, round, ROUND).await;
        let count: usize = counts.iter().sum();
        let figures = watch.stop_alone(count).await;
        assert_eq!(self.orders_by_pgbench(1).await - before, count, "a script placed nothing");
        (figures, counts)
    }

    /// Every customer reads one of their orders, repeatedly.
    async fn read(&self, placed: &[Vec<String>]) -> Figures {
        let watch = self.watch();
        let end = Instant::now() + ROUND;
        let mut tasks = Vec::new();
        for (customer, orders) in self.customers().iter().zip(placed) {
            let (customer, path) = (customer.clone(), format!("/api/orders/{}", orders[0]));
            let address = self.server.address.clone();
            tasks.push(tokio::spawn(async move {
                let mut connection = measure::Connection::open(&address).await;
                let mut count = 0;
                while Instant::now() < end {
                    connection.ask("GET", &path, &customer.token, None, &serde_json::Value::Null).await;
                    count += 1;
                }
                count
            }));
        }
        let mut count = 0;
        for task in tasks {
            count += task.await.unwrap();
        }
        watch.stop(count)
    }

    async fn read_by_pgbench(&self) -> Figures {
        let watch = self.watch();
        let count = self.pgbench.read(self.clients, ROUND).await.iter().sum();
        watch.stop_alone(count).await
    }

    /// Staff confirm the placed orders, the same number for each customer.
    async fn advance(&self, placed: &[Vec<String>]) -> Figures {
        let each = placed.iter().map(Vec::len).min().unwrap();
        let watch = self.watch();
        let mut tasks = Vec::new();
        for orders in placed {
            let (orders, token) = (orders[..each].to_vec(), self.city.owner.clone());
            let address = self.server.address.clone();
            tasks.push(tokio::spawn(async move {
                let mut connection = measure::Connection::open(&address).await;
                for order in orders {
                    city::confirm(&mut connection, &token, &order).await;
                }
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        watch.stop(each * placed.len())
    }

    async fn advance_by_pgbench(&self, round: usize, counts: &[usize]) -> Figures {
        let each = *counts.iter().min().unwrap();
        let before = self.orders_by_pgbench(2).await;
        let watch = self.watch();
        self.pgbench.advance(self.clients, round, each).await;
        let figures = watch.stop_alone(each * self.clients).await;
        assert_eq!(self.orders_by_pgbench(2).await - before, each * self.clients, "a script moved nothing");
        figures
    }

    /// The number of orders of pgbench with this version.
    async fn orders_by_pgbench(&self, version: i64) -> usize {
        let count: i64 = sqlx::query_scalar(
            "select count(*) from orders where id < '00000000-0000-7000-9000-000000000000' and version >= $1
             and (select count(*) from order_items i where i.restaurant_id = orders.restaurant_id and order_id = id) =
             3",
        )
        .bind(version)
        .fetch_one(self.pool)
        .await
        .unwrap();
        usize::try_from(count).unwrap()
    }
}
