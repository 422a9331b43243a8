//! Limits on attempts at passwords and codes, and the keys of their counters. Pure. Limits that can be set are in
//! `variables/limits.rs`; attempts are counted in `actions/attempt_limits.rs`, those at coupon codes in
//! `coupons/actions/attempt_limits.rs`.

use chrono::{DateTime, TimeDelta, Utc};

use crate::accounts::second_factor::FactorProof;
use crate::app::App;
use crate::client::Client;
use crate::encryption::KeyPurpose;
use crate::ids::{SessionId, UserId};
use crate::limits::too_many;
use crate::network::{AddressBlock, Network};
use crate::problem::Problem;
use crate::quota::Quota;

/// The most attempts within a span of time.
#[derive(Debug, Clone, Copy)]
pub struct AttemptLimit {
    name: &'static str,
    /// The number of attempts.
    pub max: i32,
    /// The time after which the count starts again.
    pub span: TimeDelta,
}

impl AttemptLimit {
    /// A limit. Its name separates its counters from those of other limits.
    pub const fn new(name: &'static str, max: i32, span: TimeDelta) -> Self {
        Self { name, max, span }
    }
}

const fn bound(name: &'static str, max: i32, span: TimeDelta) -> AttemptLimit {
    AttemptLimit::new(name, max, span)
}

const FIFTEEN_MINUTES: TimeDelta = TimeDelta::minutes(15);
const DAY: TimeDelta = TimeDelta::days(1);

/// Wrong passwords at sign-in for one address from one network, unless from a known device.
pub const PASSWORD_HERE: AttemptLimit = bound("password here", 10, FIFTEEN_MINUTES);
/// The same over a day, so that one network cannot use up [`PASSWORD_ELSEWHERE`].
pub const PASSWORD_HERE_A_DAY: AttemptLimit = bound("password here a day", 30, DAY);
/// Wrong passwords for one address from all networks together, without those from known devices. Beyond it, the correct
/// password is accepted only from networks that the owner was signed in from.
pub const PASSWORD_ELSEWHERE: AttemptLimit = bound("password elsewhere", 100, DAY);
/// Wrong passwords within one session: a signed-in user repeats the current password for some changes.
pub const PASSWORD_AGAIN: AttemptLimit = bound("password again", 10, FIFTEEN_MINUTES);

/// The same over a day.
pub const PASSWORD_AGAIN_A_DAY: AttemptLimit = bound("password again a day", 30, DAY);
/// Changes of the password by a signed-in user.
pub const PASSWORD_CHANGES: AttemptLimit = bound("password changes", 10, DAY);
/// Wrong passwords for one address from one device that has a token of an earlier sign-in.
pub const PASSWORD_DEVICE: AttemptLimit = bound("password device", 10, FIFTEEN_MINUTES);
/// The same over a day.
pub const PASSWORD_DEVICE_A_DAY: AttemptLimit = bound("password device a day", 30, DAY);
/// Wrong passwords for one address from all known devices together. Beyond it, they count as unknown devices, because
/// somebody who once knew the password may hold many device tokens.
pub const PASSWORD_DEVICES_A_DAY: AttemptLimit = bound("password devices a day", 100, DAY);

/// Requests for a code to reset the password of one address: by each known device, and from each network.
pub const RESET_REQUESTS: AttemptLimit = bound("reset requests", 3, FIFTEEN_MINUTES);
/// The same over a day. With five attempts for each code, guessing a code is practically impossible.
pub const RESET_REQUESTS_A_DAY: AttemptLimit = bound("reset requests a day", 6, DAY);
/// Requests for a code, for one address, by all known devices together. Beyond it, they count as unknown devices.
pub const RESET_DEVICES_A_DAY: AttemptLimit = bound("reset requests of devices a day", 12, DAY);
/// Codes of eight digits for one address that are sent at the request of networks from which the owner was never signed
/// in, together. Beyond it, codes have twelve digits, so that the number of codes does not matter.
pub const RESET_SHORT_CODES_A_DAY: AttemptLimit = bound("reset short codes a day", 6, DAY);
/// Codes for one address at the request of all networks together, so that many networks cannot fill a mailbox. Beyond
/// it, codes are sent only for networks from which the owner was signed in; the response stays the same.
pub const RESET_STRANGERS_A_DAY: AttemptLimit = bound("reset requests of strangers a day", 100, DAY);
/// Attempts at a code without the id of its request, for one address.
pub const RESET_TRIES: AttemptLimit = bound("reset tries", 5, FIFTEEN_MINUTES);
/// The same over a day.
pub const RESET_TRIES_A_DAY: AttemptLimit = bound("reset tries a day", 20, DAY);
/// Wrong codes of a second factor, for one user. The password was correct before.
pub const SECOND_FACTOR: AttemptLimit = bound("second factor", 20, DAY);

