//! Limits on attempts at passwords and codes. They are counted in PostgreSQL, so that no restart, no second node and no
//! empty Redis grants new attempts.
//!
//! A counter is keyed by the attempted account *and* the network, so that somebody else uses up only their own
//! attempts. A second counter covers all networks: it limits what many networks can try together (NIST SP 800-63B asks
//! for at most 100). The owner can still sign in from a network where they were signed in before, or on a device that
//! has signed in before (`login_device.rs`), when that counter is used up. A wrong password from there gets the same
//! response as from anywhere else: a different one would show who has an account and uses this network. An address
//! without an account is counted in exactly the same way.

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

/// The attempts that were counted for a password before it was checked. They are undone when the password is correct.
pub struct PasswordAttempt {
    /// Counters of this address and this network or device: reset after a correct password.
    here: Vec<Counter>,
    /// Counters shared with others: reduced by one after a correct password.
    common: Vec<Counter>,
    /// Until when the counter of all networks together is used up, if it is.
    closed_until: UsedUp,
    /// Whether the owner was signed in from this network.
    is_familiar: bool,
}

/// Counts an attempt at the password of an address before the password is checked. A device with a token of an earlier
/// sign-in with this address has counters of its own. Other devices use the counters of their network and of all
/// networks together, whether or not the owner has signed in from there: otherwise the response would show it.
///
/// # Errors
/// 429 when no attempt is left. When the counter of all networks is used up, [`PasswordAttempt::judge`] refuses after
/// the password was checked.
pub async fn take_password_try(
    app: &Arc<App>,
    email: &Email,
    client: Client,
    device: Option<&SecretString>,
) -> Result<PasswordAttempt, Problem> {
    let (task_app, email, token) = (Arc::clone(app), email.clone(), device.cloned());
    app.db
        .write(TenancyContext::anonymous(), move |tx| {
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
                // In one statement, so that concurrent attempts lock the counters in the order of their keys.
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

/// The device and the network that an attempt comes from.
struct AttemptOrigin {
    /// A device that has signed in with the address before.
    device: Option<DeviceName>,
    /// The owner of the address was signed in from this network.
    is_familiar: bool,
}

impl AttemptOrigin {
    /// A device counts as known if its token was issued for the address and `of_devices` is not used up.
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
        Ok(Self { device, is_familiar: contains_network_of(&owner.addresses, client) })
    }
}

impl PasswordAttempt {
    /// Whether the sign-in succeeds. Once the counter of all networks is used up, a correct password is accepted only
    /// from networks that the owner was signed in from. All others get the same response, which shows nothing about the
    /// address.
    ///
    /// # Errors
    /// 429 when passwords for the address are not accepted from here.
    pub fn check(&self, is_right: bool, now: DateTime<Utc>) -> Result<bool, Problem> {
        if !(is_right && self.is_familiar) {
            self.closed_until.or_refuse(now)?;
        }
        Ok(is_right)
    }

    /// Call after a correct password: resets the counters of this network or device, and reduces the shared ones by
    /// one.
    pub async fn was_right(self, app: &App) -> Result<(), Problem> {
        let Self { here, common, .. } = self;
        app.db
            .write(TenancyContext::anonymous(), move |tx| {
                Box::pin(async move { sql::reset_and_refund(tx, &here, &common).await })
            })
            .await
    }
}

/// Resets the counters of wrong passwords for an address whose owner was verified in another way.
pub async fn reset_password_counters(app: &App, email: &Email, client: Client) -> Result<(), Problem> {
    let (here, of_site) = passwords_here(app, email, client);
    let everywhere = Counter::new(app, PASSWORD_ELSEWHERE, &[email.as_str().as_bytes()]);
    let counters = [here, of_site, vec![everywhere]].concat();
    app.db
        .write(TenancyContext::anonymous(), move |tx| {
            Box::pin(async move { sql::reset_and_refund(tx, &counters, &[]).await })
        })
        .await
}

/// The counts of wrong passwords for one address: of the client's subnet, and of its site.
fn passwords_here(app: &App, email: &Email, client: Client) -> (Vec<Counter>, Vec<Counter>) {
    let of = |bound| Counter::here(app, bound, email.as_str().as_bytes(), client.network(), PASSWORD_ELSEWHERE.max);
    let (here, of_site): (Vec<_>, Vec<_>) = [PASSWORD_HERE, PASSWORD_HERE_A_DAY].map(of).into_iter().unzip();
    (here, of_site.into_iter().flatten().collect())
}

/// Whether one of these IP addresses is in the client's network.
fn contains_network_of(addresses: &[String], client: Client) -> bool {
    let network = client.network();
    addresses.iter().filter_map(|address| address.parse().ok()).any(|address| Network::of(address) == network)
}

/// Counts attempts. 429 if one of the counters is used up; then none is changed.
pub async fn take(app: &App, counters: Vec<Counter>) -> Result<(), Problem> {
    app.db
        .write(TenancyContext::anonymous(), move |tx| {
            Box::pin(async move { sql::take(tx, &counters).await?.or_refuse(tx.now()) })
        })
        .await
}

/// As [`take`], in the caller's transaction, which a refusal rolls back.
///
/// # Errors
/// 429 when one of the counters is used up.
pub async fn take_within(tx: &mut Tx, counters: &[Counter]) -> Result<(), Problem> {
    let now = tx.now();
    sql::take(tx, counters).await?.or_refuse(now)
}

/// Reduces counters by the attempts that were taken.
pub async fn give_back(app: &App, counters: Vec<Counter>) -> Result<(), Problem> {
    app.db
        .write(TenancyContext::anonymous(), move |tx| {
            Box::pin(async move { sql::reset_and_refund(tx, &[], &counters).await })
        })
        .await
}

/// Counts a request for a code to reset the password. Returns the length of the code; `None`: no code is sent. Known
/// devices and each network have counters of their own, which others cannot use up. Once the counter of all networks
/// together is used up, codes are sent only for networks that the owner was signed in from; the response stays the
/// same.
///
/// # Errors
/// 429 when no request is left for the device or the network.
pub async fn take_reset_request(
    app: &Arc<App>,
    email: &Email,
    client: Client,
    device: Option<&SecretString>,
) -> Result<Option<CodeLength>, Problem> {
    let (task_app, email, token) = (Arc::clone(app), email.clone(), device.cloned());
    app.db
        .write(TenancyContext::anonymous(), move |tx| {
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
                let (network, all) = (client.network(), RESET_STRANGERS_A_DAY.max);
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

/// Counts a message (SMS or e-mail) for its recipient, for the account, and for the network that requested it.
///
/// # Errors
/// 429 when one of these counters is used up.
pub async fn take_message(tx: &mut Tx, app: &App, target: &str, user: UserId, client: Client) -> Result<(), Problem> {
    let account =
        Counter::configured(app, "messages of account", app.config.limits.messages_per_account, &[user.as_bytes()]);
    let counters = [vec![Counter::messages_to(app, target), account], Counter::messages_from(app, client)].concat();
    let Some(ends) = sql::take(tx, &counters).await?.0 else { return Ok(()) };
    let wait = (ends - tx.now()).to_std().unwrap_or_default();
    let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).max(1);
    let detail = "Too many messages were sent to this number or address, for this account, or from this network. Use \
                  the last code, or wait for the number of seconds in Retry-After.";
    Err(Problem::new(Code::TooManyRequests, detail).retry_after(seconds))
}
