//! `comanda user …`: what an operator does by hand.

use crate::accounts::password::{NewPassword, Passwords};
use crate::accounts::sql::{self, NewUser};
use crate::accounts::{Email, UserRole};
use crate::clock::Clock;
use crate::config::Config;
use crate::database::{DatabaseError, Reached};
use crate::ids::UserId;
use crate::problem::Problem;
use crate::tenancy::PlatformScope;

/// Why an operator's command did not work.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// The database.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The address.
    #[error("{0} is no e-mail address")]
    Email(String),
    /// The password.
    #[error("the password {0}")]
    Password(String),
    /// Nothing came over standard input.
    #[error(
        "no password came over standard input: pipe it in, as in `printf %s \"$PASSWORD\" | comanda user create …`"
    )]
    NoPassword,
    /// It exists.
    #[error("{0} has an account already")]
    Exists(String),
    /// The house refused.
    #[error("{0}")]
    Refused(Problem),
}

/// Creates a user of any role; the password comes over standard input, so that it is in no process list.
///
/// # Errors
/// When the address is taken, or the password is too weak.
pub async fn create_user(config: &Config, email: &str, name: &str, role: UserRole) -> Result<UserId, OperatorError> {
    let email = Email::try_from(email.to_owned()).map_err(|_| OperatorError::Email(email.to_owned()))?;
    let given = std::io::read_to_string(std::io::stdin()).unwrap_or_default();
    let given = given.trim_end_matches(['\r', '\n']);
    if given.is_empty() {
        return Err(OperatorError::NoPassword);
    }
    let password: NewPassword = serde_json::from_value(serde_json::Value::from(given))
        .map_err(|error| OperatorError::Password(error.to_string()))?;
    let reached = Reached::find(config).await?;
    reached.migrate().await?;
    let db = reached.open(config, Clock::System).await?;
    let password_hash = Passwords::new(&config.accounts).hash(&password).await.map_err(OperatorError::Refused)?;
    let (id, address, name) = (UserId::new(), email.as_str().to_owned(), name.to_owned());
    let scope = PlatformScope::proven_by("an operator at the machine", None);
    let created = db
        .write(scope, move |tx| {
            Box::pin(async move {
                let user = NewUser { id, email: &email, password_hash: &password_hash, name: &name, phone: None, role };
                sql::insert(tx, &user).await
            })
        })
        .await
        .map_err(OperatorError::Refused)?;
    db.close().await;
    reached.leave().await;
    if created { Ok(id) } else { Err(OperatorError::Exists(address)) }
}
