//! Changes that administrators make to accounts. Pure.

use serde::Deserialize;
use utoipa::ToSchema;

use crate::accounts::UserRole;

/// The changes of an account; absent fields stay unchanged.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountPatch {
    /// True disables the account and ends all its sessions; false enables it again.
    pub disabled: Option<bool>,
    /// The new role. CUSTOMER ends every membership; an account below DRIVER does not deliver.
    pub role: Option<UserRole>,
}
