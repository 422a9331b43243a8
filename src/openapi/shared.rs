//! Parts of the document that all operations share: error responses, and corrections of schemas.

use serde_json::{Map, Value, json};

/// An error response that many operations share.
struct Refusal {
    /// The HTTP status, as a key of the document.
    status: &'static str,
    /// The name of the response in the document.
    name: &'static str,
    /// When the response is sent.
    description: &'static str,
    /// Which operations have the response.
    applies: fn(&DocumentedOperation<'_>) -> bool,
}

/// An operation of the document.
struct DocumentedOperation<'a>(&'a Value);

impl DocumentedOperation<'_> {
    fn has_body(&self) -> bool {
        self.0.get("requestBody").is_some()
    }

    fn is_secured(&self) -> bool {
        self.0.get("security").is_some()
    }

    fn takes(&self, location: &str, name: Option<&str>) -> bool {
        let parameters = self.0["parameters"].as_array().into_iter().flatten();
        let mut there = parameters.filter(|one| one["in"] == location);
        there.any(|one| name.is_none_or(|name| one["name"] == name))
    }

    fn takes_header(&self, name: &str) -> bool {
        self.takes("header", Some(name))
    }
}

const REFUSALS: [Refusal; 13] = [
    Refusal {
        status: "400",
        name: "MalformedRequest",
        description: "The request cannot be parsed: the body is not JSON, a header has the wrong form, or a required \
                      key is missing",
        applies: |one| one.has_body() || one.takes_header("If-Match") || one.takes_header("Idempotency-Key"),
    },
    Refusal {
        status: "401",
        name: "Unauthenticated",
        description: "No access token, or an invalid or expired one",
        applies: |one| one.is_secured(),
    },
    Refusal {
        status: "403",
        name: "Forbidden",
        description: "The caller's role does not allow this, or a second factor has to be set up first",
        applies: |one| one.is_secured(),
    },
    Refusal {
        status: "404",
        name: "NotFound",
        description: "The resource does not exist, or the caller has no access to it",
        applies: |one| one.takes("path", None) || one.takes("query", None) && one.is_secured(),
    },
    Refusal {
        status: "408",
        name: "RequestTimeout",
        description: "The request took too long to arrive or to be processed",
        applies: |_| true,
    },
    Refusal {
        status: "409",
        name: "IdempotencyInProgress",
        description: "A request with this key is still in progress",
        applies: |one| one.takes_header("Idempotency-Key"),
    },
    Refusal {
        status: "412",
        name: "VersionConflict",
        description: "Version conflict; `current` is the current state",
        applies: |one| one.takes_header("If-Match"),
    },
    Refusal {
        status: "413",
        name: "BodyTooLarge",
        description: "Request body too large",
        applies: |one| one.has_body(),
    },
    Refusal {
        status: "415",
        name: "UnsupportedMediaType",
        description: "Unsupported content type of the body",
        applies: |one| one.has_body(),
    },
    Refusal {
        status: "422",
        name: "InvalidRequest",
        description: "Invalid request; `errors` lists each error with its pointer",
        applies: |one| one.has_body() || one.takes("query", None) || one.takes_header("Idempotency-Key"),
    },
    Refusal {
        status: "429",
        name: "TooManyRequests",
        description: "Too many requests; `Retry-After` says when to try again",
        applies: |_| true,
    },
    Refusal {
        status: "500",
        name: "Internal",
        description: "Internal error, logged with the request id",
        applies: |_| true,
    },
    Refusal {
        status: "503",
        name: "Busy",
        description: "The server is overloaded, or the database does not answer; `Retry-After` says when to try again",
        applies: |_| true,
    },
];

/// The content of every error response.
fn problem_content() -> Value {
    json!({ "application/problem+json": { "schema": { "$ref": "#/components/schemas/ProblemBody" } } })
}

