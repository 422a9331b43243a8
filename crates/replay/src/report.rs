//! The report of the day, for people and for programs.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::audit::Findings;
use crate::final_check::FinalCounts;
use crate::play::Played;
use comanda_client::CallsSoFar;

/// The number of failures that are kept as text.
const MAX_FAILURES: usize = 20;

/// Minutes. Going off duty takes a request; that is not overtime.
const NOTICEABLE: f64 = 1.0;

/// The results of the day.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names say it, and the table below explains them")]
pub struct Report {
    pub day: String,
    pub speed: f64,
    pub seed: u64,
    /// Whether it was cancelled before its end.
    pub broken_off: bool,
    pub sign_up: SignUp,
    pub orders: Orders,
    /// Minutes of the day.
    pub click_to_door: Minutes,
    pub couriers: Couriers,
    pub http: Http,
    pub events: Events,
    pub wall_seconds: f64,
    /// The largest delay of a planned action, in minutes of the day.
    pub worst_lag: f64,
    /// The first failures and faults, as text.
    pub faults: Vec<String>,
}

#[derive(Debug, Clone, Default, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct SignUp {
    pub restaurants: usize,
    pub couriers: usize,
    pub guests: usize,
    pub seconds: f64,
}

#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Orders {
    pub expected: usize,
    pub placed: usize,
    pub delivered: usize,
    pub cancelled: usize,
}

#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Minutes {
    pub p50: f64,
    pub p90: f64,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names say it")]
pub struct Couriers {
    pub working: usize,
    pub carrying: usize,
    /// The number of couriers who worked after their shift.
    pub overtime_couriers: usize,
    /// The minutes of all of them together.
    pub overtime_minutes: f64,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names say it")]
pub struct Http {
    pub requests: u64,
    pub per_second: f64,
    /// Requests that were repeated after a lost connection, a 429 or a 503.
    pub repeated: u64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub operations: Vec<Operation>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names say it")]
pub struct Operation {
    pub name: &'static str,
    pub requests: u64,
    pub p50_ms: f64,
    pub p99_ms: f64,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "see Findings")]
pub struct Events {
    pub received: u64,
    pub lost: u64,
    pub duplicated: u64,
    pub out_of_order: u64,
    pub wrong: u64,
    pub repeated: u64,
    /// The number of lost connections.
    pub reconnects: u64,
}

/// The data of a report.
pub struct Facts {
    pub(super) day: String,
    pub(super) expected: usize,
    pub(super) speed: f64,
    pub(super) seed: u64,
    pub(super) sign_up: SignUp,
    pub(super) played: Played,
    pub(super) final_counts: FinalCounts,
    pub(super) findings: Findings,
    pub(super) reconnects: u64,
    pub(super) calls: CallsSoFar,
    pub(super) wall: Duration,
}

impl Report {
    /// Creates the report.
    pub fn of(facts: Facts) -> Self {
        let Facts { played, findings, calls, final_counts, .. } = facts;
        let mut minutes = played.click_to_door;
        minutes.sort_by(f64::total_cmp);
        let late: Vec<f64> =
            played.couriers.iter().map(|one| one.overtime).filter(|late| *late >= NOTICEABLE).collect();
        let courier_faults = played.couriers.iter().filter_map(|one| one.fault.as_ref());
        let courier_faults = courier_faults.map(|fault| format!("a courier could not work: {fault}"));
        let failures = played.failures.iter().cloned().chain(courier_faults).take(MAX_FAILURES);
        Self {
            day: facts.day,
            speed: facts.speed,
            seed: facts.seed,
            broken_off: played.broken_off,
            sign_up: facts.sign_up,
            orders: Orders {
                expected: facts.expected,
                placed: played.placed.len(),
                delivered: final_counts.delivered,
                cancelled: final_counts.cancelled,
            },
            click_to_door: Minutes { p50: rounded(percentile(&minutes, 50)), p90: rounded(percentile(&minutes, 90)) },
            couriers: Couriers {
                working: played.couriers.len(),
                carrying: played.couriers.iter().filter(|one| one.jobs > 0).count(),
                overtime_couriers: late.len(),
                overtime_minutes: rounded(late.iter().fold(0.0, |all, one| all + one)),
            },
            http: Http::of(&calls, facts.wall),
            events: Events {
                received: findings.received,
                lost: findings.lost,
                duplicated: findings.duplicated,
                out_of_order: findings.out_of_order,
                wrong: findings.wrong,
                repeated: findings.repeated,
                reconnects: facts.reconnects,
            },
            wall_seconds: rounded(facts.wall.as_secs_f64()),
            worst_lag: rounded(played.worst_lag),
            faults: failures.chain(findings.faults.iter().cloned()).collect(),
        }
    }

