//! The demo city: its definition, the generated data, and how it is written to a database.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::json;

use crate::app::{PATIENCE, TestApp, eventually};
use crate::people::id_of;
use comanda::actor::MemberRole;
use comanda::config::{Config, Source};
use comanda::demo::city::{City, PASSWORD};
use comanda::demo::dataset::{DemoData, ZONE};
use comanda::demo::seed::{self, SeededOrders};
use comanda::demo::simulator::speed::SimulationSpeed;
use comanda::demo::{self, DemoError, Simulator};
use comanda::restaurants::hours;

/// The city with only some of its restaurants: the same rules in a tenth of the time.
fn small_town() -> Arc<DemoData> {
    let mut data = DemoData::of(&City::read().unwrap()).unwrap();
    data.restaurants.retain(|kitchen| ["mesob-del-navile", "ortica-felice"].contains(&kitchen.document.slug.as_str()));
    Arc::new(data)
}

fn a_monday_at_noon() -> DateTime<Utc> {
    "2026-11-23T11:00:00Z".parse().unwrap()
}

async fn build(app: &TestApp, data: &Arc<DemoData>) -> Result<Option<SeededOrders>, DemoError> {
    let app = &app.running().app;
    seed::build(&app.db, &app.passwords, &app.clock, data).await
}

#[test]
fn every_restaurant_has_a_menu_hours_and_people() {
    let city = City::read().unwrap();
    assert_eq!(city.restaurants.len(), 14);
    for restaurant in &city.restaurants {
        let dishes = restaurant.menu.iter().map(|category| category.items.len()).sum::<usize>();
        assert!((15..=40).contains(&dishes), "{} has {dishes} dishes", restaurant.slug);
        assert!(hours::faults_of_week(&restaurant.hours).is_empty(), "{}", restaurant.slug);
        assert_eq!(restaurant.staff[0].role, MemberRole::Owner, "{}", restaurant.slug);
        assert!(restaurant.staff.iter().any(|worker| worker.role == MemberRole::Staff), "{}", restaurant.slug);
        assert!(restaurant.staff_emails().contains(&format!("staff.{}@demo.comanda.example", restaurant.slug)));
    }
    assert_eq!(city.restaurants.iter().filter(|restaurant| restaurant.hours.is_empty()).count(), 1, "one never closes");
}

#[test]
fn every_test_client_has_its_own_ip_address() {
    let data = DemoData::of(&City::read().unwrap()).unwrap();
    let staff = data.restaurants.iter().flat_map(|kitchen| kitchen.staff.iter().map(|(person, _)| person));
    let guests = data.customers.iter().map(|customer| &customer.person);
    let people: Vec<_> =
        staff.chain(guests).chain(data.drivers.iter().map(|rider| &rider.person)).chain([&data.admin]).collect();
    assert_eq!((data.customers.len(), data.drivers.len()), (60, 20));
    assert_eq!(data.customers[0].person.email.as_str(), "ada@demo.comanda.example");
    assert_eq!(people.iter().map(|person| person.email.as_str()).collect::<BTreeSet<_>>().len(), people.len());
    assert_eq!(people.iter().map(|person| person.id).collect::<BTreeSet<_>>().len(), people.len());
}

#[test]
fn the_same_seed_creates_the_same_demo_history() {
    let events_and_lines = || {
        let data = DemoData::of(&City::read().unwrap()).unwrap();
        let timelines = seed::timelines(&data, a_monday_at_noon()).unwrap();
        timelines.into_iter().flatten().map(|timeline| (timeline.ended(), json!(timeline.order))).collect::<Vec<_>>()
    };
    let past = events_and_lines();
    assert!(past.len() > 4_000, "{} orders", past.len());
    assert_eq!(past, events_and_lines());
}

