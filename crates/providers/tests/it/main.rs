//! Tests of the clients of providers, against fakes on loopback and the official descriptions of the providers' APIs.
//! Those descriptions are in a folder beside the repository; without them the tests say so and check the rest.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod shared;
mod spec;

mod breaker;
mod fcm;
mod fcm_tokens;
mod guarded;
mod smtp;
mod smtp_content;
mod twilio;
mod twilio_callbacks;
mod twilio_lookup;
mod twilio_worker;
mod web_push;
mod web_push_addresses;
