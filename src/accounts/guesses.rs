//! Guesses at passwords and codes, counted in PostgreSQL: no restart, no second node and no empty Redis hands out new
//! ones.
//!
//! A count is keyed by what is guessed at *and* from which network, so that a stranger uses up only their own tries.
//! Beside it stands one count for everybody who comes from a network the owner was never signed in from: it bounds
//! what a crowd of networks can try together (NIST SP 800-63B asks for at most 100), and the owner, at a place where
//! they have been before, is not held by it. An address without an account is counted in exactly the same way.

use chrono::{DateTime, TimeDelta, Utc};

use super::Email;
use super::sql::guesses as sql;
use crate::app::App;
use crate::client::{Client, network_of};
use crate::limits::too_many;
use crate::problem::Problem;
use crate::seal::Purpose;
use crate::tenancy::Who;

/// So many tries in a span.
#[derive(Debug, Clone, Copy)]
pub struct Bound {
    name: &'static str,
    /// Tries.
    pub most: i32,
    /// Until the count begins anew.
    pub span: TimeDelta,
}

impl Bound {
    /// So many in so long; the name keeps its counts apart from those of other bounds.
    pub const fn new(name: &'static str, most: i32, span: TimeDelta) -> Self {
        Self { name, most, span }
    }
}

const fn bound(name: &'static str, most: i32, span: TimeDelta) -> Bound {
    Bound::new(name, most, span)
}

const QUARTER: TimeDelta = TimeDelta::minutes(15);
const DAY: TimeDelta = TimeDelta::days(1);

/// Wrong passwords for one address from one network.
pub const PASSWORD_HERE: Bound = bound("password here", 10, QUARTER);
/// The same over a day, so that one network cannot use up [`PASSWORD_ELSEWHERE`].
pub const PASSWORD_HERE_A_DAY: Bound = bound("password here a day", 30, DAY);
/// Wrong passwords for one address from all networks its owner was never signed in from.
pub const PASSWORD_ELSEWHERE: Bound = bound("password elsewhere", 100, DAY);
/// Wrong passwords given by somebody who is signed in, for one user.
pub const PASSWORD_AGAIN: Bound = bound("password again", 10, QUARTER);

/// Codes asked for, for one address (the plan's three in a quarter of an hour).
pub const RESET_REQUESTS: Bound = bound("reset requests", 3, QUARTER);
/// The same over a day: with five tries each, it keeps guessing hopeless.
pub const RESET_REQUESTS_A_DAY: Bound = bound("reset requests a day", 6, DAY);
/// Codes tried without naming the request, for one address (the plan's five in a quarter of an hour).
pub const RESET_TRIES: Bound = bound("reset tries", 5, QUARTER);
/// The same over a day.
pub const RESET_TRIES_A_DAY: Bound = bound("reset tries a day", 20, DAY);
/// Wrong codes of a second factor, for one user: whoever gets here knows the password.
pub const SECOND_FACTOR: Bound = bound("second factor", 20, DAY);

/// One count.
#[derive(Debug, Clone)]
pub struct Counter {
    pub(super) key: [u8; 32],
    pub(super) most: i32,
    pub(super) span: TimeDelta,
}

impl Counter {
    /// The count of a bound for `parts`: the address, the network.
    pub fn new(app: &App, bound: Bound, parts: &[&[u8]]) -> Self {
        let mut named = vec![bound.name.as_bytes()];
        named.extend_from_slice(parts);
        Self { key: app.seal.hash(Purpose::Guesses, &named), most: bound.most, span: bound.span }
    }
}

/// Tries taken for a password, and given back when it was right.
pub struct Taken {
    here: Vec<Counter>,
    elsewhere: Counter,
    is_familiar: bool,
}

