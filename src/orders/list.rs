//! The filter of lists of orders, read from the query. Pure. The statements are in `sql/list.rs`, the routes in
//! `http.rs` (lists, events of an order) and `http/reorder.rs` (ordering again).

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Deserializer};
use utoipa::IntoParams;
use uuid::Uuid;

use crate::fold;
use crate::fulfilment::Fulfilment;
use crate::ids::RestaurantId;
use crate::orders::OrderStatus;
use crate::paging::{Cursor, Page};
use crate::problem::Problem;
use crate::text::SingleLine;
use crate::timestamp::Timestamp;

/// How far back a text search goes without `from`.
pub const USUAL_SEARCH: TimeDelta = TimeDelta::days(31);
/// The longest span of a text search, so that its cost does not grow with the history.
pub const LONGEST_SEARCH: TimeDelta = TimeDelta::days(93);

/// The query parameters of a list of orders.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct OrderQuery {
    /// List the orders of this restaurant, for its staff; absent: the caller's own orders.
    pub restaurant_id: Option<RestaurantId>,
    /// Only orders in one of these statuses, separated by commas.
    #[param(example = "PENDING,CONFIRMED")]
    status: Option<String>,
    /// Only orders placed at this time or later.
    from: Option<Timestamp>,
    /// Only orders placed before this time.
    to: Option<Timestamp>,
    /// Only orders of this fulfilment.
    fulfilment: Option<Fulfilment>,
    /// Only orders with this number, or with this text in the note or name: the customer's name in a restaurant's list,
    /// the restaurant's name in the caller's own; case and accents are ignored. Searches the 31 days before `to`, or
    /// from `from` on, at most 93 days. A page may be shorter than `limit` before the last one: continue while there is
    /// a `nextCursor`.
    #[serde(default, deserialize_with = "unless_blank")]
    #[param(inline)]
    q: Option<SingleLine<100>>,
    /// The maximum number of rows in a page, 1 to 200; default 50. A page of very long orders is shorter: continue
    /// while there is a `nextCursor`.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u16>,
    /// `nextCursor` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor>,
}

/// A blank text counts as absent.
fn unless_blank<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SingleLine<100>>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.trim().is_empty() { Ok(None) } else { text.try_into().map(Some).map_err(serde::de::Error::custom) }
}

/// The parsed filter of a list of orders.
#[derive(Debug, Clone, Default)]
pub struct OrderFilter {
    /// Any of these statuses; `None`: all.
    pub statuses: Option<Vec<OrderStatus>>,
    /// Placed at this time or later.
    pub from: Option<DateTime<Utc>>,
    /// Only orders placed before this instant; `None`: no bound.
    pub to: Option<DateTime<Utc>>,
    /// Only orders of this fulfilment.
    pub fulfilment: Option<Fulfilment>,
    /// The text that is searched for.
    pub text: Option<Text>,
}

impl OrderQuery {
    /// Parses the filter and the page.
    ///
    /// # Errors
    /// 422 with the parameter's name.
    pub fn read(&self, now: DateTime<Utc>) -> Result<(OrderFilter, Page), Problem> {
        let page = Page::parse(self.limit, self.cursor)?;
        let statuses = self.status.as_deref().map(statuses).transpose()?;
        let (mut from, to) = (self.from.map(Timestamp::utc), self.to.map(Timestamp::utc));
        if from.zip(to).is_some_and(|(from, to)| from >= to) {
            return Err(Problem::invalid_field("?to", "must be after from"));
        }
        let text = self.q.as_ref().map(|text| Text::of(text.as_str()));
        if text.is_some() {
            let end = to.unwrap_or(now);
            let begin = from.unwrap_or(end - USUAL_SEARCH);
            if end - begin > LONGEST_SEARCH {
                return Err(Problem::invalid_field("?from", "must be at most 93 days before to when q is given"));
            }
            from = Some(begin);
        }
        Ok((OrderFilter { statuses, from, to, fulfilment: self.fulfilment, text }, page))
    }
}

fn statuses(list: &str) -> Result<Vec<OrderStatus>, Problem> {
    let read = |word: &str| serde_json::from_value(serde_json::Value::from(word.trim())).ok();
    let statuses: Option<Vec<_>> = list.split(',').map(read).collect();
    statuses.ok_or_else(|| Problem::invalid_field("?status", "must be order statuses, separated by commas"))
}

impl OrderFilter {
    /// The position before which rows are listed: the end of the previous page, or `to`, whichever is earlier.
    pub fn before(&self, page: Page) -> Option<(DateTime<Utc>, Uuid)> {
        let end = self.to.map(|to| (to, Uuid::nil()));
        [end, page.after].into_iter().flatten().min()
    }

    /// Whether only open orders are requested.
    pub fn only_open(&self) -> bool {
        self.statuses.as_ref().is_some_and(|statuses| statuses.iter().all(|status| !status.is_final()))
    }
}

/// A text to search orders for.
#[derive(Debug, Clone)]
pub struct Text {
    /// The text; `None`: only the number is searched for, as in `#12`.
    part: Option<fold::Part>,
    /// The text as an order's daily number, if it is one.
    number: Option<i32>,
}

impl Text {
    fn of(text: &str) -> Self {
        let number = text.trim_start_matches('#').parse().ok();
        let part = (number.is_none() || !text.starts_with('#')).then(|| fold::Part::of(text));
        Self { part, number }
    }

    /// Whether an order has this number, or one of its texts contains the text.
    pub fn is_in(&self, number: i32, texts: &[Option<&str>]) -> bool {
        self.number == Some(number)
            || self.part.as_ref().is_some_and(|part| texts.iter().flatten().any(|text| part.is_in(text)))
    }
}
