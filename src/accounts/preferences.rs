//! `/api/me/notification-preferences`: what one wants to be told, and how.

use std::sync::Arc;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::caller::SignedIn;
use super::sql::belongings as sql;
use crate::app::App;
use crate::extract::{Body, Json};
use crate::problem::{FieldError, Problem, ProblemBody};
use crate::tenancy::TenancyContext;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(get_notification_preferences, put_notification_preferences))
}

/// The channels of one kind of notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NotificationChannels)]
pub struct Channels {
    /// By push notification to devices.
    pub push: bool,
    /// By text message.
    pub sms: bool,
    /// Notifications by e-mail.
    pub email: bool,
}

impl Channels {
    const ALL: Self = Self { push: true, sms: true, email: true };
    const NONE: Self = Self { push: false, sms: false, email: false };
}

/// Which notifications the user receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NotificationPreferences)]
pub struct Preferences {
    /// Codes, password changes, new devices; cannot be switched off.
    pub security: Channels,
    /// The status of the user's orders.
    pub order: Channels,
    /// Offers and news.
    pub marketing: Channels,
}

impl Preferences {
    /// Of whoever has not said anything: orders yes, marketing no.
    pub const UNSAID: Self = Self { security: Channels::ALL, order: Channels::ALL, marketing: Channels::NONE };

    /// With what may be chosen.
    pub const fn chosen(order: Channels, marketing: Channels) -> Self {
        Self { security: Channels::ALL, order, marketing }
    }
}

/// Get notification preferences
#[utoipa::path(get, path = "/api/me/notification-preferences", tag = "auth", security(("token" = [])), responses(
    (status = 200, description = "The notification preferences", body = Preferences),
    (status = 401, description = "Authentication required", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn get_notification_preferences(
    State(app): State<Arc<App>>,
    SignedIn(caller): SignedIn,
) -> Result<Json<Preferences>, Problem> {
    let user = caller.user;
    let said = app
        .db
        .read(TenancyContext::user(user), move |tx| Box::pin(async move { sql::preferences(tx, user).await }))
        .await?;
    Ok(Json(said.unwrap_or(Preferences::UNSAID)))
}

/// Replace notification preferences
#[utoipa::path(put, path = "/api/me/notification-preferences", tag = "auth", security(("token" = [])),
    request_body = Preferences,
    responses(
        (status = 200, description = "The notification preferences after the change", body = Preferences),
        (status = 422, description = "Security notifications cannot be turned off", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn put_notification_preferences(
    State(app): State<Arc<App>>,
    SignedIn(caller): SignedIn,
    Body(wanted): Body<Preferences>,
) -> Result<Json<Preferences>, Problem> {
    let Channels { push, sms, email } = wanted.security;
    let declined = [("push", push), ("sms", sms), ("email", email)].into_iter().filter(|(_, wanted)| !wanted);
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
        .write(TenancyContext::user(user), move |tx| {
            Box::pin(async move { sql::put_preferences(tx, user, wanted).await })
        })
        .await?;
    Ok(Json(wanted))
}
