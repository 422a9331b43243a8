//! Every statement on opening hours and their exceptions.

use chrono::NaiveDate;
use serde::Deserialize;
use sqlx::types::Json;

use crate::ids::RestaurantId;
use crate::problem::Problem;
use crate::restaurants::fulfilments::Fulfilments;
use crate::restaurants::hours::{DaySpan, Exception, Schedule, Span};
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// The stored form of a span.
#[derive(Deserialize)]
pub struct StoredSpan {
    #[serde(default)]
    weekday: i16,
    opens: i16,
    closes: i16,
    delivery: bool,
    pickup: bool,
    dine_in: bool,
}

impl StoredSpan {
    const fn of_day(&self) -> DaySpan {
        let fulfilments = Fulfilments { delivery: self.delivery, pickup: self.pickup, dine_in: self.dine_in };
        DaySpan::from_columns(self.opens, self.closes, fulfilments)
    }

    fn into_span(self) -> Span {
        let DaySpan { opens, closes, fulfilments } = self.of_day();
        Span { weekday: self.weekday, opens, closes, fulfilments }
    }
}

/// The stored form of an exception.
#[derive(Deserialize)]
pub struct StoredException {
    day: NaiveDate,
    note: Option<String>,
    spans: Vec<StoredSpan>,
}

impl StoredException {
    fn into_exception(self) -> Exception {
        let spans = self.spans.iter().map(StoredSpan::of_day).collect();
        Exception { date: self.day, note: self.note, spans }
    }
}

/// The schedule from its stored form.
pub fn schedule(always: bool, weekly: Json<Vec<StoredSpan>>, exceptions: Json<Vec<StoredException>>) -> Schedule {
    Schedule {
        always,
        weekly: weekly.0.into_iter().map(StoredSpan::into_span).collect(),
        exceptions: exceptions.0.into_iter().map(StoredException::into_exception).collect(),
    }
}

/// The exceptions from a date on, up to another one if given, in order.
pub async fn exceptions(
    tx: &mut Tx,
    restaurant: RestaurantId,
    from: NaiveDate,
    until: Option<NaiveDate>,
) -> Result<Vec<Exception>, Problem> {
    let days = sqlx::query_scalar!(
        r#"select json_build_object('day', d.day, 'note', d.note, 'spans', (
               select coalesce(json_agg(json_build_object('opens', opens, 'closes', closes,
                   'delivery', delivery, 'pickup', pickup, 'dine_in', dine_in) order by opens), '[]')
               from exceptional_hours h where h.restaurant_id = $1 and h.day = d.day))
               as "exception!: Json<StoredException>"
           from exceptional_days d where d.restaurant_id = $1 and d.day >= $2 and ($3::date is null or d.day <= $3)
           order by d.day"#,
        restaurant as RestaurantId,
        from,
        until,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(days.into_iter().map(|day| day.0.into_exception()).collect())
}

/// Sets whether it is open around the clock.
pub async fn set_always(tx: &mut Tx, scope: &RestaurantScope, always: bool) -> Result<(), Problem> {
    sqlx::query!("update restaurants set always_open = $2 where id = $1", scope.restaurant() as RestaurantId, always)
        .execute(tx.connection())
        .await?;
    Ok(())
}

/// Replaces the weekly hours.
pub async fn set_week(tx: &mut Tx, scope: &RestaurantScope, spans: &[Span]) -> Result<(), Problem> {
    let weekdays: Vec<_> = spans.iter().map(|span| span.weekday).collect();
    let of_day: Vec<_> = spans.iter().map(|span| span.of_day()).collect();
    let columns = Columns::of(of_day.into_iter());
    sqlx::query!("delete from opening_hours where restaurant_id = $1", scope.restaurant() as RestaurantId)
        .execute(tx.connection())
        .await?;
    sqlx::query!(
        "insert into opening_hours (restaurant_id, weekday, opens, closes, delivery, pickup, dine_in)
         select $1, * from unnest($2::smallint[], $3::smallint[], $4::smallint[], $5::bool[], $6::bool[], $7::bool[])",
        scope.restaurant() as RestaurantId,
        &weekdays,
        &columns.opens,
        &columns.closes,
        &columns.delivery,
        &columns.pickup,
        &columns.dine_in,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Replaces the exceptions.
pub async fn set_exceptions(tx: &mut Tx, scope: &RestaurantScope, exceptions: &[Exception]) -> Result<(), Problem> {
    let days: Vec<_> = exceptions.iter().map(|exception| exception.date).collect();
    let notes: Vec<_> = exceptions.iter().map(|exception| exception.note.clone()).collect();
    let dates: Vec<_> = exceptions.iter().flat_map(|day| std::iter::repeat_n(day.date, day.spans.len())).collect();
    let spans: Vec<_> = exceptions.iter().flat_map(|day| day.spans.clone()).collect();
    let columns = Columns::of(spans.into_iter());
    sqlx::query!("delete from exceptional_days where restaurant_id = $1", scope.restaurant() as RestaurantId)
        .execute(tx.connection())
        .await?;
    sqlx::query!(
        "insert into exceptional_days (restaurant_id, day, note) select $1, * from unnest($2::date[], $3::text[])",
        scope.restaurant() as RestaurantId,
        &days,
        &notes as &[Option<String>],
    )
    .execute(tx.connection())
    .await?;
    sqlx::query!(
        "insert into exceptional_hours (restaurant_id, day, opens, closes, delivery, pickup, dine_in)
         select $1, * from unnest($2::date[], $3::smallint[], $4::smallint[], $5::bool[], $6::bool[], $7::bool[])",
        scope.restaurant() as RestaurantId,
        &dates,
        &columns.opens,
        &columns.closes,
        &columns.delivery,
        &columns.pickup,
        &columns.dine_in,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Spans as parallel arrays.
#[derive(Default)]
struct Columns {
    opens: Vec<i16>,
    closes: Vec<i16>,
    delivery: Vec<bool>,
    pickup: Vec<bool>,
    dine_in: Vec<bool>,
}

impl Columns {
    fn of(spans: impl Iterator<Item = DaySpan>) -> Self {
        spans.fold(Self::default(), |mut columns, span| {
            columns.opens.push(span.opens.minutes());
            columns.closes.push(span.closes_after());
            columns.delivery.push(span.fulfilments.delivery);
            columns.pickup.push(span.fulfilments.pickup);
            columns.dine_in.push(span.fulfilments.dine_in);
            columns
        })
    }
}
