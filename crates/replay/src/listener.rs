//! Listens as the staff of every restaurant and audits the events that arrive.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::ReplayError;
use crate::audit::Audit;
use comanda_client::{News, Session, Socket};

/// The number of sockets that are opened before the first of them has joined its room.
const OPENED_AT_ONCE: usize = 16;
/// How long a group of sockets may take to join its rooms.
const ENTRY_TIMEOUT: Duration = Duration::from_mins(1);

/// Counts of what was received so far.
#[derive(Debug, Default)]
struct EventProgress {
    /// Joined rooms, each counted once.
    entered: usize,
    /// Orders and deliveries that ended.
    ended: usize,
    /// Events of any kind, repeated ones included.
    received_events: u64,
    breaks: u64,
    last_break: Option<String>,
    refused: Option<String>,
}

/// The sockets of all restaurants, and the audit.
pub struct Listener {
    sockets: Vec<Socket>,
    audit: JoinSet<Audit>,
    progress: watch::Receiver<EventProgress>,
}

impl Listener {
    /// Opens one socket for each restaurant's staff and waits until all have joined their rooms.
    pub async fn open(staff: Vec<(String, Arc<Session>)>) -> Result<Self, ReplayError> {
        let (news_sender, news) = mpsc::channel(4096);
        let (progress_sender, progress) = watch::channel(EventProgress::default());
        let restaurants = staff.iter().map(|(restaurant, _)| restaurant.clone()).collect();
        let mut audit = JoinSet::new();
        audit.spawn(record_events(restaurants, news, progress_sender));
        let mut listener = Self { sockets: Vec::with_capacity(staff.len()), audit, progress };
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
        let expected = self.sockets.len();
        let entry = self.progress.wait_for(|now| now.entered >= expected || now.refused.is_some());
        let entered = timeout(ENTRY_TIMEOUT, entry).await.map(|now| now.map(|now| now.refused.clone()));
        let reason = match entered {
            Ok(Ok(refused)) => refused,
            Ok(Err(_)) => Some("the listener stopped".to_owned()),
            Err(_) => self.progress.borrow().last_break.clone().or(Some("no answer to the handshake".to_owned())),
        };
        reason.map_or(Ok(()), |reason| Err(ReplayError::Sockets(reason)))
    }

    /// Waits until `ends` orders and deliveries have ended, or no event was received for `silence`. Returns the
    /// audit, and how often a connection was lost.
    pub async fn close(mut self, ends: usize, silence: Duration) -> (Audit, u64) {
        let mut last = (0, Instant::now());
        loop {
            let now = self.progress.borrow_and_update().received_events;
            if now != last.0 {
                last = (now, Instant::now());
            }
            if self.progress.borrow().ended >= ends || last.1.elapsed() >= silence {
                break;
            }
            // Both an event and the end of the wait continue the loop.
            let left = silence.saturating_sub(last.1.elapsed());
            let _ = timeout(left, self.progress.changed()).await;
        }
        let breaks = self.progress.borrow().breaks;
        // When all sockets are closed, the channel ends, and with it the audit.
        self.sockets.clear();
        let mut audit = self.audit.join_next().await.and_then(Result::ok).unwrap_or_default();
        if let Some(refused) = &self.progress.borrow().refused {
            audit.wrong(refused.clone());
        }
        (audit, breaks)
    }
}

async fn record_events(
    restaurants: Vec<String>,
    mut news: mpsc::Receiver<(usize, News)>,
    progress: watch::Sender<EventProgress>,
) -> Audit {
    let mut audit = Audit::default();
    let mut inside = vec![false; restaurants.len()];
    while let Some((label, news)) = news.recv().await {
        if let News::Event { connection, name, body } = &news {
            audit.event(&restaurants[label], *connection, name, body);
        }
        let ended = audit.ended();
        progress.send_modify(|now| {
            now.ended = ended;
            match news {
                News::Event { .. } => now.received_events += 1,
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
