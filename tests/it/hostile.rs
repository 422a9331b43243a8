//! Requests and menus that are built to be expensive: they are refused by their size before anything is stored, or
//! processed on separate threads.

mod budget;
mod generator;
mod requests;

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use comanda::heavy::{HeavyWork, WorkFor};
use comanda::ids::RestaurantId;
use futures_util::future::join_all;
use generator::Recipe;
use reqwest::Method;
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::people::id_of;
use crate::shop::Shop;

/// Heavy work uses a slot until it is done; without a free slot the request is refused.
#[tokio::test]
async fn heavy_work_is_limited() {
    let heavy = HeavyWork::new(1, 1, 7);
    let (release, wait) = mpsc::channel::<()>();
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let mut first = tokio::task::JoinSet::new();
    first.spawn({
        let heavy = heavy.clone();
        async move {
            heavy
                .run(WorkFor::Anybody, move || {
                    begun.send(()).unwrap();
                    wait.recv().unwrap();
                })
                .await
        }
    });
    has_begun.await.unwrap();
    // Polled until they are queued: the second waits, the third is refused.
    let second = heavy.run(WorkFor::Anybody, || 2);
    tokio::pin!(second);
    assert!(futures_util::poll!(&mut second).is_pending());
    assert_eq!(heavy.run(WorkFor::Anybody, || 3).await.unwrap_err().code(), comanda::problem::Code::Busy);
    release.send(()).unwrap();
    first.join_next().await.unwrap().unwrap().unwrap();
    assert_eq!(second.await.unwrap(), 2);
    assert_eq!(heavy.run(WorkFor::Anybody, || 4).await.unwrap(), 4);
}

/// Work of another restaurant runs while work of the first one still waits, however much that is.
#[tokio::test]
async fn the_heavy_work_of_one_restaurant_leaves_room_for_others() {
    let heavy = HeavyWork::new(2, 16, 7);
    let [one, other] = [RestaurantId::new(), RestaurantId::new()].map(WorkFor::Restaurant);
    let (release, wait) = mpsc::channel::<()>();
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let mut running = tokio::task::JoinSet::new();
    running.spawn({
        let heavy = heavy.clone();
        async move {
            heavy
                .run(one, move || {
                    begun.send(()).unwrap();
                    wait.recv().unwrap();
                })
                .await
        }
    });
    has_begun.await.unwrap();
    let mut waiting: Vec<_> = (0..5).map(|_| Box::pin(heavy.run(one, || ()))).collect();
    for work in &mut waiting {
        assert!(futures_util::poll!(work).is_pending(), "one at once for one restaurant");
    }
    assert_eq!(heavy.run(one, || ()).await.unwrap_err().code(), comanda::problem::Code::Busy, "a third of the places");
    for _ in 0..20 {
        assert_eq!(heavy.run(other, || 2).await.unwrap(), 2);
    }
    release.send(()).unwrap();
    running.join_next().await.unwrap().unwrap().unwrap();
    for work in waiting {
        work.await.unwrap();
    }
    heavy.run(one, || ()).await.unwrap();
}

async fn imports(shop: &Shop, table: String, query: &str) -> crate::reply::Reply {
    let path = shop.path(&format!("/menu.csv{query}"));
    let request = shop.owner.request(Method::POST, &path).header("content-type", "text/csv").body(table);
    shop.owner.send(request).await
}

