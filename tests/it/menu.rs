//! The public menu: never older than the request, on one node or several, with and without Redis.

use std::io::Read as _;

use comanda::database::DatabaseServer;
use comanda::serve::{self, Running};
use flate2::read::GzDecoder;
use redis::AsyncCommands as _;
use reqwest::Method;
use serde_json::{Value, json};

use crate::app::{self, TestApp, eventually, server_url};
use crate::people::{Endpoint, Person, id_of};
use crate::reply::Reply;
use crate::shop::Shop;

/// Another server on the same database.
pub struct SecondServer {
    /// The server itself.
    pub running: Running,
    /// A client without a sign-in.
    pub guest: Person,
}

impl SecondServer {
    /// Starts it, with some variables set.
    pub async fn of(app: &TestApp, changes: &[(&str, &str)]) -> Self {
        let config = app::config(&app.database_url, changes);
        let reached = DatabaseServer::find(&config).await.unwrap();
        let running = serve::start(config, &reached, app.clock.clone(), false).await.unwrap();
        let endpoint = Endpoint { base: format!("http://{}", running.address), client: app.endpoint.client.clone() };
        Self { running, guest: Person { endpoint, ..app.stranger() } }
    }
}

async fn read(guest: &Person, shop: &Shop) -> Reply {
    guest.get(&shop.path("/menu")).await
}

async fn read_with(guest: &Person, shop: &Shop, header: &str, value: &str) -> Reply {
    guest.send(guest.request(Method::GET, &shop.path("/menu")).header(header, value)).await
}

#[tokio::test]
async fn an_unchanged_menu_is_answered_with_304() {
    let app = TestApp::start().await;
    let (luigi, guest) = (app.restaurant("Luigi").opens().await, app.stranger());
    let first = read(&guest, &luigi).await;
    assert_eq!(first.expect(200)["categories"][0]["items"][0]["name"], "Margherita");
    assert_eq!(first.header("cache-control"), "public, no-cache");
    let tag = first.header("etag").to_owned();
    for held in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
        let again = read_with(&guest, &luigi, "if-none-match", &held).await;
        assert_eq!((again.status, again.bytes.len(), again.header("etag")), (304, 0, tag.as_str()));
    }
    let path = luigi.path(&format!("/items/{}", luigi.any_dish().id));
    luigi.owner.patch(&path, &json!({ "name": "Regina" })).await.expect(200);
    let changed = read_with(&guest, &luigi, "if-none-match", &tag).await;
    assert_eq!(changed.expect(200)["categories"][0]["items"][0]["name"], "Regina");
    assert_ne!(changed.header("etag"), tag);
}

#[tokio::test]
async fn the_compressed_menu_is_the_same_menu() {
    let app = TestApp::start().await;
    let (luigi, guest) = (app.restaurant("Luigi").opens().await, app.stranger());
    let plain = read(&guest, &luigi).await;
    let packed = read_with(&guest, &luigi, "accept-encoding", "br, gzip;q=0.8").await;
    assert_eq!((plain.header("content-encoding"), packed.header("content-encoding")), ("", "gzip"));
    assert!(packed.header("vary").contains("accept-encoding"));
    let mut unpacked = Vec::new();
    GzDecoder::new(packed.bytes.as_slice()).read_to_end(&mut unpacked).unwrap();
    assert_eq!(unpacked, plain.bytes);
    assert_ne!(plain.header("etag"), packed.header("etag"), "other bytes have another name");
    let again = read_with(&guest, &luigi, "if-none-match", packed.header("etag")).await;
    assert_eq!(again.status, 304);
    let refused = read_with(&guest, &luigi, "accept-encoding", "gzip;q=0").await;
    assert_eq!(refused.header("content-encoding"), "");
}

#[tokio::test]
async fn one_category_is_read_by_itself() {
    let app = TestApp::start().await;
    let (luigi, guest) = (app.restaurant("Luigi").opens().await, app.stranger());
    let sweets = luigi.owner.post(&luigi.path("/categories"), &json!({ "name": "Sweets" })).await.expect(201);
    let path = |category: &str| luigi.path(&format!("/menu?category={category}"));
    let only = guest.get(&path(sweets["id"].as_str().unwrap())).await.expect(200);
    assert_eq!(
        only["categories"],
        json!([{ "id": sweets["id"], "name": "Sweets", "position": 0, "dayParts": [], "items": [] }])
    );
    guest.get(&path("cat_01jd3k9y5xfmt8zq2v7c4n6b0e")).await.refused(404, "not_found");
    guest.get(&path("everything")).await.refused(422, "invalid_request");
    guest.get("/api/restaurants/rst_01jd3k9y5xfmt8zq2v7c4n6b0e/menu").await.refused(404, "not_found");
}

