//! pgbench scripts out of what the server said: the same statements, with fresh ids where the server took fresh ones.

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

/// What one client does.
pub struct Scripts {
    /// Fills the cart and places the order.
    pub place: Script,
    /// Takes what was placed to its next status.
    pub advance: Script,
    /// Reads one order.
    pub read: Script,
}

/// Has a customer do everything twice, and tells from the difference what has to be fresh each time.
pub async fn write(log: &Log, city: &City, customer: &Customer, address: &str, pool: &PgPool) -> Scripts {
    let mut http = Connection::open(address).await;
    let shop = city.shop_of(customer, false);
    let owner: Uuid =
        sqlx::query_scalar("select id from users where email = 'owner@bench.example'").fetch_one(pool).await.unwrap();
    let (mut places, mut steps) = (Vec::new(), Vec::new());
    // The first order anywhere does more than the others.
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

/// The statements of the first, with variables where the second differs by an id. The order's own id counts up, so that
/// a later script finds it; the others are drawn.
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

/// The server says who acts together with BEGIN, in one round trip: so does pgbench, with a pipeline.
fn begin(body: &mut String, text: &str) {
    body.push_str("\\startpipeline\n");
    for part in text.split(';') {
        let _ = writeln!(body, "{};", part.trim());
    }
    body.push_str("\\endpipeline\n");
}

/// What PostgreSQL takes the parameters to be.
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

/// The statement with its parameters written in.
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

/// A value, with an expression in the place of each id that only this one has.
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

/// A literal. pgbench takes a colon before a letter or a digit for a variable, inside of quotes too.
fn quoted(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''").replace(':', "\\x3a"))
}
