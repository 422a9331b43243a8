//! Pages of orders, newest first. Every page costs the same, whatever its number and that of orders: each statement
//! scans one index from the end of the previous page.
//!
//! To search for a text, candidates are read in that order in batches and compared by the rules of `fold.rs`, because
//! the database does not fold texts. Whole orders are read only for matches.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::Row;
use crate::fold;
use crate::fulfilment::Fulfilment;
use crate::ids::{OrderId, RestaurantId, UserId};
use crate::orders::list::{OrderFilter, Text};
use crate::orders::{Order, OrderStatus};
use crate::paging::{List, Page};
use crate::problem::Problem;
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// The number of candidates in a batch.
const BATCH: i64 = 500;
/// The most candidates that are compared for one page; after them the page ends, and its cursor continues.
const MAX_CANDIDATES: usize = 2_000;

/// The conditions of a page, apart from a text; `$whose` is the condition on the customer or restaurant.
macro_rules! bounded {
    (orders, $($rest:tt)+) => {
        bounded!(@ orders [page] [of "$8"] [MAX_LINES], $($rest)+)
    };
    ($candidates:ident, $($rest:tt)+) => {
        bounded!(@ $candidates [] [] [], $($rest)+)
    };
    (@ $rows:ident [$($page:tt)*] [$($of:tt)*] [$($max:expr)?],
     $whose:tt, $who:expr, $filter:expr, $before:expr, $limit:expr $(,)?) => {{
        let (before, before_id) = $before.unzip();
        $rows!(
            $($page)* [$whose
                + " and (placed_at, id) < (coalesce($2, 'infinity'::timestamptz),
                                               coalesce($3, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid))
                 and placed_at >= coalesce($4, '-infinity'::timestamptz)
                 and ($5::order_status[] is null or status = any($5))
                 and ($6::fulfilment is null or fulfilment = $6)
                 order by placed_at desc, id desc limit $7"] $($of)*,
            $who,
            before,
            before_id,
            $filter.from,
            $filter.statuses.as_deref() as Option<&[OrderStatus]>,
            $filter.fulfilment as Option<Fulfilment>,
            $limit,
            $($max,)?
        )
    }};
}

/// An order that is compared with the text.
struct ListCandidate {
    id: OrderId,
    placed_at: DateTime<Utc>,
    number: i32,
    note: Option<String>,
    /// The name that is searched: the customer's for a restaurant, the restaurant's for a customer.
    name: Option<String>,
}

macro_rules! candidates_of_restaurant {
    ([$($which:tt)+], $($argument:expr),+ $(,)?) => {
        sqlx::query_as!(
            ListCandidate,
            r#"select id, placed_at, number, note,
                      (select u.name from users u where u.id = o.customer_id) as name from orders o "# + $($which)+,
            $($argument),+
        )
    };
}

macro_rules! candidates_of_customer {
    ([$($which:tt)+], $($argument:expr),+ $(,)?) => {
        sqlx::query_as!(
            ListCandidate,
            r#"select id, placed_at, number, note,
                      (select r.name from restaurants r where r.id = o.restaurant_id) as name from orders o "# +
                      $($which)+,
            $($argument),+
        )
    };
}

/// The most letters that are folded for one page ([`fold::letters`]), because 2,000 long notes take much time.
const MAX_LETTERS: usize = 100_000;

impl ListCandidate {
    fn letters(&self) -> usize {
        [&self.note, &self.name].into_iter().flatten().map(|text| fold::letters(text)).sum()
    }
}

/// The matches among the candidates so far, and where to continue.
struct MatchCollector {
    limit: usize,
    seen: usize,
    letters: usize,
    found: Vec<Uuid>,
    last: Option<(DateTime<Utc>, Uuid)>,
    ends: bool,
}

impl MatchCollector {
    fn new(filter: &OrderFilter, page: Page) -> Self {
        let limit = usize::try_from(page.fetch - 1).unwrap_or_default();
        Self { limit, seen: 0, letters: 0, found: Vec::new(), last: filter.before(page), ends: false }
    }

    /// Compares a batch; returns whether another one has to be read.
    fn take(&mut self, text: &Text, candidates: Vec<ListCandidate>) -> bool {
        self.ends = i64::try_from(candidates.len()).unwrap_or(i64::MAX) < BATCH;
        self.seen += candidates.len();
        for candidate in candidates {
            if self.found.len() == self.limit || self.letters >= MAX_LETTERS {
                self.ends = false;
                return false;
            }
            self.letters += candidate.letters();
            self.last = Some((candidate.placed_at, candidate.id.uuid()));
            if text.is_in(candidate.number, &[candidate.note.as_deref(), candidate.name.as_deref()]) {
                self.found.push(candidate.id.uuid());
            }
        }
        !self.ends && self.found.len() < self.limit && self.seen < MAX_CANDIDATES
    }

