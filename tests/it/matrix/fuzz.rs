//! Invalid values in every parameter and every body field of the document, by every kind of caller (sockets and
//! offline operations: `fuzz_channels.rs`). None returns a server error, and their errors use the words of the API.
//!
//! The places are read from the OpenAPI document, so a new field is fuzzed without being named here. The values are
//! taken in turn, and the turn goes on from field to field: the same requests are sent each time.

use std::collections::{BTreeMap, BTreeSet};

use comanda::openapi;
use comanda::permission::{Operation, decide};
use comanda::router;
use futures_util::{StreamExt as _, stream};
use reqwest::Method;
use reqwest::header::HeaderValue;
use serde_json::{Value, json};
use uuid::Uuid;

use super::callers::{Caller, Target};
use super::exercise::{self, path_parameters};
use super::hostile_values::{escaped_values, header_values, json_fragments, words_of_a_library};
use super::world::World;
use crate::people::Person;
use crate::reply::Reply;

/// One of each kind of caller.
pub const CALLERS: [Caller; 5] = [Caller::Anonymous, Caller::Ada, Caller::OwnerA, Caller::Mario, Caller::Admin];

/// The number of values for a field: for callers with the permission, and for each of the others.
const VALUES: usize = 18;
const VALUES_OF_OTHERS: usize = 2;

/// How many requests are sent at once.
const AT_ONCE: usize = 6;

/// The placeholder of a fragment in a body.
const GAP: &str = "\u{1f573}";

/// Operations that end sessions or accounts which the others need.
pub const NOT_FUZZED: [Operation; 4] =
    [Operation::LogoutAll, Operation::Logout, Operation::EndSession, Operation::UpdateUser];

/// A field of bodies, as a JSON pointer with `*` for any entry of a list or a map.
pub fn places(document: &Value, schema: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    look(document, schema, "", 0, &mut found);
    found
}

fn look(document: &Value, schema: &Value, place: &str, depth: usize, found: &mut BTreeSet<String>) {
    let schema = match schema["$ref"].as_str() {
        Some(reference) => document.pointer(&reference[1..]).expect("a reference to what is there"),
        None => schema,
    };
    assert!(depth < 16, "{place} nests without end");
    found.insert(place.to_owned());
    for one in ["oneOf", "anyOf", "allOf"].iter().filter_map(|kind| schema[*kind].as_array()).flatten() {
        look(document, one, place, depth + 1, found);
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        look(document, property, &format!("{place}/{name}"), depth + 1, found);
    }
    for entries in ["items", "additionalProperties"] {
        if schema[entries].is_object() {
            look(document, &schema[entries], &format!("{place}/*"), depth + 1, found);
        }
    }
}

/// The body as text with a fragment in a field; missing parents are created.
pub fn with_fragment(body: &Value, place: &str, fragment: &str) -> String {
    let mut body = body.clone();
    let mut there = &mut body;
    let steps: Vec<_> = place.split('/').skip(1).collect();
    for (index, step) in steps.iter().enumerate() {
        let is_list = *step == "*" && !there.is_object();
        if is_list {
            if there.as_array().is_none_or(Vec::is_empty) {
                *there = json!([null]);
            }
            there = &mut there[0];
        } else {
            if !there.is_object() {
                *there = json!({});
            }
            there = &mut there[if *step == "*" { "it" } else { step }];
        }
        if index + 1 < steps.len() && steps[index + 1] == "*" && there.is_null() {
            *there = json!([null]);
        }
    }
    *there = json!(GAP);
    body.to_string().replace(&format!("\"{GAP}\""), fragment)
}

/// The fault of a response: a server error, or a client error that is not a documented problem.
fn fault_of(reply: &Reply) -> Option<String> {
    let response = format!("{} {}", reply.status, reply.text().chars().take(300).collect::<String>());
    if reply.status >= 500 {
        return Some(response);
    }
    if reply.status < 400 {
        return None;
    }
    if reply.header("content-type") != "application/problem+json" {
        return Some(format!("not a problem: {response}"));
    }
    let problem = reply.json();
    let messages = problem["errors"].as_array().into_iter().flatten().filter_map(|one| one["message"].as_str());
    let words = messages.chain(problem["detail"].as_str()).find_map(words_of_a_library);
    words.map(|words| format!("a library says {words:?}: {response}"))
}