    /// Whether every order was delivered and nothing was lost, repeated, out of order or otherwise wrong.
    pub fn is_good(&self) -> bool {
        let events = &self.events;
        !self.broken_off
            && self.faults.is_empty()
            && self.orders.delivered == self.orders.expected
            && events.lost + events.duplicated + events.out_of_order + events.wrong == 0
    }
}

impl Http {
    fn of(calls: &CallsSoFar, wall: Duration) -> Self {
        let all = calls.overall();
        let requests = u32::try_from(all.count()).map_or(f64::INFINITY, f64::from);
        let operations = calls.operations.iter().map(|(name, took)| Operation {
            name,
            requests: took.count(),
            p50_ms: millis(took.per_mille(500)),
            p99_ms: millis(took.per_mille(990)),
        });
        Self {
            requests: all.count(),
            per_second: rounded(requests / wall.as_secs_f64().max(0.001)),
            repeated: calls.repeats,
            p50_ms: millis(all.per_mille(500)),
            p99_ms: millis(all.per_mille(990)),
            operations: operations.collect(),
        }
    }
}

fn millis(duration: Duration) -> f64 {
    rounded(duration.as_secs_f64() * 1000.0)
}

/// Rounds to hundredths, the precision of the measurement.
fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// The percentile of sorted values.
fn percentile(sorted: &[f64], share: usize) -> f64 {
    let rank = (sorted.len() * share).div_ceil(100);
    sorted.get(rank.max(1) - 1).copied().unwrap_or(0.0)
}

/// Prints the report as a table.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { orders, couriers, events, http, sign_up, .. } = self;
        writeln!(f, "{:<20}{} at {}x, seed {}", "day", self.day, self.speed, self.seed)?;
        writeln!(
            f,
            "{:<20}{} restaurants, {} couriers, {} guests in {:.1} s",
            "signed up", sign_up.restaurants, sign_up.couriers, sign_up.guests, sign_up.seconds
        )?;
        writeln!(
            f,
            "{:<20}{} of {} placed, {} delivered, {} cancelled",
            "orders", orders.placed, orders.expected, orders.delivered, orders.cancelled
        )?;
        let minutes = &self.click_to_door;
        writeln!(f, "{:<20}p50 {:.1} min, p90 {:.1} min", "order to delivery", minutes.p50, minutes.p90)?;
        writeln!(
            f,
            "{:<20}{} worked, {} carried orders, {} worked after their shift, {:.0} min in total",
            "couriers", couriers.working, couriers.carrying, couriers.overtime_couriers, couriers.overtime_minutes
        )?;
        writeln!(
            f,
            "{:<20}{} received, {} lost, {} duplicated, {} out of order, {} wrong",
            "events", events.received, events.lost, events.duplicated, events.out_of_order, events.wrong
        )?;
        writeln!(f, "{:<20}{}, {} events received again", "reconnects", events.reconnects, events.repeated)?;
        writeln!(
            f,
            "{:<20}{:.1} s, at most {:.1} min of the day behind",
            "played in", self.wall_seconds, self.worst_lag
        )?;
        writeln!(f, "{:<20}{:>9}{:>12}{:>12}", "HTTP", "requests", "p50 ms", "p99 ms")?;
        for one in &http.operations {
            writeln!(f, "  {:<18}{:>9}{:>12.1}{:>12.1}", one.name, one.requests, one.p50_ms, one.p99_ms)?;
        }
        writeln!(
            f,
            "  {:<18}{:>9}{:>12.1}{:>12.1}   {:.0} requests/s, {} repeated",
            "all", http.requests, http.p50_ms, http.p99_ms, http.per_second, http.repeated
        )?;
        for fault in &self.faults {
            writeln!(f, "fault: {fault}")?;
        }
        if self.broken_off {
            writeln!(f, "broken off before the end of the day")?;
        }
        write!(f, "delivered {}", orders.delivered)
    }
}
