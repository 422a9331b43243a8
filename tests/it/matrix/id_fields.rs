//! The fields of bodies that contain ids, read from the OpenAPI document, so that a new field is found automatically.

use std::collections::BTreeMap;

use comanda::{openapi, router};
use serde_json::{Value, json};

/// Fields of bodies (`/lines/*/itemId`) that contain ids, with the prefix of their kind; empty for names that clients
/// choose.
pub type IdFields = BTreeMap<String, String>;

/// The schema of every operation's body.
pub fn id_fields_of_bodies() -> BTreeMap<String, IdFields> {
    let document = serde_json::to_value(router::document()).unwrap();
    let mut found = BTreeMap::new();
    for (path, method, id) in openapi::operations(&router::document()) {
        let described = &document["paths"][&path][method.as_str().to_lowercase()]["requestBody"]["content"];
        let mut id_fields = IdFields::new();
        for content in described.as_object().into_iter().flat_map(|kinds| kinds.values()) {
            look(&document, &content["schema"], "", 0, &mut id_fields);
        }
        if !id_fields.is_empty() {
            found.insert(id, id_fields);
        }
    }
    found
}

/// Searches a schema for strings with the pattern of an id, and for strings whose names say that they are ids.
fn look(document: &Value, schema: &Value, field: &str, depth: usize, found: &mut IdFields) {
    let schema = match schema["$ref"].as_str() {
        Some(reference) => document.pointer(&reference[1..]).expect("a reference to what is there"),
        None => schema,
    };
    assert!(depth < 16, "{field} nests without end");
    for one in ["oneOf", "anyOf", "allOf"].iter().filter_map(|kind| schema[*kind].as_array()).flatten() {
        look(document, one, field, depth + 1, found);
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        look(document, property, &format!("{field}/{name}"), depth + 1, found);
    }
    if schema["items"].is_object() {
        look(document, &schema["items"], &format!("{field}/*"), depth + 1, found);
    }
    if schema["additionalProperties"].is_object() {
        look(document, &schema["additionalProperties"], &format!("{field}/*"), depth + 1, found);
    }
    let is_text =
        schema["type"] == "string" || schema["type"].as_array().is_some_and(|all| all.contains(&json!("string")));
    let prefix = schema["pattern"].as_str().and_then(|pattern| pattern.strip_prefix('^')?.split_once("_[0-7]["));
    let name = field.rsplit('/').find(|part| *part != "*").unwrap_or_default();
    match prefix {
        Some((prefix, _)) => _ = found.insert(field.to_owned(), prefix.to_owned()),
        None if is_text && (name == "id" || name.ends_with("Id") || name.ends_with("Ids")) => {
            found.insert(field.to_owned(), String::new());
        }
        None => {}
    }
}
