//! Statements of operators on operations of all devices and users.

use chrono::{DateTime, Utc};

use crate::ids::SyncOperationId;
use crate::problem::Problem;
use crate::sync::OperationState;
use crate::uow::Tx;

/// An operation in a list.
#[derive(Debug, Clone)]
pub struct ListedOperation {
    /// The operation's id, for `comanda sync show` and `comanda sync retry`.
    pub id: SyncOperationId,
    /// E-mail address of the device's user.
    pub email: String,
    /// The `deviceId` of the device.
    pub device: String,
    /// The sequence number on the device.
    pub seq: i64,
    /// The kind of operation.
    pub kind: String,
    /// The state of the operation.
    pub state: OperationState,
    /// The number of failed attempts.
    pub attempts: i32,
    /// When it arrived.
    pub received_at: DateTime<Utc>,
    /// The last error.
    pub last_error: Option<String>,
}

/// Unfinished operations, oldest first: abandoned ones, or all.
pub async fn list(tx: &mut Tx, all: bool, limit: i64) -> Result<Vec<ListedOperation>, Problem> {
    let operations = sqlx::query_as!(
        ListedOperation,
        r#"select o.id as "id: SyncOperationId", u.email, o.device, o.seq, o.kind, o.state, o.attempts, o.received_at,
                  o.last_error
           from sync_operations o join users u on u.id = o.user_id
           where o.finished_at is null and ($1 or o.state = 'DEAD')
           order by o.received_at, o.seq limit $2"#,
        all,
        limit,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(operations)
}

/// All details of an operation.
#[derive(Debug, Clone)]
pub struct OperationDetails {
    /// E-mail address of the device's user.
    pub email: String,
    /// The `deviceId` of the device.
    pub device: String,
    /// The sequence number on the device.
    pub seq: i64,
    /// The id that the device generated.
    pub op_id: String,
    /// The kind of operation.
    pub kind: String,
    /// The payload as JSON.
    pub payload: String,
    /// When it was done, by the device's clock.
    pub said_at: DateTime<Utc>,
    /// When it arrived.
    pub received_at: DateTime<Utc>,
    /// The state of the operation.
    pub state: OperationState,
    /// The number of failed attempts.
    pub attempts: i32,
    /// The last error.
    pub last_error: Option<String>,
    /// The result or the problem; `None`: not finished.
    pub result: Option<String>,
}

/// Reads one operation with its payload and result; `None`: there is no such operation.
pub async fn get(tx: &mut Tx, id: SyncOperationId) -> Result<Option<OperationDetails>, Problem> {
    let shown = sqlx::query_as!(
        OperationDetails,
        r#"select u.email, o.device, o.seq, o.op_id, o.kind, o.payload::text as "payload!", o.said_at, o.received_at,
                  o.state, o.attempts, o.last_error, o.result::text as result
           from sync_operations o join users u on u.id = o.user_id where o.id = $1"#,
        id as SyncOperationId,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(shown)
}

/// Marks abandoned operations for a retry: one, or all. Returns how many.
pub async fn retry(tx: &mut Tx, id: Option<SyncOperationId>) -> Result<u64, Problem> {
    let now = tx.now();
    let row = sqlx::query!(
        r#"with again as (
               update sync_operations set state = 'PENDING', attempts = 0, retry_at = null
               where state = 'DEAD' and ($1::uuid is null or id = $1)
               returning user_id, device
           ), due as (
               update sync_devices d set due_at = least(d.due_at, $2)
               where exists (select from again a where a.user_id = d.user_id and a.device = d.device)
           )
           select count(*) as "count!" from again"#,
        id.map(SyncOperationId::uuid),
        now,
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(row.count.unsigned_abs())
}
