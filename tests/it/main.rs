//! The integration test binary: a file for each feature, people as clients, a separate database for each test.
//!
//! `bin/test` starts the servers and runs it.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::float_cmp, clippy::too_many_lines, reason = "exact values, and tables of cases")]
#![expect(
    clippy::cast_possible_truncation,
    clippy::type_complexity,
    reason = "small numbers and small models of the thing tested"
)]

mod app;
mod harness_clock;
mod people;
mod program;
mod reply;
mod parse_messages;
mod session_login;
mod shop;
mod slots;
mod slots_listed;
mod socket;
mod extract;

mod accounts;
mod accounts_interleavings;
mod accounts_profile;
mod accounts_revocation;
mod accounts_secrets;
mod accounts_sessions;
mod accounts_timing;
mod accounts_tokens;
mod admission;
mod amounts;
mod acceptance;
mod bad_input;
mod binary;
mod cart;
mod check;
mod choices;
mod config;
mod contacts;
mod coupons;
mod coupons_saving;
mod crash;
mod currencies;
mod day_numbers;
mod dayparts;
mod delivery;
mod delivery_life;
mod delivery_repeated;
mod docs;
mod driver_presence;
mod demo;
mod flow;
mod fold;
mod framing;
mod grants;
mod secret_attempts;
mod guests;
mod guests_merge;
mod disconnects;
mod hash_queue;
mod headers;
mod hostile;
mod hours;
mod hours_http;
mod hours_oracle;
mod http;
mod idempotency;
mod ids;
mod ipv6_sites;
mod languages;
mod limits;
mod log;
mod matrix;
mod menu;
mod menu_bounds;
mod menu_cache;
mod menu_document;
mod menu_modifiers;
mod menu_random;
mod menu_table;
mod money;
mod money_model;
mod networks;
mod orderable;
mod order_lists;
mod orders;
mod pages;
mod paging;
mod permission;
mod phones;
mod images;
mod postgres;
mod quotes;
mod races;
mod realtime;
mod recovery;
mod reorder;
mod repetition;
mod replay;
mod restaurants;
mod retention;
mod round_trips;
mod row_limits;
mod satisfiable;
mod search;
mod second_factor;
mod secret_files;
mod shortages;
mod slots_nights;
mod status;
mod stock;
mod stock_return;
mod tax;
mod sync;
mod tenancy;
mod text;
mod tidy;
mod times;
mod timestamps;
mod typescript;
mod unchanged;
mod uow;
mod write_limits;
mod zones;
mod zones_geojson;
