//! Statements on what a user keeps: addresses, devices, wishes.

use crate::accounts::Caller;
use crate::accounts::addresses::{NewAddress, SavedAddress};
use crate::accounts::devices::{DeviceKind, NewDevice, PushDevice};
use crate::accounts::preferences::{Channels, Preferences};
use crate::ids::{AddressId, DeviceId, SessionId, UserId};
use crate::place::Place;
use crate::problem::Problem;
use crate::row_limit::{self, RowLimit};
use crate::uow::Tx;

/// An address as its columns.
macro_rules! address {
    ($row:expr) => {
        SavedAddress {
            id: $row.id,
            label: $row.label,
            address: $row.address,
            place: Place::from_columns($row.latitude, $row.longitude),
            note: $row.note,
            created_at: $row.created_at,
            updated_at: $row.updated_at,
        }
    };
}

/// A user's addresses, the one changed last first.
pub async fn addresses(tx: &mut Tx, user: UserId) -> Result<Vec<SavedAddress>, Problem> {
    let rows = sqlx::query!(
        "select id, label, address, latitude, longitude, note, created_at, updated_at from user_addresses
         where user_id = $1 order by updated_at desc, id desc limit 200",
        user as UserId,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(rows.into_iter().map(|row| address!(row)).collect())
}

/// Keeps an address.
pub async fn insert_address(
    tx: &mut Tx,
    user: UserId,
    id: AddressId,
    new: &NewAddress,
) -> Result<SavedAddress, Problem> {
    let now = tx.now();
    let row = sqlx::query!(
        "insert into user_addresses (user_id, id, label, address, latitude, longitude, note, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $8)
         returning id, label, address, latitude, longitude, note, created_at, updated_at",
        user as UserId,
        id as AddressId,
        new.label.as_deref(),
        new.address.as_str(),
        new.place.map(Place::lat),
        new.place.map(Place::lng),
        new.note.as_deref(),
        now,
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(address!(row))
}

/// Replaces an address, if it is the user's.
pub async fn replace_address(
    tx: &mut Tx,
    user: UserId,
    id: AddressId,
    new: &NewAddress,
) -> Result<Option<SavedAddress>, Problem> {
    let now = tx.now();
    let row = sqlx::query!(
        "update user_addresses
         set label = $3, address = $4, latitude = $5, longitude = $6, note = $7, updated_at = $8
         where user_id = $1 and id = $2
         returning id, label, address, latitude, longitude, note, created_at, updated_at",
        user as UserId,
        id as AddressId,
        new.label.as_deref(),
        new.address.as_str(),
        new.place.map(Place::lat),
        new.place.map(Place::lng),
        new.note.as_deref(),
        now,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(row.map(|row| address!(row)))
}

/// Forgets an address; `false`: the user keeps none like that.
pub async fn delete_address(tx: &mut Tx, user: UserId, id: AddressId) -> Result<bool, Problem> {
    let deleted =
        sqlx::query!("delete from user_addresses where user_id = $1 and id = $2", user as UserId, id as AddressId)
            .execute(tx.connection())
            .await?;
    Ok(deleted.rows_affected() == 1)
}

/// A user's devices whose sessions stand, the one registered last first.
pub async fn devices(tx: &mut Tx, user: UserId) -> Result<Vec<PushDevice>, Problem> {
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

/// Registers a device for the caller's session, whosever it was before. Of more devices of a user than `most`, those that were
/// registered longest ago are removed.
pub async fn register_device(
    tx: &mut Tx,
    caller: &Caller,
    id: DeviceId,
    new: &NewDevice,
    most: i64,
) -> Result<PushDevice, Problem> {
    let now = tx.now();
    // Of many that are registered at once, each removes the surplus that those before it left.
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
        most,
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(device)
}

/// Stops pushes to a device; `false`: the user has none like that.
pub async fn delete_device(tx: &mut Tx, user: UserId, id: DeviceId) -> Result<bool, Problem> {
    let deleted =
        sqlx::query!("delete from push_devices where user_id = $1 and id = $2", user as UserId, id as DeviceId)
            .execute(tx.connection())
            .await?;
    Ok(deleted.rows_affected() == 1)
}

/// What a user wants to be told, if they have said so.
pub async fn preferences(tx: &mut Tx, user: UserId) -> Result<Option<Preferences>, Problem> {
    let row = sqlx::query!(
        "select order_push, order_sms, order_email, marketing_push, marketing_sms, marketing_email
         from notification_preferences where user_id = $1",
        user as UserId,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(row.map(|row| {
        let order = Channels { push: row.order_push, sms: row.order_sms, email: row.order_email };
        let marketing = Channels { push: row.marketing_push, sms: row.marketing_sms, email: row.marketing_email };
        Preferences::chosen(order, marketing)
    }))
}

/// Keeps what a user wants to be told.
pub async fn put_preferences(tx: &mut Tx, user: UserId, wanted: Preferences) -> Result<(), Problem> {
    let now = tx.now();
    let Preferences { order, marketing, .. } = wanted;
    sqlx::query!(
        "insert into notification_preferences
             (user_id, order_push, order_sms, order_email, marketing_push, marketing_sms, marketing_email, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)
         on conflict (user_id) do update set order_push = $2, order_sms = $3, order_email = $4,
             marketing_push = $5, marketing_sms = $6, marketing_email = $7, updated_at = $8",
        user as UserId,
        order.push,
        order.sms,
        order.email,
        marketing.push,
        marketing.sms,
        marketing.email,
        now,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}
