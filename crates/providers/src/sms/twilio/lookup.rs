//! Looks for a message of which it is not known whether it was sent, in the list of the account's messages.
//!
//! A message is recognised by its recipient, sender, text and time. The list is asked twice: from the day of the
//! attempt on (`DateSent>` means on or after midnight in GMT); and without a day, because messages that wait to be sent
//! may have no time of sending.

use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::{Twilio, TwilioMessage, TwilioSender, classify};
use crate::http::{self, UNREACHABLE_PAUSE, account_refused, unreachable};
use crate::outcome::{ProviderError, SendOutcome, UnavailableCause};
use crate::sms::SmsMessage;

/// How far Twilio's clock may be behind ours.
const CLOCK_SKEW: Duration = Duration::from_secs(30);
/// How many messages are read of a list, newest first.
const PAGE_SIZE: &str = "50";
/// What Twilio puts in front of the messages of a trial account.
const TRIAL_PREFIX: &str = "Sent from your Twilio trial account - ";

#[derive(Deserialize)]
struct MessagePage {
    messages: Vec<TwilioMessage>,
}

/// The id of the message; `Ok(None)`: it is not listed. `Err`: the list could not be read, and nothing was sent.
pub(super) async fn find(
    twilio: &Twilio,
    message: &SmsMessage,
    since: SystemTime,
) -> Result<Option<String>, SendOutcome> {
    let since = DateTime::<Utc>::from(since.checked_sub(CLOCK_SKEW).unwrap_or(since));
    let day = since.format("%Y-%m-%d").to_string();
    for sent_since in [Some(day.as_str()), None] {
        let listed = list(twilio, message, sent_since).await?;
        let mut found = listed.into_iter().filter(|listed| is_same(twilio, message, listed, since));
        if let Some(sid) = found.find_map(|listed| listed.sid) {
            return Ok(Some(sid));
        }
    }
    Ok(None)
}

async fn list(
    twilio: &Twilio,
    message: &SmsMessage,
    sent_since: Option<&str>,
) -> Result<Vec<TwilioMessage>, SendOutcome> {
    let mut url = twilio.messages_url.clone();
    url.query_pairs_mut().append_pair("To", &message.to).append_pair("PageSize", PAGE_SIZE);
    if let Some(day) = sent_since {
        url.query_pairs_mut().append_pair("DateSent>", day);
    }
    let private = twilio.private(message);
    let request = twilio.authorized(twilio.client.get(url));
    let reply = http::call(request, &private).await.map_err(|failure| unreachable(failure.into_error()))?;
    if reply.status == reqwest::StatusCode::OK {
        let page = serde_json::from_slice::<MessagePage>(&reply.body);
        let unreadable = |_| unreachable(ProviderError::new("unexpected_response", "not a list of messages", &[]));
        return page.map(|page| page.messages).map_err(unreadable);
    }
    let (_, error) = classify::error(&reply, &private);
    Err(match reply.status.as_u16() {
        401 | 403 => account_refused(error),
        _ => {
            let after = reply.retry_after(twilio.time.now()).unwrap_or(UNREACHABLE_PAUSE);
            SendOutcome::Unavailable { after, cause: UnavailableCause::Unreachable, error }
        }
    })
}

fn is_same(twilio: &Twilio, message: &SmsMessage, listed: &TwilioMessage, since: DateTime<Utc>) -> bool {
    let body = listed.body.as_deref().unwrap_or_default();
    let body = body.strip_prefix(TRIAL_PREFIX).unwrap_or(body);
    let created = listed.date_created.as_deref().and_then(|text| DateTime::parse_from_rfc2822(text).ok());
    let (sender, expected) = match &twilio.settings.sender {
        TwilioSender::Number(number) => (&listed.from, number),
        TwilioSender::MessagingService(sid) => (&listed.messaging_service_sid, sid),
    };
    listed.to.as_deref() == Some(message.to.as_str())
        && body.trim() == message.body.trim()
        && sender.as_ref().is_none_or(|sender| sender == expected)
        && listed.direction.as_deref().is_none_or(|direction| direction.starts_with("outbound"))
        && created.is_some_and(|created| created >= since)
}
