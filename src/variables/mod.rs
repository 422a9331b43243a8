//! Every variable of the configuration, once: its name, meaning, default, and whether it is a secret. A file for each
//! concern.
//!
//! Each variable is read and its bounds are checked by `gather` in the file of the same name in `src/config/`. How to
//! add one: CONTRIBUTING.md, "Add a setting".

mod accounts;
mod delivery;
mod general;
mod http;
mod images;
mod limits;
mod log;
mod menus;
mod orders;
mod postgres;
mod restaurants;
mod retention;
mod sockets;
mod sync;

/// One variable of the configuration.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// Its heading in `.env.example`.
    pub section: &'static str,
    /// Its name in the environment and in the configuration file.
    pub name: &'static str,
    /// What it sets, with unit and range; the comment in `.env.example`.
    pub meaning: &'static str,
    /// The value when it is not set; `None`: there is none.
    pub default: Option<&'static str>,
    /// The value shown in `.env.example` if there is no default.
    pub example: &'static str,
    /// Whether its value is never printed.
    pub secret: bool,
}

const fn plain(section: &'static str, name: &'static str, default: &'static str, meaning: &'static str) -> Variable {
    Variable { section, name, meaning, default: Some(default), example: "", secret: false }
}

const fn optional(section: &'static str, name: &'static str, example: &'static str, meaning: &'static str) -> Variable {
    Variable { section, name, meaning, default: None, example, secret: false }
}

const fn secret(section: &'static str, name: &'static str, example: &'static str, meaning: &'static str) -> Variable {
    Variable { section, name, meaning, default: None, example, secret: true }
}

const PARTS: &[&[Variable]] = &[
    general::TABLE,
    http::TABLE,
    limits::TABLE,
    postgres::TABLE,
    accounts::TABLE,
    sockets::TABLE,
    menus::TABLE,
    delivery::TABLE,
    orders::TABLE,
    restaurants::TABLE,
    sync::TABLE,
    retention::TABLE,
    images::TABLE,
    log::TABLE,
];

const COUNT: usize = {
    let (mut count, mut part) = (0, 0);
    while part < PARTS.len() {
        count += PARTS[part].len();
        part += 1;
    }
    count
};

/// All variables, in the order of `.env.example`.
const ALL: [Variable; COUNT] = {
    let mut all = [PARTS[0][0]; COUNT];
    let (mut filled, mut part) = (0, 0);
    while part < PARTS.len() {
        let mut index = 0;
        while index < PARTS[part].len() {
            all[filled] = PARTS[part][index];
            filled += 1;
            index += 1;
        }
        part += 1;
    }
    all
};

/// The table, in the order of `.env.example`.
pub const VARIABLES: &[Variable] = &ALL;

/// A variable of a provider that this version does not use yet.
#[derive(Debug, Clone, Copy)]
pub struct UnreadVariable {
    /// Its name in the environment.
    pub name: &'static str,
    /// What the provider would do, and what happens instead.
    pub instead: &'static str,
}

const NO_PUSH: &str =
    "push messages through Firebase are not available in this version; GET /api/admin/outbox lists them";
const NO_SMS: &str = "text messages through Twilio are not available in this version; GET /api/admin/outbox lists them";

/// Variables that are not read. They are not in `.env.example`, and the server does not start if one is set, because
/// its operator expects messages to be sent.
pub const UNREAD: &[UnreadVariable] = &[
    UnreadVariable { name: "FIREBASE_PROJECT_ID", instead: NO_PUSH },
    UnreadVariable { name: "FIREBASE_CLIENT_EMAIL", instead: NO_PUSH },
    UnreadVariable { name: "FIREBASE_PRIVATE_KEY", instead: NO_PUSH },
    UnreadVariable { name: "TWILIO_ACCOUNT_SID", instead: NO_SMS },
    UnreadVariable { name: "TWILIO_AUTH_TOKEN", instead: NO_SMS },
    UnreadVariable { name: "TWILIO_PHONE_NUMBER", instead: NO_SMS },
];
