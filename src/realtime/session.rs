//! The state of one socket: its token, the rooms it is in, and its disconnection.
//!
//! A socket is connected no longer than its token is valid. The client is warned in time to send a new token of the
//! same session, and its rights are checked for each message, as over HTTP.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use socketioxide::SocketIo;
use socketioxide::extract::SocketRef;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{MissedTickBehavior, interval};

use super::connection_limits::Permit;
use super::disconnection::Disconnection;
use super::engine_sessions::SignedInSession;
use super::ring::BufferedEvent;
use super::room::{Audience, Room, RoomChannel};
use crate::accounts::Caller;
use crate::app::App;
use crate::ids::{DriverId, SessionId, UserId};
use crate::limits::{self, Bucket};
use crate::network::Network;
use crate::problem::{Code, Problem};
use crate::quota::Quota;

/// The time between the warning and the end of the token; a quarter of the token's life if that is shorter.
const WARNING: TimeDelta = TimeDelta::seconds(60);
/// The time that a socket stays connected after its token has ended, so that a renewal under way arrives.
const GRACE: TimeDelta = TimeDelta::seconds(5);
/// How often tokens are checked.
const TICK: Duration = Duration::from_secs(1);
/// The number of messages that may be handled at once, in addition to one for each room.
const SPARE_REQUESTS: usize = 16;
/// The time in which one renewal does not count as a request, because the socket would be disconnected without it.
const FREE_RENEWAL: Duration = Duration::from_mins(1);
/// The longest time to wait for a client that reads nothing.
pub const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// The state of one socket.
pub struct SocketSession {
    /// The id of the session.
    pub id: SessionId,
    /// The user of that session.
    pub user: UserId,
    /// The network of its client; `None`: a trusted proxy that does not name the client's address.
    network: Option<Network>,
    token: Mutex<Token>,
    /// The rooms it is in; locked while they change, so that joining and leaving do not overlap.
    pub rooms: tokio::sync::Mutex<HashMap<Room, Audience>>,
    /// For a driver, the number of the first event after the access check of each room. Only the relay changes it.
    driver_rooms: Mutex<HashMap<Room, (DriverId, i64)>>,
    requests: Semaphore,
    messages: Bucket,
    renewals: Bucket,
    check_waits: AtomicBool,
    disconnecting: AtomicBool,
    /// Counts of the socket, released with it.
    permits: Vec<Permit>,
    /// Marks the transport as signed in until the socket is dropped.
    transport: Option<SignedInSession>,
}

struct Token {
    text: String,
    ends: DateTime<Utc>,
    is_warned: bool,
}

/// The body of `auth:expiring`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Expiring {
    expires_in: i64,
}

/// Checks a token, and reads its caller.
async fn read(app: &App, text: String) -> Result<(Caller, Token), Problem> {
    let claims = app.tokens.check(&text, app.clock.now())?;
    let caller = Caller::by_token(app, &text).await?;
    let ends = DateTime::from_timestamp(claims.exp, 0).ok_or_else(Problem::unauthenticated)?;
    Ok((caller, Token { text, ends, is_warned: false }))
}

impl SocketSession {
    /// Marks the socket as being disconnected by the server. Returns whether it was marked before.
    pub(super) fn begin_disconnecting(&self) -> bool {
        self.disconnecting.swap(true, Ordering::AcqRel)
    }

    /// Marks that a check of its rooms waits. Returns `false` if one waits already, which will see every change
    /// until it begins.
    pub(super) fn wait_for_check(&self) -> bool {
        !self.check_waits.swap(true, Ordering::AcqRel)
    }

    /// Marks that the check which waited begins: a later change needs another one.
    pub(super) fn begin_check(&self) {
        self.check_waits.store(false, Ordering::Release);
    }

    /// Whether the server is disconnecting the socket.
    pub(super) fn is_disconnecting(&self) -> bool {
        self.disconnecting.load(Ordering::Acquire)
    }

    /// The state of a new socket with this token.
    ///
    /// # Errors
    /// 401 for an invalid token.
    pub async fn open(app: &App, token: String) -> Result<Self, Problem> {
        let (caller, token) = read(app, token).await?;
        Ok(Self {
            id: caller.session,
            user: caller.user,
            network: None,
            token: Mutex::new(token),
            rooms: tokio::sync::Mutex::default(),
            driver_rooms: Mutex::default(),
            requests: Semaphore::new(app.config.sockets.max_rooms + SPARE_REQUESTS),
            messages: Bucket::new(app.config.sockets.events, &app.clock),
            renewals: Bucket::new(Quota::new(1, FREE_RENEWAL), &app.clock),
            check_waits: AtomicBool::new(false),
            disconnecting: AtomicBool::new(false),
            permits: Vec::new(),
            transport: None,
        })
    }

    /// Keeps its network, and what is released with the socket: its permits, and the mark of its transport.
    pub fn hold(
        &mut self,
        network: Option<Network>,
        of_network: Option<Permit>,
        user: Permit,
        transport: SignedInSession,
    ) {
        self.network = network;
        self.permits.extend(of_network);
        self.permits.push(user);
        self.transport = Some(transport);
    }

    /// The state of a socket.
    ///
    /// # Errors
    /// 401 for a socket whose handshake was refused.
    pub fn of(socket: &SocketRef) -> Result<Arc<Self>, Problem> {
        socket.extensions.get::<Arc<Self>>().ok_or_else(Problem::unauthenticated)
    }

