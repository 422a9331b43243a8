//! Variables of accounts: secrets, lifetimes of tokens and sessions, limits. They are read in `config/accounts.rs`.

use super::{Variable, plain, secret};

const ACCOUNTS: &str = "Accounts";

pub(super) const TABLE: &[Variable] = &[
    secret(
        ACCOUNTS,
        "JWT_SECRET",
        "",
        "Signs access tokens; at least 32 bytes. Not set in development: generated once and kept in DATA_DIR.",
    ),
    secret(
        ACCOUNTS,
        "JWT_REFRESH_SECRET",
        "",
        "Signs refresh tokens; at least 32 bytes, different from JWT_SECRET. Not set in development: generated once \
         and kept in DATA_DIR.",
    ),
    secret(
        ACCOUNTS,
        "JWT_SECRET_PREVIOUS",
        "",
        "The JWT_SECRET before this one: its access tokens are still accepted. Remove it after JWT_EXPIRES_IN.",
    ),
    secret(
        ACCOUNTS,
        "JWT_REFRESH_SECRET_PREVIOUS",
        "",
        "The JWT_REFRESH_SECRET before this one: its refresh tokens are still accepted. Remove it after \
         JWT_REFRESH_EXPIRES_IN.",
    ),
    secret(
        ACCOUNTS,
        "SEAL_SECRET",
        "",
        "Encrypts second factors and codes in the database; at least 32 bytes, the same on every node. Keep it: data \
         that was encrypted with another secret cannot be decrypted. Not set in development: generated once and kept \
         in DATA_DIR.",
    ),
    plain(ACCOUNTS, "JWT_EXPIRES_IN", "10m", "Lifetime of an access token, such as 500ms, 30s, 15m, 12h or 7d."),
    plain(ACCOUNTS, "JWT_REFRESH_EXPIRES_IN", "30d", "Lifetime of a session without use; a refresh counts as use."),
    plain(
        ACCOUNTS,
        "SESSION_MAX_LIFE",
        "90d",
        "Longest lifetime of a session; after it the user has to sign in again.",
    ),
    plain(
        ACCOUNTS,
        "STAFF_SESSION_IDLE",
        "12h",
        "JWT_REFRESH_EXPIRES_IN for STAFF and ADMIN; the shorter of the two is used.",
    ),
    plain(
        ACCOUNTS,
        "STAFF_SESSION_MAX_LIFE",
        "7d",
        "SESSION_MAX_LIFE for STAFF and ADMIN; the shorter of the two is used.",
    ),
    plain(
        ACCOUNTS,
        "GUEST_LIFE",
        "7d",
        "A guest without an account is deleted with the carts after this time without a write to a cart (1m to 90d).",
    ),
    plain(
        ACCOUNTS,
        "SESSION_CACHE",
        "10000",
        "Number of sessions that are cached in memory, for up to a minute each (1 to 1000000); revocations apply at \
         once.",
    ),
    plain(
        ACCOUNTS,
        "PUSH_MAX_DEVICES",
        "20",
        "Maximum number of devices of one user that get push notifications (1 to 200); if there are more, the one \
         registered longest ago is removed.",
    ),
    plain(ACCOUNTS, "ADDRESS_MAX", "50", "Maximum number of saved addresses of one user (1 to 200)."),
    plain(
        ACCOUNTS,
        "SESSION_MAX_PER_USER",
        "100",
        "Maximum number of active sessions of one user (1 to 10000); when another is opened, the one that was used \
         longest ago ends.",
    ),
    plain(
        ACCOUNTS,
        "ADMIN_SECOND_FACTOR",
        "auto",
        "required, or optional: whether an administrator has to set up a second factor before anything else. auto: \
         required in production, optional in development.",
    ),
    plain(
        ACCOUNTS,
        "PASSWORD_HASHES_AT_ONCE",
        "auto",
        "Maximum number of passwords hashed at once, 19 MiB each. auto: half the cores.",
    ),
    plain(
        ACCOUNTS,
        "PASSWORD_HASHES_WAITING",
        "auto",
        "Maximum number of requests that wait for a hash; beyond it the response is 503. auto: 16 in production, 64 in \
         development.",
    ),
    plain(
        ACCOUNTS,
        "PASSWORD_HASHES_PER_NETWORK",
        "auto",
        "How many of the hashes that run or wait one network may have (IPv6: a /64; a /48 gets half of the rest in \
         addition). Devices that have signed in before have places of their own; one account may have a third of this \
         number. auto: a third in production, all in development.",
    ),
    plain(
        ACCOUNTS,
        "PASSWORD_HASH_WAIT",
        "auto",
        "How long a request may wait for its hash; after it the response is 503. auto: 200ms in production, 5s in \
         development.",
    ),
];
