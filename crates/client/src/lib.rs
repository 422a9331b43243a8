//! A client of the public API over HTTP and Socket.IO: registration, sign-in and the actions of users.
//!
//! A [`Client`] is the connection to one server; a [`Session`] is one user, which signs in again automatically when the
//! token expires. Requests are repeated where that is safe, and timed by operation.

mod actions;
mod call;
mod latency;
mod packet;
mod socket;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, Url};
use serde_json::json;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::Instant;

pub use call::{CallError, Problem};
pub use latency::{Calls, CallsSoFar, Histogram};
pub use packet::{Frame, Packet, PacketError};
pub use socket::{News, Socket};
pub use wire::{
    Carrier, Cart, CartLine, Category, Delivery, DeliveryStatus, Driver, Fulfilment, Item, Menu, MenuCategory,
    MenuItem, Money, NewDeliveryOrder, NewOrder, NewRestaurant, NewUser, Order, OrderStatus, Page, Place, Restaurant,
    Stop, User,
};

use call::{Answer, Call};
use wire::LoginResult;

/// Hashing a password costs the server processor time; more concurrent sign-ins would only wait.
const SIGN_INS_AT_ONCE: usize = 4;
/// A token is renewed when it expires in less than this.
const TOKEN_MARGIN: Duration = Duration::from_secs(20);

/// One server of the API.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    http: reqwest::Client,
    /// The address, without a slash at the end.
    base: String,
    calls: Calls,
    sign_ins: Semaphore,
}

/// The address is invalid.
#[derive(Debug, thiserror::Error)]
#[error("{url:?} is not the address of a server: {reason} (expected something like http://127.0.0.1:3000)")]
pub struct BadAddress {
    url: String,
    reason: String,
}

impl Client {
    /// A client of the server at `url` (scheme, host and port).
    pub fn new(url: &str) -> Result<Self, BadAddress> {
        let refuse = |reason: String| BadAddress { url: url.to_owned(), reason };
        let parsed = Url::parse(url).map_err(|error| refuse(error.to_string()))?;
        if !matches!(parsed.scheme(), "http" | "https") {
            return Err(refuse(format!("the scheme is {}, not http or https", parsed.scheme())));
        }
        if parsed.query().is_some() || parsed.fragment().is_some() {
            return Err(refuse("it carries a query or a fragment".to_owned()));
        }
        let http = reqwest::Client::builder()
            .timeout(call::ATTEMPT_TIMEOUT)
            .connect_timeout(Duration::from_secs(10))
            .user_agent(concat!("comanda-client/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| refuse(call::root_cause(&error)))?;
        let base = parsed.as_str().trim_end_matches('/').to_owned();
        let shared = Shared { http, base, calls: Calls::default(), sign_ins: Semaphore::new(SIGN_INS_AT_ONCE) };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The latencies of this client and of all its sessions.
    pub fn calls(&self) -> &Calls {
        &self.shared.calls
    }

    fn http(&self) -> &reqwest::Client {
        &self.shared.http
    }

    fn address(&self, path: &str) -> String {
        format!("{}{path}", self.shared.base)
    }

    /// The address of Socket.IO.
    fn socket_address(&self) -> String {
        // `http` becomes `ws`, `https` becomes `wss`.
        format!("ws{}/socket.io/?EIO=4&transport=websocket", self.shared.base.trim_start_matches("http"))
    }

    /// Checks whether the server responds, within a short time.
    pub async fn health(&self) -> Result<(), CallError> {
        let call = Call { attempts: 3, ..Call::get("health", "/api/health") };
        self.answer(&call, None).await.map(drop)
    }

    /// Registers a user.
    pub async fn register(&self, user: &NewUser) -> Result<(), CallError> {
        let body = json!(user);
        let _permit = self.shared.sign_ins.acquire().await;
        self.answer(&Call::send("register", Method::POST, "/api/auth/register", body), None).await.map(drop)
    }

    /// Signs in a user.
    pub async fn login(&self, email: &str, password: &str) -> Result<Session, CallError> {
        let (user, token) = self.sign_in(email, password).await?;
        let password = password.to_owned();
        Ok(Session { client: self.clone(), user, password, token: Mutex::new(token) })
    }

    async fn sign_in(&self, email: &str, password: &str) -> Result<(User, Token), CallError> {
        let body = json!({ "email": email, "password": password });
        let _permit = self.shared.sign_ins.acquire().await;
        let answer = self.answer(&Call::send("login", Method::POST, "/api/auth/login", body), None).await?;
        let LoginResult { access_token, expires_in, user } = answer.read()?;
        Ok((user, Token { value: access_token, ends: Instant::now() + Duration::from_secs(expires_in) }))
    }
}

struct Token {
    value: String,
    ends: Instant,
}

/// A signed-in user.
pub struct Session {
    client: Client,
    user: User,
    password: String,
    /// Locked while it is renewed, so that one renewal serves all callers that wait for it.
    token: Mutex<Token>,
}

impl Session {
    /// The user of the session.
    pub fn user(&self) -> &User {
        &self.user
    }

    /// The client of the server.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// A token that is valid for some time.
    async fn token(&self) -> Result<String, CallError> {
        let mut token = self.token.lock().await;
        if token.ends < Instant::now() + TOKEN_MARGIN {
            *token = self.client.sign_in(&self.user.email, &self.password).await?.1;
        }
        Ok(token.value.clone())
    }

    /// A token other than `refused`, which the server does not accept any more.
    async fn token_instead_of(&self, refused: &str) -> Result<String, CallError> {
        let mut token = self.token.lock().await;
        if token.value == refused {
            *token = self.client.sign_in(&self.user.email, &self.password).await?.1;
        }
        Ok(token.value.clone())
    }

    /// Sends a request as this user, and signs in again once if the server does not accept the token.
    async fn answer(&self, call: Call) -> Result<Answer, CallError> {
        let token = self.token().await?;
        match self.client.answer(&call, Some(&token)).await {
            Err(error) if error.status() == Some(401) => {
                let token = self.token_instead_of(&token).await?;
                self.client.answer(&call, Some(&token)).await
            }
            other => other,
        }
    }
}