    /// The caller behind the socket, with their current rights.
    ///
    /// # Errors
    /// 401 once the token has ended or the session was revoked.
    pub async fn caller(&self, app: &App) -> Result<Caller, Problem> {
        let text = self.token().text.clone();
        Caller::by_token(app, &text).await
    }

    /// Begins to handle a message that counts as a request of its user and network; the permit is held until it is
    /// handled. Otherwise a client could evade these limits by opening new sockets.
    ///
    /// # Errors
    /// As [`Self::begin_message`], and 429 beyond the limits of the user or of the network.
    pub async fn begin_request(&self, app: &App) -> Result<SemaphorePermit<'_>, Problem> {
        let permit = self.begin_message()?;
        self.draw(app).await?;
        Ok(permit)
    }

    /// Begins to handle a message that only carries a new token. One a minute is not counted as a request, because the
    /// socket would be disconnected without it: `true`.
    ///
    /// # Errors
    /// As [`Self::begin_request`].
    pub async fn begin_renewal(&self, app: &App) -> Result<(SemaphorePermit<'_>, bool), Problem> {
        let permit = self.begin_message()?;
        let is_due = self.renewals.draw().is_ok();
        if !is_due {
            self.draw(app).await?;
        }
        Ok((permit, is_due))
    }

    /// Draws one request from the limits of the user and of the network.
    async fn draw(&self, app: &App) -> Result<(), Problem> {
        let allowance = app.limits.draw_for_message(self.user, self.network).await;
        if allowance.is_granted {
            return Ok(());
        }
        Err(limits::too_many(allowance.wait).with("retryAfter", limits::seconds_up(allowance.wait).max(1)))
    }

    /// Begins to handle a message.
    ///
    /// # Errors
    /// 429 for too many messages in a time, or too many without waiting for their acknowledgements.
    pub fn begin_message(&self) -> Result<SemaphorePermit<'_>, Problem> {
        self.messages.draw()?;
        let too_many =
            |_| Problem::new(Code::TooManyRequests, "Wait for the acknowledgements before you send more requests.");
        self.requests.try_acquire().map_err(too_many)
    }

    /// Takes a new token of the same session, and returns its caller and its remaining life in seconds.
    ///
    /// # Errors
    /// 401 for an invalid token, 403 for one of another session.
    pub async fn renew(&self, app: &App, token: String) -> Result<(Caller, i64), Problem> {
        let (caller, token) = read(app, token).await?;
        if caller.session != self.id {
            return Err(Problem::new(
                Code::Forbidden,
                "The token belongs to another session: open a new socket with it.",
            ));
        }
        let seconds = (token.ends - app.clock.now()).num_seconds();
        *self.token() = token;
        Ok((caller, seconds))
    }

    /// Records that a driver has joined a room, with access checked before the event of number `as_of`.
    pub fn record_driver(&self, room: Room, driver: DriverId, as_of: i64) {
        self.driver_rooms().insert(room, (driver, as_of));
    }

    /// Whether an event ends the driver's access to a room. Events before the access check do not.
    pub fn is_ended_by(&self, event: &BufferedEvent, room: Room) -> bool {
        let carried = self.driver_rooms().get(&room).copied();
        carried.is_none_or(|(driver, as_of)| event.seq >= as_of && event.ends_delivery_of(driver))
    }

    /// The driver, if the socket is in rooms as a driver.
    pub fn driver(&self) -> Option<DriverId> {
        self.driver_rooms().values().next().map(|(driver, _)| *driver)
    }

    /// Records that the driver has left a room.
    pub fn stops_carrying(&self, room: Room) {
        self.driver_rooms().remove(&room);
    }

    fn driver_rooms(&self) -> MutexGuard<'_, HashMap<Room, (DriverId, i64)>> {
        self.driver_rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn token(&self) -> MutexGuard<'_, Token> {
        self.token.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Warns the client once. Returns true when the socket has to be disconnected.
    fn warn_or_end(&self, socket: &SocketRef, life: TimeDelta, now: DateTime<Utc>) -> bool {
        let mut token = self.token();
        let left = token.ends - now;
        if !token.is_warned && left <= WARNING.min(life / 4) {
            let warning = Expiring { expires_in: left.num_seconds().max(0) };
            token.is_warned = socket.emit("auth:expiring", &warning).is_ok();
        }
        left <= -GRACE
    }
}

/// Forgets a room from which the relay has removed a driver's socket, unless the socket has joined it again.
pub async fn leave_room(socket: SocketRef, room: Room) {
    let Ok(session) = SocketSession::of(&socket) else { return };
    let mut rooms = session.rooms.lock().await;
    let Some(audience) = rooms.get(&room).copied() else { return };
    let channel = RoomChannel::of(room, audience).to_string();
    if audience != Audience::Full && !socket.rooms().iter().any(|name| *name == channel) {
        rooms.remove(&room);
    }
}

/// Checks the tokens of all sockets until the server stops.
pub async fn watch(app: Arc<App>, io: SocketIo, disconnection: Disconnection) {
    let life = TimeDelta::seconds(app.tokens.life_seconds());
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while disconnection.stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let now = app.clock.now();
        for socket in io.sockets() {
            if SocketSession::of(&socket).is_ok_and(|session| session.warn_or_end(&socket, life, now)) {
                disconnection.disconnect(socket);
            }
        }
    }
}
