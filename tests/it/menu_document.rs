//! A whole menu at once, as a document.

use reqwest::Method;
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::reply::Reply;
use crate::shop::Shop;

pub fn euros(amount: i64) -> Value {
    json!({ "amount": amount, "currency": "EUR" })
}

pub fn pizzeria() -> Value {
    json!({
        "language": "it",
        "categories": [
            { "key": "pizza", "name": "Pizze", "translations": { "en": { "name": "Pizzas" } },
              "dayParts": [{ "days": [1, 2, 3, 4, 5, 6, 7], "from": "00:00", "to": "24:00" }],
              "items": [
                { "key": "margherita", "name": "Margherita", "price": euros(850), "stock": 10,
                  "modifierGroups": ["size", "extra"],
                  "allergens": [{ "allergen": "GLUTEN", "level": "CONTAINS" }], "diets": ["VEGETARIAN"] },
                { "key": "marinara", "name": "Marinara", "description": "=Aglio, \"origano\"", "price": euros(700) },
              ] },
            { "key": "drinks", "name": "Da bere", "items": [{ "key": "water", "name": "Acqua", "price": euros(150),
              "available": false }] },
        ],
        "modifierGroups": [
            { "key": "size", "name": "Formato", "min": 1, "max": 1, "modifiers": [
                { "key": "s", "name": "Normale", "price": euros(0) }, { "key": "l", "name": "Maxi",
                  "price": euros(300) }] },
            { "key": "milk", "name": "Latte", "min": 1, "max": 1, "modifiers": [
                { "key": "cow", "name": "Vacca", "price": euros(0), "modifierGroups": [] }] },
            { "key": "extra", "name": "Aggiunte", "max": 3, "modifiers": [
                { "key": "cheese", "name": "Formaggio", "price": euros(150), "stock": 4, "modifierGroups": ["milk"],
                  "allergens": [] }] },
        ],
    })
}

pub async fn puts(shop: &Shop, document: &Value) -> Reply {
    shop.owner.put(&shop.path("/menu"), document).await
}

pub async fn menu(shop: &Shop) -> Value {
    shop.owner.get(&shop.path("/menu")).await.expect(200)
}

pub fn id_at(body: &Value, place: &str) -> String {
    body.pointer(place).unwrap()["id"].as_str().unwrap().to_owned()
}

pub async fn versions(app: &TestApp) -> i64 {
    app.count("select sum(version)::bigint + (select count(*) from events) from menus").await
}

#[tokio::test]
async fn the_same_document_again_changes_nothing() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let first = puts(&luigi, &pizzeria()).await.expect(200);
    assert_eq!(first["applied"], true);
    let changes: Vec<_> =
        first["changes"].as_array().unwrap().iter().map(|one| one["change"].as_str().unwrap()).collect();
    assert_eq!(
        changes.iter().filter(|change| **change == "DELETED").count(),
        2,
        "existing entities are deleted: {first}"
    );
    let (shown, before) = (menu(&luigi).await, versions(&app).await);
    assert_eq!(shown["version"], first["version"]);
    assert_eq!(shown["language"], "it");
    assert_eq!(shown["categories"][0]["items"][0]["name"], "Margherita");
    for _ in 0..2 {
        let again = puts(&luigi, &pizzeria()).await.expect(200);
        assert_eq!((&again["applied"], &again["changes"]), (&json!(false), &json!([])));
    }
    assert_eq!((menu(&luigi).await, versions(&app).await), (shown.clone(), before), "not even a version");
    // And the document that the server exports.
    let document = luigi.owner.get(&luigi.path("/menu/document")).await.expect(200);
    assert_eq!(puts(&luigi, &document).await.expect(200)["changes"], json!([]));
    assert_eq!(menu(&luigi).await, shown);
}

