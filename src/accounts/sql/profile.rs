//! Statements on the profile: each field with the instant of its last write.
//!
//! A write wins if its instant is later, or the same and its value is greater, so that the result does not depend on
//! the order in which devices send their writes. A write without an instant comes after all stored ones.

use chrono::{DateTime, Utc};

use crate::ids::UserId;
use crate::problem::Problem;
use crate::uow::Tx;

macro_rules! write_if_later {
    ($tx:expr, $user:expr, $value:expr, $at:expr, $column:literal, $stamp:literal) => {{
        let now = $tx.now();
        sqlx::query!(
            "update users set "
                + $column
                + " = $2::text, updated_at = $4, "
                + $stamp
                + " = coalesce($3, greatest($4, "
                + $stamp
                + " + interval '1 microsecond'))
             where id = $1 and (coalesce($3, 'infinity'::timestamptz), coalesce($2::text, '') collate \"C\")
                             > (coalesce("
                + $stamp
                + ", '-infinity'), coalesce("
                + $column
                + ", '') collate \"C\")",
            $user as UserId,
            $value,
            $at as Option<DateTime<Utc>>,
            now,
        )
        .execute($tx.connection())
        .await?;
        Ok(())
    }};
}

/// Writes the display name, unless a later write is stored.
pub async fn set_name(tx: &mut Tx, user: UserId, name: &str, at: Option<DateTime<Utc>>) -> Result<(), Problem> {
    write_if_later!(tx, user, name, at, "name", "name_at")
}

/// Writes or removes the phone number, unless a later write is stored.
pub async fn set_phone(
    tx: &mut Tx,
    user: UserId,
    phone: Option<&str>,
    at: Option<DateTime<Utc>>,
) -> Result<(), Problem> {
    write_if_later!(tx, user, phone, at, "phone", "phone_at")
}

/// Writes the user's language, unless a later write is stored.
pub async fn set_locale(tx: &mut Tx, user: UserId, locale: &str, at: Option<DateTime<Utc>>) -> Result<(), Problem> {
    write_if_later!(tx, user, locale, at, "locale", "locale_at")
}
