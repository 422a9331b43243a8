//! `/api/admin/outbox`: the messages of the outbox with their state, for administrators.

use std::sync::Arc;

use axum::extract::State as Shared;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::accounts::caller::Admin;
use crate::app::App;
use crate::encryption::{Encryption, KeyPurpose};
use crate::extract::{Json, Query};
use crate::ids::MessageId;
use crate::outbox::sql::{self, OutboxRow};
use crate::outbox::{Channel, NotificationStatus};
use crate::paging::{List, PageQuery};
use crate::problem::{Problem, ProblemBody};

/// The routes of this feature.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(list_outbox))
}

/// A message to a person.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct OutboxMessage {
    id: MessageId,
    channel: Channel,
    /// The phone number, e-mail address or device.
    #[schema(example = "ada@example.com")]
    target: String,
    /// What the message is about.
    #[schema(example = "account.reset-code")]
    kind: String,
    state: NotificationStatus,
    /// How many times sending was attempted.
    attempts: i16,
    /// The provider that accepted it; `stand-in`: it was stored and not sent.
    #[schema(example = "stand-in")]
    provider: Option<String>,
    /// Why sending was given up.
    error: Option<String>,
    /// The subject; only of messages that were not sent to a provider.
    subject: Option<String>,
    /// The text; only of messages that were not sent to a provider. Codes are readable in development mode only.
    body: Option<String>,
    created_at: DateTime<Utc>,
    /// When the message was accepted by the provider, or given up.
    final_at: Option<DateTime<Utc>>,
}

impl OutboxMessage {
    fn of(shown: OutboxRow, encryption: &Encryption) -> Self {
        let owner = shown.id.uuid();
        let content =
            shown.content.and_then(|content| encryption.decrypt(KeyPurpose::Outbox, owner.as_bytes(), &content).ok());
        let text = content.and_then(|content| serde_json::from_slice::<(String, String)>(&content).ok());
        let (subject, body) = text.unzip();
        Self {
            id: shown.id,
            channel: shown.channel,
            target: shown.target,
            kind: shown.kind,
            state: shown.state,
            attempts: shown.attempts,
            provider: shown.provider,
            error: shown.error,
            subject,
            body,
            created_at: shown.created_at,
            final_at: shown.final_at,
        }
    }
}

/// List sent messages
///
/// Every SMS, e-mail and push notification, newest first. Without a provider no message is sent, and they can be read
/// here.
#[utoipa::path(get, path = "/api/admin/outbox", tag = "server", security(("token" = [])), params(PageQuery), responses(
    (status = 200, description = "A page of messages", body = List<OutboxMessage>),
    (status = 403, description = "Requires the role ADMIN",
        body = ProblemBody, content_type = "application/problem+json"),
))]
async fn list_outbox(
    Shared(app): Shared<Arc<App>>,
    admin: Admin,
    Query(query): Query<PageQuery>,
) -> Result<Json<List<OutboxMessage>>, Problem> {
    let page = query.page()?;
    let rows = app.db.read(admin.scope, move |tx| Box::pin(async move { sql::outbox(tx, page).await })).await?;
    let list = page.cut(rows, |row| (row.created_at, row.id.uuid()));
    Ok(Json(list.map(|shown| OutboxMessage::of(shown, &app.encryption))))
}
