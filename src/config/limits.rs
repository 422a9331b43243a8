//! Settings of rate limits and of limits on attempts, with the value of `auto` for each mode. Their descriptions are in
//! `variables/limits.rs`.

use std::time::Duration;

use super::Mode;
use super::source::Reader;
use crate::quota::Quota;

/// Settings of rate limits.
#[derive(Debug, Clone)]
pub struct LimitSettings {
    /// `RATE_LIMIT_AUTH`, which cannot be switched off.
    pub auth: Quota,
    /// `RATE_LIMIT_USER`; `None`: off.
    pub user: Option<Quota>,
    /// `RATE_LIMIT_ADDRESS`; `None`: off.
    pub address: Option<Quota>,
    /// `RATE_LIMIT_NETWORK`; `None`: off.
    pub network: Option<Quota>,
    /// `WRITES_PER_USER`; `None`: off.
    pub writes_per_user: Option<Quota>,
    /// `WRITES_PER_NETWORK`; `None`: off.
    pub writes_per_network: Option<Quota>,
    /// `RATE_LIMIT_REPEATS`, of a user; a network has ten times as many.
    pub repeats: Quota,
    /// `MESSAGES_PER_NUMBER`: messages with a code that are requested to one phone number or mailbox, and separately as
    /// many notices of changes of the account. auto: 10/24h. Beyond it a request for a code to confirm gets 429, a code
    /// to reset the password is sent by e-mail instead of SMS, and a notice is not sent.
    pub messages_per_number: Quota,
    /// `MESSAGES_PER_ACCOUNT`: codes requested by one account. auto: 20/24h. Beyond it: 429.
    pub messages_per_account: Quota,
    /// `MESSAGES_PER_NETWORK`: codes requested from one network (IPv6: /64). auto: 200/24h in production, 20000/24h in
    /// development. Beyond it: 429.
    pub messages_per_network: Quota,
    /// `COUPON_ATTEMPTS_PER_NETWORK`: unknown coupon codes sent by all accounts of one network (IPv6: /64) together;
    /// the limit of one account is 20/15m. auto: 100/15m in production, 10000/15m in development. Beyond it: 429.
    pub coupon_attempts_per_network: Quota,
    /// `PASSWORD_ATTEMPTS_PER_NETWORK`: wrong passwords from one network (IPv6: /64), for all accounts together;
    /// devices that have signed in before are exempt. auto: 200/1h in production, 20000/1h in development. Beyond it:
    /// 429.
    pub password_attempts_per_network: Quota,
    /// `SECOND_FACTOR_ATTEMPTS_PER_NETWORK`: wrong codes of second factors from one network (IPv6: /64), for all
    /// accounts together; the limit of one account is 20/24h. auto: 100/24h in production, 10000/24h in development.
    /// Beyond it: 429.
    pub second_factor_attempts_per_network: Quota,
    /// `SIGN_UPS_PER_NETWORK`: registrations from one network (IPv6: /64), whether or not the address is new. auto:
    /// 500/24h in production, 50000/24h in development. Beyond it: 429.
    pub sign_ups_per_network: Quota,
    /// `GUESTS_PER_NETWORK`: guests created from one network (IPv6: /64); each may have carts. auto: 1000/24h in
    /// production, 100000/24h in development. Beyond it: 429.
    pub guests_per_network: Quota,
    /// `SYNC_DEVICES_PER_NETWORK`: devices that synchronise for the first time from one network (IPv6: /64), for all
    /// accounts together; for one account see `SYNC_MAX_DEVICES`. auto: 1000/24h in production, 100000/24h in
    /// development. Beyond it: 429.
    pub sync_devices_per_network: Quota,
    /// `REDIS_OPERATION_TIMEOUT`: how long a limit waits for Redis before this node counts alone.
    pub redis_timeout: Duration,
}

