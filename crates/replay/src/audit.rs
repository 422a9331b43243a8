//! The audit of events: every event is checked against the contract of the live events.
//!
//! The contract: at least once, in order. An event that is repeated over a later connection is allowed and counted
//! separately; an order whose versions repeat, skip or decrease is a fault. The tables of allowed transitions are
//! written here a second time on purpose: a server cannot be checked with its own table.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde_json::Value;

/// The number of faults that are kept as text; further ones are only counted.
const MAX_FAULTS: usize = 20;

/// The received events, and the faults among them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// Events about orders and deliveries, each counted once.
    pub received: u64,
    /// Events that were repeated after a reconnect, which is allowed.
    pub repeated: u64,
    /// Versions that were never received.
    pub lost: u64,
    /// Versions that were received twice, and orders that no actor placed.
    pub duplicated: u64,
    /// Events that were received after a later one.
    pub out_of_order: u64,
    /// Events whose content contradicts itself, the table of transitions, or the response of a GET.
    pub wrong: u64,
    /// The first faults, as text.
    pub faults: Vec<String>,
}

impl Findings {
    /// Whether there were no faults.
    pub fn clean(&self) -> bool {
        self.lost + self.duplicated + self.out_of_order + self.wrong == 0
    }
}

/// The kind of object that an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    /// It is about an order.
    Order,
    /// It is about a delivery.
    Delivery,
}

impl Subject {
    fn of(event: &str) -> Option<Self> {
        match event {
            "order:new" | "order:status-changed" | "order:promise-changed" => Some(Self::Order),
            "delivery:assigned" | "delivery:status-changed" => Some(Self::Delivery),
            _ => None,
        }
    }

    /// The name of the field in the body, which is also the prefix of the field with the id.
    fn noun(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Delivery => "delivery",
        }
    }

    fn may_follow(self, from: &str, to: &str) -> bool {
        let steps: &[(&str, &[&str])] = match self {
            Self::Order => &[
                ("PENDING", &["CONFIRMED", "CANCELLED"]),
                ("CONFIRMED", &["PREPARING", "CANCELLED"]),
                ("PREPARING", &["READY", "ON_THE_WAY", "CANCELLED"]),
                ("READY", &["ON_THE_WAY", "CANCELLED"]),
                ("ON_THE_WAY", &["DELIVERED", "CANCELLED"]),
            ],
            // A restaurant may deliver an order itself, and may reassign it until it is picked up.
            Self::Delivery => &[
                ("WAITING", &["OFFERED", "ASSIGNED", "PICKED_UP", "CANCELLED"]),
                ("OFFERED", &["WAITING", "ASSIGNED", "PICKED_UP", "CANCELLED"]),
                ("ASSIGNED", &["WAITING", "ASSIGNED", "ARRIVED", "PICKED_UP", "CANCELLED"]),
                ("ARRIVED", &["WAITING", "ASSIGNED", "PICKED_UP", "CANCELLED"]),
                ("PICKED_UP", &["DELIVERED", "FAILED"]),
            ],
        };
        let later_promise = self == Self::Order && from == to && matches!(from, "CONFIRMED" | "PREPARING");
        later_promise || steps.iter().any(|(step, next)| *step == from && next.contains(&to))
    }

    fn first(self) -> &'static str {
        match self {
            Self::Order => "PENDING",
            Self::Delivery => "WAITING",
        }
    }
}

/// The events of one room.
#[derive(Default)]
struct RoomEvents {
    last: u64,
    /// The connection over which each event was first received.
    seen: HashMap<u64, u32>,
}

/// The events of one order or delivery.
#[derive(Default)]
struct ObjectEvents {
    versions: BTreeSet<u64>,
    status: String,
    body: Value,
}

/// Compares placed orders, deliveries and events.
#[derive(Default)]
pub struct Audit {
    rooms: HashMap<String, RoomEvents>,
    objects: HashMap<(Subject, String), ObjectEvents>,
    ended: HashSet<(Subject, String)>,
    findings: Findings,
}

impl Audit {
    /// The number of orders and deliveries that ended.
    pub fn ended(&self) -> usize {
        self.ended.len()
    }

    /// Records a fault that was found elsewhere.
    pub fn wrong(&mut self, fault: String) {
        self.findings.wrong += 1;
        self.note_fault(fault);
    }

    fn note_fault(&mut self, fault: String) {
        if self.findings.faults.len() < MAX_FAULTS {
            self.findings.faults.push(fault);
        }
    }

