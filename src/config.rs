//! The configuration: the only place that reads the environment. Every fault is reported at once, with its remedy.
//!
//! A value comes from the environment, or else from a file of `NAME=value` lines (`.env` in the working directory,
//! or `--config FILE`), or else from the default in [`VARIABLES`], the one table behind the code, `.env.example` and
//! `comanda config`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use axum::http::HeaderValue;
use chrono::TimeDelta;
use comanda_providers::images::cloudinary::Signature;
use ipnet::IpNet;
use secrecy::{ExposeSecret as _, SecretString};

use crate::client::Forwarding;
use crate::clock::parse_duration;
use crate::quota::Quota;
use crate::variables::VARIABLES;

/// How careful the start is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Secrets are made when missing; demo data is allowed.
    Development,
    /// A missing, short or well-known secret stops the start.
    Production,
}

/// Where images go.
#[derive(Debug, Clone)]
pub struct Cloudinary {
    /// `CLOUDINARY_CLOUD_NAME`.
    pub cloud_name: String,
    /// `CLOUDINARY_API_KEY`.
    pub api_key: String,
    /// `CLOUDINARY_API_SECRET`.
    pub api_secret: SecretString,
}

/// Who delivers pushes.
#[derive(Debug, Clone)]
pub struct Firebase {
    /// `FIREBASE_PROJECT_ID`.
    pub project_id: String,
    /// `FIREBASE_CLIENT_EMAIL`.
    pub client_email: String,
    /// `FIREBASE_PRIVATE_KEY`.
    pub private_key: SecretString,
}

/// Who delivers text messages.
#[derive(Debug, Clone)]
pub struct Twilio {
    /// `TWILIO_ACCOUNT_SID`.
    pub account_sid: String,
    /// `TWILIO_AUTH_TOKEN`.
    pub auth_token: SecretString,
    /// `TWILIO_PHONE_NUMBER`.
    pub phone_number: String,
}

/// Tokens and passwords.
#[derive(Debug, Clone)]
pub struct Accounts {
    /// `JWT_SECRET`; `None`: made once and kept in the data folder.
    pub jwt_secret: Option<SecretString>,
    /// `JWT_REFRESH_SECRET`; `None`: made once and kept in the data folder.
    pub jwt_refresh_secret: Option<SecretString>,
    /// `JWT_SECRET_PREVIOUS`.
    pub jwt_secret_previous: Option<SecretString>,
    /// `JWT_REFRESH_SECRET_PREVIOUS`.
    pub jwt_refresh_secret_previous: Option<SecretString>,
    /// `SEAL_SECRET`; `None`: made once and kept in the data folder.
    pub seal_secret: Option<SecretString>,
    /// `JWT_EXPIRES_IN`.
    pub access_life: Duration,
    /// How long sessions live.
    pub sessions: SessionLives,
    /// `GUEST_LIFE`: without a write to a cart.
    pub guest_life: Duration,
    /// `SESSION_CACHE`.
    pub session_cache: usize,
    /// `PUSH_MAX_DEVICES`.
    pub max_push_devices: i64,
    /// `ADMIN_SECOND_FACTOR`: an administrator without a second factor may only set one up.
    pub admin_second_factor: bool,
    /// `PASSWORD_HASHES_AT_ONCE`.
    pub hashes_at_once: usize,
    /// `PASSWORD_HASHES_WAITING`.
    pub hashes_waiting: usize,
    /// `PASSWORD_HASH_WAIT`.
    pub hash_wait: Duration,
}

/// How long sessions live.
#[derive(Debug, Clone, Copy)]
pub struct SessionLives {
    /// `JWT_REFRESH_EXPIRES_IN`: without use.
    pub idle: Duration,
    /// `SESSION_MAX_LIFE`: in all.
    pub max: Duration,
    /// `STAFF_SESSION_IDLE`, or `idle` where that is shorter.
    pub staff_idle: Duration,
    /// `STAFF_SESSION_MAX_LIFE`, or `max` where that is shorter.
    pub staff_max: Duration,
}

/// The listener and its bounds.
#[derive(Debug, Clone)]
pub struct Http {
    /// `HOST`.
    pub host: IpAddr,
    /// `PORT`.
    pub port: u16,
    /// `MAX_BODY_BYTES`.
    pub max_body_bytes: usize,
    /// `MENU_MAX_BYTES`.
    pub max_menu_bytes: usize,
    /// `MAX_CONNECTIONS`.
    pub max_connections: usize,
    /// `MAX_CONNECTIONS_PER_ADDRESS`.
    pub max_connections_per_address: usize,
    /// `MAX_HEADER_BYTES`.
    pub max_header_bytes: usize,
    /// `HEADER_TIMEOUT`.
    pub header_timeout: Duration,
    /// `STALL_TIMEOUT`.
    pub stall_timeout: Duration,
    /// `BODY_MIN_RATE`, in bytes a second.
    pub body_min_rate: u32,
    /// `REQUEST_TIMEOUT`.
    pub request_timeout: Duration,
    /// `SHUTDOWN_TIMEOUT`.
    pub shutdown_timeout: Duration,
    /// `HEAVY_WORK_AT_ONCE`.
    pub heavy_at_once: usize,
    /// `HEAVY_WORK_WAITING`.
    pub heavy_waiting: usize,
    /// `PUBLIC_URL`.
    pub public_url: Option<String>,
    /// `CORS_ORIGINS`.
    pub cors_origins: Vec<HeaderValue>,
    /// `TRUSTED_PROXIES`.
    pub trusted_proxies: Vec<IpNet>,
    /// `FORWARDED_HEADER`.
    pub forwarding: Forwarding,
}