/// One counter, for one account, code or network.
#[derive(Debug, Clone)]
pub struct Counter {
    /// The keyed hash of the limit's name and of what is counted.
    pub key: [u8; 32],
    /// The number of attempts.
    pub max: i32,
    /// The time after which the count starts again.
    pub span: TimeDelta,
}

impl Counter {
    /// The counter of a limit for `parts`, such as the address and the network.
    pub fn new(app: &App, bound: AttemptLimit, parts: &[&[u8]]) -> Self {
        let mut named = vec![bound.name.as_bytes()];
        named.extend_from_slice(parts);
        Self { key: app.encryption.hash(KeyPurpose::AttemptLimits, &named), max: bound.max, span: bound.span }
    }

    /// The counter of a limit of the configuration.
    pub fn configured(app: &App, name: &'static str, quota: Quota, parts: &[&[u8]]) -> Self {
        let max = i32::try_from(quota.count()).unwrap_or(i32::MAX);
        let span = TimeDelta::from_std(quota.per()).unwrap_or(DAY);
        Self::new(app, AttemptLimit::new(name, max, span), parts)
    }

    /// Requested messages to one number or mailbox (`MESSAGES_PER_NUMBER`).
    pub fn messages_to(app: &App, target: &str) -> Self {
        Self::configured(app, "messages to", app.config.limits.messages_per_number, &[mailbox(target).as_bytes()])
    }

    /// Notices of changes of an account to one number or mailbox (`MESSAGES_PER_NUMBER`).
    pub fn notices_to(app: &App, target: &str) -> Self {
        Self::configured(app, "notices to", app.config.limits.messages_per_number, &[mailbox(target).as_bytes()])
    }

    /// The counters of attempts at one e-mail address from one network: one for the subnet and one for the site. The
    /// limit of the site leaves a part of the limit of all networks together (`all`) to other networks.
    pub fn here(app: &App, bound: AttemptLimit, address: &[u8], network: Network, all: i32) -> (Self, Option<Self>) {
        let (sites, each) = (app.config.http.site_factor, count_of(bound.max));
        let counter = |block: AddressBlock| {
            let max = sites.limit(block, each).min(block.share(each, count_of(all)));
            let bound = AttemptLimit { max: i32::try_from(max).unwrap_or(i32::MAX), ..bound };
            Self::new(app, bound, &[address, block.to_string().as_bytes()])
        };
        (counter(AddressBlock::Subnet(network.subnet())), network.site().map(AddressBlock::Site).map(counter))
    }

    /// The counters of a limit for all accounts of a network together: one for its subnet, one for its site.
    fn of_network(app: &App, name: &'static str, quota: Quota, network: Network) -> Vec<Self> {
        let sites = app.config.http.site_factor;
        let counter = |block: AddressBlock| {
            Self::configured(app, name, sites.quota(block, quota), &[block.to_string().as_bytes()])
        };
        network.blocks().map(counter).collect()
    }

    /// Unknown coupon codes sent from one network (`COUPON_ATTEMPTS_PER_NETWORK`).
    pub fn coupon_codes_from(app: &App, network: Network) -> Vec<Self> {
        Self::of_network(app, "coupon codes from", app.config.limits.coupon_attempts_per_network, network)
    }

    /// Messages requested from one network (`MESSAGES_PER_NETWORK`).
    pub fn messages_from(app: &App, client: Client) -> Vec<Self> {
        Self::of_network(app, "messages from", app.config.limits.messages_per_network, client.network())
    }

