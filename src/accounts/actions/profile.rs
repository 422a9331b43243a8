//! Writing the fields of a profile, whether they come with a request or from a synchronising device.

use crate::accounts::profile::ProfileWrites;
use crate::accounts::{User, sql};
use crate::ids::UserId;
use crate::problem::Problem;
use crate::uow::Tx;

/// Writes the fields that no later write has set, and returns the profile.
///
/// # Errors
/// 401 when the user no longer exists.
pub async fn apply(tx: &mut Tx, user: UserId, writes: ProfileWrites) -> Result<User, Problem> {
    if let Some((name, at)) = writes.name {
        sql::profile::set_name(tx, user, &name, at).await?;
    }
    if let Some((phone, at)) = writes.phone {
        sql::profile::set_phone(tx, user, phone.as_deref(), at).await?;
    }
    if let Some((locale, at)) = writes.locale {
        sql::profile::set_locale(tx, user, &locale, at).await?;
    }
    sql::get(tx, user).await?.ok_or_else(Problem::unauthenticated)
}