/// 30,000 categories, which took 19 seconds because each was searched among all before it. Now parsing stops at the
/// first that exceeds the limit, and only that one is reported.
#[tokio::test]
async fn a_csv_menu_is_read_up_to_its_maximum_number_of_lines() {
    let app = TestApp::with(&[("MENU_MAX_BYTES", "2097152")]).await;
    let luigi = app.restaurant("Luigi").opens().await;
    let mut table = "type,key,in,name,price,currency\n".to_owned();
    for number in 0..30_000 {
        writeln!(table, "category,c{number},,C{number},,").unwrap();
        writeln!(table, "item,i{number},c{number},I{number},1.00,EUR").unwrap();
    }
    for query in ["", "?dryRun=true"] {
        let refusal = imports(&luigi, table.clone(), query).await.refused(422, "invalid_request");
        assert_eq!(refusal["errors"].as_array().unwrap().len(), 1, "{refusal}");
        assert_eq!(refusal["errors"][0]["pointer"], "/lines/402/type", "{refusal}");
    }
    // As many errors as lines: the first hundred are reported.
    let faulty = "type,key,in,name,price,currency\n".to_owned() + &"item,i,nowhere,I,1.00,EUR\n".repeat(1_000);
    let refusal = imports(&luigi, faulty, "").await.refused(422, "invalid_request");
    assert_eq!(refusal["errors"].as_array().unwrap().len(), 100);
    // One line of a million cells.
    let wide = format!("type,key,in,name,price,currency\ncategory{}\n", ",".repeat(1_000_000));
    imports(&luigi, wide, "").await.refused(422, "invalid_request");
}

