//! Who is signed in: everybody when they are first needed, and from then on as long as the city lives.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use crate::demo::city::PASSWORD;
use comanda_client::{CallError, Client, Session};

/// Everybody by their address. A session signs in again by itself when its token ends.
pub struct Actors {
    client: Client,
    sessions: Mutex<HashMap<String, Arc<OnceCell<Arc<Session>>>>>,
}

impl Actors {
    /// Starts with nobody signed in.
    pub fn new(client: &Client) -> Self {
        Self { client: client.clone(), sessions: Mutex::default() }
    }

    /// Somebody, signed in.
    pub async fn session(&self, email: &str) -> Result<Arc<Session>, CallError> {
        let cell = {
            let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(sessions.entry(email.to_owned()).or_default())
        };
        let sign_in = || async { self.client.login(email, PASSWORD).await.map(Arc::new) };
        cell.get_or_try_init(sign_in).await.map(Arc::clone)
    }
}
