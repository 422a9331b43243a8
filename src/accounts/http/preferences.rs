//! `/api/me/notification-preferences`: which notifications the caller wants.

use std::sync::Arc;

use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::accounts::caller::SignedIn;
use crate::accounts::preferences::{NotificationChannels, NotificationPreferences};
use crate::accounts::sql::preferences as sql;
use crate::app::App;
use crate::extract::{Body, Json};
use crate::problem::{FieldError, Problem, ProblemBody};
use crate::tenancy::TenancyContext;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(get_notification_preferences, put_notification_preferences))
}

/// Get notification preferences
#[utoipa::path(get, path = "/api/me/notification-preferences", tag = "auth", security(("token" = [])), responses(
    (status = 200, description = "The notification preferences", body = NotificationPreferences),
    (status = 401, description = "Authentication required",
        body = ProblemBody, content_type = "application/problem+json"),
))]
async fn get_notification_preferences(
    State(app): State<Arc<App>>,
    SignedIn(caller): SignedIn,
) -> Result<Json<NotificationPreferences>, Problem> {
    let user = caller.user;
    let said = app
        .db
        .read(TenancyContext::user(user), move |tx| Box::pin(async move { sql::of_user(tx, user).await }))
        .await?;
    Ok(Json(said.unwrap_or(NotificationPreferences::DEFAULT)))
}

/// Replace notification preferences
///
/// They are only stored: this version sends no notifications about orders and no marketing. Live events and
/// notifications about security do not depend on them.
#[utoipa::path(put, path = "/api/me/notification-preferences", tag = "auth", security(("token" = [])),
    request_body = NotificationPreferences,
    responses(
        (status = 200, description = "The notification preferences after the change", body = NotificationPreferences),
        (status = 422, description = "Security notifications cannot be turned off",
            body = ProblemBody, content_type = "application/problem+json"),
))]
async fn put_notification_preferences(
    State(app): State<Arc<App>>,
    SignedIn(caller): SignedIn,
    Body(preferences): Body<NotificationPreferences>,
) -> Result<Json<NotificationPreferences>, Problem> {
    let NotificationChannels { push, sms, email } = preferences.security;
    let declined = [("push", push), ("sms", sms), ("email", email)].into_iter().filter(|(_, is_on)| !is_on);
    let faults: Vec<_> = declined
        .map(|(channel, _)| {
            FieldError::invalid(
                format!("/security/{channel}"),
                "must be true: security notifications cannot be turned off",
            )
        })
        .collect();
    if !faults.is_empty() {
        return Err(Problem::invalid(faults));
    }
    let user = caller.user;
    app.db
        .write(TenancyContext::user(user), move |tx| Box::pin(async move { sql::put(tx, user, preferences).await }))
        .await?;
    Ok(Json(preferences))
}