    /// Records an event of a restaurant's room that was received over its `connection`-th connection.
    pub fn event(&mut self, restaurant: &str, connection: u32, name: &str, event: &Value) {
        let (Some(seq), Some(version)) = (event["seq"].as_u64(), event["version"].as_u64()) else {
            return self.wrong(format!("{name} without seq or version: {event}"));
        };
        if !self.is_new(restaurant, connection, name, seq) {
            return;
        }
        if event["restaurantId"] != restaurant {
            self.wrong(format!("{name} {seq} of {} was sent to the room of {restaurant}", event["restaurantId"]));
        }
        let Some(subject) = Subject::of(name) else { return };
        self.findings.received += 1;
        let noun = subject.noun();
        let (id, body) = (&event[format!("{noun}Id").as_str()], &event[noun]);
        let (Some(id), Some(status)) = (id.as_str(), body["status"].as_str()) else {
            return self.wrong(format!("{name} {seq} without {noun}Id or without the {noun}'s status"));
        };
        if body["id"] != id || body["version"] != version {
            self.wrong(format!(
                "{name} {seq}: its body is {} version {}, not {id} version {version}",
                body["id"], body["version"]
            ));
        }
        if (name == "order:new") != (subject == Subject::Order && version == 1) {
            self.wrong(format!("{name} {seq} of {id} carries version {version}"));
        }
        self.step(subject, id, version, status, body);
    }

    /// Whether an event is received for the first time in its room.
    fn is_new(&mut self, restaurant: &str, connection: u32, name: &str, seq: u64) -> bool {
        let room = self.rooms.entry(restaurant.to_owned()).or_default();
        if let Some(first) = room.seen.get(&seq) {
            if *first < connection {
                self.findings.repeated += 1;
            } else {
                self.findings.duplicated += 1;
                self.note_fault(format!("{name} {seq} was received twice over one connection of {restaurant}"));
            }
            return false;
        }
        room.seen.insert(seq, connection);
        let last = room.last;
        room.last = last.max(seq);
        if seq < last {
            self.findings.out_of_order += 1;
            self.note_fault(format!("{name} {seq} was received after {last} in the room of {restaurant}"));
        }
        true
    }

    /// Applies the version of an event to an order or a delivery.
    fn step(&mut self, subject: Subject, id: &str, version: u64, status: &str, body: &Value) {
        let object = self.objects.entry((subject, id.to_owned())).or_default();
        let last = object.versions.last().copied().unwrap_or(0);
        if !object.versions.insert(version) {
            self.findings.duplicated += 1;
            return self.note_fault(format!("version {version} of {id} has two sequence numbers"));
        }
        if version < last {
            self.findings.out_of_order += 1;
            return self.note_fault(format!("version {version} of {id} was received after {last}"));
        }
        let from = std::mem::replace(&mut object.status, status.to_owned());
        object.body = body.clone();
        if matches!(status, "DELIVERED" | "CANCELLED" | "FAILED") {
            self.ended.insert((subject, id.to_owned()));
        }
        // A gap is judged at the end of the audit: missing versions may still be received.
        let allowed = match version {
            1 => status == subject.first(),
            _ if version == last + 1 => subject.may_follow(&from, status),
            _ => true,
        };
        if !allowed {
            self.wrong(format!("{id} went from {from:?} to {status} with version {version}"));
        }
    }

    /// Compares the events of an order or a delivery with the response of a GET at the end.
    pub fn compare(&mut self, subject: Subject, id: &str, document: &Value) {
        let (version, status) = (document["version"].as_u64().unwrap_or(0), &document["status"]);
        let object = self.objects.remove(&(subject, id.to_owned())).unwrap_or_default();
        let missing: Vec<_> = (1..=version).filter(|version| !object.versions.contains(version)).collect();
        if !missing.is_empty() {
            self.findings.lost += missing.len() as u64;
            self.note_fault(format!("versions {missing:?} of {id} were not received"));
        }
        let last = object.versions.last().copied().unwrap_or(0);
        if last > version || (last == version && *status != object.status.as_str()) {
            self.wrong(format!(
                "{id} ended as {} version {last}, a GET says {status} version {version}",
                object.status
            ));
        } else if subject == Subject::Order && last == version && *document != object.body {
            self.wrong(format!(
                "the last event of {id} has another body than a GET: {}",
                describe_difference(&object.body, document)
            ));
        }
    }

    /// Ends the audit. Orders that are still open in it were placed by no actor of this run.
    pub fn close(mut self) -> Findings {
        let strangers: Vec<_> = self.objects.keys().filter(|key| key.0 == Subject::Order).cloned().collect();
        for (_, id) in strangers {
            self.findings.duplicated += 1;
            self.note_fault(format!("{id} was placed by no actor of this run"));
        }
        self.findings
    }
}

/// The first field in which two bodies differ.
fn describe_difference(event: &Value, document: &Value) -> String {
    let empty = serde_json::Map::new();
    let (event, document) = (event.as_object().unwrap_or(&empty), document.as_object().unwrap_or(&empty));
    let fields: BTreeSet<_> = event.keys().chain(document.keys()).collect();
    let differing = fields.into_iter().find(|field| event.get(*field) != document.get(*field));
    let show = |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), Value::to_string);
    differing.map_or_else(
        || "one of them is not an object".to_owned(),
        |field| format!("{field} is {} and {}", show(event.get(field)), show(document.get(field))),
    )
}
