//! What is known of one socket: whose token it came with and until when, which rooms it is in, and its end.
//!
//! A socket lives no longer than its token. It is warned in time to send a new one of the same session, and what it may
//! do is read from the database at each request, as over HTTP.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use socketioxide::extract::SocketRef;
use socketioxide::{SocketError, SocketIo};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::engine_sessions::{self, EngineSession, SignedInSession};
use super::places::Place;
use super::ring::Told;
use super::room::{Audience, Channel, Room};
use crate::accounts::Caller;
use crate::app::App;
use crate::ids::{DriverId, SessionId, UserId};
use crate::limits::Bucket;
use crate::problem::{Code, Problem};

/// The warning comes so long before the end, or at three quarters of a life that is short.
const WARNING: TimeDelta = TimeDelta::seconds(60);
/// A socket outlives its token by this much, so that a renewal on its way arrives.
const GRACE: TimeDelta = TimeDelta::seconds(5);
/// How often tokens are looked at.
const TICK: Duration = Duration::from_secs(1);
/// Requests that may wait for their turn beside one for each room.
const SPARE_TURNS: usize = 16;
/// How long a client that reads nothing is waited for.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// One socket's session.
pub struct Session {
    /// The id of the session.
    pub id: SessionId,
    /// The signed-in user.
    pub user: UserId,
    token: Mutex<Token>,
    /// Where it is; held while that changes, so that joining and leaving take turns.
    pub rooms: tokio::sync::Mutex<HashMap<Room, Audience>>,
    /// Since when a driver may be in a room, by the number of events; the relay alone changes it.
    carried_since: Mutex<HashMap<Room, (DriverId, i64)>>,
    turns: Semaphore,
    messages: Bucket,
    parting: AtomicBool,
    /// Given up with the socket: the session belongs to it alone.
    places: Vec<Place>,
    /// The session, as the transport signed in.
    transport: Option<SignedInSession>,
}

struct Token {
    text: String,
    ends: DateTime<Utc>,
    is_warned: bool,
}

/// The warning on the wire.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Expiring {
    expires_in: i64,
}

/// What a token says at this moment: who, in which session, until when.
async fn read(app: &App, text: String) -> Result<(Caller, Token), Problem> {
    let claims = app.tokens.check(&text, app.clock.now())?;
    let caller = Caller::by_token(app, &text).await?;
    let ends = DateTime::from_timestamp(claims.exp, 0).ok_or_else(Problem::unauthenticated)?;
    Ok((caller, Token { text, ends, is_warned: false }))
}

impl Session {
    /// For a socket that came with this token.
    ///
    /// # Errors
    /// 401 for a token that is not good.
    pub async fn open(app: &App, token: String) -> Result<Self, Problem> {
        let (caller, token) = read(app, token).await?;
        Ok(Self {
            id: caller.session,
            user: caller.user,
            token: Mutex::new(token),
            rooms: tokio::sync::Mutex::default(),
            carried_since: Mutex::default(),
            turns: Semaphore::new(app.config.sockets.max_rooms + SPARE_TURNS),
            messages: Bucket::new(app.config.sockets.events, &app.clock),
            parting: AtomicBool::new(false),
            places: Vec::new(),
            transport: None,
        })
    }

    /// Keeps the places that the socket takes, and the session of its transport signed in.
    pub fn hold(&mut self, network: Option<Place>, user: Place, transport: SignedInSession) {
        self.places.extend(network);
        self.places.push(user);
        self.transport = Some(transport);
    }

    /// The session of a socket that was let in.
    ///
    /// # Errors
    /// 401 for one that was not.
    pub fn of(socket: &SocketRef) -> Result<Arc<Self>, Problem> {
        socket.extensions.get::<Arc<Self>>().ok_or_else(Problem::unauthenticated)
    }

    /// Whose socket it is, as of now.
    ///
    /// # Errors
    /// 401 once the token has ended or the session was revoked.
    pub async fn caller(&self, app: &App) -> Result<Caller, Problem> {
        let text = self.token().text.clone();
        Caller::by_token(app, &text).await
    }