/// Lists of a million invalid elements; two million took 345 MB. They are counted before one is parsed.
#[tokio::test]
async fn the_size_of_a_document_is_checked_before_it_is_parsed() {
    let app = TestApp::with(&[("MENU_MAX_BYTES", "2097152")]).await;
    let luigi = app.restaurant("Luigi").opens().await;
    let zeros = format!("[{}0]", "0,".repeat(950_000));
    let cases = [
        ("/categories", format!(r#"{{"categories":{zeros}}}"#)),
        ("/modifierGroups", format!(r#"{{"categories":[],"modifierGroups":{zeros}}}"#)),
        ("/categories", format!(r#"{{"categories":[{{"key":"a","name":"A","items":{zeros}}}]}}"#)),
        ("/categories/0/dayParts", format!(r#"{{"categories":[{{"key":"a","name":"A","dayParts":{zeros}}}]}}"#)),
    ];
    for (pointer, body) in cases {
        let request = luigi.owner.request(Method::PUT, &luigi.path("/menu"));
        let request = request.header("content-type", "application/json").body(body);
        let refusal = luigi.owner.send(request).await.refused(422, "invalid_request");
        assert_eq!(refusal["errors"].as_array().unwrap().len(), 1, "{pointer}: {refusal}");
        let found = refusal["errors"][0]["pointer"].as_str().unwrap();
        assert!(found.starts_with(pointer), "{pointer}: {refusal}");
    }
}

/// Every list and every map of a body is limited while it is parsed.
#[test]
fn every_list_in_a_request_has_a_maximum_length() {
    let mut unbounded = Vec::new();
    for (file, text) in crate::tidy::files("src", "rs") {
        let mut reads = false;
        let mut attributes = String::new();
        for line in text.lines().map(str::trim) {
            if line.starts_with("#[derive(") {
                reads = line.contains("Deserialize") && line.contains("ToSchema");
            }
            if line.starts_with("#[") {
                attributes.push_str(line);
                continue;
            }
            let is_list =
                [": Vec<", ": Option<Vec<", ": Option<Option<Vec<", ": Translations", ": Option<Translations"];
            if reads
                && is_list.iter().any(|list| line.contains(list))
                && line.ends_with(',')
                && !attributes.contains("bounded::")
                && !attributes.contains("counted::")
                && !attributes.contains("translations::")
            {
                unbounded.push(format!("{file}: {line}"));
            }
            if !line.starts_with("//") {
                attributes.clear();
            }
            if line == "}" {
                reads = false;
            }
        }
    }
    // Written by the server, and read back.
    let ours = [
        "contains: Vec<Allergen>",
        "may_contain: Vec<Allergen>",
        "diets: Vec<Diet>",
        "taxes: Vec<TaxAt>",
        "carts: Vec<MergedCart>",
        "left_behind: Vec<UnmergedLine>",
        "pub modifiers: Vec<Self>",
    ];
    unbounded.retain(|line| !ours.iter().any(|one| line.contains(one)));
    assert_eq!(unbounded, Vec::<String>::new());
}

fn euros(amount: i64) -> Value {
    json!({ "amount": amount, "currency": "EUR" })
}

/// What the menu shows of an item, and the result of ordering it.
async fn said(shop: &Shop, item: &str) -> (bool, Value) {
    let menu = shop.owner.get(&shop.path("/menu")).await.expect(200);
    let items = menu["categories"].as_array().unwrap().iter().flat_map(|one| one["items"].as_array().unwrap());
    let item = items.into_iter().find(|one| one["id"] == item).unwrap();
    (item["orderable"].as_bool().unwrap(), item["reason"].clone())
}

/// The menu, a cart and an order agree on what can be ordered: for a group and for one that is nested in it, switched
/// off, sold out, and with too few portions.
#[tokio::test]
async fn an_item_with_unsatisfiable_groups_cannot_be_ordered() {
    let app = TestApp::start().await;
    let grill = app.restaurant("Grill").sells("Burger", 1000).opens().await;
    let (owner, burger) = (&grill.owner, grill.any_dish().id.clone());
    let group = async |body: Value| owner.post(&grill.path("/modifier-groups"), &body).await.expect(201);
    let ripeness = group(json!({ "name": "Ripeness", "min": 1, "max": 1, "modifiers": [
        { "name": "Young", "price": euros(0) }, { "name": "Old", "price": euros(0) }] }))
    .await;
    let cheese = group(json!({ "name": "Cheese", "min": 1, "max": 2, "modifiers": [
        { "name": "Gouda", "price": euros(0), "modifierGroups": [id_of(&ripeness)] }] }))
    .await;
    owner
        .patch(&grill.path(&format!("/items/{burger}")), &json!({ "modifierGroups": [id_of(&cheese)] }))
        .await
        .expect(200);
    let of = |group: &Value, index: usize, what: &str| {
        let modifier = group["modifiers"][index]["id"].as_str().unwrap().to_owned();
        grill.path(&format!("/modifier-groups/{}/modifiers/{modifier}/{what}", id_of(group)))
    };
    let ada = app.customer("Ada").await;
    let line = json!({ "itemId": burger, "quantity": 1, "modifiers": [
        { "modifierId": cheese["modifiers"][0]["id"],
          "modifiers": [{ "modifierId": ripeness["modifiers"][0]["id"] }] }] });
    let agree = async |orderable: bool, reason: Value| {
        assert_eq!(said(&grill, &burger).await, (orderable, reason));
        let cart = ada.put(&grill.path("/cart"), &json!({ "lines": [line] })).await.expect(200);
        let priced = ada.post(&grill.path("/quotes"), &json!({ "lines": [line], "fulfilment": "PICKUP" })).await;
        (cart["lines"][0]["orderable"].as_bool().unwrap(), priced.status)
    };
    assert_eq!(agree(true, Value::Null).await, (true, 201));
    let off = json!({ "available": false });
    let on = json!({ "available": true });
    owner.put(&of(&ripeness, 0, "availability"), &off).await.expect(200);
    assert_eq!(agree(true, Value::Null).await, (false, 409), "another ripeness is left");
    owner.put(&of(&ripeness, 1, "availability"), &off).await.expect(200);
    let gone = json!("choices_unavailable");
    assert_eq!(agree(false, gone.clone()).await, (false, 409), "nested");
    owner.put(&of(&ripeness, 0, "availability"), &on).await.expect(200);
    assert_eq!(agree(true, Value::Null).await, (true, 201));
    owner.put(&of(&cheese, 0, "stock"), &json!({ "stock": 0 })).await.expect(200);
    assert_eq!(agree(false, gone.clone()).await, (false, 409), "sold out");
    // Two are required and one is left.
    owner.put(&of(&cheese, 0, "stock"), &json!({ "stock": 1 })).await.expect(200);
    let path = grill.path(&format!("/modifier-groups/{}", id_of(&cheese)));
    owner.patch(&path, &json!({ "min": 2 })).await.expect(200);
    assert_eq!(said(&grill, &burger).await, (false, gone));
    owner.put(&of(&cheese, 0, "stock"), &json!({ "stock": null })).await.expect(200);
    let size = json!({ "min": 0 });
    owner.patch(&path, &size).await.expect(200);
    assert_eq!(said(&grill, &burger).await, (true, Value::Null));
}

/// The limits on chosen modifiers of all lines together, and of a hundred on one line, for carts and for lines
/// without a cart.
#[tokio::test]
async fn the_choices_of_a_line_are_limited_together() {
    let app = TestApp::with(&[("CART_MAX_CHOICES", "100")]).await;
    let grill = app.restaurant("Grill").with("alwaysOpen", json!(true)).sells("Burger", 1000).opens().await;
    let answers: Vec<_> = (0..60).map(|one| json!({ "name": format!("M{one}"), "price": euros(1) })).collect();
    let group = json!({ "name": "Toppings", "min": 0, "max": 99, "modifiers": answers });
    let group = grill.owner.post(&grill.path("/modifier-groups"), &group).await.expect(201);
    let burger = grill.path(&format!("/items/{}", grill.any_dish().id));
    grill.owner.patch(&burger, &json!({ "modifierGroups": [id_of(&group)] })).await.expect(200);
    let line = |key: &str, count: usize| {
        let chosen = group["modifiers"].as_array().unwrap().iter().take(count);
        let chosen: Vec<_> = chosen.map(|one| json!({ "modifierId": one["id"] })).collect();
        json!({ "key": key, "itemId": grill.any_dish().id, "quantity": 1, "modifiers": chosen })
    };
    let (ada, cart) = (app.customer("Ada").await, grill.path("/cart"));
    ada.put(&cart, &json!({ "lines": [line("a", 50), line("b", 50)] })).await.expect(200);
    let refusal = ada.put(&cart, &json!({ "lines": [line("a", 50), line("b", 51)] })).await;
    assert_eq!(refusal.refused(422, "invalid_request")["errors"][0]["pointer"], "/lines");
    ada.patch(&cart, &json!({ "lines": [line("c", 1)] })).await.refused(422, "invalid_request");
    ada.patch(&cart, &json!({ "lines": [line("b", 49), line("c", 1)] })).await.expect(200);
    let bare = |count: usize| {
        let mut bare = line("", count);
        bare.as_object_mut().unwrap().remove("key");
        bare
    };
    for (count, quoted, placed) in [(50, 201, 201), (51, 422, 422)] {
        let mut wanted = json!({ "lines": [bare(50), bare(count)], "fulfilment": "PICKUP" });
        assert_eq!(ada.post(&grill.path("/quotes"), &wanted).await.status, quoted);
        wanted["restaurantId"] = json!(grill.id);
        assert_eq!(ada.asks_for_order(&format!("order-of-{count}"), &wanted).await.status, placed);
    }
    // Also in offline operations, for one line and for all lines together.
    let nested: Vec<_> = (0..100).map(|_| json!({ "modifierId": group["modifiers"][0]["id"] })).collect();
    let mut huge = line("d", 2);
    huge["modifiers"][0]["modifiers"] = json!(nested);
    let ops: Vec<_> = [line("a", 50), line("d", 51), huge, line("b", 49)]
        .into_iter()
        .zip(1..)
        .map(|(mut payload, seq)| {
            payload["restaurantId"] = json!(grill.id);
            json!({ "seq": seq, "opId": format!("op {seq}"), "at": app.clock.now(), "kind": "cart.line",
                    "payload": payload })
        })
        .collect();
    let batch = json!({ "deviceId": "tablet", "ops": ops });
    let request = ada.request(Method::POST, "/api/orders/sync").header("idempotency-key", "batch").json(&batch);
    let answer = ada.send(request).await.expect(200);
    let outcomes: Vec<_> = answer["data"].as_array().unwrap().iter().map(|one| one["outcome"].clone()).collect();
    assert_eq!(outcomes, ["applied", "rejected", "rejected", "applied"], "{answer}");
}

/// A customer cannot make an event so large that a few of them disconnect a restaurant's tablet on a slow line.
#[tokio::test]
async fn the_largest_order_of_a_customer_makes_no_large_event() {
    let app = TestApp::start().await;
    let grill = app.restaurant("Grill").with("alwaysOpen", json!(true)).sells("Burger", 1000).opens().await;
    let answers: Vec<_> = (0..8).map(|one| json!({ "name": format!("Topping {one}"), "price": euros(1) })).collect();
    let group = json!({ "name": "Toppings", "min": 0, "max": 8, "modifiers": answers });
    let group = grill.owner.post(&grill.path("/modifier-groups"), &group).await.expect(201);
    let burger = grill.path(&format!("/items/{}", grill.any_dish().id));
    grill.owner.patch(&burger, &json!({ "modifierGroups": [id_of(&group)] })).await.expect(200);
    let chosen = |count: usize| -> Vec<_> {
        let chosen = group["modifiers"].as_array().unwrap().iter().take(count);
        chosen.map(|one| json!({ "modifierId": one["id"] })).collect()
    };
    // Characters of four bytes.
    let order = |last: usize, note: usize| {
        let line = |number: usize| {
            let (choices, length) = if number == 99 { (last, note) } else { (2, 20) };
            json!({ "itemId": grill.any_dish().id, "quantity": 99, "modifiers": chosen(choices),
                    "note": "𝄞".repeat(length) })
        };
        let lines: Vec<_> = (0..100).map(line).collect();
        json!({ "restaurantId": grill.id, "fulfilment": "PICKUP", "lines": lines, "note": "𝄞".repeat(500) })
    };
    let ada = app.customer("Ada").await;
    ada.asks_for_order("choices", &order(3, 20)).await.refused(422, "invalid_request");
    ada.asks_for_order("notes", &order(2, 21)).await.refused(422, "invalid_request");
    let placed = ada.asks_for_order("largest", &order(2, 20)).await.expect(201);
    grill.owner.moves(&placed, "CONFIRMED").await;
    let largest = app.count("select max(octet_length(payload::text))::bigint from events").await;
    assert!(largest * 12 < 1 << 20, "{largest} bytes");
}

/// A large menu is replaced repeatedly while guests read it, in every language and by category, and order from it: no
/// request is refused because the server is busy.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_menu_is_replaced_while_guests_read_it_and_order() {
    let app = TestApp::start().await;
    let shop = app.restaurant("Large").opens().await;
    let recipe = Recipe { languages: 8, modifiers: 20, ..Recipe::named("large") };
    let recipe = Recipe { items: 300, groups: 2, is_counted: true, ..recipe };
    let put = async |menu: &Value| shop.owner.put(&shop.path("/menu"), menu).await.expect(200);
    let menus = [recipe.menu(), recipe.other_menu()];
    put(&menus[0]).await;
    let menu = shop.owner.get(&shop.path("/menu")).await.expect(200);
    let categories: Vec<_> = menu["categories"].as_array().unwrap().iter().map(id_of).collect();
    let order = json!({ "restaurantId": shop.id, "lines": recipe.cart_lines(&menu), "fulfilment": "PICKUP" });
    let is_done = AtomicBool::new(false);
    let guests = (0..12).map(async |guest: usize| {
        let person = app.stranger();
        let mut read = 0;
        while !is_done.load(Ordering::Relaxed) {
            let language = ["bg", "cs", "da", "de", "el", "en", "es", "et"][(guest + read) % 8];
            let part = &categories[(guest + read) % categories.len()];
            let path = shop.path(&format!("/menu?lang={language}&category={part}"));
            person.get(&path).await.expect(200);
            read += 1;
        }
        read
    });
    let people = app.crowd(4).await;
    let customers = people.iter().map(async |person| {
        let mut placed = 0;
        while !is_done.load(Ordering::Relaxed) {
            person.asks_for_order(&format!("order-{placed}"), &order).await.expect(201);
            placed += 1;
        }
        placed
    });
    let replaces = async {
        for turn in 1..=5 {
            put(&menus[turn % 2]).await;
        }
        is_done.store(true, Ordering::Relaxed);
    };
    let (read, placed, ()) = tokio::join!(join_all(guests), join_all(customers), replaces);
    assert!(read.iter().all(|count| *count > 0) && placed.iter().all(|count| *count > 0), "{read:?} {placed:?}");
}
