//! Routes of users: sign-in, guests, the caller's profile, and the administration of accounts.

use std::sync::Arc;

use utoipa_axum::router::OpenApiRouter;

use crate::app::App;

mod admin;
mod guests;
mod login;
mod me;

/// The routes of this feature.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().merge(login::routes()).merge(me::routes()).merge(admin::routes()).merge(guests::routes())
}
