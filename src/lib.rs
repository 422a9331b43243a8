//! Comanda: the backend of restaurant ordering and delivery, as one program on PostgreSQL.
//!
//! The modules, in the order to read them.

/// Ids: one type for each kind of object.
pub mod ids;
/// Money: integer minor units of a currency.
pub mod money;
/// Coordinates: latitude and longitude.
pub mod place;
/// The kinds of fulfilment: delivery, pickup and dine-in.
pub mod fulfilment;
/// The role of the actor of a change of an order.
pub mod actor;
/// The clock that all code reads.
pub mod clock;
/// Instants and dates of requests, within bounds.
pub mod timestamp;
/// Text fields of requests: normalised, and checked.
pub mod text;
/// Language tags, and the language of a response.
pub mod languages;
/// Error responses: `application/problem+json`.
pub mod problem;
/// Messages for requests that cannot be deserialised, in the terms of the API.
pub mod parse_messages;
/// A deserializer that reads objects from objects only.
pub mod objects_only;
/// Extractors of bodies, paths, queries and headers; responses with JSON and versions.
pub mod extract;
pub mod step_count;
/// The network of an address, and how networks are counted.
pub mod network;
/// The client address of a request.
pub mod client;
/// Paging of lists.
pub mod paging;
/// Folding of texts and of search queries, so that they can be compared.
pub mod fold;
/// Lists and maps of requests with a maximum length.
pub mod bounded;
/// Shares of a common limit for one user, network or restaurant.
pub mod shares;
/// Work that takes processor time, on separate threads.
pub mod heavy;
/// The cache of published menus.
pub mod cache;
/// Idempotency keys and stored responses.
pub mod idempotency;
/// Permissions: one table of operations and relations.
pub mod permission;
/// Quotas: a number and a time.
pub mod quota;
/// Rate limits: buckets and counters.
pub mod limits;
/// Row level security: on whose behalf a transaction acts.
pub mod tenancy;
/// The shared flush: a response waits until its transaction is on disk.
pub mod flush;
/// Admission control: how many requests are processed at once.
pub mod admission;
/// The unit of work: the only place that opens a transaction.
pub mod uow;
/// Encryption and keyed hashes of secrets in the database.
pub mod encryption;
/// The outbox: messages to people, written in the transaction of their cause.
pub mod outbox;
/// Images of restaurants and items.
pub mod images;
/// The kinds of events, and the event log.
pub mod events;

/// Guests: clients without an account.
pub mod guests;
/// Accounts: registration, sessions, and the authentication of requests.
pub mod accounts;
/// Restaurants, the tenants: profile, hours, zones, tax, members.
pub mod restaurants;
/// Menus: categories, items, modifiers and stock.
pub mod menu;
/// Coupons: discounts by code.
pub mod coupons;
/// Carts of customers and guests.
pub mod cart;
/// Orders: quotes, placement and status.
pub mod orders;
/// Drivers and deliveries.
pub mod delivery;
/// Offline synchronisation: operations that devices recorded while offline.
pub mod sync;
/// Sign-in, `GET /api/me` and the administration of accounts, which need several features.
pub mod users;
/// Notifications: texts, and sending.
pub mod notifications;
/// Live updates over Socket.IO.
pub mod realtime;
/// The web console and the API reference.
pub mod console;
/// Demo data and the traffic simulator.
pub mod demo;

/// The effects of an event in its transaction.
pub mod publish;
/// The state that handlers, jobs and sockets share.
pub mod app;
/// Every route, its permission and the middleware around it.
pub mod router;
/// The OpenAPI document.
pub mod openapi;
pub mod operations;
/// Middleware of all requests.
pub mod middleware;
/// Compression of responses.
pub mod content_coding;
/// Counts the bytes that are written for users.
pub mod written;
/// The limit on the size of a batch's results.
pub mod batch_results;
/// Limits for clients that read nothing, or too slowly.
pub mod flow;
/// The minimum rate of request bodies.
pub mod body_rate;
/// The limit on the memory of request bodies.
pub mod body_budget;
/// Framing of HTTP/1.1 requests as RFC 9112 requires.
pub mod framing;
/// Connections that can be closed from elsewhere.
pub mod closable_stream;
/// The TCP listener and the serving of connections.
pub mod server;
/// Starting and stopping.
pub mod serve;
/// Limits on the number of rows of a user or restaurant.
pub mod row_limit;
/// The limit on stored responses of a user.
pub mod stored_responses;
/// Retention: rows that are deleted after a time.
pub mod retention;
/// The connection to PostgreSQL, and its schema.
pub mod database;
/// The configuration, a file for each concern.
pub mod config;
/// The table of all variables.
pub mod variables;
/// The log: its format, level and files.
pub mod telemetry;
/// The consistency check of the database (`comanda check`).
pub mod check;
/// Phone numbers, parsed and kept as E.164.
pub mod phone;
/// Commands of operators.
pub mod operator;
