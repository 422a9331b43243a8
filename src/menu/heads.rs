//! Which version a menu is at, asked of the database by everybody at once.
//!
//! A finished menu is shown only if the database says, after the request has arrived, that it has not changed since:
//! so a change on any node is seen by the next reader on every node. One question is on its way at a time, for all
//! menus that are wanted; who arrives meanwhile joins the next one. The busier the house, the less a reader pays.

use std::collections::HashMap;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;

use super::sql;
use crate::ids::RestaurantId;
use crate::problem::Problem;
use crate::uow::Database;

/// What the database says of a menu.
#[derive(Debug, Clone)]
pub struct Head {
    /// Grows with every change a guest can see.
    pub version: i64,
    /// The language it is written in, where it has been said.
    pub language: Option<String>,
    /// Its translations.
    pub languages: Vec<String>,
}

type Reply = Result<Option<Arc<Head>>, Problem>;

#[derive(Default)]
struct Waiting {
    readers: Vec<(RestaurantId, oneshot::Sender<Reply>)>,
    asking: bool,
}

/// The one who asks.
#[derive(Clone)]
pub struct Heads {
    db: Database,
    waiting: Arc<Mutex<Waiting>>,
    asking: TaskTracker,
}

impl Heads {
    /// For this database.
    pub fn new(db: Database) -> Self {
        Self { db, waiting: Arc::default(), asking: TaskTracker::new() }
    }

    /// The menu's head at a moment after this call; `None`: there is no such restaurant.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn of(&self, restaurant: RestaurantId) -> Reply {
        let (reply, answer) = oneshot::channel();
        let first = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.readers.push((restaurant, reply));
            !mem::replace(&mut waiting.asking, true)
        };
        if first {
            let own = self.clone();
            // In a task of its own: the reader who happened to come first may hang up.
            self.asking.spawn(async move { own.ask_until_nobody_waits().await });
        }
        answer.await.unwrap_or_else(|_| Err(Problem::busy(1)))
    }

    async fn ask_until_nobody_waits(&self) {
        loop {
            let readers = {
                let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                if waiting.readers.is_empty() {
                    waiting.asking = false;
                    return;
                }
                mem::take(&mut waiting.readers)
            };
            self.ask(readers).await;
        }
    }

    async fn ask(&self, readers: Vec<(RestaurantId, oneshot::Sender<Reply>)>) {
        let mut wanted: Vec<_> = readers.iter().map(|(restaurant, _)| restaurant.uuid()).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let heads = sql::heads(&self.db, &wanted).await.map(|heads| -> HashMap<_, _> {
            heads.into_iter().map(|(restaurant, head)| (restaurant, Arc::new(head))).collect()
        });
        for (restaurant, reader) in readers {
            let reply = heads.as_ref().map(|heads| heads.get(&restaurant).cloned()).map_err(Clone::clone);
            // A reader who has hung up does not mind.
            let _ = reader.send(reply);
        }
    }
}
