//! Every statement on the log of revocations. It is written by triggers (`migrations/0011_sessions.sql`).

use sqlx::postgres::PgListener;

use crate::accounts::caller_cache::Revocation;
use crate::ids::{SessionId, UserId};

/// A row of the log.
pub struct RevocationRow {
    /// The transaction that wrote it.
    pub xid: i64,
    /// The row's number within its transaction.
    pub id: i64,
    /// The content of the row.
    pub revocation: Revocation,
}

/// The result of one reading.
pub struct RevocationsRead {
    /// Every transaction below this one has ended, and its revocations are among the rows.
    pub horizon: i64,
    /// The revocations read, the earliest first.
    pub rows: Vec<RevocationRow>,
}

/// The revocations of ended transactions from `floor` on. Without a floor: only the horizon from which to begin.
///
/// One statement sees one snapshot: a transaction below its horizon is seen, and one above it is read again next time.
pub async fn since(line: &mut PgListener, floor: Option<i64>) -> Result<RevocationsRead, sqlx::Error> {
    let found = sqlx::query!(
        r#"select pg_snapshot_xmin(pg_current_snapshot())::text::bigint as "horizon!",
                  r.xid as "xid?", r.id as "id?", r.user_id as "user_id?: UserId", r.session_id as "session_id?:
                  SessionId"
           from (select $1::bigint as floor) as asked
           left join revocations r on r.xid >= asked.floor
           order by r.xid, r.id"#,
        floor,
    )
    .fetch_all(line)
    .await?;
    let horizon = found.first().map_or(0, |row| row.horizon);
    let rows = found
        .into_iter()
        .filter_map(|row| {
            let revocation = Revocation { user: row.user_id?, session: row.session_id };
            Some(RevocationRow { xid: row.xid?, id: row.id?, revocation })
        })
        .collect();
    Ok(RevocationsRead { horizon, rows })
}

/// Deletes revocations older than a day, which every node has read.
pub async fn delete_old(line: &mut PgListener) -> Result<(), sqlx::Error> {
    sqlx::query!("delete from revocations where at < now() - interval '1 day'").execute(line).await?;
    Ok(())
}
