//! Comanda: the backend of restaurant ordering and delivery, as one program on PostgreSQL.
//!
//! The modules, in the order to read them.

/// Ids that cannot be mixed.
pub mod ids;
/// Integer minor units.
pub mod money;
/// A point on the earth.
pub mod place;
/// How the food of an order reaches the guest.
pub mod fulfilment;
/// In which capacity somebody acts.
pub mod actor;
/// Time comes in through here.
pub mod clock;
/// Instants and dates as they arrive, bounded.
pub mod timestamp;
/// Human text as every field takes it.
pub mod text;
/// Language tags, and which language to answer in.
pub mod languages;
/// What a client is told when something is refused.
pub mod problem;
/// Messages about requests that cannot be deserialized, in the words of the API.
pub mod parse_messages;
/// A deserializer that reads objects from objects only.
pub mod objects_only;
/// Extractors of bodies, paths, queries and headers; responses with JSON and versions.
pub mod extract;
pub mod work;
/// The network of an address, and how networks are counted.
pub mod network;
/// Where a request comes from.
pub mod client;
/// Lists in pages.
pub mod paging;
/// Texts prepared to be searched, and what is searched for.
pub mod fold;
/// Lists and maps of requests, refused while they are read.
pub mod bounded;
/// Shares of a common bound for one user, network or restaurant.
pub mod shares;
/// Work that takes processor time, beside the threads that answer requests.
pub mod heavy;
/// Finished answers kept near.
pub mod cache;
/// Asked for once, done once.
pub mod idempotency;
/// Who may do what: one table.
pub mod permission;
/// How often something may be done.
pub mod quota;
/// Rate limits: the buckets.
pub mod limits;
/// On whose behalf a transaction acts.
pub mod tenancy;
/// On disk before it is acknowledged.
pub mod flush;
/// How many requests are worked on at once.
pub mod admission;
/// The only place that opens a transaction.
pub mod uow;
/// Encryption and keyed hashes of what the database must not hold in clear.
pub mod encryption;
/// Messages to people, written with what they tell of.
pub mod outbox;
/// Images of restaurants and items.
pub mod pictures;
/// What can happen, and one of it that is about to be written down.
pub mod event;
/// The log of everything that happened.
pub mod events;

/// Somebody without an account.
pub mod guests;
/// Who signs up and who is asking.
pub mod accounts;
/// Restaurants, the tenants: profile, hours, zones, tax, members.
pub mod restaurants;
/// What can be ordered.
pub mod menu;
/// What is taken off for whoever knows a code.
pub mod coupons;
/// What a customer means to order.
pub mod cart;
/// What was bought, and how far it has come.
pub mod orders;
/// What phones did while they were offline.
pub mod sync;
/// Who carries it to the delivery address.
pub mod delivery;
/// Signing in, the profile and the administration of accounts.
pub mod users;
/// Who is told, by what, in which words.
pub mod notifications;
/// Live updates over Socket.IO.
pub mod realtime;
/// The pages in the box.
pub mod console;
/// A city to try it on.
pub mod demo;

/// Who follows an event in its transaction.
pub mod publish;
/// What handlers, jobs and sockets share.
pub mod app;
/// Every route, its permission and the middleware around it.
pub mod router;
/// The OpenAPI document.
pub mod openapi;
/// What happens to every request.
pub mod middleware;
/// Whether an answer is compressed.
pub mod content_coding;
/// What users have written.
pub mod written;
/// The bytes of results that a response to a batch carries.
pub mod batch_results;
/// Clients that read nothing, or too slowly.
pub mod flow;
/// Bodies that arrive too slowly.
pub mod body_rate;
/// The memory that request bodies take.
pub mod body_budget;
/// VersionBatcher of requests as RFC 9112 wants them.
pub mod framing;
/// Connections that can be ended from anywhere.
pub mod severable;
/// The TCP listener and the serving of connections.
pub mod server;
/// Starting and stopping.
pub mod serve;
/// How many rows of a kind one user or restaurant may have.
pub mod row_limit;
/// How much is kept of one user's answers.
pub mod stored_answers;
/// What is not kept for ever.
pub mod retention;
/// Reaching PostgreSQL, and its schema.
pub mod database;
/// The configuration, a file for each concern.
pub mod config;
/// Every variable of it.
pub mod variables;
/// What the program says of itself.
pub mod telemetry;
/// The books held against each other.
pub mod check;
/// Phone numbers, parsed and kept as E.164.
pub mod phone;
/// What an operator does by hand.
pub mod operator;