/// A category is cut out of the whole menu: it contains only the groups it needs, and a menu of hundreds of
/// categories in many languages is not rendered again for each of them.
#[tokio::test]
async fn a_category_is_read_alone_with_the_groups_that_it_needs() {
    let app = TestApp::with(&[("DATABASE_LOCK_TIMEOUT", "50ms")]).await;
    let (luigi, guest) = (app.restaurant("Luigi").opens().await, app.stranger());
    let modifier = |key: &str, groups: &[&str]| {
        json!({ "key": key, "name": key, "price": { "amount": 50,
      "currency": "EUR" }, "modifierGroups": groups })
    };
    let group =
        |key: &str, modifiers: Value| json!({ "key": key, "name": key, "min": 0, "max": 1, "modifiers": modifiers });
    let category = |key: &str, asked: &[&[&str]]| {
        let items = asked.iter().enumerate().map(|(number, groups)| {
            json!({ "key": format!("{key}{number}"), "name": "x", "price": { "amount": 100, "currency": "EUR" },
              "modifierGroups": groups })
        });
        json!({ "key": key, "name": key, "items": items.collect::<Vec<_>>(),
          "translations": { "it": { "name": format!("{key} it") } } })
    };
    let document = json!({
        "language": "en",
        "categories": [
            category("first", &[&["size", "extras"], &["extras"]]),
            category("second", &[]),
            category("third", &[&["size"]]),
        ],
        "modifierGroups": [
            group("ripeness", json!([modifier("ripe", &[])])),
            group("extras", json!([modifier("cheese", &["ripeness"]), modifier("ham", &[])])),
            group("size", json!([modifier("large", &[])])),
            group("unused", json!([modifier("nothing", &["ripeness"])])),
        ],
    });
    luigi.owner.put(&luigi.path("/menu"), &document).await.expect(200);
    let needed: [&[&str]; 3] = [&["ripeness", "extras", "size"], &[], &["size"]];
    for language in ["en", "it"] {
        let whole = guest.get(&luigi.path(&format!("/menu?lang={language}"))).await.expect(200);
        let mut lock = app.superuser.acquire().await.unwrap();
        sqlx::raw_sql("begin; lock table menu_items in access exclusive mode").execute(&mut *lock).await.unwrap();
        for (number, needed) in needed.iter().enumerate() {
            let id = id_of(&whole["categories"][number]);
            let cut = guest.get(&luigi.path(&format!("/menu?lang={language}&category={id}"))).await.expect(200);
            let is_needed = |group: &&Value| needed.contains(&group["name"].as_str().unwrap());
            let groups: Vec<_> = whole["modifierGroups"].as_array().unwrap().iter().filter(is_needed).collect();
            assert_eq!(groups.len(), needed.len());
            let mut right = whole.clone();
            right["modifierGroups"] = json!(groups);
            right["categories"] = json!([whole["categories"][number]]);
            assert_eq!(cut, right, "{language} {number}");
        }
        sqlx::raw_sql("rollback").execute(&mut *lock).await.unwrap();
    }
}

#[tokio::test]
async fn concurrent_cache_misses_build_a_menu_once() {
    let app = TestApp::start().await;
    let (luigi, guest) = (app.restaurant("Luigi").opens().await, app.stranger());
    let before = app.running().app.menus.cache().builds();
    let crowd: Vec<_> = (0..50).map(|_| read(&guest, &luigi)).collect();
    let replies = futures_util::future::join_all(crowd).await;
    assert!(replies.iter().all(|reply| reply.bytes == replies[0].bytes && reply.status == 200));
    assert_eq!(app.running().app.menus.cache().builds() - before, 1);
}

/// Every change that one node has acknowledged is in the next menu read from the other, in both directions.
async fn nodes_agree(app: &TestApp, changes: &[(&str, &str)]) {
    let luigi = app.restaurant("Luigi").sells("Margherita", 850).opens().await;
    let other = SecondServer::of(app, changes).await;
    let nodes = [app.stranger(), other.guest.clone()];
    let item = luigi.path(&format!("/items/{}", luigi.any_dish().id));
    for round in 0..40 {
        for node in &nodes {
            read(node, &luigi).await.expect(200);
        }
        let (writes, reads) = (&nodes[round % 2], &nodes[(round + 1) % 2]);
        let owner = Person { endpoint: writes.endpoint.clone(), ..luigi.owner.clone() };
        let price = json!({ "amount": 1000 + round, "currency": "EUR" });
        owner.patch(&item, &json!({ "price": price })).await.expect(200);
        let menu = read(reads, &luigi).await.expect(200);
        assert_eq!(menu["categories"][0]["items"][0]["price"], price, "round {round}");
    }
    other.running.stop().await;
}

#[tokio::test]
async fn a_change_on_one_node_is_visible_on_the_other_at_once() {
    let app = TestApp::start().await;
    nodes_agree(&app, &[]).await;
}

#[tokio::test]
async fn with_redis_too() {
    let url = server_url("COMANDA_TEST_REDIS");
    let changes = [("REDIS_URL", url.as_str())];
    let app = TestApp::with(&changes).await;
    nodes_agree(&app, &changes).await;
}

