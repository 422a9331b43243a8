//! Limits on attempts at passwords and codes. They are counted in PostgreSQL, so that no restart, no second node and no
//! empty Redis grants new attempts.
//!
//! A counter is keyed by the attempted account *and* the network, so that a stranger uses up only their own attempts.
//! Beside it stands one counter for all networks in which the owner was never signed in: it limits what many networks can
//! try together (NIST SP 800-63B asks for at most 100). The owner is not held up by it in a network where they have been
//! signed in, or on a device that has signed in before (`login_device.rs`). An address without an account is counted in
//! exactly the same way.

use chrono::{DateTime, TimeDelta, Utc};
use ipnet::IpNet;

use secrecy::{ExposeSecret as _, SecretString};

use crate::accounts::Email;
use crate::accounts::login_device::{self, DeviceName};
use crate::accounts::sql::attempt_limits as sql;
use crate::app::App;
use crate::client::{Client, network_of};
use crate::encryption::KeyPurpose;
use crate::ids::UserId;
use crate::limits::too_many;
use crate::problem::{Code, Problem};
use crate::quota::Quota;
use crate::tenancy::TenancyContext;
use crate::uow::Tx;

/// The most attempts within a span of time.
#[derive(Debug, Clone, Copy)]
pub struct AttemptLimit {
    name: &'static str,
    /// The number of attempts.
    pub most: i32,
    /// The time after which the count starts again.
    pub span: TimeDelta,
}

impl AttemptLimit {
    /// A limit. Its name separates its counters from those of other limits.
    pub const fn new(name: &'static str, most: i32, span: TimeDelta) -> Self {
        Self { name, most, span }
    }
}

const fn bound(name: &'static str, most: i32, span: TimeDelta) -> AttemptLimit {
    AttemptLimit::new(name, most, span)
}

const QUARTER: TimeDelta = TimeDelta::minutes(15);
const DAY: TimeDelta = TimeDelta::days(1);

/// Wrong passwords for one address from one network.
pub const PASSWORD_HERE: AttemptLimit = bound("password here", 10, QUARTER);
/// The same over a day, so that one network cannot use up [`PASSWORD_ELSEWHERE`].
pub const PASSWORD_HERE_A_DAY: AttemptLimit = bound("password here a day", 30, DAY);
/// Wrong passwords for one address from all networks its owner was never signed in from.
pub const PASSWORD_ELSEWHERE: AttemptLimit = bound("password elsewhere", 100, DAY);
/// Wrong passwords given by somebody who is signed in, for one user.
pub const PASSWORD_AGAIN: AttemptLimit = bound("password again", 10, QUARTER);

/// The same over a day.
pub const PASSWORD_AGAIN_A_DAY: AttemptLimit = bound("password again a day", 30, DAY);
/// Passwords chosen by somebody who is signed in, for one user.
pub const PASSWORD_CHANGES: AttemptLimit = bound("password changes", 10, DAY);
/// Wrong passwords for one address from one device that has a token of an earlier sign-in.
pub const PASSWORD_DEVICE: AttemptLimit = bound("password device", 10, QUARTER);
/// The same over a day.
pub const PASSWORD_DEVICE_A_DAY: AttemptLimit = bound("password device a day", 30, DAY);

/// Codes asked for, for one address: by known devices, from networks the owner knows, and from each other network (the
/// plan's three in a quarter of an hour).
pub const RESET_REQUESTS: AttemptLimit = bound("reset requests", 3, QUARTER);
/// The same over a day: with five tries each, it keeps guessing hopeless.
pub const RESET_REQUESTS_A_DAY: AttemptLimit = bound("reset requests a day", 6, DAY);
/// Codes of eight digits that networks the owner does not know get together; beyond, the code is longer, and guessing at
/// it hopeless however many there are.
pub const RESET_SHORT_CODES_A_DAY: AttemptLimit = bound("reset short codes a day", 6, DAY);
/// Codes that networks the owner does not know get together, so that a crowd cannot fill a mailbox.
pub const RESET_STRANGERS_A_DAY: AttemptLimit = bound("reset requests of strangers a day", 100, DAY);
/// Codes tried without naming the request, for one address (the plan's five in a quarter of an hour).
pub const RESET_TRIES: AttemptLimit = bound("reset tries", 5, QUARTER);
/// The same over a day.
pub const RESET_TRIES_A_DAY: AttemptLimit = bound("reset tries a day", 20, DAY);
/// Wrong codes of a second factor, for one user: whoever gets here knows the password.
pub const SECOND_FACTOR: AttemptLimit = bound("second factor", 20, DAY);

/// One counter, for one account, code or network.
#[derive(Debug, Clone)]
pub struct Counter {
    pub(super) key: [u8; 32],
    pub(super) most: i32,
    pub(super) span: TimeDelta,
}

impl Counter {
    /// The count of a bound for `parts`: the address, the network.
    pub fn new(app: &App, bound: AttemptLimit, parts: &[&[u8]]) -> Self {
        let mut named = vec![bound.name.as_bytes()];
        named.extend_from_slice(parts);
        Self { key: app.encryption.hash(KeyPurpose::AttemptLimits, &named), most: bound.most, span: bound.span }
    }

