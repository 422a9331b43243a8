//! Fakes of the providers: servers on loopback that behave like the real ones, keep what they were sent, and fail on
//! request. They check what the providers check; a request that a provider would refuse is refused.
#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a fake that fails fails the test")]

pub mod fake_fcm;
pub mod fake_push_service;
pub mod fake_server;
pub mod fake_smtp;
pub mod fake_twilio;

pub use fake_fcm::FakeFcm;
pub use fake_push_service::FakePushService;
pub use fake_server::{FakeReply, FakeServer, Fault, Gate, RecordedRequest};
pub use fake_smtp::{FakeSmtp, SmtpFault, SmtpStep};
pub use fake_twilio::FakeTwilio;