/// How often somebody may ask.
#[derive(Debug, Clone)]
pub struct Limits {
    /// `RATE_LIMIT_AUTH`: cannot be switched off.
    pub auth: Quota,
    /// `RATE_LIMIT_USER`; `None`: off.
    pub user: Option<Quota>,
    /// `RATE_LIMIT_ADDRESS`; `None`: off.
    pub address: Option<Quota>,
    /// `RATE_LIMIT_NETWORK`; `None`: off.
    pub network: Option<Quota>,
    /// `RATE_LIMIT_REPEATS`, of a user; a network has ten times as many.
    pub repeats: Quota,
    /// `MESSAGES_PER_NUMBER`.
    pub messages_per_number: Quota,
    /// `MESSAGES_PER_ACCOUNT`.
    pub messages_per_account: Quota,
    /// `MESSAGES_PER_NETWORK`.
    pub messages_per_network: Quota,
    /// `COUPON_GUESSES_PER_NETWORK`.
    pub coupon_guesses_per_network: Quota,
    /// `PASSWORD_GUESSES_PER_NETWORK`.
    pub password_guesses_per_network: Quota,
    /// `SECOND_FACTOR_GUESSES_PER_NETWORK`.
    pub second_factor_guesses_per_network: Quota,
    /// `SIGN_UPS_PER_NETWORK`.
    pub sign_ups_per_network: Quota,
    /// `SYNC_DEVICES_PER_NETWORK`.
    pub sync_devices_per_network: Quota,
    /// `REDIS_OPERATION_TIMEOUT`.
    pub redis_timeout: Duration,
}

/// PostgreSQL and its bounds.
#[derive(Debug, Clone)]
pub struct Postgres {
    /// `DATABASE_URL`; `None`: the private PostgreSQL in the data folder.
    pub url: Option<SecretString>,
    /// `POSTGRES_BIN`.
    pub bin_dir: Option<PathBuf>,
    /// `DATABASE_POOL`.
    pub pool: u32,
    /// `REQUESTS_AT_ONCE`.
    pub requests_at_once: usize,
    /// `REQUEST_QUEUE_WAIT`.
    pub request_queue_wait: Duration,
    /// `DATABASE_ACQUIRE_TIMEOUT`.
    pub acquire_timeout: Duration,
    /// `DATABASE_LOCK_TIMEOUT`.
    pub lock_timeout: Duration,
    /// `DATABASE_UNIT_TIMEOUT`.
    pub unit_timeout: Duration,
    /// `DATABASE_COMMIT_TIMEOUT`.
    pub commit_timeout: Duration,
}

/// Socket.IO and its bounds.
#[derive(Debug, Clone)]
pub struct Sockets {
    /// `SOCKET_MAX_MESSAGE_BYTES`.
    pub max_message_bytes: usize,
    /// `SOCKET_MAX_ROOMS`.
    pub max_rooms: usize,
    /// `SOCKET_EVENTS`.
    pub events: Quota,
    /// `SOCKET_MAX_PER_USER`.
    pub max_per_user: usize,
    /// `SOCKET_MAX_PER_ADDRESS`.
    pub max_per_address: usize,
    /// `SOCKET_MAX_SESSIONS`.
    pub max_sessions: usize,
    /// `SOCKET_MAX_SESSIONS_PER_ADDRESS`.
    pub max_sessions_per_address: usize,
    /// `SOCKET_MAX_PENDING`.
    pub max_pending: usize,
    /// `SOCKET_MAX_PENDING_PER_ADDRESS`.
    pub max_pending_per_address: usize,
    /// `SOCKET_BUFFER_PACKETS`.
    pub buffer_packets: usize,
    /// `SOCKET_CONNECT_TIMEOUT`.
    pub connect_timeout: Duration,
    /// `EVENT_POLL_INTERVAL`.
    pub poll_interval: Duration,
    /// `EVENT_RING`.
    pub ring: usize,
}

/// Drivers and their bounds.
#[derive(Debug, Clone, Copy)]
pub struct Delivery {
    /// `DRIVER_SEARCH_RADIUS`, in metres.
    pub search_radius: f64,
    /// `DRIVER_PRESENCE`.
    pub presence: TimeDelta,
    /// `DRIVER_OFF_DUTY_AFTER`.
    pub off_duty_after: TimeDelta,
    /// `DRIVER_SWEEP_INTERVAL`.
    pub sweep_interval: Duration,
    /// `DRIVER_MAX_SPEED`, in metres a second.
    pub max_speed: f64,
}

/// Orders and their bounds.
#[derive(Debug, Clone, Copy)]
pub struct Orders {
    /// `ORDER_ACCEPT_WITHIN`.
    pub accept_within: Duration,
    /// `ORDER_SWEEP_INTERVAL`.
    pub sweep_interval: Duration,
    /// `ORDER_LONGEST_DELAY`.
    pub longest_delay: Duration,
    /// `ORDER_BULK_MAX`.
    pub bulk_max: usize,
    /// `CART_MAX_CHOICES`.
    pub max_choices: usize,
    /// `QUOTE_LIFETIME`.
    pub quote_lifetime: Duration,
    /// `DELIVERY_MAX_DISTANCE`, in metres.
    pub max_distance: f64,
    /// Of one customer: `ORDER_MAX_OPEN`, `ORDER_MAX_SCHEDULED`, `ORDER_MAX_RECENT`.
    pub of_customer: OrderLimits,
    /// Of all customers of a network: `ORDER_MAX_OPEN_PER_NETWORK`, `ORDER_MAX_SCHEDULED_PER_NETWORK`,
    /// `ORDER_MAX_RECENT_PER_NETWORK`.
    pub of_network: OrderLimits,
}