#[test]
fn past_demo_orders_are_within_opening_hours_and_numerous() {
    let data = DemoData::of(&City::read().unwrap()).unwrap();
    let until = a_monday_at_noon();
    for (kitchen, timelines) in data.restaurants.iter().zip(seed::timelines(&data, until).unwrap()) {
        for timeline in &timelines {
            let order = &timeline.order;
            let weekly = kitchen.document.hours.clone();
            let schedule = hours::Schedule { always: weekly.is_empty(), weekly, exceptions: Vec::new() };
            assert!(!schedule.open_for(ZONE, order.placed_at).is_empty(), "{} {order:?}", kitchen.document.slug);
            assert!(order.totals.items.amount.units() >= kitchen.document.minimum_order, "{order:?}");
            assert_eq!(timeline.day, order.placed_at.with_timezone(&ZONE).date_naive());
            assert!(timeline.ended() <= until && timeline.ended() > order.placed_at);
        }
        assert!(timelines.is_sorted_by_key(|timeline| timeline.order.placed_at));
    }
}

#[tokio::test]
async fn the_demo_is_created_once_and_passes_the_check() {
    // The invariants are checked when the test ends.
    let (app, data) = (TestApp::start().await, small_town());
    let Some(SeededOrders { orders }) = build(&app, &data).await.unwrap() else { panic!("there was nothing") };
    assert!(orders > 200, "{orders} orders");
    let (rows, users) = (app.rows_written().await, app.count("select count(*) from users").await);
    assert_eq!(build(&app, &data).await.unwrap(), None);
    assert_eq!((app.rows_written().await, app.count("select count(*) from users").await), (rows, users));
    let counters = "select count(*) from day_counters c where last_number <>
        (select max(number) from orders o where o.restaurant_id = c.restaurant_id and o.day = c.day)";
    assert_eq!(app.count(counters).await, 0);
    assert_eq!(app.count("select count(*) from drivers where online").await, 20);
    let last: DateTime<Utc> = sqlx::query_scalar("select max(at) from events").fetch_one(&app.superuser).await.unwrap();
    assert!(last <= app.clock.now(), "an event of {last} is yet to come");

    let login = json!({ "email": "ada@demo.comanda.example", "password": PASSWORD });
    let answer = app.stranger().post("/api/auth/login", &login).await.expect(200);
    let mut ada = app.stranger();
    ada.token = answer["accessToken"].as_str().map(ToOwned::to_owned);
    let orders = ada.get("/api/orders?limit=1").await.expect(200);
    let order = &orders["data"][0];
    let timeline = format!("/api/orders/{}/events", id_of(order));
    // An event is shown after all older transactions of the server have ended; those of other tests count.
    eventually("the order's events are shown", async || {
        let timeline = ada.get(&timeline).await.expect(200);
        let of_order: Vec<_> =
            timeline["data"].as_array().unwrap().iter().filter(|line| line["event"]["order"].is_object()).collect();
        of_order.first().is_some_and(|first| first["name"] == "order:new")
            && of_order.last().is_some_and(|last| last["event"]["order"] == *order)
    })
    .await;
}

