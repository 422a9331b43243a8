//! The current versions of menus, read in batches.
//!
//! A cached menu is served only if the database says, after the request has arrived, that it has not changed since: so
//! a change on any node is visible to the next reader on every node. One statement is under way at a time, for all
//! menus that were requested; requests that arrive meanwhile wait for the next one. So the cost of a request falls with
//! their number.

use std::collections::HashMap;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;

use crate::ids::RestaurantId;
use crate::menu::sql;
use crate::problem::Problem;
use crate::uow::Database;

/// The version of a menu, and its languages.
#[derive(Debug, Clone)]
pub struct PublishedVersion {
    /// Grows with every change that customers can see.
    pub version: i64,
    /// The language of its texts, as a BCP 47 tag; `None`: not stated.
    pub language: Option<String>,
    /// The languages of its translations, as BCP 47 tags.
    pub languages: Vec<String>,
}

type Reply = Result<Option<Arc<PublishedVersion>>, Problem>;

#[derive(Default)]
struct WaitingReaders {
    readers: Vec<(RestaurantId, oneshot::Sender<Reply>)>,
    is_reading: bool,
}

/// Reads versions for all waiting requests at once.
#[derive(Clone)]
pub struct VersionBatcher {
    db: Database,
    waiting: Arc<Mutex<WaitingReaders>>,
    tasks: TaskTracker,
}

impl VersionBatcher {
    /// A batcher on this database.
    pub fn new(db: Database) -> Self {
        Self { db, waiting: Arc::default(), tasks: TaskTracker::new() }
    }

    /// The version of a menu at a moment after this call; `None`: there is no such restaurant.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn of(&self, restaurant: RestaurantId) -> Reply {
        let (reply, answer) = oneshot::channel();
        let first = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.readers.push((restaurant, reply));
            !mem::replace(&mut waiting.is_reading, true)
        };
        if first {
            let own = self.clone();
            // In a task of its own, because the first request may be dropped.
            self.tasks.spawn(async move { own.read_until_nobody_waits().await });
        }
        answer.await.unwrap_or_else(|_| Err(Problem::busy(1)))
    }

    async fn read_until_nobody_waits(&self) {
        loop {
            let readers = {
                let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                if waiting.readers.is_empty() {
                    waiting.is_reading = false;
                    return;
                }
                mem::take(&mut waiting.readers)
            };
            self.read_batch(readers).await;
        }
    }

    async fn read_batch(&self, readers: Vec<(RestaurantId, oneshot::Sender<Reply>)>) {
        let mut requested: Vec<_> = readers.iter().map(|(restaurant, _)| restaurant.uuid()).collect();
        requested.sort_unstable();
        requested.dedup();
        let versions = sql::versions(&self.db, &requested).await.map(|versions| -> HashMap<_, _> {
            versions.into_iter().map(|(restaurant, version)| (restaurant, Arc::new(version))).collect()
        });
        for (restaurant, reader) in readers {
            let reply = versions.as_ref().map(|versions| versions.get(&restaurant).cloned()).map_err(Clone::clone);
            // The receiver of a dropped request is gone.
            let _ = reader.send(reply);
        }
    }
}