/// Adds to each operation the error responses that its handler does not describe, and adds the problem body to
/// responses without content.
pub fn add_refusals(document: &mut Value) {
    for operation in operations_of(document) {
        let missing: Vec<_> = REFUSALS
            .iter()
            .filter(|refusal| (refusal.applies)(&DocumentedOperation(operation)))
            .filter(|refusal| operation["responses"].get(refusal.status).is_none())
            .map(|refusal| (refusal.status, json!({ "$ref": format!("#/components/responses/{}", refusal.name) })))
            .collect();
        let Some(responses) = operation["responses"].as_object_mut() else { continue };
        for (status, response) in responses.iter_mut() {
            if status.starts_with(['4', '5']) && response.get("content").is_none() {
                response["content"] = problem_content();
            }
        }
        responses.extend(missing.into_iter().map(|(status, response)| (status.to_owned(), response)));
    }
    let shared = REFUSALS
        .iter()
        .map(|one| (one.name.to_owned(), json!({ "description": one.description, "content": problem_content() })));
    document["components"]["responses"] = Value::Object(shared.collect());
}

fn operations_of(document: &mut Value) -> impl Iterator<Item = &mut Value> {
    const METHODS: [&str; 5] = ["get", "put", "post", "delete", "patch"];
    let paths = document["paths"].as_object_mut().into_iter().flat_map(Map::values_mut);
    let operations = paths.filter_map(Value::as_object_mut).flat_map(Map::iter_mut);
    operations.filter(|(method, _)| METHODS.contains(&method.as_str())).map(|(_, operation)| operation)
}

/// If a field has an inline schema and a doc comment, utoipa writes an `allOf` of the schema and an object, which no
/// value satisfies. Here the comment becomes the description of the schema itself.
pub fn merge_descriptions(schema: &mut Value) {
    match schema {
        Value::Array(all) => all.iter_mut().for_each(merge_descriptions),
        Value::Object(fields) => {
            fields.values_mut().for_each(merge_descriptions);
            if let Some(merged) = fields.get("allOf").and_then(Value::as_array).and_then(|parts| merged(parts)) {
                fields.remove("allOf");
                fields.extend(merged);
            }
        }
        _ => {}
    }
}

/// A schema and its comment, merged into one.
fn merged(parts: &[Value]) -> Option<Map<String, Value>> {
    let [schema, comment] = parts else { return None };
    let is_comment = comment.as_object()?.keys().all(|key| matches!(key.as_str(), "description" | "type" | "default"));
    if !is_comment || comment["type"] != "object" || schema.get("$ref").is_some() {
        return None;
    }
    let mut schema = schema.as_object()?.clone();
    schema.extend(
        comment.as_object()?.iter().filter(|(key, _)| *key != "type").map(|(key, value)| (key.clone(), value.clone())),
    );
    Some(schema)
}

/// Gives schemas clear names for generated clients: a page of a list is `OrderPage` and not `List_Order`, and a map is
/// named after its values.
pub fn rename_schemas(document: &mut Value) {
    const SCHEMAS: &str = "#/components/schemas/";
    let renamed = |name: &str| match name.strip_prefix("List_") {
        Some(entry) => Some(format!("{entry}Page")),
        None => (name == "BTreeMap").then(|| "Translations".to_owned()),
    };
    if let Some(schemas) = document["components"]["schemas"].as_object_mut() {
        *schemas = std::mem::take(schemas)
            .into_iter()
            .map(|(name, schema)| (renamed(&name).unwrap_or(name), schema))
            .collect();
    }
    replace_references(document, &|reference| {
        let name = renamed(reference.strip_prefix(SCHEMAS)?)?;
        Some(format!("{SCHEMAS}{name}"))
    });
}

/// Replaces references for which `replace` returns another one.
fn replace_references(value: &mut Value, replace: &impl Fn(&str) -> Option<String>) {
    match value {
        Value::Array(all) => all.iter_mut().for_each(|one| replace_references(one, replace)),
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get_mut("$ref")
                && let Some(other) = replace(reference)
            {
                *reference = other;
            }
            fields.values_mut().for_each(|field| replace_references(field, replace));
        }
        _ => {}
    }
}