/// Most orders at one restaurant; `None`: no limit.
#[derive(Debug, Clone, Copy)]
pub struct OrderLimits {
    /// That have not come to their end.
    pub open: Option<i64>,
    /// Those of them that are for later.
    pub scheduled: Option<i64>,
    /// Placed within an hour.
    pub recent: Option<i64>,
}

/// What phones bring from offline, and its bounds.
#[derive(Debug, Clone, Copy)]
pub struct Sync {
    /// `SYNC_MAX_OPS`.
    pub max_ops: usize,
    /// `SYNC_MAX_WAITING`.
    pub max_waiting: i64,
    /// `SYNC_MAX_DEVICES`.
    pub max_devices: i64,
    /// `SYNC_LEASE`.
    pub lease: Duration,
    /// `SYNC_POLL_INTERVAL`.
    pub poll_interval: Duration,
    /// `SYNC_ATTEMPTS`.
    pub attempts: i32,
    /// `SYNC_RETRY_AFTER`.
    pub retry_after: Duration,
}

/// Pictures and their bounds.
#[derive(Debug, Clone)]
pub struct Images {
    /// `IMAGE_DIR`; `None`: `images` in the data folder.
    pub dir: Option<PathBuf>,
    /// `IMAGE_MAX_BYTES`.
    pub max_bytes: usize,
    /// `IMAGE_MAX_PIXELS`.
    pub max_pixels: u32,
    /// `IMAGE_DECODES_AT_ONCE`.
    pub decodes_at_once: usize,
    /// `IMAGE_DECODE_QUEUE`.
    pub queue: usize,
    /// `IMAGE_KEEP_IDLE`.
    pub grace: Duration,
    /// `IMAGE_COLLECT_INTERVAL`.
    pub collect_every: Duration,
    /// `IMAGE_PROVIDER_TIMEOUT`.
    pub provider_timeout: Duration,
    /// `CLOUDINARY_BASE_URL`.
    pub cloudinary_base_url: String,
    /// `CLOUDINARY_DELIVERY_URL`.
    pub cloudinary_delivery_url: String,
    /// `CLOUDINARY_SIGNATURE`.
    pub cloudinary_signature: Signature,
}

/// Menus and their bounds.
#[derive(Debug, Clone, Copy)]
pub struct Menus {
    /// `MENU_CACHE_BYTES`.
    pub cache_bytes: usize,
    /// `MENU_CACHE_LIFE`.
    pub cache_life: Duration,
    /// `MENU_MAX_CATEGORIES`.
    pub most_categories: usize,
    /// `MENU_MAX_ITEMS`.
    pub most_items: usize,
    /// `MENU_MAX_GROUPS`.
    pub most_groups: usize,
    /// `MENU_MAX_MODIFIERS`.
    pub most_modifiers: usize,
}

/// What the program says of itself.
#[derive(Debug, Clone)]
pub struct Log {
    /// `LOG_LEVEL`, in the syntax of `tracing`'s filter.
    pub level: String,
    /// `LOG_FORMAT`.
    pub json: bool,
    /// `LOG_DIR`; `None`: standard error.
    pub dir: Option<PathBuf>,
    /// `LOG_KEEP_FILES`.
    pub keep_files: usize,
}

/// Everything that can be set.
#[derive(Debug, Clone)]
pub struct Config {
    /// `MODE`.
    pub mode: Mode,
    /// `DATA_DIR`.
    pub data_dir: PathBuf,
    /// Tokens and passwords.
    pub accounts: Accounts,
    /// The listener.
    pub http: Http,
    /// How often somebody may ask.
    pub limits: Limits,
    /// The database.
    pub postgres: Postgres,
    /// `REDIS_URL`.
    pub redis_url: Option<SecretString>,
    /// Live updates.
    pub sockets: Sockets,
    /// Menus.
    pub menus: Menus,
    /// Drivers and their bounds.
    pub delivery: Delivery,
    /// Orders.
    pub orders: Orders,
    /// Phones that were offline.
    pub sync: Sync,
    /// How long rows are kept.
    pub retention: Retention,
    /// Pictures.
    pub images: Images,
    /// Logs.
    pub log: Log,
    /// Images.
    pub cloudinary: Option<Cloudinary>,
    /// Pushes.
    pub firebase: Option<Firebase>,
    /// Text messages.
    pub twilio: Option<Twilio>,
}

/// All that is wrong with the configuration, one line each.
#[derive(Debug, thiserror::Error)]
#[error("the configuration has {} error(s):\n{}", .0.len(), .0.iter().fold(String::new(), |mut all, one| { let _ = writeln!(all, "  {one}"); all }))]
pub struct Faults(pub Vec<String>);

/// Where values come from.
#[derive(Debug, Clone, Default)]
pub struct Source {
    values: BTreeMap<String, String>,
}

impl Source {
    /// The environment, completed by a file: the one named, or `.env` if there is one.
    ///
    /// # Errors
    /// When the named file cannot be read, or a line is not `NAME=value`.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn from_environment(file: Option<&Path>) -> Result<Self, Faults> {
        let path = file.map_or_else(|| PathBuf::from(".env"), Path::to_path_buf);
        let mut values = BTreeMap::new();
        if file.is_some() || path.exists() {
            let fault = |error: &dyn std::fmt::Display| Faults(vec![format!("{}: {error}", path.display())]);
            for line in dotenvy::from_path_iter(&path).map_err(|error| fault(&error))? {
                let (name, value) = line.map_err(|error| fault(&error))?;
                values.insert(name, value);
            }
        }
        values.extend(VARIABLES.iter().filter_map(|variable| {
            let value = std::env::var(variable.name).ok()?;
            Some((variable.name.to_owned(), value))
        }));
        Ok(Self { values })
    }

    /// From pairs, as tests give them.
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self { values: pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect() }
    }

    /// What is set for a variable, or its default. An empty value counts as not set.
    fn get(&self, name: &str) -> Option<&str> {
        let set = self.values.get(name).map(String::as_str).filter(|value| !value.is_empty());
        set.or_else(|| VARIABLES.iter().find(|variable| variable.name == name)?.default)
    }
}

