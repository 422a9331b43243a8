//! Every statement on the counters of attempts (table `attempt_limits`).

use chrono::{DateTime, Utc};

use crate::accounts::Email;
use crate::accounts::attempt_limits::{Counter, UsedUp};
use crate::problem::Problem;
use crate::uow::Tx;

/// Adds one to each counter; returns when those that are used up end.
pub async fn take(tx: &mut Tx, counters: &[Counter]) -> Result<UsedUp, Problem> {
    let used_up = take_each(tx, counters).await?;
    Ok(UsedUp(used_up.into_iter().flatten().max()))
}

/// Adds one to each counter; returns for each, in the same order, when it ends if it is used up.
pub async fn take_each(tx: &mut Tx, counters: &[Counter]) -> Result<Vec<Option<DateTime<Utc>>>, Problem> {
    let now = tx.now();
    let keys: Vec<_> = counters.iter().map(|counter| counter.key.to_vec()).collect();
    let max: Vec<_> = counters.iter().map(|counter| counter.max).collect();
    let ends: Vec<_> = counters.iter().map(|counter| now + counter.span).collect();
    let used_up = sqlx::query!(
        "with wanted as (select * from unnest($1::bytea[], $2::integer[], $3::timestamptz[]) as w (key, most, ends_at)),
         taken as (
             insert into attempt_limits as g (key, count, ends_at) select key, 1, ends_at from wanted order by key
             on conflict (key) do update set
                 count = case when g.ends_at <= $4 then 1 else g.count + 1 end,
                 ends_at = case when g.ends_at <= $4 then excluded.ends_at else g.ends_at end
             returning g.key, g.count, g.ends_at)
         select t.key, t.ends_at from taken t join wanted w using (key) where t.count > w.most",
        &keys,
        &max,
        &ends,
        now,
    )
    .fetch_all(tx.connection())
    .await?;
    let end_of = |counter: &Counter| used_up.iter().find(|row| row.key == counter.key).map(|row| row.ends_at);
    Ok(counters.iter().map(end_of).collect())
}

/// Deletes the counters of `reset`, subtracts one from each of `refunded`, and deletes some that ended long ago.
pub async fn reset_and_refund(tx: &mut Tx, reset: &[Counter], refunded: &[Counter]) -> Result<(), Problem> {
    let now = tx.now();
    let keys = |counters: &[Counter]| counters.iter().map(|counter| counter.key.to_vec()).collect::<Vec<_>>();
    sqlx::query!(
        "with held as materialized (
             select key from attempt_limits where key = any($1::bytea[] || $2::bytea[]) order by key for update
         ), old as (
             select key from attempt_limits where ends_at < $3 and cardinality($1::bytea[]) > 0
                 and key <> all ($1::bytea[] || $2::bytea[])
             order by ends_at limit 20 for update skip locked
         ), gone as (
             delete from attempt_limits g
             using (select key from old union all select key from held where key = any($1::bytea[])) as ended
             where g.key = ended.key
         )
         update attempt_limits g set count = g.count - 1 from held
         where g.key = held.key and held.key = any($2::bytea[]) and g.count > 0",
        &keys(reset),
        &keys(refunded),
        now,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// The data on the owner of an address that attempt limits need.
#[derive(Debug)]
pub struct KnownOwner {
    /// When all sessions of the owner were last ended; `None`: never, or the address has no account.
    pub sessions_ended_at: Option<DateTime<Utc>>,
    /// The IP addresses that the owner was signed in from during the last 90 days.
    pub addresses: Vec<String>,
    /// Whether the given counter is used up.
    pub is_used_up: bool,
}

/// Reads the owner of an address, and whether a counter is used up. For an address without an account, the same query
/// runs and finds no sessions.
pub async fn owner(tx: &mut Tx, email: &Email, counter: &Counter) -> Result<KnownOwner, Problem> {
    let now = tx.now();
    let since = now - chrono::TimeDelta::days(90);
    let owner = sqlx::query_as!(
        KnownOwner,
        r#"select (select sessions_ended_at from users where email = $1) as sessions_ended_at,
             array(
                 select distinct ip from sessions
                 where user_id = coalesce((select id from users where email = $1),
                 '00000000-0000-0000-0000-000000000000')
                   and created_at > $2 and ip is not null limit 100) as "addresses!",
             exists (select from attempt_limits where key = $3 and ends_at > $4 and count >= $5) as "is_used_up!""#,
        email.as_str(),
        since,
        counter.key.as_slice(),
        now,
        counter.max,
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(owner)
}
