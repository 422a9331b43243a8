//! Every statement on notification preferences.

use crate::accounts::preferences::{NotificationChannels, NotificationPreferences};
use crate::ids::UserId;
use crate::problem::Problem;
use crate::uow::Tx;

/// The preferences of a user; `None`: they have chosen none.
pub async fn of_user(tx: &mut Tx, user: UserId) -> Result<Option<NotificationPreferences>, Problem> {
    let row = sqlx::query!(
        "select order_push, order_sms, order_email, marketing_push, marketing_sms, marketing_email
         from notification_preferences where user_id = $1",
        user as UserId,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(row.map(|row| {
        let order = NotificationChannels { push: row.order_push, sms: row.order_sms, email: row.order_email };
        let marketing =
            NotificationChannels { push: row.marketing_push, sms: row.marketing_sms, email: row.marketing_email };
        NotificationPreferences::chosen(order, marketing)
    }))
}

/// Stores the preferences of a user.
pub async fn put(tx: &mut Tx, user: UserId, preferences: NotificationPreferences) -> Result<(), Problem> {
    let now = tx.now();
    let NotificationPreferences { order, marketing, .. } = preferences;
    sqlx::query!(
        "insert into notification_preferences
             (user_id, order_push, order_sms, order_email, marketing_push, marketing_sms, marketing_email, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)
         on conflict (user_id) do update set order_push = $2, order_sms = $3, order_email = $4,
             marketing_push = $5, marketing_sms = $6, marketing_email = $7, updated_at = $8",
        user as UserId,
        order.push,
        order.sms,
        order.email,
        marketing.push,
        marketing.sms,
        marketing.email,
        now,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}
