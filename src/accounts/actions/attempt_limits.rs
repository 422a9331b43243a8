//! Limits on attempts at passwords and codes. They are counted in PostgreSQL, so that no restart, no second node and no
//! empty Redis grants new attempts.
//!
//! A counter is keyed by the attempted account *and* the network, so that a stranger uses up only their own attempts.
//! Beside it stands one counter for all networks: it limits what many networks can try together (NIST SP 800-63B asks for
//! at most 100). The owner is not kept out by it in a network where they have been signed in, or on a device that has
//! signed in before (`login_device.rs`); but a wrong password there is answered as it is everywhere, because anything
//! else would tell who has an account and uses this network. An address without an account is counted in exactly the same
//! way.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret as _, SecretString};

use crate::accounts::Email;
use crate::accounts::attempt_limits::{
    CodeLength, Counter, PASSWORD_DEVICE, PASSWORD_DEVICE_A_DAY, PASSWORD_DEVICES_A_DAY, PASSWORD_ELSEWHERE,
    PASSWORD_HERE, PASSWORD_HERE_A_DAY, RESET_DEVICES_A_DAY, RESET_REQUESTS, RESET_REQUESTS_A_DAY,
    RESET_SHORT_CODES_A_DAY, RESET_STRANGERS_A_DAY, UsedUp,
};
use crate::accounts::login_device::{DeviceName, DeviceToken};
use crate::accounts::sql::attempt_limits as sql;
use crate::app::App;
use crate::client::Client;
use crate::ids::UserId;
use crate::network::Network;
use crate::problem::{Code, Problem};
use crate::tenancy::TenancyContext;
use crate::uow::Tx;

/// Tries taken for a password, which count for nothing when it was right.
pub struct PasswordAttempt {
    /// Of this address from here: forgotten.
    here: Vec<Counter>,
    /// Of others too: given back.
    common: Vec<Counter>,
    /// When the tries of all networks together end, if they are used up.
    closed_until: UsedUp,
    /// The owner was signed in from this network.
    is_familiar: bool,
}

/// Takes a try at the password of an address, before it is looked at: one of the device's own, if it brings the token of
/// an earlier sign-in with this address. Other devices take one of their network's and one of all networks together,
/// whether or not the owner of the address is known there: or else the answer would tell.
///
/// # Errors
/// 429 when there is none left. That those of all networks are used up is told by [`PasswordAttempt::judge`], after the password
/// was looked at.
pub async fn take_password_try(
    app: &Arc<App>,
    email: &Email,
    client: Client,
    device: Option<&SecretString>,
) -> Result<PasswordAttempt, Problem> {
    let (task_app, email, token) = (Arc::clone(app), email.clone(), device.cloned());
    app.db
        .write(TenancyContext::nobody(), move |tx| {
            Box::pin(async move {
                let counter = |bound, parts: &[&[u8]]| Counter::new(&task_app, bound, parts);
                let address = email.as_str().as_bytes();
                let of_devices = counter(PASSWORD_DEVICES_A_DAY, &[address]);
                let origin = AttemptOrigin::of(tx, &task_app, &email, client, token.as_ref(), &of_devices).await?;
                let is_familiar = origin.is_familiar;
                if let Some(device) = origin.device {
                    let here =
                        [PASSWORD_DEVICE, PASSWORD_DEVICE_A_DAY].map(|bound| counter(bound, &[address, &device]));
                    let (here, common) = (here.to_vec(), vec![of_devices]);
                    sql::take(tx, &[here.as_slice(), &common].concat()).await?.or_refuse(tx.now())?;
                    return Ok(PasswordAttempt { here, common, closed_until: UsedUp(None), is_familiar });
                }
                let (here, of_site) = passwords_here(&task_app, &email, client);
                let of_network = Counter::passwords_from(&task_app, client);
                let common = [of_site, of_network, vec![counter(PASSWORD_ELSEWHERE, &[address])]].concat();
                // At once, so that all who take or settle them lock them in the order of their keys.
                let mut ends = sql::take_each(tx, &[here.as_slice(), &common].concat()).await?;
                let closed_until = UsedUp(ends.pop().flatten());
                if ends.iter().any(Option::is_some) {
                    UsedUp(ends.into_iter().flatten().max()).or_refuse(tx.now())?;
                }
                Ok(PasswordAttempt { here, common, closed_until, is_familiar })
            })
        })
        .await
}

/// From where an address is tried.
struct AttemptOrigin {
    /// The device that has signed in with the address before.
    device: Option<DeviceName>,
    /// The owner of the address was signed in from this network.
    is_familiar: bool,
}

impl AttemptOrigin {
    /// A device whose token was made for the address is known, as long as `of_devices` is not used up.
    async fn of(
        tx: &mut Tx,
        app: &App,
        email: &Email,
        client: Client,
        token: Option<&SecretString>,
        of_devices: &Counter,
    ) -> Result<Self, Problem> {
        let now = tx.now();
        let owner = sql::owner(tx, email, of_devices).await?;
        let ended = owner.sessions_ended_at;
        let token = token.filter(|_| !owner.is_used_up);
        let token = token.and_then(|token| DeviceToken::read(&app.encryption, email, token.expose_secret(), now));
        let device = token.and_then(|token| token.device(ended));
        Ok(Self { device, is_familiar: knows(&owner.addresses, client) })
    }
}