#[tokio::test]
async fn a_menu_built_by_one_node_is_not_built_again_by_another() {
    let url = server_url("COMANDA_TEST_REDIS");
    let changes = [("REDIS_URL", url.as_str())];
    let app = TestApp::with(&changes).await;
    let luigi = app.restaurant("Luigi").opens().await;
    let first = read(&app.stranger(), &luigi).await;
    let other = SecondServer::of(&app, &changes).await;
    let second = read(&other.guest, &luigi).await;
    assert_eq!((first.bytes, first.headers["etag"].clone()), (second.bytes, second.headers["etag"].clone()));
    assert_eq!(other.running.app.menus.cache().builds(), 0);
    // A replaced menu is deleted from Redis as well, in batches and not by KEYS.
    let path = luigi.path(&format!("/items/{}", luigi.any_dish().id));
    for name in ["Regina", "Bufala"] {
        luigi.owner.patch(&path, &json!({ "name": name })).await.expect(200);
        read(&app.stranger(), &luigi).await.expect(200);
    }
    let client = redis::Client::open(url.as_str()).unwrap();
    let restaurant: comanda::ids::RestaurantId = luigi.id.parse().unwrap();
    let names = format!("comanda:menu:{}:*", restaurant.uuid().simple());
    eventually("one version is left in Redis", async || {
        let mut redis = client.get_multiplexed_async_connection().await.unwrap();
        let mut found = redis.scan_match::<_, String>(&names).await.unwrap();
        let mut count = 0;
        while found.next_item().await.is_some() {
            count += 1;
        }
        count == 1
    })
    .await;
    other.running.stop().await;
}

#[tokio::test]
async fn values_in_redis_are_used_only_if_they_are_intact() {
    let url = server_url("COMANDA_TEST_REDIS");
    let app = TestApp::with(&[("REDIS_URL", url.as_str())]).await;
    let luigi = app.restaurant("Luigi").opens().await;
    let honest = read(&app.stranger(), &luigi).await;
    let mut redis = redis::Client::open(url.as_str()).unwrap().get_multiplexed_async_connection().await.unwrap();
    let restaurant: comanda::ids::RestaurantId = luigi.id.parse().unwrap();
    let version = honest.json()["version"].as_i64().unwrap();
    let name = format!("comanda:menu:{}:{version}::", restaurant.uuid().simple());
    let _: () = redis.set(&name, format!("{version} 99999999999999 {version}-aa\n{{}}")).await.unwrap();
    let other = SecondServer::of(&app, &[("REDIS_URL", url.as_str())]).await;
    assert_eq!(read(&other.guest, &luigi).await.bytes, honest.bytes);
    other.running.stop().await;
}

#[tokio::test]
async fn the_menu_is_served_while_redis_is_down() {
    let app = TestApp::with(&[("REDIS_URL", "redis://127.0.0.1:1")]).await;
    let luigi = app.restaurant("Luigi").opens().await;
    read(&app.stranger(), &luigi).await.expect(200);
    let path = luigi.path(&format!("/items/{}", luigi.any_dish().id));
    luigi.owner.patch(&path, &json!({ "name": "Regina" })).await.expect(200);
    assert_eq!(read(&app.stranger(), &luigi).await.expect(200)["categories"][0]["items"][0]["name"], "Regina");
}

#[tokio::test]
async fn cached_menus_stay_within_their_bytes() {
    let app = TestApp::with(&[("MENU_CACHE_BYTES", "1048576")]).await;
    let guest = app.stranger();
    let text = "x".repeat(2000);
    for name in 0..12 {
        let shop = app.restaurant(&format!("R{name}")).opens().await;
        for dish in 0..50 {
            let item = json!({ "categoryId": shop.category, "name": format!("Dish {dish}"),
                "description": text, "price": { "amount": 100, "currency": "EUR" } });
            shop.owner.post(&shop.path("/items"), &item).await.expect(201);
        }
        read(&guest, &shop).await.expect(200);
        assert!(app.running().app.menus.cache().bytes() <= 1_048_576);
    }
}

#[tokio::test]
async fn the_last_portion_sold_is_on_the_next_menu_and_an_order_cancelled_brings_it_back() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").sells_counted("Porchetta", 900, 2).opens().await;
    let (ada, guest) = (app.customer("Ada").await, app.stranger());
    let sold_out = async || read(&guest, &luigi).await.expect(200)["categories"][0]["items"][0]["soldOut"].clone();
    assert_eq!(sold_out().await, false);
    let order = ada.places_order(&luigi, &[(luigi.any_dish(), 2)]).await;
    assert_eq!(sold_out().await, true);
    ada.cancels(&order, "changed my mind").await;
    assert_eq!(sold_out().await, false);
    let rows = luigi.owner.get(&luigi.path("/items")).await.expect(200);
    assert_eq!(rows["data"][0]["stock"], 2);
    let events = app.count("select count(*) from events where aggregate = 'menu'").await;
    assert_eq!(events, app.count("select version - 1 from menus").await, "each version has one event");
}