    /// A place among the requests that are being worked on.
    ///
    /// # Errors
    /// 429 for a socket that asks too often, or for more than it waits for.
    pub fn turn(&self) -> Result<SemaphorePermit<'_>, Problem> {
        self.messages.draw()?;
        let too_many =
            |_| Problem::new(Code::TooManyRequests, "Wait for the acknowledgements before you send more requests.");
        self.turns.try_acquire().map_err(too_many)
    }

    /// Takes a new token of the same session; says who it is and for how many seconds.
    ///
    /// # Errors
    /// 401 for a token that is not good, 403 for one of another session.
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

    /// A driver is in a room from now on, because of what had happened before the event of this number.
    pub fn carries(&self, room: Room, driver: DriverId, as_of: i64) {
        self.carried_since().insert(room, (driver, as_of));
    }

    /// Whether an event ends the reason for which this driver is in a room. An event that was known when they were let in
    /// ends nothing.
    pub fn is_ended_by(&self, event: &Told, room: Room) -> bool {
        let carried = self.carried_since().get(&room).copied();
        carried.is_none_or(|(driver, as_of)| event.seq >= as_of && event.ends_carriage_of(driver))
    }

    /// The driver whose rooms it is in.
    pub fn driver(&self) -> Option<DriverId> {
        self.carried_since().values().next().map(|(driver, _)| *driver)
    }

    /// The driver is out of a room.
    pub fn carries_no_more(&self, room: Room) {
        self.carried_since().remove(&room);
    }

    fn carried_since(&self) -> MutexGuard<'_, HashMap<Room, (DriverId, i64)>> {
        self.carried_since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn token(&self) -> MutexGuard<'_, Token> {
        self.token.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Warns the socket once; true when its time is over.
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

/// Strikes a room that the relay has taken a driver's socket out of, unless it came in again meanwhile.
pub async fn forget_room(socket: SocketRef, room: Room) {
    let Ok(session) = Session::of(&socket) else { return };
    let mut rooms = session.rooms.lock().await;
    let Some(audience) = rooms.get(&room).copied() else { return };
    let channel = Channel::of(room, audience).to_string();
    if audience != Audience::Full && !socket.rooms().iter().any(|name| *name == channel) {
        rooms.remove(&room);
    }
}

/// Watches over every socket's token until it is time to stop.
pub async fn watch(app: Arc<App>, io: SocketIo, exits: Exits) {
    let life = TimeDelta::seconds(app.tokens.life_seconds());
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while exits.stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let now = app.clock.now();
        for socket in io.sockets() {
            if Session::of(&socket).is_ok_and(|session| session.warn_or_end(&socket, life, now)) {
                exits.part(socket);
            }
        }
    }
}

/// How sockets are sent away.
#[derive(Clone)]
pub struct Exits {
    /// Where the farewells run.
    pub tasks: TaskTracker,
    /// Everything is closed anyway.
    pub stop: CancellationToken,
}

impl Exits {
    /// Sends nothing more to a socket and disconnects it, behind what is already waiting for it.
    pub fn part(&self, socket: SocketRef) {
        if let Ok(session) = Session::of(&socket)
            && session.parting.swap(true, Ordering::AcqRel)
        {
            return;
        }
        socket.leave_all();
        let stop = self.stop.clone();
        self.tasks.spawn(async move { stop.run_until_cancelled(say_goodbye(socket)).await });
    }
}

impl Exits {
    /// A socket has left, and its connection stays: closed too, unless another socket signs in over it in time.
    pub fn close_transport_unless_signed_in(&self, socket: &SocketRef, patience: Duration) {
        let transport = socket.req_parts().extensions.get::<Arc<EngineSession>>();
        if let Some(transport) = transport.filter(|transport| transport.wants_watch()) {
            let (stop, watched) = (self.stop.clone(), Arc::downgrade(transport));
            self.tasks.spawn(stop.run_until_cancelled_owned(engine_sessions::watch(watched, patience)));
        }
    }
}

/// It has been sent away.
pub fn is_parting(socket: &SocketRef) -> bool {
    Session::of(socket).is_ok_and(|session| session.parting.load(Ordering::Acquire))
}

/// A full buffer takes no goodbye either: tried until there is room for it, or the heartbeat must have ended it.
async fn say_goodbye(socket: SocketRef) {
    let since = Instant::now();
    let mut rest = Duration::from_millis(10);
    while let Err(SocketError::InternalChannelFull) = socket.clone().disconnect() {
        if since.elapsed() > PATIENCE * 2 {
            tracing::debug!(socket = %socket.id, "a client does not read; its connection is left to the heartbeat");
            return;
        }
        sleep(rest).await;
        rest = (rest * 2).min(TICK);
    }
}
