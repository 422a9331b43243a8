//! The replay of real days: reading a day, and playing a small one.

mod audit;
mod client;

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use comanda_client::Place;
use comanda_replay::day::{Day, Point};
use comanda_replay::report::Report;
use comanda_replay::{Args, ReplayError, plane, replay};
use tokio_util::sync::CancellationToken;

use crate::app::TestApp;
use crate::people::PASSWORD;

const RESTAURANTS: &str = "restaurant\tx\ty\nr1\t100\t200\nr2\t-300\t400.5\n";
const COURIERS: &str = "courier\tx\ty\ton_time\toff_time\nc1\t0\t0\t0\t90\n";
const ORDERS: &str =
    "order\tx\ty\tplacement_time\trestaurant\tready_time\no2\t5\t6\t30\tr2\t40\no1\t1\t2\t10\tr1\t10\n";
const PARAMETERS: &str = "meters_per_minute\tpickup service minutes\tdropoff service minutes\n320\t4\t2\n";

/// A folder with a valid day in which one file is replaced.
fn day_with(file: &str, content: &[u8]) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("day-{}", uuid::Uuid::new_v4()));
    fs::create_dir_all(&folder).unwrap();
    let good = [
        ("restaurants.txt", RESTAURANTS),
        ("couriers.txt", COURIERS),
        ("orders.txt", ORDERS),
        ("instance_parameters.txt", PARAMETERS),
    ];
    for (name, text) in good {
        fs::write(folder.join(name), text).unwrap();
    }
    fs::write(folder.join(file), content).unwrap();
    folder
}

fn fault_of(file: &str, content: &[u8]) -> String {
    let folder = day_with(file, content);
    let fault = Day::read(&folder).unwrap_err().to_string();
    fs::remove_dir_all(folder).unwrap();
    fault
}

