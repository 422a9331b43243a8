//! Variables of rate limits and of limits on attempts. The value of `auto` in production and in development is chosen
//! in `config/limits.rs` (`by_mode`, `quota`, `of_network`, `writes`). Limits on attempts that are not here are
//! constants in `accounts/attempt_limits.rs` and `coupons/actions/attempt_limits.rs`.

use super::{Variable, plain};

const LIMITS: &str = "Rate limits, and limits on attempts that can be set (docs/security.md lists all limits)";

pub(super) const TABLE: &[Variable] = &[
    plain(
        LIMITS,
        "RATE_LIMIT_AUTH",
        "auto",
        "Requests to register, sign in, recover an account and create a guest, per address (IPv6: /64). 60/1m: a burst \
         of 60, refilled within a minute. auto: 60/1m in production, 3000/1m in development.",
    ),
    plain(
        LIMITS,
        "RATE_LIMIT_USER",
        "auto",
        "All other requests of a signed-in user, or off. auto: 1200/1m in production, 60000/1m in development.",
    ),
    plain(
        LIMITS,
        "RATE_LIMIT_ADDRESS",
        "auto",
        "All other requests without a token, per address, or off. auto: 1200/1m in production, 60000/1m in \
         development.",
    ),
    plain(
        LIMITS,
        "RATE_LIMIT_NETWORK",
        "auto",
        "The same requests of all signed-in users of one network (IPv6: /64) together, or off. auto: 12000/1m in \
         production, 600000/1m in development.",
    ),
    plain(
        LIMITS,
        "WRITES_PER_USER",
        "auto",
        "What a user may write on one node: each request that may write costs one, and one more for each whole \
         kilobyte of its body, images aside; each kilobyte of the orders, quotes, events and stored responses that it \
         wrote costs one with the user's next request; or off. All at once, refilled over the time, so that within the \
         first day it may be twice as much. auto: 100000/24h in production, 5000000/24h in development. Beyond it: \
         429.",
    ),
    plain(
        LIMITS,
        "WRITES_PER_NETWORK",
        "auto",
        "The same for all clients of one network (IPv6: /64) together, signed in or not; or off. auto: 2000000/24h in \
         production, 100000000/24h in development.",
    ),
    plain(
        LIMITS,
        "RATE_LIMIT_REPEATS",
        "auto",
        "Requests of a user beyond RATE_LIMIT_USER, and ten times as many of a network beyond RATE_LIMIT_NETWORK, \
         whose Idempotency-Key is looked up, to repeat a stored response. auto: 120/1m in production, 6000/1m in \
         development.",
    ),
    plain(
        LIMITS,
        "MESSAGES_PER_NUMBER",
        "auto",
        "Messages with a code that are requested to one phone number or mailbox (without its `+tag`), and separately \
         as many notices of changes of the account. auto: 10/24h. Beyond it a request for a code to confirm gets 429, \
         a code to reset the password is sent by e-mail instead of SMS, and a notice is not sent.",
    ),
    plain(LIMITS, "MESSAGES_PER_ACCOUNT", "auto", "Codes requested by one account. auto: 20/24h. Beyond it: 429."),
    plain(
        LIMITS,
        "MESSAGES_PER_NETWORK",
        "auto",
        "Codes requested from one network (IPv6: /64). auto: 200/24h in production, 20000/24h in development. Beyond \
         it: 429.",
    ),
    plain(
        LIMITS,
        "COUPON_ATTEMPTS_PER_NETWORK",
        "auto",
        "Unknown coupon codes sent by all accounts of one network (IPv6: /64) together; the limit of one account is \
         20/15m. auto: 100/15m in production, 10000/15m in development. Beyond it: 429.",
    ),
    plain(
        LIMITS,
        "PASSWORD_ATTEMPTS_PER_NETWORK",
        "auto",
        "Wrong passwords from one network (IPv6: /64), for all accounts together; devices that have signed in before \
         are exempt. auto: 200/1h in production, 20000/1h in development. Beyond it: 429.",
    ),
    plain(
        LIMITS,
        "SECOND_FACTOR_ATTEMPTS_PER_NETWORK",
        "auto",
        "Wrong codes of second factors from one network (IPv6: /64), for all accounts together; the limit of one \
         account is 20/24h. auto: 100/24h in production, 10000/24h in development. Beyond it: 429.",
    ),
    plain(
        LIMITS,
        "SIGN_UPS_PER_NETWORK",
        "auto",
        "Registrations from one network (IPv6: /64), whether or not the address is new. auto: 500/24h in production, \
         50000/24h in development. Beyond it: 429.",
    ),
    plain(
        LIMITS,
        "GUESTS_PER_NETWORK",
        "auto",
        "Guests created from one network (IPv6: /64); each may have carts. auto: 1000/24h in production, 100000/24h in \
         development. Beyond it: 429.",
    ),
    plain(
        LIMITS,
        "SYNC_DEVICES_PER_NETWORK",
        "auto",
        "Devices that synchronise for the first time from one network (IPv6: /64), for all accounts together; for one \
         account see SYNC_MAX_DEVICES. auto: 1000/24h in production, 100000/24h in development. Beyond it: 429.",
    ),
    plain(LIMITS, "REDIS_OPERATION_TIMEOUT", "50ms", "How long a limit waits for Redis before this node counts alone."),
];
