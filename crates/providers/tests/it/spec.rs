//! The part of JSON Schema that the official descriptions use. A keyword that is not known here fails the test, so that
//! none is ignored by mistake.

use regex::Regex;
use serde_json::Value;

/// Keywords that say nothing about whether a value is valid.
const SILENT: &[&str] =
    &["description", "title", "example", "default", "deprecated", "format", "x-twilio", "examples", "readOnly"];

/// A document with schemas, to which its references point.
pub struct Document(pub Value);

impl Document {
    fn follow<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str() {
            Some(place) => self.follow(self.0.pointer(place.strip_prefix('#').unwrap()).unwrap()),
            None => schema,
        }
    }

    /// The faults of a value, each with its place.
    pub fn faults(&self, schema: &Value, value: &Value, place: &str) -> Vec<String> {
        let schema = self.follow(schema);
        if value.is_null() && schema["nullable"] == true {
            return Vec::new();
        }
        let mut faults = Vec::new();
        for (word, rule) in schema.as_object().unwrap() {
            if !SILENT.contains(&word.as_str()) {
                self.check(schema, word, rule, value, place, &mut faults);
            }
        }
        faults
    }

    fn check(&self, schema: &Value, word: &str, rule: &Value, value: &Value, place: &str, faults: &mut Vec<String>) {
        let length = value.as_str().map(|text| text.chars().count() as u64);
        let mut fail = |is_fault: bool, what: &str| {
            if is_fault {
                faults.push(format!("{place} {what} {rule}: {value}"));
            }
        };
        match word {
            "nullable" => {}
            "type" => fail(!is_of(rule.as_str().unwrap(), value), "is no"),
            "enum" => fail(!rule.as_array().unwrap().contains(value), "is none of"),
            "minLength" => fail(length < rule.as_u64(), "is shorter than"),
            "maxLength" => fail(length > rule.as_u64(), "is longer than"),
            "pattern" => {
                let pattern = Regex::new(rule.as_str().unwrap()).unwrap();
                fail(!pattern.is_match(value.as_str().unwrap_or_default()), "does not match");
            }
            "required" => {
                let missing =
                    rule.as_array().unwrap().iter().filter(|name| value.get(name.as_str().unwrap()).is_none());
                faults.extend(missing.map(|name| format!("{place}/{name} is missing")));
            }
            "properties" => {
                for (name, known) in rule.as_object().unwrap() {
                    if let Some(value) = value.get(name) {
                        faults.extend(self.faults(known, value, &format!("{place}/{name}")));
                    }
                }
            }
            "additionalProperties" => {
                let known = schema["properties"].as_object();
                let others = value.as_object().into_iter().flatten();
                for (name, value) in others.filter(|(name, _)| !known.is_some_and(|known| known.contains_key(*name))) {
                    let place = format!("{place}/{name}");
                    match rule {
                        Value::Bool(true) => {}
                        Value::Bool(false) => faults.push(format!("{place} is not known")),
                        rule => faults.extend(self.faults(rule, value, &place)),
                    }
                }
            }
            "items" => {
                for value in value.as_array().into_iter().flatten() {
                    faults.extend(self.faults(rule, value, &format!("{place}/…")));
                }
            }
            other => panic!("the keyword {other} is not known"),
        }
    }
}

fn is_of(kind: &str, value: &Value) -> bool {
    match kind {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("the type {other} is not known"),
    }
}
