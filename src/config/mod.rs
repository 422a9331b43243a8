//! The configuration, a file for each concern; `source.rs` is the only place that reads the environment. All errors are
//! reported at once, with what to do.
//!
//! A value comes from the environment, or else from a file of `NAME=value` lines (`.env` in the working directory, or
//! `--config FILE`), or else from the default in [`crate::variables::VARIABLES`], the one table behind the code,
//! `.env.example` and `comanda config`. How to add one: CONTRIBUTING.md, "Add a setting".

use std::fmt::Write as _;
use std::path::PathBuf;

use secrecy::{ExposeSecret as _, SecretString};

mod accounts;
mod delivery;
mod http;
mod images;
mod limits;
mod listing;
mod log;
mod menus;
mod orders;
mod postgres;
mod restaurants;
mod retention;
mod sockets;
mod source;
mod sync;

pub use accounts::{Accounts, SessionLives};
pub use delivery::DeliverySettings;
pub use http::Http;
pub use images::{Cloudinary, Images};
pub use limits::LimitSettings;
pub use listing::{effective, example_file};
pub use log::Log;
pub use menus::Menus;
pub use orders::{CartLimits, OrderLimits, Orders};
pub use postgres::Postgres;
pub use restaurants::RestaurantLimits;
pub use retention::{Retention, StoredResponsesLimit};
pub use sockets::Sockets;
pub use source::Source;
pub use sync::Sync;

use crate::variables::UNREAD;
use source::Reader;

/// The mode of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Missing secrets are generated; demo data is allowed.
    Development,
    /// With a missing, short or well-known secret the server does not start.
    Production,
}

/// All settings of the server.
#[derive(Debug, Clone)]
pub struct Config {
    /// `MODE`: development, or production: then missing or weak secrets stop the start.
    pub mode: Mode,
    /// `DATA_DIR`: folder for the private PostgreSQL and for secrets that were not set.
    pub data_dir: PathBuf,
    /// Tokens and passwords.
    pub accounts: Accounts,
    /// The HTTP listener: address, connections, bodies, time limits.
    pub http: Http,
    /// Settings of rate limits.
    pub limits: LimitSettings,
    /// PostgreSQL: connection, pool, time limits.
    pub postgres: Postgres,
    /// `REDIS_URL`: Redis 7 or newer, for several nodes: notifications of events, shared rate limits and the menu
    /// cache. Not set: nodes notify each other through PostgreSQL.
    pub redis_url: Option<SecretString>,
    /// Live updates over Socket.IO and the event relay.
    pub sockets: Sockets,
    /// Menus: cache and largest sizes.
    pub menus: Menus,
    /// Drivers and their bounds.
    pub delivery: DeliverySettings,
    /// Orders, quotes and carts.
    pub orders: Orders,
    /// Limits on the rows of one restaurant.
    pub restaurants: RestaurantLimits,
    /// Settings of offline synchronisation.
    pub sync: Sync,
    /// How long rows are kept.
    pub retention: Retention,
    /// Images: limits, storage and collection.
    pub images: Images,
    /// Settings of the log.
    pub log: Log,
    /// Cloudinary's account; `None`: images are stored on disk.
    pub cloudinary: Option<Cloudinary>,
}

/// The errors of the configuration, one line each.
#[derive(Debug, thiserror::Error)]
#[error("the configuration has {} error(s):\n{}", .0.len(),
    .0.iter().fold(String::new(), |mut all, one| { let _ = writeln!(all, "  {one}"); all }))]
pub struct Faults(pub Vec<String>);

/// The shortest secret, in bytes: 256 bits.
pub const SHORTEST_SECRET: usize = 32;

/// Secrets of tutorials and samples, which are publicly known.
const WELL_KNOWN_SECRETS: &[&str] = &["secret", "changeme", "password", "your-secret", "jwt_secret", "example"];

/// Whether a secret is obviously not random: few different characters, a repeated part, or a sequence such as `abcdef`
/// or `987654`. Of random hexadecimal secrets of this length, fewer than one in a billion is refused by mistake.
fn is_patterned(secret: &str) -> bool {
    let bytes = secret.as_bytes();
    let different = bytes.iter().collect::<std::collections::BTreeSet<_>>().len();
    let is_repeated = (1..=bytes.len() / 2).any(|period| bytes.iter().zip(&bytes[period..]).all(|(a, b)| a == b));
    let in_line = bytes.windows(2).filter(|pair| pair[0].abs_diff(pair[1]) <= 1).count();
    different < 6 || is_repeated || in_line > bytes.len() * 2 / 3
}

impl Config {
    /// Reads and checks everything.
    ///
    /// # Errors
    /// All errors at once.
    pub fn read(source: &Source) -> Result<Self, Faults> {
        let mut reader = Reader { source, faults: Vec::new() };
        let config = Self::gather(&mut reader);
        let mut faults = reader.faults;
        config.check_secrets(&mut faults);
        config.check_urls(&mut faults);
        faults.extend(
            UNREAD
                .iter()
                .filter(|variable| source.get(variable.name).is_some())
                .map(|variable| format!("{} is set, but {}: remove the variable", variable.name, variable.instead)),
        );
        if faults.is_empty() { Ok(config) } else { Err(Faults(faults)) }
    }