/// Takes a try at the password of an address, before it is looked at.
///
/// # Errors
/// 429 when there is none left.
pub async fn take_password_try(app: &App, email: &Email, client: Client) -> Result<Taken, Problem> {
    let (address, network) = (email.as_str().as_bytes(), client.network().to_string());
    let here =
        [PASSWORD_HERE, PASSWORD_HERE_A_DAY].map(|bound| Counter::new(app, bound, &[address, network.as_bytes()]));
    let elsewhere = Counter::new(app, PASSWORD_ELSEWHERE, &[address]);
    let (email, counters, wide) = (email.clone(), here.to_vec(), elsewhere.clone());
    let is_familiar = app
        .db
        .write(Who::nobody(), move |tx| {
            Box::pin(async move {
                sql::take(tx, &counters).await?.or_refuse(tx.now())?;
                let is_familiar = knows(&sql::addresses(tx, &email).await?, client);
                if !is_familiar {
                    sql::take(tx, &[wide]).await?.or_refuse(tx.now())?;
                }
                Ok(is_familiar)
            })
        })
        .await?;
    Ok(Taken { here: here.to_vec(), elsewhere, is_familiar })
}

impl Taken {
    /// The password was right: what was tried from here is forgotten, and the try of everybody is given back.
    pub async fn was_right(self, app: &App) -> Result<(), Problem> {
        app.db
            .write(Who::nobody(), move |tx| {
                Box::pin(async move {
                    sql::forget(tx, &self.here).await?;
                    if self.is_familiar { Ok(()) } else { sql::give_back(tx, &[self.elsewhere]).await }
                })
            })
            .await
    }
}

/// Forgets the wrong passwords for an address: its owner has proved themselves in another way.
pub async fn forget_passwords(app: &App, email: &Email, client: Client) -> Result<(), Problem> {
    let (address, network) = (email.as_str().as_bytes(), client.network().to_string());
    let counters = vec![
        Counter::new(app, PASSWORD_HERE, &[address, network.as_bytes()]),
        Counter::new(app, PASSWORD_HERE_A_DAY, &[address, network.as_bytes()]),
        Counter::new(app, PASSWORD_ELSEWHERE, &[address]),
    ];
    app.db.write(Who::nobody(), move |tx| Box::pin(async move { sql::forget(tx, &counters).await })).await
}

/// Whether one of these addresses lies in the client's network.
fn knows(addresses: &[String], client: Client) -> bool {
    let network = client.network();
    addresses.iter().filter_map(|address| address.parse().ok()).any(|address| network_of(address) == network)
}

/// Takes tries; 429 if one of the counts is used up, and then none is taken.
pub async fn take(app: &App, counters: Vec<Counter>) -> Result<(), Problem> {
    app.db
        .write(Who::nobody(), move |tx| Box::pin(async move { sql::take(tx, &counters).await?.or_refuse(tx.now()) }))
        .await
}

/// Gives tries back.
pub async fn give_back(app: &App, counters: Vec<Counter>) -> Result<(), Problem> {
    app.db.write(Who::nobody(), move |tx| Box::pin(async move { sql::give_back(tx, &counters).await })).await
}

/// Takes a request for a code: those from places the owner knows, and those of strangers, in a count of their own.
pub async fn take_reset_request(app: &App, email: &Email, client: Client) -> Result<(), Problem> {
    let address = email.as_str().as_bytes();
    let of =
        |whose: &[u8]| [RESET_REQUESTS, RESET_REQUESTS_A_DAY].map(|bound| Counter::new(app, bound, &[address, whose]));
    let (familiar, strange, email) = (of(b"familiar"), of(b"strange"), email.clone());
    app.db
        .write(Who::nobody(), move |tx| {
            Box::pin(async move {
                let is_familiar = knows(&sql::addresses(tx, &email).await?, client);
                let counters = if is_familiar { familiar } else { strange };
                sql::take(tx, &counters).await?.or_refuse(tx.now())
            })
        })
        .await
}

/// The end of the longest span that is used up, if any.
#[derive(Debug, Clone, Copy)]
pub struct UsedUp(pub Option<DateTime<Utc>>);

impl UsedUp {
    /// 429 until the span ends. Refusing rolls the tries back.
    fn or_refuse(self, now: DateTime<Utc>) -> Result<(), Problem> {
        let Some(ends) = self.0 else { return Ok(()) };
        Err(too_many((ends - now).to_std().unwrap_or_default()))
    }
}
