//! Every variable, once: its name, meaning, default, and whether it is a secret.

/// One variable of the configuration.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// Its heading in `.env.example`.
    pub section: &'static str,
    /// As it stands in the environment.
    pub name: &'static str,
    /// What it does, with units and range.
    pub meaning: &'static str,
    /// What holds when it is not set.
    pub default: Option<&'static str>,
    /// A value to show where there is no default.
    pub example: &'static str,
    /// Never printed.
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

const GENERAL: &str = "General";
const HTTP: &str = "HTTP";
const LIMITS: &str = "Rate limits (on guessing passwords and codes: fixed, see docs/security.md)";
const DATABASE: &str = "PostgreSQL and Redis";
const ACCOUNTS: &str = "Accounts";
const LIVE: &str = "Live updates";
const MENUS: &str = "Menus";
const DELIVERY: &str = "Delivery";
const ORDERS: &str = "Orders";
const RESTAURANTS: &str = "Restaurants";
const SYNC: &str = "Phones that were offline";
const RETENTION: &str = "What is not kept for ever";
const PROVIDERS: &str = "Providers: all of a provider's variables, or none for the local stand-in";
const LOGS: &str = "Logs";

/// The table.
pub const VARIABLES: &[Variable] = &[
    plain(GENERAL, "MODE", "development", "development, or production: then missing or weak secrets stop the start."),
    plain(GENERAL, "DATA_DIR", "./data", "Folder for the private PostgreSQL and for secrets that were not set."),
    plain(HTTP, "HOST", "127.0.0.1", "Address to listen on; 0.0.0.0 for all interfaces."),
    plain(HTTP, "PORT", "3000", "Port to listen on; 0 takes a free one."),
    plain(HTTP, "MAX_BODY_BYTES", "262144", "Largest request body, in bytes (1024 to 67108864)."),
    plain(HTTP, "MAX_CONNECTIONS", "10000", "Connections open at once; further ones wait in the listener's queue."),
    plain(
        HTTP,
        "MAX_CONNECTIONS_PER_ADDRESS",
        "auto",
        "Connections open at once from one address (IPv6: one /64); proxies of TRUSTED_PROXIES aside. auto: 200 in production, MAX_CONNECTIONS in development.",
    ),
    plain(
        HTTP,
        "MAX_HEADER_BYTES",
        "16384",
        "Largest request line and headers together, in bytes (1024 to 1048576); at most 100 headers. Beyond: 431.",
    ),
    plain(HTTP, "HEADER_TIMEOUT", "10s", "A client that has not sent its headers by then is disconnected."),
    plain(
        HTTP,
        "STALL_TIMEOUT",
        "30s",
        "A client that takes nothing of what is sent to it for so long is disconnected (on Linux), sockets included.",
    ),
    plain(
        HTTP,
        "BODY_MIN_RATE",
        "1024",
        "A body that arrives with fewer bytes a second, after 5 s of grace, gets 408 (1 to 1048576).",
    ),
    plain(HTTP, "REQUEST_TIMEOUT", "30s", "A request that has not been answered by then gets 408."),
    plain(HTTP, "SHUTDOWN_TIMEOUT", "15s", "How long requests in flight may take after SIGTERM."),
    plain(
        HTTP,
        "HEAVY_WORK_AT_ONCE",
        "2",
        "Bodies beyond 64 kB that are parsed, and menus that are planned or written down, at once (1 to 256); half of it for one restaurant, or one network.",
    ),
    plain(
        HTTP,
        "HEAVY_WORK_WAITING",
        "16",
        "And how many wait for it, a third of all for one restaurant, or one network; further ones get 503 (0 to 10000).",
    ),
    optional(
        HTTP,
        "PUBLIC_URL",
        "https://api.example.com",
        "Where clients reach this server. With https, answers carry Strict-Transport-Security.",
    ),
    optional(
        HTTP,
        "CORS_ORIGINS",
        "https://shop.example.com, http://localhost:5173",
        "Pages on these origins may call the API and open sockets from a browser. Not set: only pages of this server.",
    ),
    optional(
        HTTP,
        "TRUSTED_PROXIES",
        "10.0.0.0/8, 2001:db8::/32",
        "Addresses of your own proxies; only what they forward about the client is believed. Not set: nobody's.",
    ),
    plain(
        HTTP,
        "FORWARDED_HEADER",
        "x-forwarded-for",
        "The header those proxies write: x-forwarded-for or forwarded. The other is not read.",
    ),
    plain(
        LIMITS,
        "RATE_LIMIT_AUTH",
        "auto",
        "Requests to sign up, sign in, recover and become a guest, per address (IPv6: /64). A burst of so many, refilled over the time: 60/1m. auto: 60/1m in production, 3000/1m in development.",
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
        "All other requests without a token, per address, or off. auto: 1200/1m in production, 60000/1m in development.",
    ),
    plain(
        LIMITS,
        "RATE_LIMIT_NETWORK",
        "auto",
        "The same requests of all signed-in users of one network (IPv6: /64) together, or off. auto: 12000/1m in production, 600000/1m in development.",
    ),
    plain(
        LIMITS,
        "WRITES_PER_USER",
        "auto",
        "What a user may write on one node: each request that may write costs one and another one for each kilobyte of its body, images aside; or off. auto: 100000/24h in production, 5000000/24h in development. Beyond: 429.",
    ),
    plain(
        LIMITS,
        "WRITES_PER_NETWORK",
        "auto",
        "The same of everybody in one network (IPv6: /64) together, signed in or not; or off. auto: 2000000/24h in production, 100000000/24h in development.",
    ),
    plain(
        LIMITS,
        "RATE_LIMIT_REPEATS",
        "auto",
        "Requests of a user beyond RATE_LIMIT_USER, and ten times as many of a network beyond RATE_LIMIT_NETWORK, whose Idempotency-Key is looked up: what was answered before is answered again. auto: 120/1m in production, 6000/1m in development.",
    ),
    plain(
        LIMITS,
        "MESSAGES_PER_NUMBER",
        "auto",
        "Codes and notices to one phone number or, where they are asked for by hand, one address. auto: 10/24h. Beyond: 429, or by e-mail.",
    ),
    plain(LIMITS, "MESSAGES_PER_ACCOUNT", "auto", "Codes that one account asks for. auto: 20/24h. Beyond: 429."),
    plain(
        LIMITS,
        "MESSAGES_PER_NETWORK",
        "auto",
        "Codes that one network (IPv6: /64) asks for. auto: 200/24h in production, 20000/24h in development. Beyond: 429.",
    ),
    plain(
        LIMITS,
        "COUPON_GUESSES_PER_NETWORK",
        "auto",
        "Codes of coupons that nobody has, tried by all accounts of one network (IPv6: /64) together; for one account it is 20/15m. auto: 100/15m in production, 10000/15m in development. Beyond: 429.",
    ),
    plain(
        LIMITS,
        "PASSWORD_GUESSES_PER_NETWORK",
        "auto",
        "Wrong passwords from one network (IPv6: /64), of all accounts together; devices that have signed in before are not held by it. auto: 200/1h in production, 20000/1h in development. Beyond: 429.",
    ),
    plain(
        LIMITS,
        "SECOND_FACTOR_GUESSES_PER_NETWORK",
        "auto",
        "Wrong codes of second factors from one network, of all accounts together; for one account it is 20/24h. auto: 100/24h in production, 10000/24h in development. Beyond: 429.",
    ),
    plain(
        LIMITS,
        "SIGN_UPS_PER_NETWORK",
        "auto",
        "Accounts asked for from one network, whether or not the address is new. auto: 500/24h in production, 50000/24h in development. Beyond: 429.",
    ),
    plain(
        LIMITS,
        "GUESTS_PER_NETWORK",
        "auto",
        "Guests made in one network (IPv6: /64); each may have carts. auto: 1000/24h in production, 100000/24h in development. Beyond: 429.",
    ),
    plain(
        LIMITS,
        "SYNC_DEVICES_PER_NETWORK",
        "auto",
        "Devices that synchronise for the first time from one network, of all accounts together; for one account see SYNC_MAX_DEVICES. auto: 1000/24h in production, 100000/24h in development. Beyond: 429.",
    ),
    plain(
        LIMITS,
        "REDIS_OPERATION_TIMEOUT",
        "50ms",
        "How long a limit waits for Redis before this node counts by itself.",
    ),
    secret(
        DATABASE,
        "DATABASE_URL",
        "postgres://user:password@host:5432/comanda",
        "PostgreSQL 15 or newer. Not set: a private one in DATA_DIR.",
    ),
    optional(
        DATABASE,
        "POSTGRES_BIN",
        "/usr/lib/postgresql/15/bin",
        "Folder with initdb and postgres, for the private PostgreSQL. Not set: looked for.",
    ),
    plain(DATABASE, "DATABASE_POOL", "16", "Connections to PostgreSQL (2 to 1000)."),
    plain(
        DATABASE,
        "REQUESTS_AT_ONCE",
        "auto",
        "Requests worked on at once; lists and exports for administrators take at most half of them, all but orders and deliveries three quarters. auto: DATABASE_POOL.",
    ),
    plain(
        DATABASE,
        "REQUEST_QUEUE_WAIT",
        "250ms",
        "How long a request may wait for its turn. Who is expected to wait for more than half of that gets 503 at once; a quarter where it is not about an order or a delivery, an eighth for lists and exports for administrators.",
    ),
    plain(
        DATABASE,
        "DATABASE_ACQUIRE_TIMEOUT",
        "500ms",
        "How long a request waits for a connection before it gets 503.",
    ),
    plain(DATABASE, "DATABASE_LOCK_TIMEOUT", "2s", "How long a statement waits for a row somebody else is changing."),
    plain(DATABASE, "DATABASE_UNIT_TIMEOUT", "5s", "How long one transaction may take before COMMIT."),
    plain(
        DATABASE,
        "DATABASE_COMMIT_TIMEOUT",
        "5s",
        "How long COMMIT may take; past it the answer is 503 outcome_unknown.",
    ),
    secret(
        DATABASE,
        "REDIS_URL",
        "redis://host:6379",
        "Redis 7 or newer, for several nodes: they wake each other through it. Not set: through PostgreSQL.",
    ),
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
        "PASSWORD_HASH_WAIT",
        "auto",
        "How long a request may wait for its hash before the answer is 503. auto: 200ms in production, 5s in development.",
    ),
    plain(
        LIVE,
        "SOCKET_MAX_MESSAGE_BYTES",
        "20000",
        "Largest Socket.IO message from a client, over polling and WebSocket alike.",
    ),
    plain(LIVE, "SOCKET_MAX_ROOMS", "100", "Rooms one socket may join."),
    plain(
        LIVE,
        "SOCKET_MAX_PER_USER",
        "auto",
        "Sockets one user may have open on one node (1 to 1000000). auto: 10 in production, MAX_CONNECTIONS in development.",
    ),
    plain(
        LIVE,
        "SOCKET_MAX_PER_ADDRESS",
        "auto",
        "Sockets open on one node from one address (IPv6: one /64), 1 to 1000000; proxies of TRUSTED_PROXIES aside. auto: 50 in production, MAX_CONNECTIONS in development.",
    ),
    plain(
        LIVE,
        "SOCKET_MAX_SESSIONS",
        "auto",
        "Engine.IO sessions open at once on one node, signed in or not (1 to 1000000); further handshakes are answered 503. auto: MAX_CONNECTIONS.",
    ),
    plain(
        LIVE,
        "SOCKET_MAX_SESSIONS_PER_ADDRESS",
        "auto",
        "The same from one address (IPv6: one /64), 1 to 2000000; further handshakes are answered 429. auto: twice SOCKET_MAX_PER_ADDRESS, at least 100.",
    ),
    plain(
        LIVE,
        "SOCKET_MAX_PENDING",
        "auto",
        "Of SOCKET_MAX_SESSIONS: sessions that are not signed in (1 to 1000000); further handshakes are answered 503. auto: a quarter.",
    ),
    plain(
        LIVE,
        "SOCKET_MAX_PENDING_PER_ADDRESS",
        "auto",
        "The same from one address (1 to 1000000); further handshakes are answered 429. auto: SOCKET_MAX_PER_ADDRESS, at least 50.",
    ),
    plain(
        LIVE,
        "SOCKET_EVENTS",
        "auto",
        "Messages one socket may send, as RATE_LIMIT_AUTH counts. auto: 100/5s in production (as many at once as it may have rooms, then 20 a second), 60000/1m in development.",
    ),
    plain(
        LIVE,
        "SOCKET_BUFFER_PACKETS",
        "1024",
        "Packets waiting for a slow client; beyond that it is disconnected and resumes with `after`.",
    ),
    plain(
        LIVE,
        "SOCKET_CONNECT_TIMEOUT",
        "10s",
        "A session that has not signed in by then, or has signed out for so long, is closed.",
    ),
    plain(
        LIVE,
        "EVENT_POLL_INTERVAL",
        "1s",
        "The safety net under wake-ups: how often the event log is looked at anyway.",
    ),
    plain(LIVE, "EVENT_RING", "4096", "Recent events kept in memory for sockets that join or come back."),
    plain(
        MENUS,
        "MENU_CACHE_BYTES",
        "67108864",
        "Most bytes of finished menus kept in this process (1048576 to 4294967296).",
    ),
    plain(
        MENUS,
        "MENU_CACHE_LIFE",
        "1m",
        "How long a finished menu is kept, here and in Redis, and how long it may be shown while the database does not answer.",
    ),
    plain(MENUS, "MENU_MAX_BYTES", "4194304", "Largest whole menu that may be sent, in bytes (1024 to 67108864)."),
    plain(MENUS, "MENU_MAX_CATEGORIES", "200", "Most categories of a menu (1 to 10000)."),
    plain(MENUS, "MENU_MAX_ITEMS", "2000", "Most items of a menu (1 to 100000)."),
    plain(MENUS, "MENU_MAX_GROUPS", "500", "Most modifier groups of a menu (1 to 10000)."),
    plain(MENUS, "MENU_MAX_MODIFIERS", "100", "Most modifiers of a group (1 to 1000)."),
    plain(
        DELIVERY,
        "DRIVER_SEARCH_RADIUS",
        "50000",
        "Metres from the restaurant within which the nearest free driver is looked for (100 to 500000).",
    ),
    plain(
        DELIVERY,
        "DELIVERY_MAX_DISTANCE",
        "30000",
        "Metres as the crow flies that a restaurant without delivery zones delivers (100 to 500000).",
    ),
    plain(
        DELIVERY,
        "DRIVER_PRESENCE",
        "3m",
        "A driver on duty without a sign of life (a location report, PUT availability, a step of a delivery) for so long is given no work (30s to 24h).",
    ),
    plain(
        DELIVERY,
        "DRIVER_OFF_DUTY_AFTER",
        "15m",
        "And after so long is set off duty; what they have not picked up goes back to waiting (1m to 24h, at least DRIVER_PRESENCE).",
    ),
    plain(
        DELIVERY,
        "DRIVER_SWEEP_INTERVAL",
        "5s",
        "How often each node looks for such drivers (10ms to 1m); for disabled ones also at once.",
    ),
    plain(
        DELIVERY,
        "DRIVER_MAX_SPEED",
        "250",
        "Kilometres an hour: a location report farther from the last one than that allows, and a kilometre more, is refused (10 to 100000).",
    ),
    plain(
        ORDERS,
        "ORDER_ACCEPT_WITHIN",
        "10m",
        "How long a restaurant has to answer an order (acceptBy) before the system cancels it, where it has no acceptMinutes of its own (1m to 2h).",
    ),
    plain(
        ORDERS,
        "ORDER_SWEEP_INTERVAL",
        "1s",
        "How often each node looks for orders past acceptBy (10ms to 1m): so late may a cancellation be.",
    ),
    plain(ORDERS, "ORDER_LONGEST_DELAY", "4h", "How far ahead a later promise may lie (1m to 24h)."),
    plain(ORDERS, "ORDER_BULK_MAX", "100", "Most orders of one bulk status update (1 to 1000)."),
    plain(
        ORDERS,
        "ORDER_MAX_OPEN",
        "auto",
        "Most open orders of one customer at one restaurant (1 to 500), or off; who works there is not limited. auto: 20 in production, off in development.",
    ),
    plain(
        ORDERS,
        "ORDER_MAX_SCHEDULED",
        "10",
        "Most open orders for later of one customer at one restaurant (1 to 500): so many slots one customer may hold.",
    ),
    plain(
        ORDERS,
        "ORDER_MAX_RECENT",
        "auto",
        "Most orders of one customer at one restaurant within an hour (1 to 500), or off. auto: 60 in production, off in development.",
    ),
    plain(
        ORDERS,
        "ORDER_MAX_OPEN_PER_NETWORK",
        "auto",
        "Most open orders of all customers of one network (IPv6: /64) together at one restaurant (1 to 5000), or off; those of people who work there do not count. auto: 200 in production, off in development.",
    ),
    plain(
        ORDERS,
        "ORDER_MAX_SCHEDULED_PER_NETWORK",
        "auto",
        "The same of open orders for later. auto: 100 in production, off in development.",
    ),
    plain(
        ORDERS,
        "ORDER_MAX_RECENT_PER_NETWORK",
        "auto",
        "The same of orders within an hour. auto: 600 in production, off in development.",
    ),
    plain(
        ORDERS,
        "CART_MAX_CHOICES",
        "1000",
        "Most chosen modifiers of a cart, or of an order or a quote from lines, all lines together and nested ones included (100 to 10000).",
    ),
    plain(
        ORDERS,
        "CART_MAX_OPEN",
        "50",
        "Most open carts of one customer, at as many restaurants (1 to 10000); when another is opened, the one that was written longest ago is deleted.",
    ),
    plain(
        ORDERS,
        "QUOTE_MAX_OPEN",
        "100",
        "Most quotes of one customer, at all restaurants together, that hold and were not ordered from (1 to 10000).",
    ),
    plain(ORDERS, "QUOTE_LIFETIME", "15m", "How long a quote is honoured (1m to 24h)."),
    plain(RESTAURANTS, "COUPON_MAX", "500", "Most coupons of one restaurant that have not been deleted (1 to 100000)."),
    plain(RESTAURANTS, "MEMBER_MAX", "200", "Most people who work for one restaurant (1 to 10000)."),
    plain(RESTAURANTS, "INVITATION_MAX", "100", "Most invitations of one restaurant that can be accepted (1 to 200)."),
    plain(SYNC, "SYNC_MAX_OPS", "200", "Most operations of one batch (1 to 1000)."),
    plain(
        SYNC,
        "SYNC_MAX_WAITING",
        "1000",
        "Most operations of one device that wait, for an earlier one or to be tried again (1 to 100000).",
    ),
    plain(SYNC, "SYNC_MAX_DEVICES", "20", "Most devices of one user that synchronise (1 to 1000)."),
    plain(
        SYNC,
        "SYNC_LEASE",
        "15s",
        "A worker that has not been heard of for so long is taken for dead, and another goes on (1s to 20s).",
    ),
    plain(
        SYNC,
        "SYNC_POLL_INTERVAL",
        "2s",
        "How often each node looks for operations that nobody works on (10ms to 5s).",
    ),
    plain(SYNC, "SYNC_ATTEMPTS", "5", "An operation that broke so often waits for an operator (1 to 100)."),
    plain(
        SYNC,
        "SYNC_RETRY_AFTER",
        "1s",
        "Rest before a failed operation is tried again, doubled each time up to a minute (10ms to 1m).",
    ),
    plain(
        RETENTION,
        "RETENTION_INTERVAL",
        "10m",
        "How often each node looks for rows that are too old; one at a time removes them (1s to 24h).",
    ),
    plain(
        RETENTION,
        "IDEMPOTENCY_KEY_RETENTION",
        "30d",
        "How long a repeated Idempotency-Key is answered with the stored answer (1d to 3650d).",
    ),
    plain(
        RETENTION,
        "STORED_ANSWERS_MAX",
        "10000",
        "Most stored answers of one user, and as many results of offline operations (10 to 1000000); the oldest beyond are deleted before their time.",
    ),
    plain(RETENTION, "STORED_ANSWERS_MAX_BYTES", "67108864", "Most bytes of them, of each (65536 to 1099511627776)."),
    plain(
        RETENTION,
        "SYNC_RETENTION",
        "30d",
        "How long the results of finished offline operations are kept (1d to 3650d).",
    ),
    plain(
        RETENTION,
        "SYNC_DEVICE_RETENTION",
        "400d",
        "How long after its last batch the numbers of a device's operations stay known (1d to 3650d).",
    ),
    plain(RETENTION, "SESSION_RETENTION", "180d", "How long a session is kept after it expired (1d to 3650d)."),
    plain(
        RETENTION,
        "NOTIFICATION_RETENTION",
        "30d",
        "How long notifications and their deliveries are kept (1d to 3650d).",
    ),
    optional(PROVIDERS, "CLOUDINARY_CLOUD_NAME", "my-cloud", "Cloudinary's cloud name."),
    optional(PROVIDERS, "CLOUDINARY_API_KEY", "123456789012345", "Cloudinary's API key."),
    secret(PROVIDERS, "CLOUDINARY_API_SECRET", "", "Cloudinary's API secret."),
    plain(
        PROVIDERS,
        "CLOUDINARY_BASE_URL",
        "https://api.cloudinary.com",
        "Where Cloudinary takes pictures; https, or http on this machine.",
    ),
    plain(PROVIDERS, "CLOUDINARY_SIGNATURE", "sha1", "The hash that Cloudinary's account signs with: sha1 or sha256."),
    plain(PROVIDERS, "CLOUDINARY_DELIVERY_URL", "https://res.cloudinary.com", "Where Cloudinary shows pictures."),
    optional(
        PROVIDERS,
        "IMAGE_DIR",
        "./data/images",
        "Folder of the pictures without Cloudinary. Not set: images in DATA_DIR.",
    ),
    plain(PROVIDERS, "IMAGE_MAX_BYTES", "10485760", "Largest picture that may be sent, in bytes (1024 to 33554432)."),
    plain(
        PROVIDERS,
        "IMAGE_MAX_PIXELS",
        "40000000",
        "Most pixels of a picture that is sent, four bytes of memory each (1024 to 100000000).",
    ),
    plain(
        PROVIDERS,
        "IMAGE_DECODES_AT_ONCE",
        "2",
        "Pictures decoded at once, outside the threads that answer (1 to 64).",
    ),
    plain(
        PROVIDERS,
        "IMAGE_DECODE_QUEUE",
        "8",
        "Pictures that wait to be decoded; more are answered with 503 (0 to 1024).",
    ),
    plain(
        PROVIDERS,
        "IMAGE_PROVIDER_TIMEOUT",
        "8s",
        "How long one call to Cloudinary may take; it is tried three times.",
    ),
    plain(
        PROVIDERS,
        "IMAGE_MAX_STORED",
        "2500",
        "Most stored pictures of one restaurant, those that nothing shows any more included (1 to 1000000).",
    ),
    plain(PROVIDERS, "IMAGE_KEEP_IDLE", "1h", "How long a picture that nothing shows any more is kept."),
    plain(PROVIDERS, "IMAGE_COLLECT_INTERVAL", "5m", "How often pictures that nothing shows are looked for."),
    optional(PROVIDERS, "FIREBASE_PROJECT_ID", "my-project", "Firebase project for pushes."),
    optional(
        PROVIDERS,
        "FIREBASE_CLIENT_EMAIL",
        "push@my-project.iam.gserviceaccount.com",
        "Service account that may send pushes.",
    ),
    secret(PROVIDERS, "FIREBASE_PRIVATE_KEY", "", "The service account's private key, PEM with \\n for line ends."),
    optional(PROVIDERS, "TWILIO_ACCOUNT_SID", "AC0123", "Twilio account for text messages."),
    secret(PROVIDERS, "TWILIO_AUTH_TOKEN", "", "Twilio's auth token."),
    optional(PROVIDERS, "TWILIO_PHONE_NUMBER", "+15005550006", "Number the messages come from, E.164."),
    plain(LOGS, "LOG_LEVEL", "info,sqlx=warn", "What is logged, as `level` or `target=level,…`."),
    plain(LOGS, "LOG_FORMAT", "text", "text, or json: one object a line."),
    optional(LOGS, "LOG_DIR", "./logs", "Folder for log files, a new one each day. Not set: standard error."),
    plain(LOGS, "LOG_KEEP_FILES", "14", "Daily log files kept."),
];
