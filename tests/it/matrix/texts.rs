//! Texts that are invisible or misleading, in every text field of the OpenAPI document: refused with the name of the
//! field. The fields are read from the document, so that new ones are included.

use std::collections::BTreeSet;

use comanda::openapi;
use comanda::permission::{Operation, decide};
use comanda::router;
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use uuid::Uuid;

use super::callers::{Caller, Target};
use super::exercise;
use super::fuzz::{CALLERS, NOT_FUZZED, with_fragment};
use super::world::World;
use crate::reply::Reply;

/// As JSON strings with quotes. Every one has a visible character but for the first five.
const HARMFUL: [(&str, &str); 14] = [
    ("nothing visible", "\\u200b"),
    ("a lone mark", "\\u0301"),
    ("a blank of Braille", "\\u2800"),
    ("a filler of Hangul", "\\u3164"),
    ("white space", " \\u00a0\\u3000"),
    ("NUL", "a\\u0000b"),
    ("a bell", "a\\u0007b"),
    ("an escape", "a\\u001b[31mb"),
    ("a C1 control", "a\\u009bb"),
    ("an override", "a\\u202eb"),
    ("half a surrogate pair", "a\\ud83d"),
    ("the other half", "\\udc00a"),
    ("marks over marks", "a\\u0301\\u0302\\u0303\\u0304\\u0305\\u0306\\u0307\\u0308\\u0309\\u030a\\u030b\\u030c"),
    ("what is longer than anything", "LONG"),
];

/// The text fields of a body.
fn look(document: &Value, schema: &Value, place: &str, found: &mut BTreeSet<String>) {
    let schema = match schema["$ref"].as_str() {
        Some(reference) => document.pointer(&reference[1..]).expect("a reference to what is there"),
        None => schema,
    };
    let is =
        |kind: &str| schema["type"] == kind || schema["type"].as_array().is_some_and(|all| all.contains(&json!(kind)));
    let is_chosen = !schema["enum"].is_null() || !schema["const"].is_null();
    if is("string") && !is_chosen {
        found.insert(place.to_owned());
    }
    for one in ["oneOf", "anyOf", "allOf"].iter().filter_map(|kind| schema[*kind].as_array()).flatten() {
        look(document, one, place, found);
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        look(document, property, &format!("{place}/{name}"), found);
    }
    // The key of a map is a language: most maps are translations.
    for (entries, step) in [("items", "*"), ("additionalProperties", "en")] {
        if schema[entries].is_object() {
            look(document, &schema[entries], &format!("{place}/{step}"), found);
        }
    }
}

/// Fields that are compared and never shown: any text is either correct or wrong.
const SECRETS: [&str; 13] = [
    "assword",
    "/deviceToken",
    "/guestToken",
    "/refreshToken",
    "/otp",
    "/challenge",
    "accept_invitation/code",
    "complete_login/code",
    "confirm_email/code",
    "confirm_phone/code",
    "confirm_second_factor/code",
    "remove_second_factor/code",
    "remove_second_factor/recoveryCode",
];

/// Whether a text is refused with the pointer of its field. An offline operation has its own result; half a surrogate
/// pair is not JSON, so that the error has no pointer.
fn is_refused(reply: &Reply, place: &str, what: &str) -> bool {
    let steps: Vec<_> = place.split('/').collect();
    let body = reply.json();
    let named = body["errors"].as_array().into_iter().flatten().any(|error| {
        let at: Vec<_> = error["pointer"].as_str().unwrap_or_default().split('/').collect();
        at.len() + 1 >= steps.len() && at.iter().zip(&steps).all(|(at, step)| *step == "*" || at == step)
    });
    let is_rejected = place.starts_with("/ops/*/payload") && reply.text().contains("\"invalid_request\"");
    is_rejected || matches!(reply.status, 400 | 422) && (named || what.contains("half"))
}