    /// The count of a bound of the configuration.
    fn configured(app: &App, name: &'static str, quota: Quota, parts: &[&[u8]]) -> Self {
        let most = i32::try_from(quota.count()).unwrap_or(i32::MAX);
        let span = TimeDelta::from_std(quota.per()).unwrap_or(DAY);
        Self::new(app, AttemptLimit::new(name, most, span), parts)
    }

    /// Messages to one number or address (`MESSAGES_PER_NUMBER`).
    pub fn messages_to(app: &App, target: &str) -> Self {
        Self::configured(app, "messages to", app.config.limits.messages_per_number, &[target.as_bytes()])
    }

    /// The count of a bound for all accounts of a network together.
    fn of_network(app: &App, name: &'static str, quota: Quota, network: IpNet) -> Self {
        Self::configured(app, name, quota, &[network.to_string().as_bytes()])
    }

    /// Codes of coupons that nobody has, tried by one network (`COUPON_GUESSES_PER_NETWORK`).
    pub fn coupon_codes_from(app: &App, network: IpNet) -> Self {
        Self::of_network(app, "coupon codes from", app.config.limits.coupon_guesses_per_network, network)
    }

    /// Messages that one network asks for (`MESSAGES_PER_NETWORK`).
    fn messages_from(app: &App, client: Client) -> Self {
        Self::of_network(app, "messages from", app.config.limits.messages_per_network, client.network())
    }

    /// Wrong passwords given from one network (`PASSWORD_GUESSES_PER_NETWORK`).
    fn passwords_from(app: &App, client: Client) -> Self {
        Self::of_network(app, "passwords from", app.config.limits.password_guesses_per_network, client.network())
    }

    /// Accounts asked for from one network (`SIGN_UPS_PER_NETWORK`).
    pub fn sign_ups_from(app: &App, client: Client) -> Self {
        Self::of_network(app, "sign-ups from", app.config.limits.sign_ups_per_network, client.network())
    }

    /// Guests made in one network (`GUESTS_PER_NETWORK`).
    pub fn guests_from(app: &App, client: Client) -> Self {
        Self::of_network(app, "guests from", app.config.limits.guests_per_network, client.network())
    }

    /// Devices that synchronise for the first time from one network (`SYNC_DEVICES_PER_NETWORK`).
    pub fn sync_devices_from(app: &App, client: Client) -> Self {
        Self::of_network(app, "sync devices from", app.config.limits.sync_devices_per_network, client.network())
    }

    /// Wrong passwords that a user who is signed in gives, and those given from the network.
    pub fn passwords_again(app: &App, user: UserId, client: Client) -> Vec<Self> {
        let own = [PASSWORD_AGAIN, PASSWORD_AGAIN_A_DAY].map(|bound| Self::new(app, bound, &[user.as_bytes()]));
        own.into_iter().chain([Self::passwords_from(app, client)]).collect()
    }

    /// Wrong codes of a user's second factor, and those given from the network (`SECOND_FACTOR_GUESSES_PER_NETWORK`).
    pub fn second_factor(app: &App, user: UserId, client: Client) -> Vec<Self> {
        let quota = app.config.limits.second_factor_guesses_per_network;
        let of_network = Self::of_network(app, "second factor from", quota, client.network());
        vec![Self::new(app, SECOND_FACTOR, &[user.as_bytes()]), of_network]
    }
}

/// Tries taken for a password, which count for nothing when it was right.
pub struct Taken {
    /// Of this address from here: forgotten.
    here: Vec<Counter>,
    /// Of others too: given back.
    common: Vec<Counter>,
}

/// Takes a try at the password of an address, before it is looked at: one of the device's own, if it brings the token of
/// an earlier sign-in with this address. Other devices take one of their network's as well, whether or not the owner of the
/// address is known there: or else the answer would tell.
///
/// # Errors
/// 429 when there is none left.
pub async fn take_password_try(
    app: &App,
    email: &Email,
    client: Client,
    device: Option<&SecretString>,
) -> Result<Taken, Problem> {
    let (address, network) = (email.as_str().as_bytes(), client.network().to_string());
    let device = known_device(app, email, device);
    let here = match &device {
        Some(device) => {
            [PASSWORD_DEVICE, PASSWORD_DEVICE_A_DAY].map(|bound| Counter::new(app, bound, &[address, device]))
        }
        None => {
            [PASSWORD_HERE, PASSWORD_HERE_A_DAY].map(|bound| Counter::new(app, bound, &[address, network.as_bytes()]))
        }
    };
    let elsewhere = Counter::new(app, PASSWORD_ELSEWHERE, &[address]);
    let of_network = device.is_none().then(|| Counter::passwords_from(app, client));
    let (email, here, is_known_device) = (email.clone(), here.to_vec(), device.is_some());
    app.db
        .write(TenancyContext::nobody(), move |tx| {
            Box::pin(async move {
                let is_familiar = knows(&sql::addresses(tx, &email).await?, client) || is_known_device;
                let common: Vec<_> = of_network.into_iter().chain((!is_familiar).then_some(elsewhere)).collect();
                // At once, so that all who take or settle them lock them in the order of their keys.
                sql::take(tx, &[here.as_slice(), &common].concat()).await?.or_refuse(tx.now())?;
                Ok(Taken { here, common })
            })
        })
        .await
}