/// Reads values and collects what is wrong with them.
struct Reader<'a> {
    source: &'a Source,
    faults: Vec<String>,
}

impl Reader<'_> {
    fn text(&self, name: &str) -> Option<String> {
        self.source.get(name).map(ToOwned::to_owned)
    }

    fn secret(&self, name: &str) -> Option<SecretString> {
        self.text(name).map(Into::into)
    }

    /// A value that `read` understands; `wanted` completes "must be …". The fallback is used only beside a fault.
    fn value<T>(&mut self, name: &str, wanted: &str, fallback: T, read: impl FnOnce(&str) -> Option<T>) -> T {
        let text = self.source.get(name).unwrap_or_default();
        read(text).unwrap_or_else(|| {
            self.faults.push(format!("{name}={text} must be {wanted}"));
            fallback
        })
    }

    fn number<T: FromStr + PartialOrd + std::fmt::Display + Copy>(&mut self, name: &str, least: T, most: T) -> T {
        let wanted = format!("a whole number from {least} to {most}");
        self.value(name, &wanted, least, |text| text.parse().ok().filter(|n| (least..=most).contains(n)))
    }

    /// A number within bounds; `auto` stands for one that is worked out.
    fn number_or_auto(&mut self, name: &str, auto: usize, least: usize, most: usize) -> usize {
        let wanted = format!("auto, or a whole number from {least} to {most}");
        self.value(name, &wanted, least, |text| match text {
            "auto" => Some(auto),
            number => number.parse().ok().filter(|n| (least..=most).contains(n)),
        })
    }

    /// Values separated by commas, each understood by `read`; not set: none.
    fn list<T>(&mut self, name: &str, wanted: &str, read: impl Fn(&str) -> Option<T>) -> Vec<T> {
        let text = self.source.get(name).unwrap_or_default();
        let (mut values, mut faults) = (Vec::new(), Vec::new());
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            match read(entry) {
                Some(value) => values.push(value),
                None => faults.push(format!("{name}: {entry} is none of {wanted}")),
            }
        }
        self.faults.extend(faults);
        values
    }

    fn duration(&mut self, name: &str) -> Duration {
        let wanted = "a time such as 500ms, 30s, 15m, 12h or 7d, and not zero";
        self.value(name, wanted, Duration::from_secs(1), |text| parse_duration(text).ok().filter(|d| !d.is_zero()))
    }

    /// A time within bounds.
    fn duration_between(&mut self, name: &str, least: Duration, most: Duration) -> Duration {
        let wanted = format!("a time such as 30s or 15m, from {least:?} to {most:?}");
        self.value(name, &wanted, least, |text| parse_duration(text).ok().filter(|time| (least..=most).contains(time)))
    }

    /// All of a provider's variables, or none; some is a fault that names the missing ones.
    fn group<const N: usize>(&mut self, names: [&str; N]) -> Option<[String; N]> {
        let missing: Vec<_> = names.iter().filter(|name| self.source.get(name).is_none()).copied().collect();
        match missing.len() {
            0 => Some(names.map(|name| self.text(name).unwrap_or_default())),
            n if n == N => None,
            _ => {
                let set: Vec<_> = names.iter().filter(|name| !missing.contains(name)).copied().collect();
                self.faults.push(format!(
                    "{} is set but {} is not: set all of them for the real provider, or none for the local stand-in",
                    set.join(", "),
                    missing.join(", ")
                ));
                None
            }
        }
    }
}

/// Long enough that it cannot be guessed: 256 bits.
pub const SHORTEST_SECRET: usize = 32;
/// Seen in tutorials; whoever signs with one of these signs for everybody.
const WELL_KNOWN_SECRETS: &[&str] = &["secret", "changeme", "password", "your-secret", "jwt_secret", "example"];

impl Config {
    /// Reads and checks everything.
    ///
    /// # Errors
    /// Every fault at once.
    pub fn read(source: &Source) -> Result<Self, Faults> {
        let mut reader = Reader { source, faults: Vec::new() };
        let config = Self::gather(&mut reader);
        let mut faults = reader.faults;
        config.check_secrets(&mut faults);
        config.check_urls(&mut faults);
        if faults.is_empty() { Ok(config) } else { Err(Faults(faults)) }
    }