#[tokio::test]
async fn an_interrupted_initialisation_is_continued() {
    let (app, data) = (TestApp::start().await, small_town());
    let Some(SeededOrders { orders }) = build(&app, &data).await.unwrap() else { panic!("there was nothing") };
    let rows = app.rows_written().await;
    app.execute("delete from users where email = 'admin@demo.comanda.example'").await;
    assert_eq!(
        build(&app, &data).await.unwrap(),
        Some(SeededOrders { orders: 0 }),
        "only the administrator was missing"
    );
    assert_eq!(app.rows_written().await, rows);
    app.execute(
        "delete from events; delete from deliveries; delete from orders; delete from day_counters;
         delete from users where email = 'admin@demo.comanda.example'",
    )
    .await;
    app.advance_clock(chrono::TimeDelta::hours(5));
    assert_eq!(build(&app, &data).await.unwrap(), Some(SeededOrders { orders }), "the same past, although it is later");
    assert_eq!(app.rows_written().await, rows);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_simulator_runs_until_it_is_stopped() {
    let (app, data) = (TestApp::start().await, small_town());
    build(&app, &data).await.unwrap();
    // Open whenever the test is run.
    app.execute("delete from opening_hours; update restaurants set always_open = true").await;
    let pace = SimulationSpeed { minute: Duration::from_millis(15) };
    let city = City::read().unwrap();
    let simulator = Simulator::begin(&app.endpoint.base, city, app.clock.clone(), pace).unwrap();
    let delivered = "select count(*) from orders where cart_id is not null and status = 'DELIVERED'";
    eventually("six orders reach their guests", async || app.count(delivered).await >= 6).await;
    tokio::time::timeout(PATIENCE, simulator.stop()).await.expect("it stops");
    let ada = "select count(*) from orders o join users u on u.id = o.customer_id
        where cart_id is not null and email = 'ada@demo.comanda.example'";
    assert_eq!(app.count(ada).await, 0, "Ada is left to whoever tries the demo");
}

#[tokio::test]
async fn a_database_without_demo_data_is_not_changed() {
    let app = TestApp::start().await;
    app.customer("Somebody").await;
    let rows = app.rows_written().await;
    assert!(matches!(build(&app, &small_town()).await, Err(DemoError::OtherUsers)));
    assert_eq!(app.rows_written().await, rows);
}

#[test]
fn production_has_no_demo() {
    let secret = "a secret for tests that is long enough";
    let pairs = [
        ("MODE", "production"),
        ("JWT_SECRET", secret),
        ("JWT_REFRESH_SECRET", "another secret that is long enough"),
        ("SEAL_SECRET", "a third secret that is long enough for this"),
    ];
    let config = Config::read(&Source::from_pairs(pairs)).unwrap();
    let refusal = demo::allowed(&config).unwrap_err();
    assert!(matches!(refusal, DemoError::Production));
    assert!(!refusal.to_string().contains('\n'));
}

/// What a production server needs to start.
const IN_PRODUCTION: [(&str, &str); 4] = [
    ("MODE", "production"),
    ("JWT_SECRET", "kOq1r5hXh0m8WJm4o0yE2mTgk9w1bS7uXq3d"),
    ("JWT_REFRESH_SECRET", "bW5o0yE2mTgk9w1bS7uXq3dkOq1r5hXh0m8W"),
    ("SEAL_SECRET", "w1bS7uXq3dkOq1r5hXh0m8WbW5o0yE2mTgk9"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn production_does_not_start_on_a_demo_which_one_command_removes() {
    let (app, data) = (TestApp::start().await, small_town());
    build(&app, &data).await.unwrap();
    let url = app.database_url.clone();
    let run = |arguments: &'static [&'static str], more: &[(&'static str, &'static str)]| {
        let (url, more) = (url.clone(), more.to_vec());
        tokio::task::spawn_blocking(move || {
            let mut variables = vec![("DATABASE_URL", url.as_str()), ("PORT", "0"), ("DATA_DIR", ".")];
            variables.extend(more);
            crate::binary::comanda(arguments, &variables)
        })
    };
    let refusal = crate::binary::complaint(&run(&["serve"], &IN_PRODUCTION).await.unwrap());
    assert!(refusal.contains("comanda demo remove") && refusal.contains("demo, whose password"), "{refusal}");
    // A real customer of the real restaurant is kept, with their orders.
    let shop = app.restaurant("Luigi").opens().await;
    let ada = app.customer("Ada").await;
    let order = ada.places_order(&shop, &[(shop.any_dish(), 1)]).await;
    let removed = run(&["demo", "remove"], &[]).await.unwrap();
    assert!(removed.status.success(), "{}", String::from_utf8_lossy(&removed.stderr));
    assert_eq!(app.count("select count(*) from users where email like '%@demo.comanda.example'").await, 0);
    assert_eq!(app.count("select count(*) from restaurants").await, 1);
    assert_eq!(app.count("select count(*) from orders").await, 1);
    assert_eq!(ada.reads_order(&order).await["id"], order["id"]);
    assert!(run(&["demo", "remove"], &[]).await.unwrap().status.success(), "again, with nothing left to remove");
    let program = crate::program::Program::serve(&url, &IN_PRODUCTION).await;
    program.stranger().get("/api/health").await.expect(200);
}
