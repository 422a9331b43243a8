//! The sessions of the simulated users: each signs in when first needed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use crate::demo::city::PASSWORD;
use comanda_client::{CallError, Client, Session};

/// The sessions by e-mail address. A session signs in again when its token expires.
pub struct Actors {
    client: Client,
    sessions: Mutex<HashMap<String, Arc<OnceCell<Arc<Session>>>>>,
}

impl Actors {
    /// No user is signed in.
    pub fn new(client: &Client) -> Self {
        Self { client: client.clone(), sessions: Mutex::default() }
    }

    /// The session of a user.
    pub async fn session(&self, email: &str) -> Result<Arc<Session>, CallError> {
        let cell = {
            let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(sessions.entry(email.to_owned()).or_default())
        };
        let sign_in = || async { self.client.login(email, PASSWORD).await.map(Arc::new) };
        cell.get_or_try_init(sign_in).await.map(Arc::clone)
    }
}
