//! Row level security alone: every recorded statement on rows of restaurants, with its predicates removed, run for
//! users who have no relation to restaurant A.

use std::str::FromStr as _;

use serde_json::Value;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, PgConnection, Row as _, ValueRef as _};
use uuid::Uuid;

use super::callers::{CANARY, Caller, Target};
use super::world::World;

/// A statement of the program: its text on one line, and the types of its arguments.
struct Recorded {
    text: String,
    types: Vec<Value>,
}

fn recorded() -> Vec<Recorded> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/.sqlx");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let statement = |path| {
        let record: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let text = record["query"].as_str().unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
        Recorded { text, types: record["describe"]["parameters"]["Left"].as_array().cloned().unwrap_or_default() }
    };
    files.map(statement).collect()
}

/// `where r.id = $1` becomes `where (r.id = $1 or true)`, wherever a column is compared with an argument.
fn loosened(statement: &str) -> String {
    let words: Vec<_> = statement.split(' ').collect();
    let mut text = String::new();
    let mut place = 0;
    while place < words.len() {
        let asks = |word: &str| matches!(word.trim_start_matches('('), "where" | "and" | "on" | "or");
        let compares = place > 0
            && asks(words[place - 1])
            && words.get(place + 1).is_some_and(|word| ["=", "<>", "<", "<=", ">", ">="].contains(word))
            && words.get(place + 2).is_some_and(|word| word.starts_with('$') || word.starts_with("any($"));
        if compares {
            let (subject, comparison, argument) = (words[place], words[place + 1], words[place + 2]);
            let opening = subject.len() - subject.trim_start_matches('(').len();
            // A closing parenthesis without an opening one in the argument belongs to the surrounding expression.
            let own = argument.find(')').filter(|_| argument.starts_with('$')).unwrap_or(argument.len());
            let own = if argument.starts_with("any(") { argument.find(')').map_or(own, |end| end + 1) } else { own };
            let (argument, closing) = argument.split_at(own);
            let (before, subject) = subject.split_at(opening);
            text.extend([before, "(", subject, " ", comparison, " ", argument, " or true)", closing, " "]);
            place += 3;
        } else {
            text += words[place];
            text.push(' ');
            place += 1;
        }
    }
    text
}

/// A value of the type, as PostgreSQL parses it.
fn literal(kind: &Value, restaurant: Uuid) -> String {
    match kind.as_str().unwrap_or("an enumeration") {
        "Uuid" => format!("'{restaurant}'"),
        "UuidArray" => format!("'{{{restaurant}}}'"),
        "Timestamptz" => "'2100-01-01'".to_owned(),
        "Int2" | "Int4" | "Int8" => "100".to_owned(),
        "Bool" => "true".to_owned(),
        "Text" | "Varchar" => "'x'".to_owned(),
        "TextArray" | "Json" | "Jsonb" => "'{}'".to_owned(),
        _ => "null".to_owned(),
    }
}

/// Removes everything else that could hide a row: only row level security is left.
const NO_CONSTRAINTS: &str = "do $$
declare one record;
begin
    for one in select conrelid::regclass as relation, conname from pg_constraint
               where contype = 'c' and connamespace = 'public'::regnamespace loop
        execute format('alter table %s drop constraint %I', one.relation, one.conname);
    end loop;
    for one in select a.attrelid::regclass as relation, a.attname from pg_attribute a
               join pg_class c on c.oid = a.attrelid and c.relkind = 'r' and c.relnamespace = 'public'::regnamespace
               where a.attnotnull and a.attnum > 0 and not exists (
                   select from pg_index i where i.indrelid = a.attrelid and i.indisprimary and a.attnum =
                   any(i.indkey)) loop
        execute format('alter table %s alter column %I drop not null', one.relation, one.attname);
    end loop;
end $$";

/// The effect of a statement on rows of A.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Effect {
    shows: bool,
    changes: bool,
}

struct Look {
    connection: PgConnection,
    digest: String,
    before: String,
}

