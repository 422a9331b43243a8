//! Statements that write the lines of a cart. Of two writes of a line the later wins; at the same instant, the greater
//! one.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::types::Json;
use uuid::Uuid;

use super::{LockedCart, OpenCart, RequestedLine};
use crate::cart::MAX_REMOVED_LINES;
use crate::ids::{CartId, ItemId, RestaurantId};
use crate::menu::configure::Choice;
use crate::problem::{OnConstraint as _, Problem};
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// A write of one line.
#[derive(Debug, Clone)]
pub struct LineWrite {
    /// The client's key of the line.
    pub key: String,
    /// When it was written; `None`: after all stored writes.
    pub at: Option<DateTime<Utc>>,
    /// The new content; `None`: the line is removed.
    pub content: Option<RequestedLine>,
}

/// A line as it is stored.
#[derive(Debug, Clone)]
pub struct Line {
    /// The client's key of the line.
    pub key: String,
    /// When it was last written.
    pub at: DateTime<Utc>,
    /// The content; `None`: the line is removed.
    pub content: Option<RequestedLine>,
}

impl From<Line> for LineWrite {
    fn from(line: Line) -> Self {
        Self { key: line.key, at: Some(line.at), content: line.content }
    }
}

/// Every line of a cart, removed ones included.
pub async fn all(tx: &mut Tx, scope: &RestaurantScope, cart: CartId) -> Result<Vec<Line>, Problem> {
    let rows = sqlx::query!(
        r#"select key, at, menu_item_id as "item: ItemId", quantity, note, choices as "choices: Json<Vec<Choice>>"
           from cart_items where restaurant_id = $1 and cart_id = $2 order by line, key"#,
        scope.restaurant() as RestaurantId,
        cart as CartId,
    )
    .fetch_all(tx.connection())
    .await?;
    let lines = rows.into_iter().map(|row| Line {
        key: row.key,
        at: row.at,
        content: row.item.map(|item_id| RequestedLine {
            item_id,
            quantity: row.quantity,
            choices: row.choices.0,
            note: row.note,
        }),
    });
    Ok(lines.collect())
}

/// The number of lines of a cart without removed ones, and of modifiers chosen on them.
pub async fn count(tx: &mut Tx, scope: &RestaurantScope, cart: CartId) -> Result<(usize, usize), Problem> {
    let row = sqlx::query!(
        r#"select count(*) as "lines!", coalesce(sum(jsonb_array_length(choices)
               + jsonb_array_length(jsonb_path_query_array(choices, '$[*].modifiers[*]'))), 0)::bigint as "choices!"
           from cart_items where restaurant_id = $1 and cart_id = $2 and quantity > 0"#,
        scope.restaurant() as RestaurantId,
        cart as CartId,
    )
    .fetch_one(tx.connection())
    .await?;
    let count = |count: i64| usize::try_from(count).unwrap_or_default();
    Ok((count(row.lines), count(row.choices)))
}

/// Which part of a cart is written.
#[derive(Debug, Clone, Copy)]
pub enum Extent {
    /// These lines; others are not changed.
    Lines,
    /// The whole cart, at this instant: lines that were written before are deleted. Without an instant of the client it
    /// comes after all stored writes.
    Whole(Option<DateTime<Utc>>),
}

/// The result of writing lines.
pub struct WriteResult {
    /// The keys of writes that took effect.
    pub keys: Vec<String>,
    /// The cart after the writes. Its version increases only if its lines look different than before: a line may be
    /// written again as it is, which only changes when it was last written.
    pub cart: OpenCart,
}