    fn gather(reader: &mut Reader<'_>) -> Self {
        let mode = reader.value("MODE", "development or production", Mode::Development, |text| match text {
            "development" => Some(Mode::Development),
            "production" => Some(Mode::Production),
            _ => None,
        });
        let path = |reader: &Reader<'_>, name| reader.text(name).map(PathBuf::from);
        let http = Http::gather(reader, mode);
        let connections = http.max_connections;
        Self {
            mode,
            data_dir: path(reader, "DATA_DIR").unwrap_or_default(),
            accounts: Accounts::gather(reader, mode),
            http,
            limits: Limits::gather(reader, mode),
            postgres: Postgres::gather(reader),
            redis_url: reader.secret("REDIS_URL"),
            sockets: Sockets::gather(reader, mode, connections),
            menus: Menus::gather(reader),
            delivery: Delivery::gather(reader),
            orders: Orders::gather(reader, mode),
            sync: Sync::gather(reader),
            retention: Retention::gather(reader),
            images: Images::gather(reader),
            log: Log {
                level: reader.text("LOG_LEVEL").unwrap_or_default(),
                json: reader.value("LOG_FORMAT", "text or json", false, |text| match text {
                    "text" => Some(false),
                    "json" => Some(true),
                    _ => None,
                }),
                dir: path(reader, "LOG_DIR"),
                keep_files: reader.number("LOG_KEEP_FILES", 1, 3650),
            },
            cloudinary: reader
                .group(["CLOUDINARY_CLOUD_NAME", "CLOUDINARY_API_KEY", "CLOUDINARY_API_SECRET"])
                .map(|[cloud_name, api_key, secret]| Cloudinary { cloud_name, api_key, api_secret: secret.into() }),
            firebase: reader
                .group(["FIREBASE_PROJECT_ID", "FIREBASE_CLIENT_EMAIL", "FIREBASE_PRIVATE_KEY"])
                .map(|[project_id, client_email, key]| Firebase { project_id, client_email, private_key: key.into() }),
            twilio: reader.group(["TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_PHONE_NUMBER"]).map(
                |[account_sid, token, phone_number]| Twilio { account_sid, auth_token: token.into(), phone_number },
            ),
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
            match secret.as_ref().map(secrecy::ExposeSecret::expose_secret) {
                None if self.mode == Mode::Production => {
                    faults.push(format!("{name} is missing, and MODE is production: {make_one}"));
                }
                Some(text) if text.len() < SHORTEST_SECRET => {
                    faults.push(format!("{name} is shorter than {SHORTEST_SECRET} bytes: {make_one}"));
                }
                Some(text) if WELL_KNOWN_SECRETS.iter().any(|known| text.to_lowercase().starts_with(known)) => {
                    faults.push(format!("{name} begins like a well-known sample: {make_one}"));
                }
                None | Some(_) => {}
            }
        }
        let previous = [
            ("JWT_SECRET_PREVIOUS", &self.accounts.jwt_secret_previous),
            ("JWT_REFRESH_SECRET_PREVIOUS", &self.accounts.jwt_refresh_secret_previous),
        ];
        for (name, secret) in previous {
            if secret.as_ref().is_some_and(|secret| secret.expose_secret().len() < SHORTEST_SECRET) {
                faults.push(format!(
                    "{name} is shorter than {SHORTEST_SECRET} bytes: remove it, nothing was signed with it"
                ));
            }
        }
        let [(_, access), (_, refresh), _] = secrets;
        let same = access.as_ref().zip(refresh.as_ref()).is_some_and(|(a, b)| a.expose_secret() == b.expose_secret());
        if same {
            faults.push("JWT_SECRET and JWT_REFRESH_SECRET are the same: make two".into());
        }
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

impl Accounts {
    fn gather(reader: &mut Reader<'_>, mode: Mode) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        // In a flood of sign-ins, whoever cannot be helped is to be told at once; a developer's scripts may wait.
        let (waiting, wait) = match mode {
            Mode::Production => (16, Duration::from_millis(200)),
            Mode::Development => (64, Duration::from_secs(5)),
        };
        Self {
            jwt_secret: reader.secret("JWT_SECRET"),
            jwt_refresh_secret: reader.secret("JWT_REFRESH_SECRET"),
            jwt_secret_previous: reader.secret("JWT_SECRET_PREVIOUS"),
            jwt_refresh_secret_previous: reader.secret("JWT_REFRESH_SECRET_PREVIOUS"),
            seal_secret: reader.secret("SEAL_SECRET"),
            access_life: reader.duration("JWT_EXPIRES_IN"),
            sessions: SessionLives::gather(reader),
            guest_life: reader.duration_between("GUEST_LIFE", Duration::from_mins(1), Duration::from_hours(24 * 90)),
            max_push_devices: reader.number("PUSH_MAX_DEVICES", 1, 200),
            session_cache: reader.number("SESSION_CACHE", 1, 1_000_000),
            admin_second_factor: reader.value("ADMIN_SECOND_FACTOR", "auto, required or optional", true, |text| {
                match text {
                    "auto" => Some(mode == Mode::Production),
                    "required" => Some(true),
                    "optional" => Some(false),
                    _ => None,
                }
            }),
            hashes_at_once: reader.number_or_auto("PASSWORD_HASHES_AT_ONCE", (cores / 2).max(1), 1, 256),
            hashes_waiting: reader.number_or_auto("PASSWORD_HASHES_WAITING", waiting, 0, 100_000),
            hash_wait: reader.value(
                "PASSWORD_HASH_WAIT",
                "auto, or a time such as 250ms, and not zero",
                wait,
                |text| {
                    if text == "auto" { Some(wait) } else { parse_duration(text).ok().filter(|time| !time.is_zero()) }
                },
            ),
        }
    }
}

impl SessionLives {
    fn gather(reader: &mut Reader<'_>) -> Self {
        let (idle, max) = (reader.duration("JWT_REFRESH_EXPIRES_IN"), reader.duration("SESSION_MAX_LIFE"));
        Self {
            idle,
            max,
            staff_idle: reader.duration("STAFF_SESSION_IDLE").min(idle),
            staff_max: reader.duration("STAFF_SESSION_MAX_LIFE").min(max),
        }
    }
}

impl Http {
    fn gather(reader: &mut Reader<'_>, mode: Mode) -> Self {
        let localhost = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
        let max_connections = reader.number("MAX_CONNECTIONS", 1, 1_000_000);
        let per_address = if mode == Mode::Production { max_connections.min(200) } else { max_connections };
        let per_address = reader.number_or_auto("MAX_CONNECTIONS_PER_ADDRESS", per_address, 1, 1_000_000);
        Self {
            host: reader
                .value("HOST", "an IP address such as 127.0.0.1 or 0.0.0.0", localhost, |text| text.parse().ok()),
            port: reader.number("PORT", 0, u16::MAX),
            max_body_bytes: reader.number("MAX_BODY_BYTES", 1_024, 64 << 20),
            max_menu_bytes: reader.number("MENU_MAX_BYTES", 1_024, 64 << 20),
            max_connections,
            max_connections_per_address: per_address,
            max_header_bytes: reader.number("MAX_HEADER_BYTES", 1_024, 1 << 20),
            body_min_rate: reader.number("BODY_MIN_RATE", 1, 1 << 20),
            header_timeout: reader.duration("HEADER_TIMEOUT"),
            stall_timeout: reader.duration("STALL_TIMEOUT"),
            request_timeout: reader.duration("REQUEST_TIMEOUT"),
            shutdown_timeout: reader.duration("SHUTDOWN_TIMEOUT"),
            heavy_at_once: reader.number("HEAVY_WORK_AT_ONCE", 1, 256),
            heavy_waiting: reader.number("HEAVY_WORK_WAITING", 0, 10_000),
            public_url: reader.text("PUBLIC_URL"),
            cors_origins: reader.list("CORS_ORIGINS", "origins such as https://shop.example.com", origin),
            trusted_proxies: reader.list("TRUSTED_PROXIES", "addresses or networks such as 10.0.0.0/8", network),
            forwarding: reader.value(
                "FORWARDED_HEADER",
                "x-forwarded-for or forwarded",
                Forwarding::XForwardedFor,
                |text| match text {
                    "x-forwarded-for" => Some(Forwarding::XForwardedFor),
                    "forwarded" => Some(Forwarding::Forwarded),
                    _ => None,
                },
            ),
        }
    }
}

/// Scheme, host, perhaps a port; no path, and never `*` or `null`.
fn origin(text: &str) -> Option<HeaderValue> {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
    let is_bare = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte));
    HeaderValue::from_str(text).ok().filter(|_| is_bare)
}

