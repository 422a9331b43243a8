//! Every statement on saved addresses.

use crate::accounts::addresses::{NewAddress, SavedAddress};
use crate::ids::{AddressId, UserId};
use crate::place::Place;
use crate::problem::Problem;
use crate::uow::Tx;

/// An address, from the columns of a row.
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
pub async fn of_user(tx: &mut Tx, user: UserId) -> Result<Vec<SavedAddress>, Problem> {
    let rows = sqlx::query!(
        "select id, label, address, latitude, longitude, note, created_at, updated_at from user_addresses
         where user_id = $1 order by updated_at desc, id desc limit 200",
        user as UserId,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(rows.into_iter().map(|row| address!(row)).collect())
}

/// Stores a new address.
pub async fn insert(tx: &mut Tx, user: UserId, id: AddressId, new: &NewAddress) -> Result<SavedAddress, Problem> {
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

/// Replaces an address, if it is the user's. The same content again changes nothing.
pub async fn replace(
    tx: &mut Tx,
    user: UserId,
    id: AddressId,
    new: &NewAddress,
) -> Result<Option<SavedAddress>, Problem> {
    let now = tx.now();
    let row = sqlx::query!(
        "update user_addresses
         set label = $3, address = $4, latitude = $5, longitude = $6, note = $7,
             updated_at = case when (label, address, latitude, longitude, note) is distinct from ($3, $4, $5, $6, $7)
                 then $8 else updated_at end
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

/// Deletes an address; `false`: the user has none with this id.
pub async fn delete(tx: &mut Tx, user: UserId, id: AddressId) -> Result<bool, Problem> {
    let deleted =
        sqlx::query!("delete from user_addresses where user_id = $1 and id = $2", user as UserId, id as AddressId)
            .execute(tx.connection())
            .await?;
    Ok(deleted.rows_affected() == 1)
}