/// A request to be sent: the caller, the request, and the value that was set where.
struct Attempt {
    label: String,
    person: Person,
    method: Method,
    path: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Option<(&'static str, String)>,
}

impl Attempt {
    /// The status, 0 for what a client cannot send over HTTP, and the fault of the response.
    async fn send(self) -> (u16, Option<String>) {
        self.try_send().await.unwrap_or((0, None))
    }

    async fn try_send(self) -> Option<(u16, Option<String>)> {
        let mut request = self.person.request(self.method, &self.path);
        for (name, value) in &self.headers {
            request = request.header(name, HeaderValue::from_bytes(value).ok()?);
        }
        if let Some((kind, body)) = self.body {
            request = request.header("content-type", kind).body(body);
        }
        let (client, request) = request.build_split();
        let response = client.execute(request.ok()?).await.ok()?;
        let reply = Reply::read(self.label.clone(), response).await;
        Some((reply.status, fault_of(&reply).map(|fault| format!("{}: {fault}", self.label))))
    }
}

/// A cyclic list of values.
pub struct Cycle<T>(pub Vec<T>, pub usize);

impl<T: Clone> Cycle<T> {
    pub fn take(&mut self, count: usize) -> Vec<T> {
        let from = self.1;
        self.1 += count;
        (from..from + count.min(self.0.len())).map(|index| self.0[index % self.0.len()].clone()).collect()
    }
}

/// The requests of one operation.
struct Fuzz<'w> {
    world: &'w World,
    document: &'w Value,
    fragments: Cycle<String>,
    texts: Cycle<String>,
    headers: Cycle<Vec<u8>>,
}

