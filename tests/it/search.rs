//! Search of restaurants by location, delivery address, opening, fulfilment and words; stable pages; use of indexes.

use chrono::TimeDelta;
use comanda::place::Place;
use serde_json::{Value, json};
use sqlx::Row as _;

use crate::app::TestApp;
use crate::people::id_of;
use crate::shop::Shop;

/// Creates a restaurant at a location.
async fn opens(app: &TestApp, name: &str, lat: f64, lng: f64, more: &[(&str, Value)]) -> Shop {
    let mut shop = app.restaurant(name).with("place", json!({ "lat": lat, "lng": lng }));
    for (field, value) in more {
        shop = shop.with(field, value.clone());
    }
    shop.opens().await
}

/// The names of the results, in order.
async fn finds(app: &TestApp, question: &str) -> Vec<String> {
    let page = app.stranger().get(&format!("/api/restaurants?{question}")).await.expect(200);
    assert_eq!(page["nextCursor"], Value::Null);
    page["data"].as_array().unwrap().iter().map(|found| found["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_nearest_come_first_with_their_distance() {
    let app = TestApp::start().await;
    opens(&app, "Far", 44.60, 11.34, &[]).await;
    opens(&app, "Near", 44.495, 11.34, &[]).await;
    opens(&app, "Nearer", 44.494, 11.343, &[]).await;
    assert_eq!(finds(&app, "near=44.4938,11.343").await, ["Nearer", "Near"]);
    assert_eq!(finds(&app, "near=44.4938,11.343&radius=50000").await, ["Nearer", "Near", "Far"]);
    assert_eq!(finds(&app, "near=44.4938,11.343&radius=100").await, ["Nearer"]);
    assert_eq!(finds(&app, "near=-44.4938,11.343").await, [""; 0]);
    assert_eq!(finds(&app, "").await, ["Nearer", "Near", "Far"]);
    let page = app.stranger().get("/api/restaurants?near=44.4938,11.343").await.expect(200);
    let exact = Place::new(44.4938, 11.343).unwrap().metres_to(Place::new(44.495, 11.34).unwrap());
    let distance = page["data"][1]["distance"].as_f64().unwrap();
    assert!((distance - exact).abs() <= 0.5, "{distance} is not {exact}");
    assert_eq!(page["data"][1].get("delivery"), None);
}

#[tokio::test]
async fn a_circle_across_the_antimeridian_is_complete() {
    let app = TestApp::start().await;
    opens(&app, "East", -17.0, 179.99, &[]).await;
    opens(&app, "West", -17.0, -179.99, &[]).await;
    opens(&app, "Pole", 89.95, 100.0, &[]).await;
    assert_eq!(finds(&app, "near=-17,-179.999").await, ["West", "East"]);
    assert_eq!(finds(&app, "near=89.99,-80").await, ["Pole"]);
}

#[tokio::test]
async fn restaurants_that_deliver_to_an_address_are_found_with_their_fee() {
    let app = TestApp::start().await;
    let euros = |amount: i64| json!({ "amount": amount, "currency": "EUR" });
    let everywhere = opens(&app, "Everywhere", 44.51, 11.34, &[("deliveryFee", euros(390))]).await;
    let around = opens(&app, "Around", 44.495, 11.34, &[]).await;
    let away = opens(&app, "Away", 44.4939, 11.343, &[]).await;
    let zone = |shop: &Shop, lng: f64, lat: f64| {
        let rules = json!({ "name": "Town", "radiusMetres": 2000, "fee": { "base": euros(200),
          "perKilometre": euros(100) },
                            "minimumOrder": euros(1500), "leadMinutes": 15 });
        let feature = json!({ "type": "Feature", "geometry": { "type": "Point", "coordinates": [lng, lat] },
          "properties": rules });
        (shop.path("/zones"), json!({ "type": "FeatureCollection", "features": [feature] }))
    };
    for (shop, lng, lat) in [(&around, 11.34, 44.495), (&away, 11.30, 44.40)] {
        let (path, zones) = zone(shop, lng, lat);
        shop.owner.put(&path, &zones).await.expect(200);
    }
    let endpoint = "deliversTo=44.4938,11.343";
    assert_eq!(finds(&app, endpoint).await, ["Around", "Everywhere"]);
    let page = app.stranger().get(&format!("/api/restaurants?{endpoint}")).await.expect(200);
    let here = &page["data"][0]["delivery"];
    // 274 metres at a euro a kilometre.
    assert_eq!((&here["zone"], &here["fee"], &here["minimumOrder"]), (&json!("Town"), &euros(227), &euros(1500)));
    assert_eq!(here["leadMinutes"], 15);
    assert_eq!(
        (&page["data"][1]["delivery"]["zone"], &page["data"][1]["delivery"]["fee"]),
        (&Value::Null, &euros(390))
    );
    // Near one point, and delivering to another.
    assert_eq!(finds(&app, &format!("{endpoint}&near=44.51,11.34")).await, ["Everywhere", "Around"]);
    // A restaurant that never delivers does not deliver here.
    let never: Vec<_> = (1..=7)
        .map(|day| json!({ "weekday": day, "opens": "00:00", "closes": "24:00", "fulfilments": ["PICKUP"] }))
        .collect();
    everywhere.owner.patch(&everywhere.path(""), &json!({ "hours": never })).await.expect(200);
    assert_eq!(finds(&app, endpoint).await, ["Around"]);
}

#[tokio::test]
async fn restaurants_that_are_open_now_are_found_by_fulfilment() {
    let app = TestApp::start().await;
    let spans = |fulfilments: Value| -> Value {
        (1..=7)
            .map(|day| json!({ "weekday": day, "opens": "00:00", "closes": "24:00", "fulfilments": fulfilments }))
            .collect()
    };
    opens(&app, "Table", 44.49, 11.34, &[("hours", spans(json!(["DINE_IN"])))]).await;
    opens(&app, "Counter", 44.49, 11.34, &[("hours", spans(json!(["PICKUP", "DELIVERY"])))]).await;
    let always = opens(&app, "Always", 44.49, 11.34, &[]).await;
    assert_eq!(finds(&app, "openNow=true").await, ["Always", "Counter", "Table"]);
    assert_eq!(finds(&app, "openNow=true&fulfilment=PICKUP").await, ["Always", "Counter"]);
    assert_eq!(finds(&app, "fulfilment=DINE_IN").await, ["Always", "Table"]);
    let until = app.clock.now() + TimeDelta::hours(1);
    always.owner.put(&always.path("/pause"), &json!({ "until": until, "reason": "A broken oven" })).await.expect(200);
    assert_eq!(finds(&app, "openNow=true").await, ["Counter", "Table"]);
    assert_eq!(finds(&app, "fulfilment=DINE_IN").await, ["Always", "Table"]);
    app.advance_clock(TimeDelta::minutes(61));
    assert_eq!(finds(&app, "openNow=true&near=44.49,11.34").await.len(), 3);
}

#[tokio::test]
async fn words_are_found_in_names_cuisines_and_items() {
    let app = TestApp::start().await;
    let lamp = app.restaurant("Lanterna Blu").with("cuisines", json!(["Japanese", "Ramen"])).sells("Tonkotsu", 1200);
    let lamp = lamp.opens().await;
    app.restaurant("Caffè Blu")
        .with("slug", json!("caffe-blu"))
        .sells("Tiramisù della casa", 600)
        .sells("Lamp oil", 1)
        .opens()
        .await;
    app.restaurant("Pizzeria").with("cuisines", json!(["Neapolitan"])).sells("Margherita", 700).opens().await;
    for (question, names) in [
        ("q=ramen", vec!["Lanterna Blu"]),
        ("q=blu", vec!["Caffè Blu", "Lanterna Blu"]),
        ("q=BLU%20tonk", vec!["Lanterna Blu"]),
        ("q=tiramisu", vec!["Caffè Blu"]),
        ("q=TIRAMIS%C3%99", vec!["Caffè Blu"]),
        ("q=caffe", vec!["Caffè Blu"]),
        ("q=marg%20neap", vec!["Pizzeria"]),
        ("q=marg%20tonk", vec![]),
        ("q=argherita", vec![]),
        ("q=pizz&near=44.4949,11.3426", vec!["Pizzeria"]),
        ("q=pizz&near=45.4949,11.3426", vec![]),
        ("q='%3A*%20%26%20!blu", vec!["Caffè Blu", "Lanterna Blu"]),
    ] {
        assert_eq!(finds(&app, question).await, names, "{question}");
    }
    lamp.owner.delete(&lamp.path(&format!("/items/{}", lamp.any_dish().id))).await.expect(204);
    assert_eq!(finds(&app, "q=tonkotsu").await, [""; 0]);
}

#[tokio::test]
async fn a_category_with_items_is_found_by_its_name() {
    let app = TestApp::start().await;
    let luigi = opens(&app, "Luigi", 44.4949, 11.3426, &[]).await;
    let category = luigi.path(&format!("/categories/{}", luigi.category));
    assert_eq!(finds(&app, "q=dessert").await, [""; 0]);
    let texts = json!({ "de": { "name": "Süßspeisen" } });
    luigi.owner.patch(&category, &json!({ "name": "Crème & Desserts", "translations": texts })).await.expect(200);
    for words in ["desserts", "DESS", "creme", "s%C3%BCssspeisen", "marg%20dess", "luigi%20creme"] {
        assert_eq!(finds(&app, &format!("q={words}")).await, ["Luigi"], "{words}");
    }
    assert_eq!(finds(&app, "q=menu").await, [""; 0], "its name before");
    // A category in which nothing is finds nothing.
    let empty = luigi.owner.post(&luigi.path("/categories"), &json!({ "name": "Gelato" })).await.expect(201);
    assert_eq!(finds(&app, "q=gelato").await, [""; 0]);
    let item = luigi.path(&format!("/items/{}", luigi.any_dish().id));
    luigi.owner.patch(&item, &json!({ "categoryId": empty["id"] })).await.expect(200);
    assert_eq!(finds(&app, "q=gelato").await, ["Luigi"]);
    assert_eq!(finds(&app, "q=desserts").await, [""; 0]);
    // Neither descriptions nor modifiers are searched.
    luigi.owner.patch(&item, &json!({ "description": "With pistachio" })).await.expect(200);
    let group = json!({ "name": "Toppings", "min": 0, "max": 1,
        "modifiers": [{ "name": "Hazelnut", "price": { "amount": 0, "currency": "EUR" } }] });
    let group = luigi.owner.post(&luigi.path("/modifier-groups"), &group).await.expect(201);
    luigi.owner.patch(&item, &json!({ "modifierGroups": [group["id"]] })).await.expect(200);
    for words in ["pistachio", "toppings", "hazelnut"] {
        assert_eq!(finds(&app, &format!("q={words}")).await, [""; 0], "{words}");
    }
    // As in a whole menu.
    let mut menu = luigi.owner.get(&luigi.path("/menu/document")).await.expect(200);
    for category in menu["categories"].as_array_mut().unwrap() {
        category["name"] = json!(category["name"].as_str().unwrap().replace("Gelato", "Sorbetto"));
    }
    luigi.owner.put(&luigi.path("/menu"), &menu).await.expect(200);
    assert_eq!(finds(&app, "q=sorbetto").await, ["Luigi"]);
    assert_eq!(finds(&app, "q=gelato").await, [""; 0]);
    luigi.owner.delete(&item).await.expect(204);
    assert_eq!(finds(&app, "q=sorbetto").await, [""; 0]);
    luigi.owner.delete(&luigi.path(&format!("/categories/{}", id_of(&empty)))).await.expect(204);
    assert_eq!(finds(&app, "q=sorbetto").await, [""; 0]);
}

#[tokio::test]
async fn an_invalid_search_is_refused() {
    let app = TestApp::start().await;
    for (question, pointer) in [
        ("near=91,0", "?near"),
        ("near=44.49", "?near"),
        ("near=NaN,0", "?near"),
        ("deliversTo=here", "?deliversTo"),
        ("radius=100", "?radius"),
        ("near=1,1&radius=0", "?radius"),
        ("near=1,1&radius=50001", "?radius"),
        ("near=1,1&radius=NaN", "?radius"),
        ("deliversTo=1,1&fulfilment=PICKUP", "?fulfilment"),
        ("fulfilment=BOAT", "?fulfilment"),
        ("q=%20", "?q"),
        ("limit=0", "?limit"),
        ("limit=201", "?limit"),
        ("cursor=x", "?cursor"),
        ("near=1,1&cursor=AAAA", "?cursor"),
        ("somewhere=else", "?somewhere"),
        ("%zz=1", "?%zz"),
        ("a%20b=1", "?a b"),
    ] {
        let refusal = app.stranger().get(&format!("/api/restaurants?{question}")).await.refused(422, "invalid_request");
        assert_eq!(refusal["errors"][0]["pointer"], pointer, "{question}: {refusal}");
    }
    for (question, message) in [
        ("near=0,0", "must not be 0, 0, which devices report when they do not know their location"),
        ("deliversTo=91,1", "lat must be between -90 and 90, lng between -180 and 180"),
        ("deliversTo=1", "must be latitude and longitude such as 44.4938,11.3430"),
    ] {
        let refusal = app.stranger().get(&format!("/api/restaurants?{question}")).await.refused(422, "invalid_request");
        assert_eq!(refusal["errors"][0]["message"], message, "{question}");
    }
}

/// Many restaurants, a few hundred metres from one another, three at each point, with an item each; every fourth has
/// a zone.
const MANY: &str = "
    with made as (
        insert into restaurants (id, slug, name, cuisines, search_words, address, latitude, longitude, timezone,
        currency, always_open, created_at, updated_at)
        select gen_random_uuid(), 'r-' || n, 'House ' || n, array[(array['Ramen', 'Pizza', 'Tacos', 'Mezze'])[1 + n %
        4]],
            array['house', n::text, (array['ramen', 'pizza', 'tacos', 'mezze'])[1 + n % 4]], 'Via',
            40 + (n / 3 % 100) * 0.09, 5 + (n / 300) * 0.09, 'UTC', 'EUR', true, timestamptz '2026-01-01' + n * interval '1 s', now()
        from generate_series(0, 29999) n returning id, slug, latitude, longitude
    ), zoned as (
        insert into delivery_zones (restaurant_id, position, name, shape, west, south, east, north, fee_base,
        fee_per_kilometre, lead_minutes)
        select id, 0, 'Here', json_build_object('centre', json_build_array(longitude, latitude), 'radius', 500),
            longitude - 0.01, latitude - 0.01, longitude + 0.01, latitude + 0.01, 100, 0, 10
        from made where right(slug, 1) in ('0', '4', '8')
    ), chapters as (
        insert into menu_categories (restaurant_id, id, name, position, created_at, updated_at)
        select id, gen_random_uuid(), 'All', 0, now(), now() from made returning restaurant_id, id
    )
    insert into menu_items (restaurant_id, id, category_id, name, search_words, price, position, created_at, updated_at)
    select restaurant_id, gen_random_uuid(), id, 'Dish ' || row_number() over (), array['dish', (row_number() over
    ())::text], 100, 0, now(), now() from chapters";

/// Reads page after page, and compares them with the whole list.
async fn pages(app: &TestApp, question: &str, limit: usize) -> Vec<Value> {
    let mut found: Vec<Value> = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = app.stranger().get(&format!("/api/restaurants?{question}&limit={limit}{cursor}")).await.expect(200);
        let data = page["data"].as_array().unwrap();
        assert!(data.len() <= limit);
        found.extend(data.iter().cloned());
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}

#[tokio::test]
async fn pages_are_stable_and_complete_and_carried_by_indexes() {
    let app = TestApp::start().await;
    app.execute(MANY).await;
    app.execute("analyze").await;
    // Three restaurants have the same distance: they are sorted by id.
    let whole = pages(&app, "near=44.05,9.05&radius=50000", 200).await;
    let small = pages(&app, "near=44.05,9.05&radius=50000", 7).await;
    assert!(whole.len() > 150, "{}", whole.len());
    assert_eq!(whole.iter().map(id_of).collect::<Vec<_>>(), small.iter().map(id_of).collect::<Vec<_>>());
    assert!(whole.is_sorted_by_key(|one| one["distance"].as_u64().unwrap()));
    let inside: i64 = app.count("select count(*) from restaurants where 2 * 6371008.8 * asin(sqrt(
        sin(radians(latitude - 44.05) / 2) ^ 2 + cos(radians(44.05)) * cos(radians(latitude)) * sin(radians(longitude - 9.05) / 2) ^ 2))
        <= 50000").await;
    assert_eq!(whole.len(), usize::try_from(inside).unwrap());
    let ramen = pages(&app, "near=44.05,9.05&radius=50000&q=ramen&openNow=true", 5).await;
    assert!(!ramen.is_empty() && ramen.iter().all(|one| one["cuisines"][0] == "Ramen"));
    let here = pages(&app, "deliversTo=44.0501,9.0501&radius=20000", 10).await;
    assert!(here.iter().all(|one| one["delivery"]["zone"].is_null() || one["distance"].as_u64().unwrap() <= 500));

    let plan = async |question: &str| -> String {
        let mut connection = app.superuser.acquire().await.unwrap();
        sqlx::query("set role comanda_app").execute(&mut *connection).await.unwrap();
        let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
            "explain (analyze, costs off, timing off, summary off) {question}"
        )));
        let rows = rows.fetch_all(&mut *connection).await.unwrap();
        sqlx::query("reset role").execute(&mut *connection).await.unwrap();
        rows.iter().map(|row| row.get::<String, _>(0) + "\n").collect()
    };
    let near = plan(
        "select id from restaurants r where point(r.longitude, r.latitude) <@ box(point(8.5, 43.6), point(9.6, 44.5))",
    )
    .await;
    assert!(near.contains("restaurants_place_idx"), "{near}");
    let newest = plan("select id from restaurants order by created_at desc, id desc limit 51").await;
    assert!(newest.contains("restaurants_created_at_idx") && !newest.contains("Sort"), "{newest}");
    let words = plan("select id from restaurants_matching(array['house', '2999']) as id").await;
    for index in ["restaurants_words_idx", "menu_items_words_idx", "menu_categories_words_idx"] {
        assert!(words.contains(index), "{words}");
    }
    assert!(!words.contains("Seq Scan"), "{words}");
}