impl LimitSettings {
    pub(super) fn gather(reader: &mut Reader<'_>, mode: Mode) -> Self {
        let by_mode = |production: u32, development: u32| {
            let count = if mode == Mode::Production { production } else { development };
            Quota::new(count, Duration::from_mins(1))
        };
        let expected = "a number and a time such as 60/1m, or auto";
        let auth = by_mode(60, 3_000);
        let [user, address, network] =
            [("RATE_LIMIT_USER", 1_200), ("RATE_LIMIT_ADDRESS", 1_200), ("RATE_LIMIT_NETWORK", 12_000)].map(
                |(name, max)| {
                    let ordinary = by_mode(max, max * 50);
                    reader.value(name, "a number and a time such as 1200/1m, or auto, or off", Some(ordinary), |text| {
                        match text {
                            "auto" => Some(Some(ordinary)),
                            "off" => Some(None),
                            quota => Quota::parse(quota).map(Some),
                        }
                    })
                },
            );
        let [writes_per_user, writes_per_network] = writes(reader, mode);
        let repeats = by_mode(120, 6_000);
        let quota = |reader: &mut Reader<'_>, name: &str, max: u32, per: Duration| {
            let usual = Quota::new(max, per);
            reader.value(name, "a number and a time such as 10/24h, or auto", usual, |text| match text {
                "auto" => Some(usual),
                quota => Quota::parse(quota),
            })
        };
        let of_network = |reader: &mut Reader<'_>, name: &str, max: u32, per: Duration| {
            quota(reader, name, if mode == Mode::Production { max } else { max * 100 }, per)
        };
        let (hour, day) = (Duration::from_hours(1), Duration::from_hours(24));
        Self {
            auth: reader.value("RATE_LIMIT_AUTH", expected, auth, |text| match text {
                "auto" => Some(auth),
                quota => Quota::parse(quota),
            }),
            user,
            address,
            network,
            writes_per_user,
            writes_per_network,
            repeats: reader.value("RATE_LIMIT_REPEATS", expected, repeats, |text| match text {
                "auto" => Some(repeats),
                quota => Quota::parse(quota),
            }),
            messages_per_number: quota(reader, "MESSAGES_PER_NUMBER", 10, day),
            messages_per_account: quota(reader, "MESSAGES_PER_ACCOUNT", 20, day),
            messages_per_network: of_network(reader, "MESSAGES_PER_NETWORK", 200, day),
            coupon_attempts_per_network: of_network(reader, "COUPON_ATTEMPTS_PER_NETWORK", 100, hour / 4),
            password_attempts_per_network: of_network(reader, "PASSWORD_ATTEMPTS_PER_NETWORK", 200, hour),
            second_factor_attempts_per_network: of_network(reader, "SECOND_FACTOR_ATTEMPTS_PER_NETWORK", 100, day),
            sign_ups_per_network: of_network(reader, "SIGN_UPS_PER_NETWORK", 500, day),
            guests_per_network: of_network(reader, "GUESTS_PER_NETWORK", 1_000, day),
            sync_devices_per_network: of_network(reader, "SYNC_DEVICES_PER_NETWORK", 1_000, day),
            redis_timeout: reader.duration("REDIS_OPERATION_TIMEOUT"),
        }
    }
}

/// `WRITES_PER_USER` and `WRITES_PER_NETWORK`.
fn writes(reader: &mut Reader<'_>, mode: Mode) -> [Option<Quota>; 2] {
    [("WRITES_PER_USER", 100_000), ("WRITES_PER_NETWORK", 2_000_000)].map(|(name, max)| {
        let count = if mode == Mode::Production { max } else { max * 50 };
        let usual = Some(Quota::new(count, Duration::from_hours(24)));
        reader.value(name, "a number and a time such as 100000/24h, or auto, or off", usual, |text| match text {
            "auto" => Some(usual),
            "off" => Some(None),
            quota => Quota::parse(quota).map(Some),
        })
    })
}
