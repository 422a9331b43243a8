//! What a response of Firebase Cloud Messaging means.
//!
//! <https://firebase.google.com/docs/cloud-messaging/error-codes>. The detail of type `FcmError` decides before the
//! status of the error, as in Google's own SDK; a response that is not JSON is decided by its HTTP status.

use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde_json::Value;

use crate::http::{HttpReply, account_refused};
use crate::outcome::{PermanentCause, ProviderError, RecipientProblem, RetryCause, SendOutcome};

/// How long to wait after 429 without `Retry-After`; Google's recommendation.
const QUOTA_PAUSE: Duration = Duration::from_mins(1);

#[derive(Deserialize)]
struct SentMessage {
    name: String,
}

#[derive(Deserialize)]
struct ErrorBody {
    error: FcmFailure,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct FcmFailure {
    message: String,
    status: String,
    details: Vec<Value>,
}

impl FcmFailure {
    fn of(reply: &HttpReply) -> Option<Self> {
        serde_json::from_slice::<ErrorBody>(&reply.body).ok().map(|body| body.error)
    }

    /// The code of the detail of type `FcmError`.
    fn code(&self) -> Option<&str> {
        self.details.iter().find(|detail| is_type(detail, "FcmError"))?["errorCode"].as_str()
    }

    /// Whether the request is refused because of its target.
    fn is_about_target(&self) -> bool {
        let violations = self.details.iter().filter(|detail| is_type(detail, "BadRequest"));
        let mut fields = violations.flat_map(|detail| detail["fieldViolations"].as_array().into_iter().flatten());
        fields.any(|violation| matches!(violation["field"].as_str(), Some("message.token" | "message.fid")))
            || self.message.contains("not a valid FCM registration token")
    }
}

fn is_type(detail: &Value, name: &str) -> bool {
    detail["@type"].as_str().and_then(|of_type| of_type.rsplit('.').next()) == Some(name)
}

/// Whether the access token is refused, and not, for example, the key for Apple's devices.
pub(super) fn refuses_access_token(reply: &HttpReply) -> bool {
    let code = FcmFailure::of(reply).and_then(|failure| failure.code().map(ToOwned::to_owned));
    reply.status.as_u16() == 401 && code.is_none()
}

/// What a response means. `private` does not appear in the error.
pub(super) fn outcome(reply: &HttpReply, now: SystemTime, private: &[&str]) -> SendOutcome {
    let status = reply.status.as_u16();
    if let (200, Ok(sent)) = (status, serde_json::from_slice::<SentMessage>(&reply.body)) {
        return SendOutcome::Accepted { provider_id: Some(sent.name) };
    }
    let is_json = FcmFailure::of(reply);
    let failure = is_json.as_ref();
    let code = failure.and_then(FcmFailure::code);
    let said = code.or(failure.map(|failure| failure.status.as_str())).filter(|code| !code.is_empty());
    let error = match (failure, said) {
        (Some(failure), Some(code)) => ProviderError::new(code, &failure.message, private),
        _ => reply.plain_error(),
    };
    let after = reply.retry_after(now);
    match (status, said) {
        (404, Some("UNREGISTERED" | "NOT_FOUND")) => {
            SendOutcome::DeadRecipient { cause: RecipientProblem::Unregistered, error }
        }
        (403, Some("SENDER_ID_MISMATCH")) => SendOutcome::DeadRecipient { cause: RecipientProblem::Invalid, error },
        (400, _) if failure.is_some_and(FcmFailure::is_about_target) => {
            SendOutcome::DeadRecipient { cause: RecipientProblem::Invalid, error }
        }
        // It concerns the devices of one platform only, so it must not stop all messages.
        (401, Some("THIRD_PARTY_AUTH_ERROR")) => {
            tracing::error!(%error, "Firebase lacks a valid key of APNs or Web Push");
            SendOutcome::Permanent { cause: PermanentCause::Configuration, error }
        }
        // Without a detail, 404 is a wrong URL and not a missing device.
        (401 | 403 | 404, _) => account_refused(error),
        (429, _) => {
            SendOutcome::RetryLater { after: Some(after.unwrap_or(QUOTA_PAUSE)), cause: RetryCause::Throttled, error }
        }
        (400..=499, _) if status != 408 => SendOutcome::Permanent { cause: PermanentCause::Message, error },
        _ => SendOutcome::RetryLater { after, cause: RetryCause::ProviderFailure, error },
    }
}