#[tokio::test]
async fn remaining_entities_keep_their_id_stock_and_availability() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    puts(&luigi, &pizzeria()).await.expect(200);
    let before = menu(&luigi).await;
    let margherita = before["categories"][0]["items"][0]["id"].as_str().unwrap().to_owned();
    let item = luigi.path(&format!("/items/{margherita}"));
    luigi.owner.put(&format!("{item}/stock"), &json!({ "stock": 3 })).await.expect(200);
    luigi.owner.put(&format!("{item}/availability"), &json!({ "available": false })).await.expect(200);
    let mut document = pizzeria();
    document["categories"][0]["items"][0]["price"] = euros(900);
    document["categories"].as_array_mut().unwrap().swap(0, 1);
    document["categories"][1]["items"].as_array_mut().unwrap().remove(1);
    document["modifierGroups"][2]["modifiers"][0]["name"] = json!("Formaggi");
    let dry = luigi.owner.put(&luigi.path("/menu?dryRun=true"), &document).await.expect(200);
    assert_eq!(dry["applied"], false);
    let changes_of = |kind: &str, change: &str| {
        let changes = dry["changes"].as_array().unwrap().iter();
        let changes = changes.filter(|one| one["kind"] == kind && one["change"] == change);
        changes.map(|one| (one["name"].clone(), one["fields"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(
        changes_of("ITEM", "UPDATED"),
        [(json!("Margherita"), json!([{ "field": "price", "before": euros(850), "after": euros(900) }]))]
    );
    assert_eq!(changes_of("ITEM", "DELETED"), [(json!("Marinara"), Value::Null)]);
    assert_eq!(
        changes_of("MODIFIER", "UPDATED"),
        [(json!("Formaggi"), json!([{ "field": "name", "before": "Formaggio", "after": "Formaggi" }]))]
    );
    assert_eq!(changes_of("CATEGORY", "UPDATED").len(), 2);
    assert_eq!(menu(&luigi).await["version"], dry["version"], "a dry run changes nothing");
    let done = puts(&luigi, &document).await.expect(200);
    assert_eq!(done["changes"], dry["changes"], "a dry run lists the same changes");
    let after = menu(&luigi).await;
    assert_eq!(after["categories"][1]["items"][0]["id"], margherita);
    let item = luigi.owner.get(&item).await.expect(200);
    assert_eq!((&item["stock"], &item["available"], &item["price"]), (&json!(3), &json!(false), &euros(900)));
    assert_eq!(after["categories"][1]["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn an_invalid_menu_document_is_refused_as_a_whole() {
    let app = TestApp::with(&[("MENU_MAX_ITEMS", "5")]).await;
    let luigi = app.restaurant("Luigi").opens().await;
    puts(&luigi, &pizzeria()).await.expect(200);
    let before = versions(&app).await;
    let cases: [(&str, Value, &str); 11] = [
        ("/categories/0/items/0/price", json!({ "amount": -1, "currency": "EUR" }), "/categories/0/items/0/price"),
        (
            "/categories/0/items/0/price",
            json!({ "amount": 1, "currency": "XXY" }),
            "/categories/0/items/0/price/currency",
        ),
        (
            "/categories/0/items/1/price",
            json!({ "amount": 1, "currency": "USD" }),
            "/categories/0/items/1/price/currency",
        ),
        ("/categories/0/items/0/modifierGroups", json!(["size", "nothing"]), "/categories/0/items/0/modifierGroups/1"),
        ("/categories/1/key", json!("pizza"), "/categories/1/key"),
        ("/categories/1/items/0/key", json!("marinara"), "/categories/1/items/0/key"),
        ("/modifierGroups/0/min", json!(2), "/modifierGroups/0/min"),
        (
            "/modifierGroups/1/modifiers/0/modifierGroups",
            json!(["extra"]),
            "/modifierGroups/1/modifiers/0/modifierGroups/0",
        ),
        ("/categories/0/dayParts/0/days", json!([]), "/categories/0/dayParts/0"),
        ("/language", json!("Italian"), "/language"),
        (
            "/categories/1/items",
            json!([1, 2, 3, 4].map(|n| json!({ "key": format!("w{n}"), "name": "W", "price": euros(1) }))),
            "/categories",
        ),
    ];
    for (at, value, pointer) in cases {
        let mut document = pizzeria();
        *document.pointer_mut(at).unwrap() = value;
        let refusal = puts(&luigi, &document).await.refused(422, "invalid_request");
        let pointers: Vec<_> = refusal["errors"].as_array().unwrap().iter().map(|one| one["pointer"].clone()).collect();
        assert!(pointers.contains(&json!(pointer)), "{at}: {refusal}");
    }
    let mut document = pizzeria();
    document["categories"][0]["items"][0]["price"] = json!({ "amount": -1, "currency": "EUR" });
    document["categories"][0]["items"][1]["colour"] = json!("red");
    document["categories"][1]["name"] = json!("");
    document["modifierGroups"][0]["modifiers"][1]["stock"] = json!(-4);
    document["modifierGroups"][1] = json!(null);
    document["version"] = json!(3);
    let refusal = puts(&luigi, &document).await.refused(422, "invalid_request");
    let mut pointers: Vec<_> =
        refusal["errors"].as_array().unwrap().iter().map(|one| one["pointer"].as_str().unwrap()).collect();
    pointers.sort_unstable();
    let all = [
        "/categories/0/items/0/price",
        "/categories/0/items/1/colour",
        "/categories/1/name",
        "/modifierGroups/0/modifiers/1/stock",
        "/modifierGroups/1",
        "/version",
    ];
    assert_eq!(pointers, all, "a fault does not hide the others: {refusal}");
    puts(&luigi, &json!({ "categories": {} })).await.refused(422, "invalid_request");
    puts(&luigi, &json!([])).await.refused(422, "invalid_request");
    assert_eq!(versions(&app).await, before, "nothing was applied by halves");
    app.customer("Eve").await.put(&luigi.path("/menu"), &pizzeria()).await.refused(404, "not_found");
    let stale = luigi.owner.request(Method::PUT, &luigi.path("/menu")).header("if-match", "\"1\"").json(&pizzeria());
    luigi.owner.send(stale).await.refused(412, "version_conflict");
}

#[tokio::test]
async fn duplicate_values_in_lists_are_reported() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let milk = |level: &str| json!({ "allergen": "MILK", "level": level });
    let lists = [
        ("/categories/0/items/0/allergens", json!([milk("CONTAINS"), milk("MAY_CONTAIN")])),
        ("/categories/0/items/0/diets", json!(["VEGAN", "VEGAN"])),
        ("/categories/0/items/0/modifierGroups", json!(["size", "size"])),
        ("/modifierGroups/2/modifiers/0/modifierGroups", json!(["milk", "milk"])),
    ];
    for (at, twice) in lists {
        let mut document = pizzeria();
        *document.pointer_mut(at).unwrap() = twice;
        let refusal = puts(&luigi, &document).await.refused(422, "invalid_request");
        let errors = refusal["errors"].as_array().unwrap();
        assert!(
            errors
                .iter()
                .any(|one| one["pointer"] == format!("{at}/1") && one["message"] == "is listed more than once"),
            "{at}: {refusal}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_documents_leave_one_of_them_complete() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let documents: Vec<_> = (0..6)
        .map(|round| {
            let mut document = pizzeria();
            for pointer in ["/categories/0/items/0/name", "/categories/1/items/0/name", "/modifierGroups/0/name"] {
                *document.pointer_mut(pointer).unwrap() = json!(format!("Round {round}"));
            }
            document
        })
        .collect();
    let replies = futures_util::future::join_all(documents.iter().map(|document| puts(&luigi, document))).await;
    assert!(replies.iter().all(|reply| reply.status == 200), "{replies:?}");
    let shown = menu(&luigi).await;
    let name = &shown["categories"][0]["items"][0]["name"];
    assert_eq!(&shown["categories"][1]["items"][0]["name"], name);
    assert!(shown["modifierGroups"].as_array().unwrap().iter().any(|group| &group["name"] == name), "{shown}");
    assert_eq!(app.count("select count(*) from menu_items where deleted_at is null").await, 3);
}

#[tokio::test]
async fn an_entity_is_named_once_by_its_key_or_by_its_id() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    puts(&luigi, &pizzeria()).await.expect(200);
    let shown = menu(&luigi).await;
    let margherita = id_at(&shown, "/categories/0/items/0");
    let size = shown["categories"][0]["items"][0]["modifierGroups"][0].clone();
    // Ids refer to the same entities, also as references to groups.
    let mut document = pizzeria();
    document["categories"][0]["key"] = shown["categories"][0]["id"].clone();
    document["categories"][0]["items"][0]["key"] = json!(margherita);
    document["categories"][0]["items"][0]["modifierGroups"][0] = size.clone();
    assert_eq!(puts(&luigi, &document).await.expect(200)["changes"], json!([]));
    // Both names of one entity would be two entities.
    document["categories"][0]["items"][1]["key"] = json!("margherita");
    let refusal = puts(&luigi, &document).await.refused(422, "invalid_request");
    assert_eq!(refusal["errors"][0]["pointer"], "/categories/0/items/1/key");
    // A key that is the id of another entity refers to that entity.
    let patch = json!({ "key": margherita });
    luigi
        .owner
        .patch(&luigi.path(&format!("/items/{}", id_at(&shown, "/categories/0/items/1"))), &patch)
        .await
        .expect(200);
    luigi.owner.patch(&luigi.path(&format!("/items/{margherita}")), &json!({ "key": null })).await.expect(200);
    let document = luigi.owner.get(&luigi.path("/menu/document")).await.expect(200);
    assert_eq!(puts(&luigi, &document).await.expect(200)["changes"], json!([]));
}

#[tokio::test]
async fn the_largest_allowed_menu_is_put_in_one_request() {
    let app = TestApp::with(&[("DATABASE_UNIT_TIMEOUT", "20s")]).await;
    let luigi = app.restaurant("Luigi").opens().await;
    let text = "Slowly cooked with what the market had this morning. ".repeat(3);
    let groups: Vec<_> = (0..70)
        .map(|group| {
            let one = |n: usize| {
                json!({ "key": format!("m{n}"), "name": format!("Answer {n}"), "price": euros(10),
              "stock": 5 })
            };
            json!({ "key": format!("g{group}"), "name": "Question", "max": 3,
              "modifiers": (0..20).map(one).collect::<Vec<_>>() })
        })
        .collect();
    let categories: Vec<_> = (0..20)
        .map(|category| {
            let one = |n: usize| {
                let asked = [format!("g{}", (category * 7 + n) % 70), format!("g{}", (category * 7 + n + 1) % 70)];
                json!({ "key": format!("i{category}-{n}"), "name": "Dish", "description": text, "price": euros(900), "modifierGroups": asked })
            };
            json!({ "key": format!("c{category}"), "name": "Chapter", "items": (0..50).map(one).collect::<Vec<_>>() })
        })
        .collect();
    let mut document = json!({ "categories": categories, "modifierGroups": groups });
    assert!(document.to_string().len() > 300_000, "larger than other bodies may be");
    let put = puts(&luigi, &document).await.expect(200);
    assert_eq!(put["applied"], true);
    assert_eq!(puts(&luigi, &document).await.expect(200)["changes"], json!([]));
    let again = luigi.owner.get(&luigi.path("/menu/document")).await.expect(200);
    assert_eq!(puts(&luigi, &again).await.expect(200)["changes"], json!([]));
    document["categories"].as_array_mut().unwrap().reverse();
    let turned = puts(&luigi, &document).await.expect(200);
    assert_eq!(turned["changes"].as_array().unwrap().len(), 20, "every chapter has another place");
    let too_large = json!({ "categories": [], "language": "x".repeat(5 << 20) });
    puts(&luigi, &too_large).await.refused(413, "body_too_large");
    let usual = json!({ "name": "x".repeat(300_000) });
    luigi.owner.post(&luigi.path("/categories"), &usual).await.refused(413, "body_too_large");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_orders_and_menus_keep_all_invariants() {
    // Eight menus of one restaurant wait at the same time, which may use a third of the slots.
    let app = TestApp::with(&[("HEAVY_WORK_WAITING", "30")]).await;
    let luigi = app.restaurant("Luigi").opens().await;
    puts(&luigi, &pizzeria()).await.expect(200);
    let shown = menu(&luigi).await;
    let margherita = id_at(&shown, "/categories/0/items/0");
    let path = luigi.path(&format!("/items/{margherita}/stock"));
    luigi.owner.put(&path, &json!({ "stock": 20 })).await.expect(200);
    let group =
        |name: &str| shown["modifierGroups"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap();
    let choices = json!([{ "modifierId": id_at(group("Formato"), "/modifiers/1") },
        { "modifierId": id_at(group("Aggiunte"), "/modifiers/0"), "modifiers": [{ "modifierId": id_at(group("Latte"),
          "/modifiers/0") }] }]);
    let crowd = app.crowd(12).await;
    let orders = crowd.iter().map(async |guest| {
        let line = json!({ "itemId": margherita, "quantity": 1, "modifiers": choices });
        let cart = guest.put(&luigi.path("/cart"), &json!({ "lines": [line] })).await.expect(200);
        let reply = guest.orders_cart(&cart, &Value::Null).await;
        assert!([201, 409].contains(&reply.status), "{reply:?}");
        reply.status == 201
    });
    let documents = (0..8).map(async |round| {
        let mut document = pizzeria();
        document["categories"][0]["items"][0]["name"] = json!(format!("Round {round}"));
        document["modifierGroups"][2]["modifiers"][0]["name"] = json!(format!("Cheese {round}"));
        puts(&luigi, &document).await.expect(200);
    });
    let (sold, _) = tokio::join!(futures_util::future::join_all(orders), futures_util::future::join_all(documents));
    let sold = i64::try_from(sold.into_iter().filter(|sold| *sold).count()).unwrap();
    assert!((1..=4).contains(&sold), "there is cheese for four, and {sold} got it");
    assert_eq!(app.count("select stock::bigint from menu_items where key = 'margherita'").await, 20 - sold);
    assert_eq!(app.count("select stock::bigint from modifiers where key = 'cheese'").await, 4 - sold);
}