/// A network, or one address as the network of itself.
fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

impl Limits {
    fn gather(reader: &mut Reader<'_>, mode: Mode) -> Self {
        let by_mode = |production: u32, development: u32| {
            let count = if mode == Mode::Production { production } else { development };
            Quota::new(count, Duration::from_mins(1))
        };
        let wanted = "a number and a time such as 60/1m, or auto";
        let auth = by_mode(60, 3_000);
        let [user, address, network] =
            [("RATE_LIMIT_USER", 1_200), ("RATE_LIMIT_ADDRESS", 1_200), ("RATE_LIMIT_NETWORK", 12_000)].map(
                |(name, most)| {
                    let ordinary = by_mode(most, most * 50);
                    reader.value(name, "a number and a time such as 1200/1m, or auto, or off", Some(ordinary), |text| {
                        match text {
                            "auto" => Some(Some(ordinary)),
                            "off" => Some(None),
                            quota => Quota::parse(quota).map(Some),
                        }
                    })
                },
            );
        let repeats = by_mode(120, 6_000);
        let quota = |reader: &mut Reader<'_>, name: &str, most: u32, per: Duration| {
            let usual = Quota::new(most, per);
            reader.value(name, "a number and a time such as 10/24h, or auto", usual, |text| match text {
                "auto" => Some(usual),
                quota => Quota::parse(quota),
            })
        };
        let of_network = |reader: &mut Reader<'_>, name: &str, most: u32, per: Duration| {
            quota(reader, name, if mode == Mode::Production { most } else { most * 100 }, per)
        };
        let (hour, day) = (Duration::from_hours(1), Duration::from_hours(24));
        Self {
            auth: reader.value("RATE_LIMIT_AUTH", wanted, auth, |text| match text {
                "auto" => Some(auth),
                quota => Quota::parse(quota),
            }),
            user,
            address,
            network,
            repeats: reader.value("RATE_LIMIT_REPEATS", wanted, repeats, |text| match text {
                "auto" => Some(repeats),
                quota => Quota::parse(quota),
            }),
            messages_per_number: quota(reader, "MESSAGES_PER_NUMBER", 10, day),
            messages_per_account: quota(reader, "MESSAGES_PER_ACCOUNT", 20, day),
            messages_per_network: of_network(reader, "MESSAGES_PER_NETWORK", 200, day),
            coupon_guesses_per_network: of_network(reader, "COUPON_GUESSES_PER_NETWORK", 100, hour / 4),
            password_guesses_per_network: of_network(reader, "PASSWORD_GUESSES_PER_NETWORK", 200, hour),
            second_factor_guesses_per_network: of_network(reader, "SECOND_FACTOR_GUESSES_PER_NETWORK", 100, day),
            sign_ups_per_network: of_network(reader, "SIGN_UPS_PER_NETWORK", 500, day),
            sync_devices_per_network: of_network(reader, "SYNC_DEVICES_PER_NETWORK", 1_000, day),
            redis_timeout: reader.duration("REDIS_OPERATION_TIMEOUT"),
        }
    }
}