/// The device that a token names, if it was made for this address.
fn known_device(app: &App, email: &Email, token: Option<&SecretString>) -> Option<DeviceName> {
    login_device::read(&app.encryption, email, token?.expose_secret(), app.clock.now())
}

impl Taken {
    /// The password was right: what was tried from here is forgotten, and the tries of others are given back.
    pub async fn was_right(self, app: &App) -> Result<(), Problem> {
        let Self { here, common } = self;
        app.db
            .write(TenancyContext::nobody(), move |tx| Box::pin(async move { sql::settle(tx, &here, &common).await }))
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
    app.db
        .write(TenancyContext::nobody(), move |tx| Box::pin(async move { sql::settle(tx, &counters, &[]).await }))
        .await
}

/// Whether one of these addresses lies in the client's network.
fn knows(addresses: &[String], client: Client) -> bool {
    let network = client.network();
    addresses.iter().filter_map(|address| address.parse().ok()).any(|address| network_of(address) == network)
}

/// Takes tries; 429 if one of the counts is used up, and then none is taken.
pub async fn take(app: &App, counters: Vec<Counter>) -> Result<(), Problem> {
    app.db
        .write(TenancyContext::nobody(), move |tx| {
            Box::pin(async move { sql::take(tx, &counters).await?.or_refuse(tx.now()) })
        })
        .await
}

/// As [`take`], in a transaction of its own making: refusing rolls it back.
///
/// # Errors
/// 429 when one of the counts is used up.
pub async fn take_within(tx: &mut Tx, counters: &[Counter]) -> Result<(), Problem> {
    let now = tx.now();
    sql::take(tx, counters).await?.or_refuse(now)
}

/// Gives tries back.
pub async fn give_back(app: &App, counters: Vec<Counter>) -> Result<(), Problem> {
    app.db
        .write(TenancyContext::nobody(), move |tx| Box::pin(async move { sql::settle(tx, &[], &counters).await }))
        .await
}

/// How many digits a code has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeLength {
    /// Eight: few of them are given.
    Short,
    /// Twelve: a crowd has asked for many.
    Long,
}

/// Takes a request for a code. A device that has signed in before, the networks that the owner knows, and each other
/// network have counts of their own: strangers use up only theirs.
///
/// # Errors
/// 429 when there is none left.
pub async fn take_reset_request(
    app: &App,
    email: &Email,
    client: Client,
    device: Option<&SecretString>,
) -> Result<CodeLength, Problem> {
    let (address, network) = (email.as_str().as_bytes(), client.network().to_string());
    let of = |whose: &[u8]| {
        [RESET_REQUESTS, RESET_REQUESTS_A_DAY].map(|bound| Counter::new(app, bound, &[address, whose])).to_vec()
    };
    let from = Counter::messages_from(app, client);
    let device = known_device(app, email, device);
    let own = device.map(|device| of(&device));
    let (familiar, strange) = (of(b"familiar"), of(network.as_bytes()));
    let [short, all] =
        [RESET_SHORT_CODES_A_DAY, RESET_STRANGERS_A_DAY].map(|bound| Counter::new(app, bound, &[address]));
    let email = email.clone();
    app.db
        .write(TenancyContext::nobody(), move |tx| {
            Box::pin(async move {
                let is_familiar = knows(&sql::addresses(tx, &email).await?, client);
                sql::take(tx, &[from]).await?.or_refuse(tx.now())?;
                let own = own.or_else(|| is_familiar.then_some(familiar));
                let now = tx.now();
                let Some(own) = own else {
                    sql::take(tx, &[strange, vec![all]].concat()).await?.or_refuse(now)?;
                    let are_used_up = sql::take(tx, &[short]).await?.0.is_some();
                    return Ok(if are_used_up { CodeLength::Long } else { CodeLength::Short });
                };
                sql::take(tx, &own).await?.or_refuse(now)?;
                Ok(CodeLength::Short)
            })
        })
        .await
}

/// Takes one of the messages that may be sent to a number or an address, for an account, and at the request of a network.
///
/// # Errors
/// 429 when one of them is used up.
pub async fn take_message(tx: &mut Tx, app: &App, target: &str, user: UserId, client: Client) -> Result<(), Problem> {
    let account =
        Counter::configured(app, "messages of account", app.config.limits.messages_per_account, &[user.as_bytes()]);
    let counters = [Counter::messages_to(app, target), account, Counter::messages_from(app, client)];
    let Some(ends) = sql::take(tx, &counters).await?.0 else { return Ok(()) };
    let wait = (ends - tx.now()).to_std().unwrap_or_default();
    let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).max(1);
    let detail = "Too many messages were sent to this number or address, for this account, or from this network. Use the \
                  last code, or wait for the number of seconds in Retry-After.";
    Err(Problem::new(Code::TooManyRequests, detail).retry_after(seconds))
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
