//! Limits on attempts at passwords and codes. They are counted in PostgreSQL, so that no restart, no second node and no
//! empty Redis grants new attempts.
//!
//! A counter is keyed by the attempted account *and* the network, so that a stranger uses up only their own attempts.
//! Beside it stands one counter for all networks in which the owner was never signed in: it limits what many networks can
//! try together (NIST SP 800-63B asks for at most 100). The owner is not held up by it in a network where they have been
//! signed in, or on a device that has signed in before (`login_device.rs`). An address without an account is counted in
//! exactly the same way.

use secrecy::{ExposeSecret as _, SecretString};

use crate::accounts::Email;
use crate::accounts::attempt_limits::{
    CodeLength, Counter, PASSWORD_DEVICE, PASSWORD_DEVICE_A_DAY, PASSWORD_ELSEWHERE, PASSWORD_HERE,
    PASSWORD_HERE_A_DAY, RESET_REQUESTS, RESET_REQUESTS_A_DAY, RESET_SHORT_CODES_A_DAY, RESET_STRANGERS_A_DAY,
};
use crate::accounts::login_device::{self, DeviceName};
use crate::accounts::sql::attempt_limits as sql;
use crate::app::App;
use crate::client::{Client, network_of};
use crate::ids::UserId;
use crate::problem::{Code, Problem};
use crate::tenancy::TenancyContext;
use crate::uow::Tx;

/// Tries taken for a password, which count for nothing when it was right.
pub struct PasswordAttempt {
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
) -> Result<PasswordAttempt, Problem> {
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
                Ok(PasswordAttempt { here, common })
            })
        })
        .await
}

/// The device that a token names, if it was made for this address.
fn known_device(app: &App, email: &Email, token: Option<&SecretString>) -> Option<DeviceName> {
    login_device::read(&app.encryption, email, token?.expose_secret(), app.clock.now())
}

impl PasswordAttempt {
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
