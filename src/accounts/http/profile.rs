//! `PATCH /api/me`: name, phone number and language, which several devices may write, some of them late. The latest
//! write of a field wins (`sql/profile.rs`). E-mail addresses and phone numbers are confirmed in `contacts.rs`.

use std::sync::Arc;

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::accounts::actions::notices::notify_owner;
use crate::accounts::actions::profile::apply;
use crate::accounts::actions::sessions::authenticate_again;
use crate::accounts::caller::SignedIn;
use crate::accounts::password::GivenPassword;
use crate::accounts::profile::{Locale, ProfileWrites};
use crate::accounts::{User, sql};
use crate::app::App;
use crate::client::Client;
use crate::clock::clamp;
use crate::extract::{Body, Json};
use crate::outbox::NotificationKind;
use crate::phone::MessagePhone;
use crate::problem::{Code, Problem, ProblemBody};
use crate::tenancy::TenancyContext;
use crate::text::SingleLine;
use crate::timestamp::Timestamp;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(update_me))
}

/// A new value, and when it was written by the client's clock: `"Ada"`, or `{"value": "Ada", "at": "2026-…"}`.
#[derive(Debug)]
struct Change<T> {
    value: T,
    at: Option<DateTime<Utc>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stamped<T> {
    value: T,
    at: Timestamp,
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Change<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let read = if value.is_object() {
            serde_json::from_value::<Stamped<T>>(value).map(|Stamped { value, at }| Self { value, at: Some(at.utc()) })
        } else {
            serde_json::from_value(value).map(|value| Self { value, at: None })
        };
        read.map_err(serde::de::Error::custom)
    }
}

/// Distinguishes a field that is null from one that is absent.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// The changes of a profile; absent fields stay unchanged. Each field is a value, or `{"value", "at"}`.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ProfilePatch {
    /// The display name, 1 to 120 characters.
    #[schema(value_type = Option<Object>, example = json!({ "value": "Ada", "at": "2026-05-01T18:30:00Z" }))]
    name: Option<Change<SingleLine<120>>>,
    /// A phone number in international format, stored as E.164; null removes it. Needs `currentPassword`. It is
    /// verified with a code that is sent to it (`POST /api/me/phone/code`). The owner of the account is notified of the
    /// change.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Object>, example = json!({ "value": "+390511234567", "at": "2026-05-01T18:30:00Z" }))]
    phone: Option<Change<Option<MessagePhone>>>,
    /// The preferred language, a BCP 47 tag.
    #[schema(value_type = Option<Object>, example = json!("it"))]
    locale: Option<Change<Locale>>,
    /// When the fields without an `at` of their own were written; absent: now.
    at: Option<Timestamp>,
    current_password: Option<GivenPassword>,
}

/// Update the caller's profile
///
/// A field that another device wrote later keeps its value; the response shows the current values. A time more than
/// five minutes in the future is refused.
#[utoipa::path(patch, path = "/api/me", tag = "auth", security(("token" = [])), request_body = ProfilePatch, responses(
    (status = 200, description = "The profile after the change", body = User),
    (status = 403, description = "The current password is required",
        body = ProblemBody, content_type = "application/problem+json"),
    (status = 422, description = "Invalid request, or the client's clock is wrong",
        body = ProblemBody, content_type = "application/problem+json"),
))]
async fn update_me(
    State(app): State<Arc<App>>,
    SignedIn(caller): SignedIn,
    client: Client,
    Body(patch): Body<ProfilePatch>,
) -> Result<Json<User>, Problem> {
    let (user, session) = (caller.user, caller.session);
    let writes = patch.writes(app.clock.now())?;
    let changes_phone = patch.phone.is_some();
    if changes_phone {
        let Some(password) = &patch.current_password else {
            let detail =
                "Send `currentPassword` when you change the phone number: it can receive codes to reset the password.";
            return Err(Problem::new(Code::ReauthRequired, detail));
        };
        authenticate_again(&app, (user, session), client, password).await?;
    }
    let tenancy = if changes_phone { TenancyContext::credentials(user, session) } else { TenancyContext::user(user) };
    let shared = Arc::clone(&app);
    let profile = app
        .db
        .write(tenancy, move |tx| {
            Box::pin(async move {
                let before = sql::contacts::reach(tx, user).await?.ok_or_else(Problem::unauthenticated)?;
                let profile = apply(tx, user, writes).await?;
                if profile.phone != before.phone {
                    notify_owner(tx, &shared.encryption, NotificationKind::PhoneChanged, user, before.verified_phone())
                        .await?;
                }
                Ok(profile)
            })
        })
        .await?;
    app.outbox.wake();
    Ok(Json(profile))
}

impl ProfilePatch {
    fn writes(&self, now: DateTime<Utc>) -> Result<ProfileWrites, Problem> {
        let instant = |field: &'static str, own: Option<DateTime<Utc>>| {
            let (pointer, at) = if own.is_some() {
                (format!("/{field}/at"), own)
            } else {
                ("/at".to_owned(), self.at.map(Timestamp::utc))
            };
            at.map(|at| clamp(at, now)).transpose().map_err(|_| Problem::clock_skew(&pointer, now))
        };
        let mut writes = ProfileWrites::default();
        if let Some(change) = &self.name {
            writes.name = Some((change.value.as_str().to_owned(), instant("name", change.at)?));
        }
        if let Some(change) = &self.phone {
            let number = change.value.as_ref().map(|phone| phone.as_str().to_owned());
            writes.phone = Some((number, instant("phone", change.at)?));
        }
        if let Some(change) = &self.locale {
            writes.locale = Some((change.value.as_str().to_owned(), instant("locale", change.at)?));
        }
        Ok(writes)
    }
}
