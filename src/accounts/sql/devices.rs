//! Every statement on devices that receive push notifications.

use crate::accounts::Caller;
use crate::accounts::devices::{DeviceKind, NewDevice, PushDevice};
use crate::ids::{DeviceId, SessionId, UserId};
use crate::problem::Problem;
use crate::row_limit::{self, RowLimit};
use crate::uow::Tx;

/// A user's devices whose sessions have not ended, last registered first.
pub async fn of_user(tx: &mut Tx, user: UserId) -> Result<Vec<PushDevice>, Problem> {
    let now = tx.now();
    let devices = sqlx::query_as!(
        PushDevice,
        "select d.id, d.kind, d.locale, d.created_at, d.updated_at
         from push_devices d join sessions s on s.id = d.session_id
         where d.user_id = $1 and s.revoked_at is null and s.expires_at > $2
         order by d.updated_at desc, d.id desc limit 200",
        user as UserId,
        now,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(devices)
}

/// Registers a device for the caller's session; a device that another user had registered moves to the caller. If the
/// user has more than `max` devices, those registered longest ago are removed.
pub async fn register(
    tx: &mut Tx,
    caller: &Caller,
    id: DeviceId,
    new: &NewDevice,
    max: i64,
) -> Result<PushDevice, Problem> {
    let now = tx.now();
    // Concurrent registrations run one after another here, so that each removes the surplus of those before it.
    row_limit::count(tx, RowLimit::PushDevices, caller.user.uuid()).await?;
    let device = sqlx::query_as!(
        PushDevice,
        "with surplus as (
             delete from push_devices where id in (
                 select id from push_devices where user_id = $2 and (kind, target) <> ($4, $5)
                 order by updated_at desc, id desc offset $8::bigint - 1)
         )
         insert into push_devices (id, user_id, session_id, kind, target, locale, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $7)
         on conflict (kind, target) do update
         set user_id = excluded.user_id, session_id = excluded.session_id, locale = excluded.locale,
             updated_at = excluded.updated_at
         returning id, kind, locale, created_at, updated_at",
        id as DeviceId,
        caller.user as UserId,
        caller.session as SessionId,
        new.kind as DeviceKind,
        new.target.as_str(),
        new.locale.as_str(),
        now,
        max,
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(device)
}

/// Stops pushes to a device; `false`: the user has none with this id.
pub async fn delete(tx: &mut Tx, user: UserId, id: DeviceId) -> Result<bool, Problem> {
    let deleted =
        sqlx::query!("delete from push_devices where user_id = $1 and id = $2", user as UserId, id as DeviceId)
            .execute(tx.connection())
            .await?;
    Ok(deleted.rows_affected() == 1)
}