    fn gather(reader: &mut Reader<'_>) -> Self {
        let mode = reader.value("MODE", "development or production", Mode::Development, |text| match text {
            "development" => Some(Mode::Development),
            "production" => Some(Mode::Production),
            _ => None,
        });
        let http = Http::gather(reader, mode);
        let (connections, sites) = (http.max_connections, http.site_factor);
        Self {
            mode,
            data_dir: reader.text("DATA_DIR").map(PathBuf::from).unwrap_or_default(),
            accounts: Accounts::gather(reader, mode),
            http,
            limits: LimitSettings::gather(reader, mode),
            postgres: Postgres::gather(reader),
            redis_url: postgres::redis_url(reader),
            sockets: Sockets::gather(reader, mode, connections),
            menus: Menus::gather(reader),
            delivery: DeliverySettings::gather(reader),
            orders: Orders::gather(reader, mode, sites),
            restaurants: RestaurantLimits::gather(reader),
            sync: Sync::gather(reader),
            retention: Retention::gather(reader),
            images: Images::gather(reader),
            log: Log::gather(reader),
            cloudinary: Cloudinary::gather(reader),
        }
    }

    fn check_secrets(&self, faults: &mut Vec<String>) {
        let secrets = [
            ("JWT_SECRET", &self.accounts.jwt_secret),
            ("JWT_REFRESH_SECRET", &self.accounts.jwt_refresh_secret),
            ("SEAL_SECRET", &self.accounts.seal_secret),
        ];
        for (name, secret) in secrets {
            let make_one = format!("make one with `openssl rand -base64 48` and set {name}");
            match secret {
                None if self.mode == Mode::Production => {
                    faults.push(format!("{name} is missing, and MODE is production: {make_one}"));
                }
                None => {}
                Some(secret) => {
                    faults.extend(self.weakness(secret).map(|weakness| format!("{name} {weakness}: {make_one}")));
                }
            }
        }
        let previous = [
            ("JWT_SECRET_PREVIOUS", &self.accounts.jwt_secret_previous),
            ("JWT_REFRESH_SECRET_PREVIOUS", &self.accounts.jwt_refresh_secret_previous),
        ];
        // Tokens that it signed are still accepted, so it must be as strong as the current secret.
        for (name, secret) in previous {
            let weakness = secret.as_ref().and_then(|secret| self.weakness(secret));
            faults.extend(weakness.map(|weakness| {
                format!("{name} {weakness}: remove it; whoever holds a token that it signed signs in again")
            }));
        }
        let all: Vec<_> = secrets.into_iter().chain(previous).collect();
        for (number, (name, secret)) in all.iter().enumerate() {
            let is_same = |other: &SecretString| {
                secret.as_ref().is_some_and(|secret| secret.expose_secret() == other.expose_secret())
            };
            for (other, _) in all[..number].iter().filter(|(_, other)| other.as_ref().is_some_and(is_same)) {
                faults.push(format!("{other} and {name} are the same: each needs its own"));
            }
        }
    }

    /// Why a secret is none; `None`: it is good.
    fn weakness(&self, secret: &SecretString) -> Option<String> {
        let text = secret.expose_secret();
        if text.len() < SHORTEST_SECRET {
            return Some(format!("is shorter than {SHORTEST_SECRET} bytes"));
        }
        if WELL_KNOWN_SECRETS.iter().any(|known| text.to_lowercase().starts_with(known)) {
            return Some("begins like a well-known sample".to_owned());
        }
        let is_guessable = self.mode == Mode::Production && is_patterned(text);
        is_guessable.then(|| "repeats a pattern and can be guessed".to_owned())
    }

    fn check_urls(&self, faults: &mut Vec<String>) {
        let starts_with =
            |url: &SecretString, schemes: &[&str]| schemes.iter().any(|scheme| url.expose_secret().starts_with(scheme));
        if self.postgres.url.as_ref().is_some_and(|url| !starts_with(url, &["postgres://", "postgresql://"])) {
            faults
                .push("DATABASE_URL must begin with postgres://, as in postgres://user:password@host:5432/name".into());
        }
        if self.redis_url.as_ref().is_some_and(|url| !starts_with(url, &["redis://", "rediss://", "redis+unix://"])) {
            faults.push("REDIS_URL must begin with redis://, as in redis://host:6379".into());
        }
        let clouds = [
            ("CLOUDINARY_BASE_URL", &self.images.cloudinary_base_url),
            ("CLOUDINARY_DELIVERY_URL", &self.images.cloudinary_delivery_url),
        ];
        for (name, url) in clouds {
            let local =
                ["http://127.0.0.1", "http://localhost", "http://[::1]"].iter().any(|host| url.starts_with(host));
            if !url.starts_with("https://") && !local {
                faults.push(format!("{name} must begin with https://; http:// only for this machine"));
            }
        }
        if self.http.public_url.as_ref().is_some_and(|url| !url.starts_with("https://") && !url.starts_with("http://"))
        {
            faults.push("PUBLIC_URL must begin with https:// or http://, as in https://api.example.com".into());
        }
    }
}