/// Writes lines, each key once. Only the latest removed lines are kept.
#[expect(clippy::too_many_lines, reason = "one statement and its arguments")]
pub async fn write(
    tx: &mut Tx,
    scope: &RestaurantScope,
    locked: &LockedCart,
    writes: &[LineWrite],
    extent: Extent,
) -> Result<WriteResult, Problem> {
    let now = tx.now();
    let (is_whole, whole_at) = match extent {
        Extent::Lines => (false, None),
        Extent::Whole(at) => (true, at),
    };
    let line = |write: &LineWrite| write.content.clone();
    let keys: Vec<_> = writes.iter().map(|write| write.key.clone()).collect();
    let times: Vec<_> = writes.iter().map(|write| write.at).collect();
    let items: Vec<_> = writes.iter().map(|write| line(write).map(|line| line.item_id.uuid())).collect();
    let quantities: Vec<_> = writes.iter().map(|write| line(write).map_or(0, |line| line.quantity)).collect();
    let notes: Vec<_> = writes.iter().map(|write| line(write).and_then(|line| line.note)).collect();
    let choices: Vec<_> =
        writes.iter().map(|write| json!(line(write).map(|line| line.choices).unwrap_or_default())).collect();
    let row = sqlx::query!(
        r#"with cart as materialized (
               select c.replaced_at, c.version, c.updated_at,
                   case when $10 then coalesce($11, greatest($9, c.replaced_at + interval '1 microsecond',
                       (select max(i.at) + interval '1 microsecond' from cart_items i
                        where i.restaurant_id = $1 and i.cart_id = $2))) end as whole_at
               from carts c where c.restaurant_id = $1 and c.id = $2
           ), gone as (
               delete from cart_items i using cart
               where i.restaurant_id = $1 and i.cart_id = $2 and i.at < cart.whole_at
               returning i.key
           ), before as materialized (
               select i.key, i.line, i.menu_item_id, i.quantity, i.note, i.choices, i.at from cart_items i
               where i.restaurant_id = $1 and i.cart_id = $2
           ), stays as materialized (
               select * from before where not exists (select from gone where gone.key = before.key)
           ), written as (
               insert into cart_items as l (restaurant_id, cart_id, key, line, menu_item_id, quantity, note, choices,
               at)
               select $1, $2, w.key, last.line + w.place, w.item, w.quantity, w.note, w.choices,
                   coalesce(cart.whole_at, w.at, greatest($9, cart.replaced_at, stays.at + interval '1 microsecond'))
               from unnest($3::text[], $4::timestamptz[], $5::uuid[], $6::int[], $7::text[], $8::jsonb[])
                   with ordinality as w(key, at, item, quantity, note, choices, place)
               cross join cart
               cross join (select coalesce(max(line), 0) as line from stays) last
               left join stays on stays.key = w.key
               where coalesce(cart.whole_at, w.at) >= cart.replaced_at is not false
               order by w.place
               on conflict (restaurant_id, cart_id, key) do update
                   set menu_item_id = excluded.menu_item_id, quantity = excluded.quantity, note = excluded.note,
                       choices = excluded.choices, at = excluded.at
                   where (excluded.at, excluded.quantity, coalesce(excluded.menu_item_id::text, '') collate "C",
                          excluded.choices::text collate "C", coalesce(excluded.note, '') collate "C")
                      >= (l.at, l.quantity, coalesce(l.menu_item_id::text, '') collate "C",
                          l.choices::text collate "C", coalesce(l.note, '') collate "C")
               returning l.key, l.line, l.menu_item_id, l.quantity, l.note, l.choices, l.at
           ), taken_out as (
               select key, at, true as is_fresh from written where quantity = 0
               union all select key, at, false from stays where quantity = 0 and key not in (select key from written)
               order by at desc, key offset $12
           ), forgotten as (
               delete from cart_items i using taken_out t
               where i.restaurant_id = $1 and i.cart_id = $2 and i.key = t.key and not t.is_fresh
           ), difference as materialized (
               select (select array_agg((key, menu_item_id, quantity, note, choices)::text order by line, key)
                       from before where quantity > 0)
                   is distinct from
                   (select array_agg((key, menu_item_id, quantity, note, choices)::text order by line, key)
                    from (select * from written
                          union all select * from stays where key not in (select key from written)) after
                    where quantity > 0) as is_any
           ), saved as (
               update carts c set replaced_at = greatest(c.replaced_at, cart.whole_at),
                   version = c.version + case when d.is_any and not $13 then 1 else 0 end,
                   updated_at = case when d.is_any then $9 else c.updated_at end
               from cart cross join difference d
               where c.restaurant_id = $1 and c.id = $2 and (cart.whole_at is not null or d.is_any)
               returning c.version, c.updated_at
           )
           select array(select key from written) as "keys!", coalesce(saved.version, cart.version) as "version!",
               coalesce(saved.updated_at, cart.updated_at) as "updated_at!"
           from cart left join saved on true"#,
        scope.restaurant() as RestaurantId,
        locked.cart.id as CartId,
        &keys,
        &times as &[Option<DateTime<Utc>>],
        &items as &[Option<Uuid>],
        &quantities,
        &notes as &[Option<String>],
        &choices,
        now,
        is_whole,
        whole_at,
        MAX_REMOVED_LINES,
        locked.is_new,
    )
    .fetch_one(tx.connection())
    .await
    .on_constraint("cart_items_item_fkey", || {
        Problem::invalid_field("/lines", "contains an item that is not on this restaurant's menu")
    })?;
    let cart = OpenCart { id: locked.cart.id, version: row.version, updated_at: row.updated_at };
    Ok(WriteResult { keys: row.keys, cart })
}
