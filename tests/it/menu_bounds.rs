//! The limits on the size of a menu.

use reqwest::Method;
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::menu_document::{euros, menu, puts};

/// The limits of a menu apply to whole menus, as JSON and as CSV, and to menus that are edited entity by entity.
#[tokio::test]
async fn the_limits_of_a_menu_apply_to_every_way_of_writing_it() {
    let bounds = [
        ("MENU_MAX_ALL_MODIFIERS", "3"),
        ("MENU_MAX_DETAILS", "8"),
        ("MENU_MAX_LANGUAGES", "2"),
        ("MENU_MAX_BYTES", "3000"),
    ];
    let app = TestApp::with(&bounds).await;
    let luigi = app.restaurant("Luigi").opens().await;
    let modifiers = |count: usize| {
        let one = |n: usize| json!({ "key": format!("m{n}"), "name": "M", "price": euros(1) });
        (0..count).map(one).collect::<Vec<_>>()
    };
    let group = |key: &str, count: usize| json!({ "key": key, "name": "G", "max": 1, "modifiers": modifiers(count) });
    let item =
        |translations: Value| json!({ "key": "i", "name": "I", "price": euros(1), "translations": translations });
    let whole = |item: Value, groups: Value| json!({ "categories": [{ "key": "c", "name": "C", "items": [item] }], "modifierGroups": groups });
    let names = |languages: &[&str]| {
        languages.iter().map(|language| ((*language).to_owned(), json!({ "name": "N" }))).collect::<Value>()
    };
    let mut busy = item(json!({}));
    let evening = json!({ "days": [1], "from": "18:00", "to": "22:00" });
    busy["dayParts"] = json!(vec![evening.clone(); 9]);
    let refusals = [
        (whole(item(json!({})), json!([group("g", 2), group("h", 2)])), "MENU_MAX_ALL_MODIFIERS"),
        (whole(item(names(&["it", "de", "fr"])), json!([])), "MENU_MAX_LANGUAGES"),
        (whole(busy.clone(), json!([])), "MENU_MAX_DETAILS"),
    ];
    for (document, variable) in refusals {
        let refusal = puts(&luigi, &document).await.refused(422, "invalid_request");
        assert!(refusal["errors"][0]["message"].as_str().unwrap().contains(variable), "{refusal}");
    }
    let fits = whole(item(names(&["it", "de"])), json!([group("g", 3)]));
    puts(&luigi, &fits).await.expect(200);
    // As CSV.
    let table = luigi.owner.get(&luigi.path("/menu.csv")).await.text();
    let more = format!("{table}modifier,m9,g,M,,1.00,EUR,,,,,,,,,,\r\n");
    let request = luigi.owner.request(Method::POST, &luigi.path("/menu.csv")).header("content-type", "text/csv");
    let refusal = luigi.owner.send(request.body(more)).await.refused(422, "invalid_request");
    assert!(refusal["errors"][0]["message"].as_str().unwrap().contains("MENU_MAX_ALL_MODIFIERS"), "{refusal}");
    // Entity by entity.
    let owner = &luigi.owner;
    let id = menu(&luigi).await["categories"][0]["items"][0]["id"].as_str().unwrap().to_owned();
    let path = luigi.path(&format!("/items/{id}"));
    let pieces = [
        (Method::POST, luigi.path("/modifier-groups"), group("h", 1), "MENU_MAX_ALL_MODIFIERS"),
        (Method::PATCH, path.clone(), json!({ "translations": names(&["it", "de", "fr"]) }), "MENU_MAX_LANGUAGES"),
        (Method::PATCH, path.clone(), json!({ "dayParts": vec![evening; 9] }), "MENU_MAX_DETAILS"),
        (Method::PATCH, path.clone(), json!({ "description": "d".repeat(1_900) }), ""),
        (
            Method::POST,
            luigi.path("/categories"),
            json!({ "name": "D", "position": 1,
            "translations": { "it": { "description": "d".repeat(1_900) } } }),
            "MENU_MAX_BYTES",
        ),
    ];
    for (method, path, body, variable) in pieces {
        let request = owner.request(method, &path).header("idempotency-key", variable).json(&body);
        let reply = owner.send(request).await;
        if variable.is_empty() {
            reply.expect(200);
            continue;
        }
        let refusal = reply.refused(422, "invalid_request");
        assert!(refusal.to_string().contains(variable), "{refusal}");
    }
    // An edit that makes it smaller is allowed.
    owner.patch(&path, &json!({ "description": "d" })).await.expect(200);
}