    /// Wrong passwords sent from one network (`PASSWORD_ATTEMPTS_PER_NETWORK`).
    pub fn passwords_from(app: &App, client: Client) -> Vec<Self> {
        Self::of_network(app, "passwords from", app.config.limits.password_attempts_per_network, client.network())
    }

    /// Registrations from one network (`SIGN_UPS_PER_NETWORK`).
    pub fn sign_ups_from(app: &App, client: Client) -> Vec<Self> {
        Self::of_network(app, "sign-ups from", app.config.limits.sign_ups_per_network, client.network())
    }

    /// Guests created from one network (`GUESTS_PER_NETWORK`).
    pub fn guests_from(app: &App, client: Client) -> Vec<Self> {
        Self::of_network(app, "guests from", app.config.limits.guests_per_network, client.network())
    }

    /// Devices that synchronise for the first time from one network (`SYNC_DEVICES_PER_NETWORK`).
    pub fn sync_devices_from(app: &App, client: Client) -> Vec<Self> {
        Self::of_network(app, "sync devices from", app.config.limits.sync_devices_per_network, client.network())
    }

    /// Counters of wrong passwords sent within a session of a user, and from the network. Each session has its own, so
    /// that somebody with a stolen token does not use up those of the owner; a session is opened with the password.
    pub fn passwords_again(app: &App, session: SessionId, client: Client) -> Vec<Self> {
        let own = [PASSWORD_AGAIN, PASSWORD_AGAIN_A_DAY].map(|bound| Self::new(app, bound, &[session.as_bytes()]));
        own.into_iter().chain(Self::passwords_from(app, client)).collect()
    }

    /// Counters of wrong codes of a user's second factor, and from the network (`SECOND_FACTOR_ATTEMPTS_PER_NETWORK`).
    pub fn second_factor(app: &App, user: UserId, client: Client) -> Vec<Self> {
        let of_user = Self::new(app, SECOND_FACTOR, &[user.as_bytes()]);
        std::iter::once(of_user).chain(Self::recovery_codes_from(app, client)).collect()
    }

    /// Counters of a wrong proof of a second factor.
    pub fn factor_proof(app: &App, user: UserId, client: Client, proof: &FactorProof) -> Vec<Self> {
        match proof {
            FactorProof::Code(_) => Self::second_factor(app, user, client),
            FactorProof::RecoveryCode(_) => Self::recovery_codes_from(app, client),
        }
    }

    /// Wrong recovery codes and codes of second factors from the network (`SECOND_FACTOR_ATTEMPTS_PER_NETWORK`).
    /// Recovery codes have 50 bits, so those of one user need no counter: somebody who knows the password would use it
    /// up, and the owner could not sign in.
    fn recovery_codes_from(app: &App, client: Client) -> Vec<Self> {
        let quota = app.config.limits.second_factor_attempts_per_network;
        Self::of_network(app, "second factor from", quota, client.network())
    }
}

/// A number, or an e-mail address without its sub-address (`+tag`), so that somebody who invents sub-addresses does not
/// fill the mailbox.
fn mailbox(target: &str) -> String {
    match target.rsplit_once('@') {
        Some((local, domain)) => format!("{}@{domain}", local.split_once('+').map_or(local, |(name, _)| name)),
        None => target.to_owned(),
    }
}

fn count_of(max: i32) -> usize {
    usize::try_from(max).unwrap_or_default()
}

/// The number of digits of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeLength {
    /// Eight digits, for the first few codes of a day.
    Short,
    /// Twelve digits, after many codes were requested from networks that the owner has not used.
    Long,
}

/// The latest end of the counters that are used up; `None`: no counter is used up.
#[derive(Debug, Clone, Copy)]
pub struct UsedUp(pub Option<DateTime<Utc>>);

impl UsedUp {
    /// 429 until the counter starts again. The refusal rolls back the attempts that were counted.
    pub fn or_refuse(self, now: DateTime<Utc>) -> Result<(), Problem> {
        let Some(ends) = self.0 else { return Ok(()) };
        Err(too_many((ends - now).to_std().unwrap_or_default()))
    }
}