impl Postgres {
    fn gather(reader: &mut Reader<'_>) -> Self {
        let pool = reader.number("DATABASE_POOL", 2, 1_000);
        Self {
            url: reader.secret("DATABASE_URL"),
            bin_dir: reader.text("POSTGRES_BIN").map(PathBuf::from),
            pool,
            requests_at_once: reader.number_or_auto("REQUESTS_AT_ONCE", pool as usize, 1, 100_000),
            request_queue_wait: reader.duration("REQUEST_QUEUE_WAIT"),
            acquire_timeout: reader.duration("DATABASE_ACQUIRE_TIMEOUT"),
            lock_timeout: reader.duration("DATABASE_LOCK_TIMEOUT"),
            unit_timeout: reader.duration("DATABASE_UNIT_TIMEOUT"),
            commit_timeout: reader.duration("DATABASE_COMMIT_TIMEOUT"),
        }
    }
}

impl Sockets {
    fn gather(reader: &mut Reader<'_>, mode: Mode, connections: usize) -> Self {
        let by_mode = |production: usize| if mode == Mode::Production { production } else { connections };
        let events = match mode {
            Mode::Production => Quota::new(100, Duration::from_secs(5)),
            Mode::Development => Quota::new(60_000, Duration::from_mins(1)),
        };
        let max_sessions = reader.number_or_auto("SOCKET_MAX_SESSIONS", connections, 1, 1_000_000);
        let max_per_address = reader.number_or_auto("SOCKET_MAX_PER_ADDRESS", by_mode(50), 1, 1_000_000);
        Self {
            max_message_bytes: reader.number("SOCKET_MAX_MESSAGE_BYTES", 1_024, 16 << 20),
            max_rooms: reader.number("SOCKET_MAX_ROOMS", 1, 100_000),
            events: reader.value("SOCKET_EVENTS", "a number and a time such as 100/5s, or auto", events, |text| {
                if text == "auto" { Some(events) } else { Quota::parse(text) }
            }),
            max_per_user: reader.number_or_auto("SOCKET_MAX_PER_USER", by_mode(10), 1, 1_000_000),
            max_per_address,
            max_sessions,
            max_sessions_per_address: reader.number_or_auto(
                "SOCKET_MAX_SESSIONS_PER_ADDRESS",
                max_per_address.saturating_mul(2).max(100),
                1,
                2_000_000,
            ),
            max_pending: reader.number_or_auto("SOCKET_MAX_PENDING", (max_sessions / 4).max(1), 1, 1_000_000),
            max_pending_per_address: reader.number_or_auto(
                "SOCKET_MAX_PENDING_PER_ADDRESS",
                max_per_address.max(50),
                1,
                1_000_000,
            ),
            buffer_packets: reader.number("SOCKET_BUFFER_PACKETS", 16, 65_536),
            connect_timeout: reader.duration("SOCKET_CONNECT_TIMEOUT"),
            poll_interval: reader.duration("EVENT_POLL_INTERVAL"),
            ring: reader.number("EVENT_RING", 16, 1_000_000),
        }
    }
}

impl Delivery {
    fn gather(reader: &mut Reader<'_>) -> Self {
        let (second, minute, hour) = (Duration::from_secs(1), Duration::from_mins(1), Duration::from_hours(1));
        let mut time = |name, least, most| {
            TimeDelta::from_std(reader.duration_between(name, least, most)).unwrap_or(TimeDelta::MAX)
        };
        let presence = time("DRIVER_PRESENCE", second * 30, hour * 24);
        let off_duty_after = time("DRIVER_OFF_DUTY_AFTER", minute, hour * 24);
        Self {
            search_radius: f64::from(reader.number("DRIVER_SEARCH_RADIUS", 100_u32, 500_000)),
            presence,
            off_duty_after: off_duty_after.max(presence),
            sweep_interval: reader.duration_between("DRIVER_SWEEP_INTERVAL", Duration::from_millis(10), minute),
            max_speed: f64::from(reader.number("DRIVER_MAX_SPEED", 10_u32, 100_000)) / 3.6,
        }
    }
}

impl Images {
    fn gather(reader: &mut Reader<'_>) -> Self {
        Self {
            dir: reader.text("IMAGE_DIR").map(PathBuf::from),
            max_bytes: reader.number("IMAGE_MAX_BYTES", 1_024, 32 << 20),
            max_pixels: reader.number("IMAGE_MAX_PIXELS", 1_024, 100_000_000),
            decodes_at_once: reader.number("IMAGE_DECODES_AT_ONCE", 1, 64),
            queue: reader.number("IMAGE_DECODE_QUEUE", 0, 1_024),
            grace: reader.duration("IMAGE_KEEP_IDLE"),
            collect_every: reader.duration("IMAGE_COLLECT_INTERVAL"),
            provider_timeout: reader.duration("IMAGE_PROVIDER_TIMEOUT"),
            cloudinary_base_url: reader.text("CLOUDINARY_BASE_URL").unwrap_or_default(),
            cloudinary_delivery_url: reader.text("CLOUDINARY_DELIVERY_URL").unwrap_or_default(),
            cloudinary_signature: reader.value("CLOUDINARY_SIGNATURE", "sha1 or sha256", Signature::Sha1, |text| {
                match text {
                    "sha1" => Some(Signature::Sha1),
                    "sha256" => Some(Signature::Sha256),
                    _ => None,
                }
            }),
        }
    }
}

impl Menus {
    fn gather(reader: &mut Reader<'_>) -> Self {
        Self {
            cache_bytes: reader.number("MENU_CACHE_BYTES", 1 << 20, 4 << 30),
            cache_life: reader.duration("MENU_CACHE_LIFE"),
            most_categories: reader.number("MENU_MAX_CATEGORIES", 1, 10_000),
            most_items: reader.number("MENU_MAX_ITEMS", 1, 100_000),
            most_groups: reader.number("MENU_MAX_GROUPS", 1, 10_000),
            most_modifiers: reader.number("MENU_MAX_MODIFIERS", 1, 1_000),
        }
    }
}

