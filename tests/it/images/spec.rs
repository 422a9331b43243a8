//! The official OpenAPI description of Cloudinary, and the part of JSON Schema that is required to validate requests
//! and responses.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

/// A file of the shared folder beside the repository; `None`, with a message, if it does not exist.
#[expect(clippy::print_stderr, reason = "whoever runs the tests has to see what they did not check")]
pub fn shared(name: &str) -> Option<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/providers/cloudinary").join(name);
    match std::fs::read(&path) {
        Ok(text) => Some(serde_json::from_slice(&text).unwrap()),
        Err(error) => {
            eprintln!("NOT CHECKED against {}: {error}", path.display());
            None
        }
    }
}

/// Cloudinary's description of its API.
pub struct Spec(Value);

impl Spec {
    /// If it is there.
    pub fn read() -> Option<Self> {
        shared("cloudinary_api.upload.json").map(Self)
    }

    /// The schema of a request body of a path.
    pub fn asked(&self, path: &str, kind: &str) -> &Value {
        let body = self.follow(&self.0["paths"][path]["post"]["requestBody"]);
        let schema = &body["content"][kind]["schema"];
        assert!(!schema.is_null(), "{path} takes no {kind}");
        schema
    }

    /// The schema of a response of a path; 420, 429 and 500 are described by text only, like all other errors.
    pub fn answered(&self, path: &str, status: u16) -> &Value {
        let responses = &self.0["paths"][path]["post"]["responses"];
        let known = &responses[status.to_string()];
        let response = if known.is_null() { &responses["400"] } else { known };
        &response["content"]["application/json"]["schema"]
    }

    fn follow<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str() {
            Some(name) => self.follow(self.0.pointer(name.strip_prefix('#').unwrap()).unwrap()),
            None => schema,
        }
    }

    /// The names of all properties of all parts.
    pub fn properties<'a>(&'a self, schema: &'a Value) -> BTreeSet<&'a str> {
        let schema = self.follow(schema);
        let own = schema["properties"].as_object().into_iter().flat_map(|named| named.keys().map(String::as_str));
        let parts =
            ["allOf", "anyOf", "oneOf"].into_iter().flat_map(|word| schema[word].as_array().into_iter().flatten());
        own.chain(parts.flat_map(|part| self.properties(part))).collect()
    }

    /// The schema of a property, from the first part that has it.
    pub fn property<'a>(&'a self, schema: &'a Value, name: &str) -> Option<&'a Value> {
        let schema = self.follow(schema);
        let parts =
            ["allOf", "anyOf", "oneOf"].into_iter().flat_map(|word| schema[word].as_array().into_iter().flatten());
        let own = schema["properties"].get(name).map(|found| self.follow(found));
        own.or_else(|| parts.into_iter().find_map(|part| self.property(part, name)))
    }

    /// The errors of a value.
    pub fn faults(&self, schema: &Value, value: &Value, place: &str) -> Vec<String> {
        let schema = self.follow(schema);
        let mut faults = Vec::new();
        let list = |word: &str| schema[word].as_array().map(Vec::as_slice).unwrap_or_default();
        for part in list("allOf") {
            faults.extend(self.faults(part, value, place));
        }
        for word in ["anyOf", "oneOf"] {
            let fits = |part: &Value| self.faults(part, value, place).is_empty();
            if !list(word).is_empty() && !list(word).iter().any(fits) {
                faults.push(format!("{place} fits nothing of {word}"));
            }
        }
        let types: Vec<_> = match &schema["type"] {
            Value::String(one) => vec![one.as_str()],
            Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        if !types.is_empty() && !types.iter().any(|kind| is(kind, value)) {
            faults.push(format!("{place} is no {types:?}: {value}"));
        }
        if !list("enum").is_empty() && !list("enum").contains(value) {
            faults.push(format!("{place} is none of {:?}: {value}", list("enum")));
        }
        for name in list("required").iter().filter_map(Value::as_str) {
            if value.get(name).is_none() {
                faults.push(format!("{place}/{name} is missing"));
            }
        }
        for (name, known) in schema["properties"].as_object().into_iter().flatten() {
            if let Some(value) = value.get(name) {
                faults.extend(self.faults(known, value, &format!("{place}/{name}")));
            }
        }
        if let (Some(items), Some(values)) = (schema.get("items"), value.as_array()) {
            faults.extend(values.iter().flat_map(|value| self.faults(items, value, &format!("{place}/…"))));
        }
        faults
    }
}

fn is(kind: &str, value: &Value) -> bool {
    match kind {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        other => panic!("a kind that is not known: {other}"),
    }
}
