//! `comanda check`: rules on money, stock, state and tenant isolation that must hold in the database at any time.
//!
//! Constraints of tables check single rows; this compares rows with each other, and the event log with the rows. Every
//! integration test ends with it.

use futures_util::TryStreamExt as _;
use serde_json::json;
use sqlx::{Connection as _, PgConnection};

use crate::config::Config;
use crate::database::{DatabaseError, DatabaseServer};
use crate::delivery::status::WITH_ORDER;
use crate::orders::OrderStatus;
use crate::orders::status::{CancelledStock, STEPS};

mod rules;

use rules::RULES;

/// The result of one rule.
pub struct Finding {
    /// `money`, `orders`, `stock`, `state` or `isolation`.
    pub area: &'static str,
    /// The rule as a sentence.
    pub rule: &'static str,
    /// The number of violations.
    pub count: usize,
    /// Their ids or names, the first thousand; empty if the rule holds.
    pub broken: Vec<String>,
}

/// The largest number of violations of a rule whose ids are kept, so that a badly damaged database does not fill the
/// memory.
const MAX_REPORTED: usize = 1_000;

/// The query of a rule, by its text; `None`: there is no such rule.
pub fn query_of(text: &str) -> Option<&'static str> {
    RULES.iter().find(|rule| rule.text == text).map(|rule| rule.query)
}

/// Checks every rule on one snapshot of the database, and calls `report` with each result as soon as it is known: a
/// large database takes minutes.
///
/// # Errors
/// When PostgreSQL refuses.
pub async fn check(database: &mut PgConnection, mut report: impl FnMut(&Finding)) -> Result<Vec<Finding>, sqlx::Error> {
    let steps: Vec<_> = STEPS.iter().map(|step| json!({ "start": step.from, "finish": step.to })).collect();
    let pairs = WITH_ORDER.iter().flat_map(|(order, deliveries)| {
        deliveries.iter().map(move |delivery| json!({ "order_status": order, "delivery_status": delivery }))
    });
    let returning =
        STEPS.iter().filter(|step| step.to == OrderStatus::Cancelled && step.stock == CancelledStock::Returns);
    let returns_from: Vec<_> = returning.map(|step| step.from).collect();
    let tables = json!({ "steps": steps, "withOrder": pairs.collect::<Vec<_>>(), "returnsFrom": returns_from });
    let mut snapshot = database.begin_with("begin isolation level repeatable read, read only").await?;
    // Row level security applies to the owner of the tables, too.
    sqlx::raw_sql("set local app.platform = 'on'").execute(&mut *snapshot).await?;
    let mut findings = Vec::new();
    for rule in RULES {
        let question = sqlx::query_scalar(rule.query).bind(sqlx::types::Json(&tables));
        let mut finding = Finding { area: rule.area, rule: rule.text, count: 0, broken: Vec::new() };
        let mut found = question.fetch(&mut *snapshot);
        while let Some(broken) = found.try_next().await? {
            finding.count += 1;
            if finding.broken.len() < MAX_REPORTED {
                finding.broken.push(broken);
            }
        }
        drop(found);
        report(&finding);
        findings.push(finding);
    }
    snapshot.rollback().await?;
    Ok(findings)
}

/// The largest number of ids that are shown for one rule.
const SHOWN: usize = 10;

/// Checks the database of the configuration and prints a line for each rule; true if every rule holds.
///
/// # Errors
/// When the database cannot be reached.
#[expect(clippy::print_stdout, reason = "the answer of the command")]
pub async fn run(config: &Config) -> Result<bool, DatabaseError> {
    let reached = DatabaseServer::find(config).await?;
    let findings = async {
        reached.require_current().await?;
        let mut owner = reached.connect().await?;
        Ok(check(&mut owner, |finding| {
            println!("{:>7}  {}: {}", finding.count, finding.area, finding.rule);
            for broken in finding.broken.iter().take(SHOWN) {
                println!("         - {broken}");
            }
        })
        .await?)
    };
    let findings: Result<_, DatabaseError> = findings.await;
    reached.leave().await;
    let broken: usize = findings?.iter().map(|finding| finding.count).sum();
    println!("{broken:>7}  in all");
    Ok(broken == 0)
}