impl Orders {
    fn gather(reader: &mut Reader<'_>, mode: Mode) -> Self {
        let limit = |reader: &mut Reader<'_>, name: &str, production: i64, most: i64| {
            let auto = (mode == Mode::Production).then_some(production);
            reader.value(name, &format!("auto, off, or a whole number from 1 to {most}"), auto, |text| match text {
                "auto" => Some(auto),
                "off" => Some(None),
                number => number.parse().ok().filter(|n| (1..=most).contains(n)).map(Some),
            })
        };
        let (minute, hour) = (Duration::from_mins(1), Duration::from_hours(1));
        Self {
            accept_within: reader.duration_between("ORDER_ACCEPT_WITHIN", minute, hour * 2),
            sweep_interval: reader.duration_between("ORDER_SWEEP_INTERVAL", Duration::from_millis(10), minute),
            longest_delay: reader.duration_between("ORDER_LONGEST_DELAY", minute, hour * 24),
            bulk_max: reader.number("ORDER_BULK_MAX", 1, 1_000),
            max_choices: reader.number("CART_MAX_CHOICES", 100, 10_000),
            quote_lifetime: reader.duration_between("QUOTE_LIFETIME", minute, hour * 24),
            max_distance: f64::from(reader.number("DELIVERY_MAX_DISTANCE", 100_u32, 500_000)),
            of_customer: OrderLimits {
                open: limit(reader, "ORDER_MAX_OPEN", 20, 500),
                scheduled: Some(reader.number("ORDER_MAX_SCHEDULED", 1, 500)),
                recent: limit(reader, "ORDER_MAX_RECENT", 60, 500),
            },
            of_network: OrderLimits {
                open: limit(reader, "ORDER_MAX_OPEN_PER_NETWORK", 200, 5_000),
                scheduled: limit(reader, "ORDER_MAX_SCHEDULED_PER_NETWORK", 100, 5_000),
                recent: limit(reader, "ORDER_MAX_RECENT_PER_NETWORK", 600, 5_000),
            },
        }
    }
}

/// How long what grows by being used is kept, and how often somebody looks.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// `RETENTION_INTERVAL`.
    pub interval: Duration,
    /// `IDEMPOTENCY_KEY_RETENTION`.
    pub idempotency_keys: Duration,
    /// `SYNC_RETENTION`.
    pub sync_operations: Duration,
    /// `SYNC_DEVICE_RETENTION`.
    pub sync_devices: Duration,
    /// `SESSION_RETENTION`.
    pub sessions: Duration,
    /// `NOTIFICATION_RETENTION`.
    pub notifications: Duration,
}

impl Retention {
    fn gather(reader: &mut Reader<'_>) -> Self {
        let day = Duration::from_hours(24);
        Self {
            interval: reader.duration_between("RETENTION_INTERVAL", Duration::from_secs(1), day),
            idempotency_keys: reader.duration_between("IDEMPOTENCY_KEY_RETENTION", day, day * 3_650),
            sync_operations: reader.duration_between("SYNC_RETENTION", day, day * 3_650),
            sync_devices: reader.duration_between("SYNC_DEVICE_RETENTION", day, day * 3_650),
            sessions: reader.duration_between("SESSION_RETENTION", day, day * 3_650),
            notifications: reader.duration_between("NOTIFICATION_RETENTION", day, day * 3_650),
        }
    }
}

impl Sync {
    fn gather(reader: &mut Reader<'_>) -> Self {
        let (moment, second) = (Duration::from_millis(10), Duration::from_secs(1));
        Self {
            max_ops: reader.number("SYNC_MAX_OPS", 1, 1_000),
            max_waiting: reader.number("SYNC_MAX_WAITING", 1, 100_000),
            max_devices: reader.number("SYNC_MAX_DEVICES", 1, 1_000),
            // Together less than the thirty seconds within which a dead worker's batch goes on.
            lease: reader.duration_between("SYNC_LEASE", second, second * 20),
            poll_interval: reader.duration_between("SYNC_POLL_INTERVAL", moment, second * 5),
            attempts: reader.number("SYNC_ATTEMPTS", 1, 100),
            retry_after: reader.duration_between("SYNC_RETRY_AFTER", moment, second * 60),
        }
    }
}

/// `.env.example`: every variable with its meaning and default. A test holds the file against this.
pub fn example_file() -> String {
    let mut text =
        String::from("# Comanda's configuration. Copy to .env and change what you need; everything has a default.\n");
    let mut section = "";
    for variable in VARIABLES {
        if variable.section != section {
            section = variable.section;
            let _ = write!(text, "\n# ---- {section} ----\n");
        }
        let _ = writeln!(text, "\n# {}", variable.meaning);
        let _ = match variable.default {
            Some(default) => writeln!(text, "#{}={default}", variable.name),
            None => writeln!(text, "#{}={}", variable.name, variable.example),
        };
    }
    text
}

/// What `comanda config` prints: each variable's effective value and where it comes from, secrets hidden.
pub fn effective(source: &Source) -> String {
    let mut text = String::new();
    for variable in VARIABLES {
        let set = source.values.get(variable.name).filter(|value| !value.is_empty());
        let shown = match (set, variable.default) {
            (Some(_), _) if variable.secret => "(set, hidden)",
            (Some(value), _) => value,
            (None, Some(default)) => default,
            (None, None) => "(not set)",
        };
        let origin = if set.is_some() { "set" } else { "default" };
        let _ = writeln!(text, "{:<26} {:<9} {shown}", variable.name, origin);
    }
    text
}
