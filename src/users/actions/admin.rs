//! Changes of an account by an administrator or an operator. A disabled driver loses deliveries that are not picked up
//! (`delivery/actions/presence.rs`).

use crate::accounts::sql::sessions::RevocationReason;
use crate::accounts::{Account, UserRole, sql};
use crate::ids::UserId;
use crate::problem::Problem;
use crate::restaurants::sql as restaurants;
use crate::tenancy::PlatformScope;
use crate::uow::Tx;
use crate::users::admin::AccountPatch;

/// Changes an account: disabling it ends its sessions, the role CUSTOMER ends its memberships.
///
/// # Errors
/// 404 when there is no such account.
pub async fn apply(tx: &mut Tx, scope: PlatformScope, user: UserId, patch: AccountPatch) -> Result<Account, Problem> {
    let before = sql::admin::lock(tx, user).await?.ok_or_else(Problem::not_found)?;
    let disabled = patch.disabled.unwrap_or(before.disabled_at.is_some());
    sql::admin::update(tx, user, disabled, patch.role.unwrap_or(before.role)).await?;
    if disabled {
        sql::sessions::revoke_all(tx, user, None, RevocationReason::Disabled).await?;
    }
    if patch.role == Some(UserRole::Customer) {
        for membership in restaurants::memberships_of(tx, user).await? {
            let restaurant = scope.restaurant(membership.restaurant_id);
            restaurants::remove_member(tx, &restaurant, user).await?;
        }
    }
    sql::admin::lock(tx, user).await?.ok_or_else(Problem::not_found)
}
