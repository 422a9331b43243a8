//! Listens as the staff of every restaurant and keeps the books of what was heard.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::ReplayError;
use crate::audit::Audit;
use comanda_client::{News, Session, Socket};

/// Sockets that are opened before the first of them is in its room.
const OPENED_AT_ONCE: usize = 16;
/// How long a group of sockets may take to get into its rooms.
const ENTRY_TIMEOUT: Duration = Duration::from_mins(1);

/// What the listener has heard so far.
#[derive(Debug, Default)]
struct Standing {
    /// Rooms entered, each counted once.
    entered: usize,
    /// Orders and deliveries that came to their end.
    ended: usize,
    /// Events of any kind, repeated ones included.
    heard: u64,
    breaks: u64,
    last_break: Option<String>,
    refused: Option<String>,
}

/// Everybody who listens.
pub struct Listener {
    sockets: Vec<Socket>,
    books: JoinSet<Audit>,
    standing: watch::Receiver<Standing>,
}

impl Listener {
    /// Opens one socket for each restaurant's staff and waits until all are in their rooms.
    pub async fn open(staff: Vec<(String, Arc<Session>)>) -> Result<Self, ReplayError> {
        let (news_sender, news) = mpsc::channel(4096);
        let (standing_sender, standing) = watch::channel(Standing::default());
        let restaurants = staff.iter().map(|(restaurant, _)| restaurant.clone()).collect();
        let mut books = JoinSet::new();
        books.spawn(keep_books(restaurants, news, standing_sender));
        let mut listener = Self { sockets: Vec::with_capacity(staff.len()), books, standing };
        for group in staff.chunks(OPENED_AT_ONCE) {
            for (restaurant, session) in group {
                let label = listener.sockets.len();
                let rooms = vec![format!("restaurant:{restaurant}")];
                listener.sockets.push(Socket::open(session.clone(), rooms, label, news_sender.clone()));
            }
            listener.wait_for_entry().await?;
        }
        Ok(listener)
    }

    async fn wait_for_entry(&mut self) -> Result<(), ReplayError> {
        let wanted = self.sockets.len();
        let entry = self.standing.wait_for(|now| now.entered >= wanted || now.refused.is_some());
        let entered = timeout(ENTRY_TIMEOUT, entry).await.map(|now| now.map(|now| now.refused.clone()));
        let reason = match entered {
            Ok(Ok(refused)) => refused,
            Ok(Err(_)) => Some("the listener stopped".to_owned()),
            Err(_) => self.standing.borrow().last_break.clone().or(Some("no answer to the handshake".to_owned())),
        };
        reason.map_or(Ok(()), |reason| Err(ReplayError::Sockets(reason)))
    }

    /// Waits until `ends` orders and deliveries have been heard to end, or nothing was heard for the time of
    /// `silence`. Hands over the books and how often a connection broke.
    pub async fn close(mut self, ends: usize, silence: Duration) -> (Audit, u64) {
        let mut last = (0, Instant::now());
        loop {
            let now = self.standing.borrow_and_update().heard;
            if now != last.0 {
                last = (now, Instant::now());
            }
            if self.standing.borrow().ended >= ends || last.1.elapsed() >= silence {
                break;
            }
            // Both news and the end of the wait lead back to the top.
            let left = silence.saturating_sub(last.1.elapsed());
            let _ = timeout(left, self.standing.changed()).await;
        }
        let breaks = self.standing.borrow().breaks;
        // Without sockets nobody sends news any more, and the books end by themselves.
        self.sockets.clear();
        let mut audit = self.books.join_next().await.and_then(Result::ok).unwrap_or_default();
        if let Some(refused) = &self.standing.borrow().refused {
            audit.wrong(refused.clone());
        }
        (audit, breaks)
    }
}

async fn keep_books(
    restaurants: Vec<String>,
    mut news: mpsc::Receiver<(usize, News)>,
    standing: watch::Sender<Standing>,
) -> Audit {
    let mut audit = Audit::default();
    let mut inside = vec![false; restaurants.len()];
    while let Some((label, news)) = news.recv().await {
        if let News::Event { connection, name, body } = &news {
            audit.event(&restaurants[label], *connection, name, body);
        }
        let ended = audit.ended();
        standing.send_modify(|now| {
            now.ended = ended;
            match news {
                News::Event { .. } => now.heard += 1,
                News::Joined { .. } => now.entered += usize::from(!std::mem::replace(&mut inside[label], true)),
                News::Refused { room, reason } => now.refused = Some(format!("{room} refused: {reason}")),
                News::Broken { reason } => {
                    now.breaks += 1;
                    now.last_break = Some(reason);
                }
            }
        });
    }
    audit
}
