//! Variables of accounts: secrets, lifetimes, limits.

use super::{Variable, plain, secret};

const ACCOUNTS: &str = "Accounts";

pub(super) const TABLE: &[Variable] = &[
    secret(
        ACCOUNTS,
        "JWT_SECRET",
        "",
        "Signs access tokens; at least 32 bytes. Not set in development: made once and kept in DATA_DIR.",
    ),
    secret(
        ACCOUNTS,
        "JWT_REFRESH_SECRET",
        "",
        "Signs refresh tokens; at least 32 bytes, another than JWT_SECRET. Not set in development: made once and kept.",
    ),
    secret(
        ACCOUNTS,
        "JWT_SECRET_PREVIOUS",
        "",
        "The JWT_SECRET before this one: its access tokens are still taken. Remove it once they have ended (JWT_EXPIRES_IN).",
    ),
    secret(
        ACCOUNTS,
        "JWT_REFRESH_SECRET_PREVIOUS",
        "",
        "The JWT_REFRESH_SECRET before this one: its refresh tokens are still taken. Remove it after JWT_REFRESH_EXPIRES_IN.",
    ),
    secret(
        ACCOUNTS,
        "SEAL_SECRET",
        "",
        "Encrypts second factors and codes in the database; at least 32 bytes, the same on every node, and to be kept: what was encrypted with another secret cannot be decrypted. Not set in development: made once and kept in DATA_DIR.",
    ),
    plain(ACCOUNTS, "JWT_EXPIRES_IN", "10m", "Life of an access token: 500ms, 30s, 15m, 12h, 7d."),
    plain(ACCOUNTS, "JWT_REFRESH_EXPIRES_IN", "30d", "Life of a session without use; a refresh counts as use."),
    plain(ACCOUNTS, "SESSION_MAX_LIFE", "90d", "Life of a session however much it is used; then one signs in again."),
    plain(ACCOUNTS, "STAFF_SESSION_IDLE", "12h", "JWT_REFRESH_EXPIRES_IN for STAFF and ADMIN, where that is longer."),
    plain(ACCOUNTS, "STAFF_SESSION_MAX_LIFE", "7d", "SESSION_MAX_LIFE for STAFF and ADMIN, where that is longer."),
    plain(
        ACCOUNTS,
        "GUEST_LIFE",
        "7d",
        "A guest, who has carts but no account, is forgotten with them after so long without a write (1m to 90d).",
    ),
    plain(
        ACCOUNTS,
        "SESSION_CACHE",
        "10000",
        "Sessions whose user is kept in memory for up to a minute (1 to 1000000); revocations reach it at once.",
    ),
    plain(
        ACCOUNTS,
        "PUSH_MAX_DEVICES",
        "20",
        "Most devices of one user that get push notifications (1 to 200); of more, the one registered longest ago is removed.",
    ),
    plain(ACCOUNTS, "ADDRESS_MAX", "50", "Most saved addresses of one user (1 to 200)."),
    plain(
        ACCOUNTS,
        "SESSION_MAX_PER_USER",
        "100",
        "Most sessions of one user that have not ended (1 to 10000); when another is opened, the one that was used longest ago ends.",
    ),
    plain(
        ACCOUNTS,
        "ADMIN_SECOND_FACTOR",
        "auto",
        "required, or optional: whether an administrator has to set up a second factor before anything else. auto: required in production, optional in development.",
    ),
    plain(ACCOUNTS, "PASSWORD_HASHES_AT_ONCE", "auto", "Passwords hashed at once, 19 MiB each; auto: half the cores."),
    plain(
        ACCOUNTS,
        "PASSWORD_HASHES_WAITING",
        "auto",
        "Further hashes that may wait; beyond that the answer is 503. auto: 16 in production, 64 in development.",
    ),
    plain(
        ACCOUNTS,
        "PASSWORD_HASHES_PER_NETWORK",
        "auto",
        "Of those at once and those that wait, how many one network may have (IPv6: /64; a /48 half of the rest as well); devices that have signed in before have places of their own, an account a third of as many. auto: a third in production, all in development.",
    ),
    plain(
        ACCOUNTS,
        "PASSWORD_HASH_WAIT",
        "auto",
        "How long a request may wait for its hash before the answer is 503. auto: 200ms in production, 5s in development.",
    ),
];
