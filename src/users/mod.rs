//! What concerns a user across features: signing in with a guest's carts, becoming a guest, the profile with memberships and driver, and
//! the administration of accounts.

use std::sync::Arc;

use utoipa_axum::router::OpenApiRouter;

use crate::app::App;

pub mod admin;
pub mod guests;
pub mod login;
pub mod me;

/// The routes of this feature.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().merge(login::routes()).merge(me::routes()).merge(admin::routes()).merge(guests::routes())
}
