//! The account to which a role is granted: named by its id, or by its e-mail address if that is verified.
//!
//! Anybody can register with any address, so an unverified address does not identify the owner of an account.

use crate::accounts::{Email, User, sql};
use crate::ids::UserId;
use crate::problem::Problem;
use crate::uow::Tx;

/// The account, locked until the transaction ends.
///
/// # Errors
/// 422 when both or neither are given, when there is no such active account, and for an address that is not confirmed.
pub async fn find(tx: &mut Tx, email: Option<&Email>, id: Option<UserId>) -> Result<User, Problem> {
    let (pointer, missing) = match (email, id) {
        (Some(_), None) => ("/email", "belongs to no active account; the person has to register first"),
        (None, Some(_)) => ("/userId", "is the id of no active account"),
        _ => return Err(Problem::invalid_field("", "must contain exactly one of email and userId")),
    };
    let user = sql::lock_named(tx, email, id).await?.ok_or_else(|| Problem::invalid_field(pointer, missing))?;
    if email.is_some() && !user.email_verified {
        let unproved = "is not confirmed, so the account may be somebody else's: have the person confirm it (POST \
                        /api/me/email/code), or send the userId that they read in GET /api/me";
        return Err(Problem::invalid_field("/email", unproved));
    }
    Ok(user)
}