#[tokio::test]
#[expect(clippy::print_stdout, reason = "the figure")]
async fn text_fields_refuse_invisible_and_deceptive_text() {
    let world = World::new().await;
    let document = router::document();
    let ids = world.ids(Target::A);
    let (mut tried, mut faults) = (0, Vec::new());
    let mut operations: Vec<_> = openapi::operations(&document)
        .into_iter()
        .map(|(path, method, id)| (Operation::by_id(&id).unwrap(), path, method, id))
        .filter(|(operation, ..)| !NOT_FUZZED.contains(operation))
        .collect();
    operations.sort_by_key(|(operation, ..)| exercise::is_last(*operation));
    for (operation, path, method, id) in operations {
        let described = &document["paths"][&path][method.as_str().to_lowercase()];
        let schema = &described["requestBody"]["content"]["application/json"]["schema"];
        let mut places = BTreeSet::new();
        look(&document, schema, "", &mut places);
        let allowed = CALLERS.into_iter().find(|caller| {
            let mut held = caller.relations();
            held.extend(caller.relations_to(&path, Target::A));
            decide(operation, &held).is_ok()
        });
        let (Some(caller), false) = (allowed, places.is_empty()) else { continue };
        let filled = exercise::path_parameters(&path)
            .iter()
            .fold(path.clone(), |path, parameter| path.replace(&format!("{{{parameter}}}"), &ids[parameter]));
        let good =
            exercise::body(operation, caller, Target::A, &ids, world.app.clock.now()).unwrap_or_else(|| json!({}));
        // A new user for each: an earlier request may have ended a session.
        let person = match caller {
            Caller::Ada if path.contains("{orderId}") => world.person(Caller::OwnerA).clone(),
            Caller::Anonymous | Caller::Ada => world.app.customer("Reader").await,
            _ => world.person(caller).clone(),
        };
        for place in
            places.iter().filter(|place| !SECRETS.iter().any(|secret| format!("{id}{place}").ends_with(secret)))
        {
            let attempts = HARMFUL.iter().map(async |(what, text)| {
                // The first operation of an unknown device.
                let person =
                    if place.starts_with("/ops/") { world.app.customer("Reader").await } else { person.clone() };
                let text = if *text == "LONG" { "x".repeat(60_000) } else { (*text).to_owned() };
                let body = with_fragment(&good, place, &format!("\"{text}\""));
                let request = person.request(method.clone(), &filled).header("content-type", "application/json");
                let request = request.header("idempotency-key", Uuid::new_v4().to_string()).body(body);
                let reply = person.send(request).await;
                let is_right = is_refused(&reply, place, what);
                (!is_right).then(|| format!("{id}{place}: {what}: {} {:.150}", reply.status, reply.text()))
            });
            // Few concurrent requests: work on whole menus is limited for each restaurant.
            let results: Vec<_> = stream::iter(attempts).buffered(4).collect().await;
            tried += results.len();
            faults.extend(results.into_iter().flatten());
        }
    }
    println!("{tried} texts");
    let first: Vec<_> = faults.iter().take(60).collect();
    assert!(faults.is_empty(), "{} of {tried}: {first:#?}", faults.len());
    assert!(tried > 1_000, "{tried}");
}

/// The cells of a table follow the same rules.
#[tokio::test]
async fn csv_cells_refuse_invisible_and_deceptive_text() {
    let world = World::new().await;
    let owner = world.person(Caller::OwnerA);
    let path = format!("/api/restaurants/{}/menu.csv", world.ids(Target::A)["restaurantId"]);
    for (what, text) in HARMFUL.iter().filter(|(what, _)| !what.contains("half")) {
        let text =
            if *text == "LONG" { "x".repeat(60_000) } else { serde_json::from_str(&format!("\"{text}\"")).unwrap() };
        for (category, item) in [(text.as_str(), "Soup"), ("Soups", text.as_str())] {
            let table = format!(
                "type,key,in,name,price,currency\ncategory,c,,\"{category}\",,\nitem,i,c,\"{item}\",5.00,EUR\n"
            );
            let request = owner.request(reqwest::Method::POST, &path).header("content-type", "text/csv");
            let reply = owner.send(request.body(table)).await;
            assert_eq!(reply.status, 422, "{what}: {}", reply.text());
        }
    }
}
