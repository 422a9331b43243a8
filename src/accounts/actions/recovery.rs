//! Records in a password reset how its code was sent.

use crate::accounts::sql::recovery as sql;
use crate::outbox::Channel;
use crate::problem::Problem;
use crate::uow::Tx;

/// The prefix of the dedupe key of a message with a code; the request's id follows.
pub const CODE_KEY: &str = "reset-code:";

/// Records by which channel the code of a request was sent. Messages with other dedupe keys are ignored.
///
/// # Errors
/// Only those of the database.
pub async fn sent(tx: &mut Tx, dedupe_key: &str, channel: Channel) -> Result<(), Problem> {
    let id = dedupe_key.strip_prefix(CODE_KEY).and_then(|id| id.parse().ok());
    match id {
        Some(id) => sql::sent(tx, id, channel).await,
        None => Ok(()),
    }
}