impl Look {
    async fn at(world: &World, restaurant: Uuid) -> Self {
        let options = PgConnectOptions::from_str(&world.app.database_url).unwrap().disable_statement_logging();
        let mut connection = options.connect().await.unwrap();
        let digest: String = sqlx::query_scalar(AssertSqlSafe(format!(
            "select 'select ' || string_agg(format(
                 '(select coalesce(sum(hashtextextended(t::text, 0)::numeric), 0)::text from %I t where restaurant_id = ''{restaurant}'')', c.relname),
                 ' || '','' || ')
             from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'restaurant_id'
             where c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace"
        )))
        .fetch_one(&mut connection)
        .await
        .unwrap();
        let before = sqlx::query_scalar(AssertSqlSafe(digest.clone())).fetch_one(&mut connection).await.unwrap();
        Self { connection, digest, before }
    }

    async fn execute(&mut self, statement: &str) -> Result<Vec<sqlx::postgres::PgRow>, sqlx::Error> {
        sqlx::raw_sql(AssertSqlSafe(statement)).fetch_all(&mut self.connection).await
    }

    /// Runs a statement in a transaction that begins so and is rolled back.
    async fn tries(&mut self, beginning: &str, statement: &str) -> Effect {
        self.execute(&format!("begin; set local session_replication_role = replica; {beginning}")).await.unwrap();
        let mut effect = Effect::default();
        if let Ok(rows) = self.execute(statement).await {
            let is_private =
                |text: &str| ["street", "note", "line"].iter().any(|what| text.contains(&format!("{CANARY} {what}")));
            effect.shows = rows.iter().any(|row| {
                (0..row.len()).any(|column| {
                    let value = row.try_get_raw(column).unwrap();
                    !value.is_null() && value.as_str().is_ok_and(is_private)
                })
            });
            self.execute("reset role").await.unwrap();
            let digest = AssertSqlSafe(self.digest.clone());
            let after: String = sqlx::query_scalar(digest).fetch_one(&mut self.connection).await.unwrap();
            effect.changes = after != self.before;
        }
        self.execute("rollback").await.unwrap();
        // Nothing to reset if the statement could not be prepared.
        self.execute("deallocate p").await.ok();
        effect
    }
}

#[tokio::test]
#[expect(clippy::print_stdout, reason = "the figures")]
async fn row_security_alone_hides_and_keeps_what_is_another_restaurants() {
    let world = World::new().await;
    let uuid = |id: &str| id.parse::<comanda::ids::RestaurantId>().unwrap().uuid();
    let user = |caller| world.person(caller).id.parse::<comanda::ids::UserId>().unwrap().uuid();
    let (a, b) = (uuid(&world.ids(Target::A)["restaurantId"]), uuid(&world.ids(Target::B)["restaurantId"]));
    let luca = world.ids(Target::B)["driverId"].parse::<comanda::ids::DriverId>().unwrap().uuid();
    let otto: Uuid = sqlx::query_scalar("select guest_id from carts where restaurant_id = $1 and guest_id is not null")
        .bind(b)
        .fetch_one(&world.app.superuser)
        .await
        .unwrap();
    let app = "set local role comanda_app; set local \"app.user\" =";
    let strangers = [
        format!("{app} '{}'; set local \"app.tenant\" = '{b}'", user(Caller::OwnerB)),
        format!("{app} '{}'; set local \"app.shop\" = '{b}'", user(Caller::Carl)),
        format!("{app} '{}'; set local \"app.driver\" = '{luca}'", user(Caller::Luca)),
        format!("set local role comanda_app; set local \"app.guest\" = '{otto}'"),
        "set local role comanda_app".to_owned(),
    ];
    world.app.execute(NO_CONSTRAINTS).await;
    let mut look = Look::at(&world, a).await;
    let (mut asked, mut dangerous) = (0, [0, 0]);
    for statement in recorded() {
        let arguments: Vec<_> = statement.types.iter().map(|kind| literal(kind, a)).collect();
        let arguments = if arguments.is_empty() { String::new() } else { format!("({})", arguments.join(", ")) };
        let loose = format!("prepare p as {}; execute p{arguments}", loosened(&statement.text));
        // With row level security off: does the statement read or change rows of A at all?
        let open = look.tries("", &loose).await;
        asked += 1;
        dangerous[0] += u32::from(open.shows);
        dangerous[1] += u32::from(open.changes);
        if open == Effect::default() {
            continue;
        }
        for stranger in &strangers {
            let walled = look.tries(stranger, &loose).await;
            assert_eq!(walled, Effect::default(), "{stranger}\n{loose}");
        }
    }
    println!(
        "{asked} statements without their predicates: {} show and {} change A's rows without row security, none with \
         it",
        dangerous[0], dangerous[1],
    );
    assert!(dangerous[0] >= 10 && dangerous[1] >= 20, "the test has teeth: {dangerous:?} of {asked}");
}
