//! Invitations to become a member of a restaurant.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::actor::MemberRole;
use crate::ids::{InvitationId, RestaurantId};

/// An invitation to work for a restaurant.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Invitation {
    /// The id of the invitation.
    pub id: InvitationId,
    /// The id of the restaurant.
    pub restaurant_id: RestaurantId,
    /// The name of the restaurant.
    pub restaurant_name: String,
    /// The e-mail address that is invited.
    #[schema(example = "nora@example.com")]
    pub email: String,
    /// The role that the person will have.
    pub role: MemberRole,
    /// When the invitation was created.
    pub created_at: DateTime<Utc>,
    /// When the invitation expires.
    pub expires_at: DateTime<Utc>,
}