#[test]
fn a_delivery_day_is_read_in_the_order_of_its_events() {
    let folder = day_with("orders.txt", ORDERS.as_bytes());
    let day = Day::read(&folder).unwrap();
    assert_eq!(day.meals.iter().map(|meal| meal.name.as_str()).collect::<Vec<_>>(), ["o1", "o2"]);
    assert_eq!(day.meals[1].kitchen, 1);
    assert_eq!(day.kitchens[1].at, Point { x: -300.0, y: 400.5 });
    assert_eq!((day.shifts[0].on, day.shifts[0].off), (0.0, 90.0));
    assert_eq!((day.pace.pickup, day.pace.dropoff), (4.0, 2.0));
    assert_eq!(day.begins(), 10.0);
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn travel_time_is_the_straight_line_in_whole_minutes_rounded_up() {
    let folder = day_with("orders.txt", ORDERS.as_bytes());
    let pace = Day::read(&folder).unwrap().pace;
    let from = Point { x: 0.0, y: 0.0 };
    for (metres, minutes) in [(0.0, 0.0), (1.0, 1.0), (320.0, 1.0), (321.0, 2.0), (3200.0, 10.0)] {
        assert_eq!(pace.travel(from, Point { x: 0.0, y: metres }), minutes, "{metres} m");
    }
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn byte_order_marks_other_line_ends_and_extra_columns_are_accepted() {
    let content = b"\xef\xbb\xbfy\trestaurant\tnote\tx\r\n200\tr1\t\t100\r\n\r\n400\tr2\tloud\t300\r\n";
    let folder = day_with("restaurants.txt", content);
    let day = Day::read(&folder).unwrap();
    assert_eq!(day.kitchens[1].at, Point { x: 300.0, y: 400.0 });
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_bad_file_is_refused_with_line_and_column_of_the_error() {
    let orders = |row: &str| format!("order\tx\ty\tplacement_time\trestaurant\tready_time\n{row}\n");
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("orders.txt", b"".to_vec(), "orders.txt: is empty"),
        ("orders.txt", orders("").into(), "orders.txt: has a header but no rows"),
        (
            "orders.txt",
            b"order\tx\ty\no1\t1\t2\n".to_vec(),
            "orders.txt, line 1, column placement_time: is missing; the header has order, x, y",
        ),
        ("orders.txt", orders("o1\t1\t2\t10\tr1").into(), "orders.txt, line 2: 5 fields where the header has 6"),
        (
            "orders.txt",
            orders("o1\t1\t2\t10\tr9\t20").into(),
            r#"orders.txt, line 2, column restaurant: "r9" is not a restaurant of restaurants.txt"#,
        ),
        (
            "orders.txt",
            orders("o1\t1\t2\t10\tr1\t9").into(),
            "orders.txt, line 2, column ready_time: ready at 9 before it was placed at 10",
        ),
        (
            "orders.txt",
            orders("o1\t1\t2\tten\tr1\t20").into(),
            r#"orders.txt, line 2, column placement_time: "ten" is not a number of minutes"#,
        ),
        (
            "orders.txt",
            orders("o1\t1\tNaN\t10\tr1\t20").into(),
            r#"orders.txt, line 2, column y: "NaN" is not a number of metres between -200000 and 200000"#,
        ),
        (
            "orders.txt",
            orders("o1\t1\t2\t-1\tr1\t20").into(),
            r#"orders.txt, line 2, column placement_time: "-1" is not a number of minutes between 0 and 14400"#,
        ),
        ("orders.txt", orders("\t1\t2\t10\tr1\t20").into(), "orders.txt, line 2, column order: is empty"),
        (
            "orders.txt",
            orders("o1\t1\t2\t10\tr1\t20\no1\t1\t2\t10\tr1\t20").into(),
            r#"orders.txt, line 3, column order: "o1" stands there twice"#,
        ),
        ("orders.txt", b"order\tx\n\xff\xfe\t1\n".to_vec(), "orders.txt, line 2: is not UTF-8 text"),
        (
            "restaurants.txt",
            b"restaurant\tx\tx\ty\nr1\t1\t1\t1\n".to_vec(),
            "restaurants.txt, line 1, column x: stands there twice",
        ),
        (
            "restaurants.txt",
            b"restaurant\tx\ty\nr1\t1e9\t0\n".to_vec(),
            r#"restaurants.txt, line 2, column x: "1e9" is not a number of metres between -200000 and 200000"#,
        ),
        (
            "couriers.txt",
            b"courier\tx\ty\ton_time\toff_time\nc1\t0\t0\t90\t30\n".to_vec(),
            "couriers.txt, line 2, column off_time: the shift ends at 30 before it begins at 90",
        ),
        (
            "instance_parameters.txt",
            b"meters_per_minute\tpickup service minutes\tdropoff service minutes\n0\t4\t4\n".to_vec(),
            r#"instance_parameters.txt, line 2, column meters_per_minute: "0" is not a speed above 0 between 1 and 100000"#,
        ),
        (
            "instance_parameters.txt",
            format!("{PARAMETERS}320\t4\t4\n").into(),
            "instance_parameters.txt, line 3: is one row too many",
        ),
    ];
    for (file, content, expected) in cases {
        let fault = fault_of(file, &content);
        // An error of the whole file has its path.
        assert!(fault.ends_with(expected), "{fault:?} should end with {expected:?}");
    }
}

#[test]
fn a_missing_file_is_reported_by_name() {
    let fault = Day::read(&PathBuf::from("no-such-day")).unwrap_err().to_string();
    assert!(fault.starts_with("no-such-day") && fault.contains("restaurants.txt: cannot be read"), "{fault}");
}

#[test]
fn plane_coordinates_convert_to_the_earth_and_back() {
    for point in [Point { x: 0.0, y: 0.0 }, Point { x: 12_487.0, y: 10_220.0 }, Point { x: -500.0, y: 46_712.0 }] {
        let back = plane::to_point(plane::to_coordinates(point));
        assert!(point.distance(back) < 0.001, "{point:?} came back as {back:?}");
    }
    let Place { lat, lng } = plane::to_coordinates(Point { x: 0.0, y: 111_195.0 });
    assert!((lat - 40.7392).abs() < 0.0001 && (lng + 104.9903).abs() < 0.0001, "{lat} {lng}");
}

/// Three kitchens, four couriers and twelve orders within an hour; one courier's shift ends before the last order.
fn small_day() -> PathBuf {
    let mut orders = "order\tx\ty\tplacement_time\trestaurant\tready_time\n".to_owned();
    for order in 0..12 {
        let (placed, kitchen) = (500 + order * 4, order % 3 + 1);
        let (x, y) = (order * 350 - 1500, 2500 - order * 300);
        writeln!(orders, "o{order}\t{x}\t{y}\t{placed}\tr{kitchen}\t{}", placed + 6 + order % 5).unwrap();
    }
    let folder = day_with("orders.txt", orders.as_bytes());
    fs::write(folder.join("restaurants.txt"), "restaurant\tx\ty\nr1\t0\t0\nr2\t900\t-400\nr3\t-700\t1200\n").unwrap();
    let couriers = "c1\t0\t0\t480\t600\nc2\t500\t500\t480\t530\nc3\t-500\t100\t510\t600\nc4\t0\t0\t0\t90\n";
    fs::write(folder.join("couriers.txt"), format!("courier\tx\ty\ton_time\toff_time\n{couriers}")).unwrap();
    folder
}

async fn play(app: &TestApp, folder: &std::path::Path, password: &str) -> Result<Report, ReplayError> {
    let args = Args {
        dir: folder.to_owned(),
        url: app.endpoint.base.clone(),
        speed: 3600.0,
        seed: 7,
        call_ahead: 10.0,
        admin_email: app.admin().await.email,
        admin_password: password.to_owned(),
        json: false,
    };
    replay(&args, &CancellationToken::new()).await
}

#[tokio::test]
async fn a_small_day_is_replayed_completely_and_twice_on_the_same_server() {
    let (app, folder) = (TestApp::start().await, small_day());
    for run in 1..=2 {
        let report = play(&app, &folder, PASSWORD).await.unwrap();
        assert!(report.is_good(), "{report}");
        assert!(report.to_string().ends_with("\ndelivered 12"), "{report}");
        // An order has six events; its delivery five: waiting, assigned, arrived, picked up, delivered.
        assert_eq!(report.events.received, 12 * (6 + 5), "{report}");
        assert_eq!(report.couriers.working, 3, "a shift that ends before the first order is not begun");
        let delivered = app.count("select count(*) from orders where status = 'DELIVERED'").await;
        assert_eq!(delivered, 12 * run);
        assert_eq!(app.count("select count(*) from drivers where online").await, 0, "everybody went home");
    }
    fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn without_an_administrator_the_error_says_what_to_do() {
    let (app, folder) = (TestApp::start().await, small_day());
    let refusal = play(&app, &folder, "not the password").await.unwrap_err();
    assert!(matches!(refusal, ReplayError::Admin { .. }), "{refusal}");
    assert!(refusal.to_string().contains("`comanda user create"), "{refusal}");
    assert_eq!(app.count("select count(*) from restaurants").await, 0);
    fs::remove_dir_all(folder).unwrap();
}