    fn page(&self, rows: Vec<Row>) -> List<Order> {
        let last = rows.last().map(|row| (row.placed_at, row.id.uuid()));
        let end = if is_full(&rows) { last } else { self.last.filter(|_| !self.ends) };
        List { data: rows.into_iter().map(Row::into_order).collect(), next_cursor: end.map(Page::cursor_at) }
    }
}

/// The largest size of the lines on a page of orders ([`OrderLine::size_of`]); the page may have one order more. Two
/// hundred orders of five lines with two modifiers each have half of it.
const MAX_LINES: i64 = 1_000_000;

/// Whether the page ended by the size of its lines, before the limit on rows.
fn is_full(rows: &[Row]) -> bool {
    rows.iter().map(|row| i64::from(row.lines_size)).sum::<i64>() >= MAX_LINES
}

fn page_of(page: Page, rows: Vec<Row>) -> List<Order> {
    let is_full = is_full(&rows);
    let orders: Vec<_> = rows.into_iter().map(Row::into_order).collect();
    let sort_key = |order: &Order| (order.placed_at, order.id.uuid());
    let final_order = orders.last().map(sort_key);
    let cut = page.cut(orders, sort_key);
    List { next_cursor: cut.next_cursor.or(final_order.filter(|_| is_full).map(Page::cursor_at)), ..cut }
}

/// A page of a customer's orders.
pub async fn of_customer(
    tx: &mut Tx,
    customer: UserId,
    filter: &OrderFilter,
    page: Page,
) -> Result<List<Order>, Problem> {
    let Some(text) = &filter.text else {
        let before = filter.before(page);
        let rows = bounded!(orders, "where customer_id = $1", customer as UserId, filter, before, page.fetch);
        return Ok(page_of(page, rows.fetch_all(tx.connection()).await?));
    };
    let mut matches = MatchCollector::new(filter, page);
    loop {
        let batch =
            bounded!(candidates_of_customer, "where customer_id = $1", customer as UserId, filter, matches.last, BATCH);
        let batch = batch.fetch_all(tx.connection()).await?;
        if !matches.take(text, batch) {
            break;
        }
    }
    let rows = orders!(
        page ["where customer_id = $1 and id = any($2)"] of "$3",
        customer as UserId,
        &matches.found,
        MAX_LINES,
    );
    if matches.found.is_empty() {
        return Ok(matches.page(Vec::new()));
    }
    Ok(matches.page(rows.fetch_all(tx.connection()).await?))
}

/// A page of a restaurant's orders.
pub async fn of_restaurant(
    tx: &mut Tx,
    scope: &RestaurantScope,
    filter: &OrderFilter,
    page: Page,
) -> Result<List<Order>, Problem> {
    let restaurant = scope.restaurant();
    let Some(text) = &filter.text else {
        let before = filter.before(page);
        // Open orders are few and have a separate index.
        let rows = if filter.only_open() {
            let open = bounded!(
                orders,
                "where restaurant_id = $1 and closed_at is null",
                restaurant as RestaurantId,
                filter,
                before,
                page.fetch
            );
            open.fetch_all(tx.connection()).await?
        } else {
            let all =
                bounded!(orders, "where restaurant_id = $1", restaurant as RestaurantId, filter, before, page.fetch);
            all.fetch_all(tx.connection()).await?
        };
        return Ok(page_of(page, rows));
    };
    let mut matches = MatchCollector::new(filter, page);
    loop {
        let batch = bounded!(
            candidates_of_restaurant,
            "where restaurant_id = $1",
            restaurant as RestaurantId,
            filter,
            matches.last,
            BATCH
        );
        let batch = batch.fetch_all(tx.connection()).await?;
        if !matches.take(text, batch) {
            break;
        }
    }
    let rows = orders!(
        page ["where restaurant_id = $1 and id = any($2)"] of "$3",
        restaurant as RestaurantId,
        &matches.found,
        MAX_LINES,
    );
    if matches.found.is_empty() {
        return Ok(matches.page(Vec::new()));
    }
    Ok(matches.page(rows.fetch_all(tx.connection()).await?))
}
