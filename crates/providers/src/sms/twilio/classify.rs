//! What an error of Twilio means.
//!
//! <https://www.twilio.com/docs/api/errors>. The HTTP status decides; the code only refines it, because Twilio adds
//! finer codes without notice.

use std::time::{Duration, SystemTime};

use serde::Deserialize;

use super::PostResult;
use crate::http::{HttpReply, account_refused};
use crate::outcome::{PermanentCause, ProviderError, RecipientProblem, RetryCause, SendOutcome};

/// The queue of one sender is full; it empties at the rate of its messages.
const QUEUE_FULL: u64 = 21611;
/// How long to wait when the queue of a sender is full.
const QUEUE_PAUSE: Duration = Duration::from_mins(2);
/// How long to wait after 429: too many requests at once, none of which was processed.
const BUSY_PAUSE: Duration = Duration::from_secs(1);

#[derive(Default, Deserialize)]
#[serde(default)]
struct TwilioError {
    code: Option<u64>,
    message: Option<String>,
}

/// The code of a response's body, if there is one, and the error.
pub(super) fn error(reply: &HttpReply, private: &[&str]) -> (Option<u64>, ProviderError) {
    let TwilioError { code, message } = serde_json::from_slice(&reply.body).unwrap_or_default();
    let error = match code {
        Some(code) => ProviderError::new(code, message.as_deref().unwrap_or_default(), private),
        None => reply.plain_error(),
    };
    (code, error)
}

/// What the response to a request to send means, if it is not a success. `private` does not appear in the error.
pub(super) fn post_result(reply: &HttpReply, now: SystemTime, private: &[&str]) -> PostResult {
    let (code, error) = error(reply, private);
    let after = reply.retry_after(now);
    let status = reply.status.as_u16();
    let outcome = match (status, code) {
        (429, code) => {
            let usual = if code == Some(QUEUE_FULL) { QUEUE_PAUSE } else { BUSY_PAUSE };
            let after = Some(after.unwrap_or(usual));
            SendOutcome::RetryLater { after, cause: RetryCause::Throttled, error }
        }
        (401, _) => account_refused(error),
        (400..=499, Some(code)) if let Some(outcome) = known(code, &error) => outcome,
        (403, _) => account_refused(error),
        // The URL or the account is wrong: a recipient is never looked for like this.
        (404, _) => settings_refused(error),
        (400..=499, _) if status != 408 => SendOutcome::Permanent { cause: PermanentCause::Message, error },
        // Twilio did not take it.
        (503 | 300..=399, _) => SendOutcome::RetryLater { after, cause: RetryCause::ProviderFailure, error },
        // 500, the errors of gateways, 408: it is not known how far the request came.
        _ => return PostResult::Unknown(error),
    };
    PostResult::Known(outcome)
}

/// What a code says that concerns one recipient, one region or one sender, and so must not stop all messages.
fn known(code: u64, error: &ProviderError) -> Option<SendOutcome> {
    let error = error.clone();
    Some(match code {
        // Not a number; not a mobile number; a landline; a short code.
        21211 | 21614 | 21635 | 21265 => SendOutcome::DeadRecipient { cause: RecipientProblem::Invalid, error },
        21610 => SendOutcome::DeadRecipient { cause: RecipientProblem::OptedOut, error },
        // The sender is unknown, not ours or not able to; the region is not enabled; a trial account; no route from
        // this sender; the URL for reports.
        21212 | 21408 | 21603 | 21606 | 21608 | 21609 | 21612 | 21660 => settings_refused(error),
        _ => return None,
    })
}

fn settings_refused(error: ProviderError) -> SendOutcome {
    tracing::error!(%error, "Twilio refuses a message because of our settings");
    SendOutcome::Permanent { cause: PermanentCause::Configuration, error }
}