impl PasswordAttempt {
    /// Whether somebody whose password is right, or wrong, is let in. Once the tries of all networks are used up, a right
    /// password is taken only from networks that the owner was signed in from; all others get the same answer, which
    /// tells nothing about the address.
    ///
    /// # Errors
    /// 429 when it is not looked at from here.
    pub fn judge(&self, is_right: bool, now: DateTime<Utc>) -> Result<bool, Problem> {
        if !(is_right && self.is_familiar) {
            self.closed_until.or_refuse(now)?;
        }
        Ok(is_right)
    }

    /// The password was right: what was tried from here is forgotten, and the tries of others are given back.
    pub async fn was_right(self, app: &App) -> Result<(), Problem> {
        let Self { here, common, .. } = self;
        app.db
            .write(TenancyContext::nobody(), move |tx| Box::pin(async move { sql::settle(tx, &here, &common).await }))
            .await
    }
}

/// Forgets the wrong passwords for an address: its owner has proved themselves in another way.
pub async fn forget_passwords(app: &App, email: &Email, client: Client) -> Result<(), Problem> {
    let (here, of_site) = passwords_here(app, email, client);
    let everywhere = Counter::new(app, PASSWORD_ELSEWHERE, &[email.as_str().as_bytes()]);
    let counters = [here, of_site, vec![everywhere]].concat();
    app.db
        .write(TenancyContext::nobody(), move |tx| Box::pin(async move { sql::settle(tx, &counters, &[]).await }))
        .await
}

/// The counts of wrong passwords for one address: of the client's subnet, and of its site.
fn passwords_here(app: &App, email: &Email, client: Client) -> (Vec<Counter>, Vec<Counter>) {
    let of = |bound| Counter::here(app, bound, email.as_str().as_bytes(), client.network(), PASSWORD_ELSEWHERE.most);
    let (here, of_site): (Vec<_>, Vec<_>) = [PASSWORD_HERE, PASSWORD_HERE_A_DAY].map(of).into_iter().unzip();
    (here, of_site.into_iter().flatten().collect())
}

/// Whether one of these addresses lies in the client's network.
fn knows(addresses: &[String], client: Client) -> bool {
    let network = client.network();
    addresses.iter().filter_map(|address| address.parse().ok()).any(|address| Network::of(address) == network)
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

/// Takes a request for a code; tells how long the code is, `None`: none is sent. A device that has signed in before and
/// each network have counts of their own: strangers use up only theirs. Once the codes for all networks together are used
/// up, only networks that the owner was signed in from get one, and the answer is the same.
///
/// # Errors
/// 429 when there is none left for the device or the network.
pub async fn take_reset_request(
    app: &Arc<App>,
    email: &Email,
    client: Client,
    device: Option<&SecretString>,
) -> Result<Option<CodeLength>, Problem> {
    let (task_app, email, token) = (Arc::clone(app), email.clone(), device.cloned());
    app.db
        .write(TenancyContext::nobody(), move |tx| {
            Box::pin(async move {
                let counter = |bound, parts: &[&[u8]]| Counter::new(&task_app, bound, parts);
                let address = email.as_str().as_bytes();
                let bounds = [RESET_REQUESTS, RESET_REQUESTS_A_DAY];
                let of_devices = counter(RESET_DEVICES_A_DAY, &[address]);
                let origin = AttemptOrigin::of(tx, &task_app, &email, client, token.as_ref(), &of_devices).await?;
                let now = tx.now();
                sql::take(tx, &Counter::messages_from(&task_app, client)).await?.or_refuse(now)?;
                if let Some(device) = origin.device {
                    let own = bounds.map(|bound| counter(bound, &[address, &device])).to_vec();
                    sql::take(tx, &[own, vec![of_devices]].concat()).await?.or_refuse(now)?;
                    return Ok(Some(CodeLength::Short));
                }
                let (network, all) = (client.network(), RESET_STRANGERS_A_DAY.most);
                let here = bounds.map(|bound| Counter::here(&task_app, bound, address, network, all));
                let here: Vec<_> =
                    here.into_iter().flat_map(|(own, of_site)| [own].into_iter().chain(of_site)).collect();
                sql::take(tx, &here).await?.or_refuse(now)?;
                let all = [RESET_SHORT_CODES_A_DAY, RESET_STRANGERS_A_DAY].map(|bound| counter(bound, &[address]));
                let ends = sql::take_each(tx, &all).await?;
                Ok(match ends.as_slice() {
                    _ if origin.is_familiar => Some(CodeLength::Short),
                    [_, Some(_)] => None,
                    [Some(_), _] => Some(CodeLength::Long),
                    _ => Some(CodeLength::Short),
                })
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
    let counters = [vec![Counter::messages_to(app, target), account], Counter::messages_from(app, client)].concat();
    let Some(ends) = sql::take(tx, &counters).await?.0 else { return Ok(()) };
    let wait = (ends - tx.now()).to_std().unwrap_or_default();
    let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).max(1);
    let detail = "Too many messages were sent to this number or address, for this account, or from this network. Use the \
                  last code, or wait for the number of seconds in Retry-After.";
    Err(Problem::new(Code::TooManyRequests, detail).retry_after(seconds))
}
