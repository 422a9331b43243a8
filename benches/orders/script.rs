//! Creates pgbench scripts from the statements of the server: the same statements, with new ids where the server
//! generated new ids.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use comanda::ids::OrderId;
use sqlx::PgPool;
use uuid::Uuid;

use super::capture::{Log, Statement, Transaction};
use super::city::{self, City, Customer};
use crate::measure::Connection;

/// A script and how many statements it has.
pub type Script = (String, usize);

/// The scripts of one client.
pub struct Scripts {
    /// Fills the cart and places the order.
    pub place: Script,
    /// Sets a placed order to its next status.
    pub advance: Script,
    /// Reads one order.
    pub read: Script,
}

/// Sends a customer's requests twice, and determines from the difference which values must be new each time.
pub async fn write(log: &Log, city: &City, customer: &Customer, address: &str, pool: &PgPool) -> Scripts {
    let mut http = Connection::open(address).await;
    let shop = city.shop_of(customer, false);
    let owner: Uuid =
        sqlx::query_scalar("select id from users where email = 'owner@bench.example'").fetch_one(pool).await.unwrap();
    let (mut places, mut steps) = (Vec::new(), Vec::new());
    // The first order of a server has more statements than the others.
    customer.places(&mut http, shop).await;
    for _ in 0..2 {
        let mark = log.mark();
        let order = customer.places(&mut http, shop).await;
        places.push((log.transactions(mark, customer.id), uuid_of(&order)));
        let mark = log.mark();
        city::confirm(&mut http, &city.owner, &order).await;
        steps.push((log.transactions(mark, owner), uuid_of(&order)));
        let mark = log.mark();
        let path = format!("/api/orders/{order}");
        http.ask("GET", &path, &customer.token, None, &serde_json::Value::Null).await;
        if steps.len() == 2 {
            let read = log.transactions(mark, customer.id);
            let same = (read.clone(), Uuid::nil());
            return Scripts {
                place: script(pool, &places[0], &places[1]).await,
                advance: script(pool, &steps[0], &steps[1]).await,
                read: script(pool, &(read, Uuid::nil()), &same).await,
            };
        }
    }
    unreachable!("the second time returns")
}

fn uuid_of(order: &str) -> Uuid {
    order.parse::<OrderId>().unwrap().uuid()
}

/// The statements of the first run, with variables where an id differs in the second. The order's id is a counter, so
/// that a later script finds the order; other ids are random.
async fn script(pool: &PgPool, one: &(Vec<Transaction>, Uuid), other: &(Vec<Transaction>, Uuid)) -> Script {
    let mut fresh: BTreeMap<Uuid, String> = BTreeMap::new();
    fresh.insert(one.1, "n".to_owned());
    let (mut body, mut count) = (String::new(), 0);
    assert_eq!(one.0.len(), other.0.len(), "the same request took other transactions");
    for (transaction, twin) in one.0.iter().zip(&other.0) {
        assert_eq!(transaction.len(), twin.len(), "the same request took other statements");
        for (statement, twin) in transaction.iter().zip(twin) {
            count += 1;
            if statement.text.starts_with("BEGIN") {
                begin(&mut body, &statement.text);
            } else {
                let types = types_of(pool, &statement.text).await;
                let _ = writeln!(body, "{};", filled(statement, twin, &types, &mut fresh));
            }
        }
    }
    let mut head = "\\set n :n + 1\n".to_owned();
    for name in fresh.values().filter(|name| *name != "n") {
        let _ = writeln!(head, "\\set {name} random(1, 140000000000000)");
    }
    (head + &body, count)
}

/// The server sends BEGIN and the transaction's context in one round trip; pgbench does the same with a pipeline.
fn begin(body: &mut String, text: &str) {
    body.push_str("\\startpipeline\n");
    for part in text.split(';') {
        let _ = writeln!(body, "{};", part.trim());
    }
    body.push_str("\\endpipeline\n");
}

/// The types of the parameters, as PostgreSQL infers them.
async fn types_of(pool: &PgPool, text: &str) -> Vec<String> {
    if !text.contains('$') {
        return Vec::new();
    }
    let mut connection = pool.acquire().await.unwrap();
    let prepare = sqlx::AssertSqlSafe(format!("prepare measured as {text}"));
    sqlx::raw_sql(prepare).execute(&mut *connection).await.unwrap();
    let types =
        sqlx::query_scalar("select parameter_types::text[] from pg_prepared_statements where name = 'measured'")
            .fetch_one(&mut *connection)
            .await
            .unwrap();
    sqlx::raw_sql("deallocate measured").execute(&mut *connection).await.unwrap();
    types
}

/// The statement with its parameters as literals.
fn filled(statement: &Statement, twin: &Statement, types: &[String], fresh: &mut BTreeMap<Uuid, String>) -> String {
    assert_eq!(statement.text, twin.text);
    let mut text = String::new();
    let mut rest = statement.text.as_str();
    while let Some((before, after)) = rest.split_once('$') {
        text.push_str(before);
        let digits = after.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(after.len());
        let index = after[..digits].parse::<usize>().unwrap() - 1;
        rest = &after[digits..];
        let (value, other) = (&statement.parameters[index], &twin.parameters[index]);
        let Some(value) = value else {
            let _ = write!(text, "null::{}", types[index]);
            continue;
        };
        let other = other.as_deref().unwrap_or_default();
        let _ = write!(text, "({})::{}", expression(value, other, fresh), types[index]);
    }
    text.push_str(rest);
    text
}

/// A value, in which each id that only this run has is replaced by an expression.
fn expression(value: &str, other: &str, fresh: &mut BTreeMap<Uuid, String>) -> String {
    let (mut parts, mut literal, mut at) = (Vec::new(), String::new(), 0);
    while at < value.len() {
        let id = value.get(at..at + 36).filter(|text| text.as_bytes()[8] == b'-' && !other.contains(*text));
        if let Some(id) = id.and_then(|text| Uuid::parse_str(text).ok()) {
            let name = format!("u{}", fresh.len());
            let name = fresh.entry(id).or_insert(name);
            parts.push(quoted(&std::mem::take(&mut literal)));
            parts.push(format!("'00000000-0000-7000-8000-' || lpad(to_hex(:{name}::bigint), 12, '0')"));
            at += 36;
        } else {
            let letter = value[at..].chars().next().unwrap();
            literal.push(letter);
            at += letter.len_utf8();
        }
    }
    parts.push(quoted(&literal));
    parts.retain(|part| part != "E''" || value.is_empty());
    parts.join(" || ")
}

/// A literal. pgbench reads a colon before a letter or digit as a variable, also within quotes.
fn quoted(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''").replace(':', "\\x3a"))
}