impl Fuzz<'_> {
    fn attempts(&mut self, path: &str, method: &Method, operation: Operation) -> Vec<Attempt> {
        let described = &self.document["paths"][path][method.as_str().to_lowercase()];
        let ids = self.world.ids(Target::A);
        let fill = |path: &str| {
            path_parameters(path)
                .iter()
                .fold(path.to_owned(), |path, parameter| path.replace(&format!("{{{parameter}}}"), &ids[parameter]))
        };
        let fallback = Caller::Ada;
        let allowed = CALLERS.into_iter().find(|caller| {
            let mut held = caller.relations();
            held.extend(caller.relations_to(path, Target::A));
            decide(operation, &held).is_ok()
        });
        let mut attempts = Vec::new();
        for caller in CALLERS {
            let count = if caller == allowed.unwrap_or(fallback) { VALUES } else { VALUES_OF_OTHERS };
            let body = exercise::body(operation, caller, Target::A, &ids, self.world.app.clock.now());
            let new = |what: String,
                       path: String,
                       headers: Vec<(String, Vec<u8>)>,
                       sent: Option<(&'static str, String)>| {
                let plain =
                    body.as_ref().filter(|body| body.is_object()).map(|body| ("application/json", body.to_string()));
                Attempt {
                    label: format!("{} by {caller:?}: {what}", operation.id()),
                    person: self.world.person(caller).clone(),
                    method: method.clone(),
                    path,
                    headers: [vec![("x-fuzz".to_owned(), b"1".to_vec())], headers].concat(),
                    body: sent.or(plain),
                }
            };
            let key = || ("idempotency-key".to_owned(), Uuid::new_v4().to_string().into_bytes());
            for parameter in described["parameters"].as_array().into_iter().flatten() {
                let name = parameter["name"].as_str().unwrap();
                match parameter["in"].as_str() {
                    Some("header") => {
                        for value in self.headers.take(count) {
                            let label = format!("header {name} = {}", String::from_utf8_lossy(&value));
                            attempts.push(new(label, fill(path), vec![(name.to_lowercase(), value)], None));
                        }
                    }
                    Some("query") => {
                        for value in self.texts.take(count) {
                            let label = format!("?{name}={}", value.chars().take(80).collect::<String>());
                            let path = format!("{}?{name}={value}", fill(path));
                            attempts.push(new(label, path, vec![key()], None));
                        }
                    }
                    _ => {
                        for value in self.texts.take(count.min(6)).into_iter().filter(|value| !value.contains('{')) {
                            let label = format!("{{{name}}} = {}", value.chars().take(80).collect::<String>());
                            let value = value.replace('%', "%25").replace("%2500", "%00").replace("%25ff", "%ff");
                            let path = fill(&path.replace(&format!("{{{name}}}"), &value));
                            attempts.push(new(label, path, vec![key()], None));
                        }
                    }
                }
            }
            let content = &described["requestBody"]["content"];
            for place in
                places(self.document, &content["application/json"]["schema"]).iter().filter(|_| content.is_object())
            {
                let good = body.clone().unwrap_or_else(|| json!({}));
                for fragment in self.fragments.take(count) {
                    let label = format!("{place} = {}", fragment.chars().take(80).collect::<String>());
                    let sent = Some(("application/json", with_fragment(&good, place, &fragment)));
                    attempts.push(new(label, fill(path), vec![key()], sent));
                }
            }
            for kind in
                content.as_object().into_iter().flat_map(|kinds| kinds.keys()).filter(|kind| *kind == "text/csv")
            {
                for fragment in self.fragments.take(count) {
                    let label = format!("{kind} = {}", fragment.chars().take(80).collect::<String>());
                    let table = format!(
                        "type,key,in,name,price,currency\nitem,{fragment},{fragment},{fragment},{fragment},EUR\n"
                    );
                    attempts.push(new(label, fill(path), vec![key()], Some(("text/csv", table))));
                }
            }
        }
        attempts
    }
}

async fn send_all(attempts: Vec<Attempt>) -> Vec<(u16, Option<String>)> {
    stream::iter(attempts).map(Attempt::send).buffer_unordered(AT_ONCE).collect().await
}

#[tokio::test]
#[expect(clippy::print_stdout, reason = "the figure")]
async fn no_parameter_and_no_field_makes_the_server_fail() {
    let world = World::new().await;
    let document = router::document();
    let mut operations: Vec<_> = openapi::operations(&document)
        .into_iter()
        .map(|(path, method, id)| (path, method, Operation::by_id(&id).unwrap()))
        .filter(|(.., operation)| !NOT_FUZZED.contains(operation))
        .collect();
    operations.sort_by_key(|(path, method, operation)| {
        (exercise::is_last(*operation), *method == Method::DELETE, path.clone(), method.to_string())
    });
    let mut fuzz = Fuzz {
        world: &world,
        document: &document,
        fragments: Cycle(json_fragments(), 0),
        texts: Cycle(escaped_values(), 0),
        headers: Cycle(header_values(), 0),
    };
    let (mut faults, mut count, mut statuses) = (BTreeSet::new(), 0, BTreeMap::<u16, usize>::new());
    for (path, method, operation) in &operations {
        for (status, fault) in send_all(fuzz.attempts(path, method, *operation)).await {
            *statuses.entry(status).or_default() += 1;
            faults.extend(fault);
            count += 1;
        }
    }
    println!("{count} requests to {} operations: {statuses:?}", operations.len());
    let of = |range: std::ops::Range<u16>| statuses.range(range).map(|(_, count)| count).sum::<usize>();
    assert!(of(200..300) > 200 && of(422..423) > 1_000, "what is sent has to reach the handlers: {statuses:?}");
    let first: Vec<_> = faults.iter().take(60).collect();
    assert!(faults.is_empty(), "{} of {count}: {first:#?}", faults.len());
    assert!(count > 4_000, "{count}");
}
