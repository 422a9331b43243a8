//! Every statement on guesses.

use crate::accounts::Email;
use crate::accounts::guesses::{Counter, UsedUp};
use crate::problem::Problem;
use crate::uow::Tx;

/// Adds one to each of the counts; tells when those that are used up end.
pub async fn take(tx: &mut Tx, counters: &[Counter]) -> Result<UsedUp, Problem> {
    let now = tx.now();
    let keys: Vec<_> = counters.iter().map(|counter| counter.key.to_vec()).collect();
    let most: Vec<_> = counters.iter().map(|counter| counter.most).collect();
    let ends: Vec<_> = counters.iter().map(|counter| now + counter.span).collect();
    let used_up = sqlx::query_scalar!(
        r#"with wanted as (select * from unnest($1::bytea[], $2::integer[], $3::timestamptz[]) as w (key, most, ends_at)),
         taken as (
             insert into guesses as g (key, count, ends_at) select key, 1, ends_at from wanted order by key
             on conflict (key) do update set
                 count = case when g.ends_at <= $4 then 1 else g.count + 1 end,
                 ends_at = case when g.ends_at <= $4 then excluded.ends_at else g.ends_at end
             returning g.key, g.count, g.ends_at)
         select max(t.ends_at) from taken t join wanted w using (key) where t.count > w.most"#,
        &keys,
        &most,
        &ends,
        now,
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(UsedUp(used_up))
}

/// Takes one off each of the counts.
pub async fn give_back(tx: &mut Tx, counters: &[Counter]) -> Result<(), Problem> {
    let keys: Vec<_> = counters.iter().map(|counter| counter.key.to_vec()).collect();
    sqlx::query!(
        "with held as (select key from guesses where key = any($1) order by key for update)
         update guesses set count = count - 1 from held where guesses.key = held.key and guesses.count > 0",
        &keys,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Forgets the counts, and some that have long ended.
pub async fn forget(tx: &mut Tx, counters: &[Counter]) -> Result<(), Problem> {
    let now = tx.now();
    let keys: Vec<_> = counters.iter().map(|counter| counter.key.to_vec()).collect();
    sqlx::query!(
        "with old as (select key from guesses where ends_at < $2 order by ends_at limit 20 for update skip locked),
         gone as (select key from old union select unnest($1::bytea[]))
         delete from guesses using gone where guesses.key = gone.key",
        &keys,
        now,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Where the owner of an address was signed in from during the last 90 days. For an address that nobody has, sessions are
/// looked for all the same: those of nobody.
pub async fn addresses(tx: &mut Tx, email: &Email) -> Result<Vec<String>, Problem> {
    let since = tx.now() - chrono::TimeDelta::days(90);
    let addresses = sqlx::query_scalar!(
        r#"select distinct ip as "ip!" from sessions
           where user_id = coalesce((select id from users where email = $1), '00000000-0000-0000-0000-000000000000')
             and created_at > $2 and ip is not null limit 100"#,
        email.as_str(),
        since,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(addresses)
}
