//! A fake of Twilio's Messages resource: it takes and lists messages, refuses what Twilio refuses, answers to Twilio's
//! numbers for tests as Twilio does, and signs reports.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::fake_server::{FakeReply, FakeServer, RecordedRequest};
use crate::sms::twilio::{TwilioSender, TwilioSettings};

/// The account of the fake.
pub const ACCOUNT: &str = "AC0123456789abcdef0123456789abcdef";
/// The auth token of the account.
pub const AUTH_TOKEN: &str = "an-auth-token-that-nobody-may-see";
/// A number of the account; it is Twilio's valid sender for tests.
pub const FROM: &str = "+15005550006";
/// A messaging service of the account.
pub const SERVICE: &str = "MG0123456789abcdef0123456789abcdef";

/// A message that the fake took.
#[derive(Debug, Clone)]
pub struct TakenMessage {
    /// The id that the sender got.
    pub sid: String,
    /// The number of the recipient.
    pub to: String,
    /// The number of the sender; empty if a messaging service chooses it.
    pub from: String,
    /// The messaging service; empty if a number was given.
    pub service: String,
    /// The text of the message.
    pub body: String,
    /// The URL for reports; empty if there is none.
    pub status_callback: String,
    /// When it was taken.
    pub created: SystemTime,
    /// When it was sent; `None`: it waits.
    pub sent: Option<SystemTime>,
}

#[derive(Debug)]
struct TwilioMemory {
    messages: Vec<TakenMessage>,
    opted_out: BTreeSet<String>,
    now: SystemTime,
}

/// A request that Twilio would make to us.
#[derive(Debug, Clone)]
pub struct SignedReport {
    /// The body, a form.
    pub body: String,
    /// The header `X-Twilio-Signature`.
    pub signature: String,
}

/// A running fake. Clones are the same one.
#[derive(Debug, Clone)]
pub struct FakeTwilio {
    /// Its HTTP server: requests and faults. All paths end with `/Messages.json`.
    pub server: FakeServer,
    memory: Arc<Mutex<TwilioMemory>>,
}

impl FakeTwilio {
    /// Starts a fake. Its clock stands still at `now`.
    pub async fn start(now: SystemTime) -> Self {
        let memory = Arc::new(Mutex::new(TwilioMemory { messages: Vec::new(), opted_out: BTreeSet::new(), now }));
        let state = Arc::clone(&memory);
        let server = FakeServer::start(move |request| state.lock().unwrap().answer(request)).await;
        Self { server, memory }
    }

    /// Settings of a client for the fake.
    pub fn settings(&self) -> TwilioSettings {
        TwilioSettings {
            account_sid: ACCOUNT.into(),
            user: ACCOUNT.into(),
            secret: AUTH_TOKEN.to_owned().into(),
            sender: TwilioSender::Number(FROM.into()),
            base_url: self.server.base_url.clone(),
            timeout: Duration::from_secs(30),
        }
    }

    /// Moves the clock of the fake.
    pub fn set_now(&self, now: SystemTime) {
        self.memory.lock().unwrap().now = now;
    }

    /// The messages that were taken, oldest first.
    pub fn messages(&self) -> Vec<TakenMessage> {
        self.memory.lock().unwrap().messages.clone()
    }

    /// All messages that wait are sent now.
    pub fn send_waiting(&self) {
        let mut memory = self.memory.lock().unwrap();
        let now = memory.now;
        for message in &mut memory.messages {
            message.sent.get_or_insert(now);
        }
    }

    /// The owner of a number answered STOP.
    pub fn opt_out(&self, number: &str) {
        self.memory.lock().unwrap().opted_out.insert(number.to_owned());
    }

    /// A signed report that a message has a status, to this URL. `error_code`: only if it failed.
    pub fn report(&self, url: &str, sid: &str, status: &str, error_code: Option<u32>) -> SignedReport {
        let to = self.messages().into_iter().find(|message| message.sid == sid).map_or_else(String::new, |of| of.to);
        let code = error_code.map(|code| code.to_string());
        // Sorted by name, as they are signed.
        let mut fields = vec![("AccountSid", ACCOUNT), ("ApiVersion", "2010-04-01")];
        fields.extend(code.as_deref().map(|code| ("ErrorCode", code)));
        fields.extend([("From", FROM), ("MessageSid", sid), ("MessageStatus", status), ("SmsSid", sid)]);
        fields.extend([("SmsStatus", status), ("To", &to)]);
        let signed = fields.iter().fold(url.to_owned(), |signed, (name, value)| signed + name + value);
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, AUTH_TOKEN.as_bytes());
        let signature = STANDARD.encode(hmac::sign(&key, signed.as_bytes()));
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        SignedReport { body, signature }
    }
}

fn refuse(status: u16, code: u32, message: &str) -> FakeReply {
    let more_info = format!("https://www.twilio.com/docs/errors/{code}");
    FakeReply::json(status, &json!({ "code": code, "message": message, "more_info": more_info, "status": status }))
}

fn rfc2822(time: SystemTime) -> String {
    DateTime::<Utc>::from(time).to_rfc2822()
}

fn shown(message: &TakenMessage) -> Value {
    let or_null = |text: &str| if text.is_empty() { Value::Null } else { text.into() };
    let uri = format!("/2010-04-01/Accounts/{ACCOUNT}/Messages/{}.json", message.sid);
    json!({
        "sid": message.sid, "account_sid": ACCOUNT, "api_version": "2010-04-01", "to": message.to,
        "from": or_null(&message.from), "messaging_service_sid": or_null(&message.service), "body": message.body,
        "direction": "outbound-api", "status": if message.sent.is_some() { "sent" } else { "queued" },
        "date_created": rfc2822(message.created), "date_updated": rfc2822(message.created),
        "date_sent": message.sent.map(rfc2822), "error_code": null, "error_message": null, "num_media": "0",
        "num_segments": "1", "price": null, "price_unit": null, "uri": uri,
        "subresource_uris": { "media": uri.replace(".json", "/Media.json") },
    })
}

impl TwilioMemory {
    fn answer(&mut self, request: &RecordedRequest) -> FakeReply {
        let authorization = format!("Basic {}", STANDARD.encode(format!("{ACCOUNT}:{AUTH_TOKEN}")));
        if request.header("authorization") != authorization {
            return refuse(401, 20003, "Authenticate");
        }
        let is_messages = request.path == format!("/2010-04-01/Accounts/{ACCOUNT}/Messages.json");
        match request.method.as_str() {
            "POST" if is_messages => self.take(request),
            "GET" if is_messages => self.list(request),
            _ => refuse(404, 20404, "The requested resource was not found"),
        }
    }

    fn take(&mut self, request: &RecordedRequest) -> FakeReply {
        let mut form = request.form();
        let mut field = |name: &str| form.remove(name).unwrap_or_default();
        let (to, from, service, body) = (field("To"), field("From"), field("MessagingServiceSid"), field("Body"));
        let status_callback = field("StatusCallback");
        let refused = match (to.as_str(), from.as_str()) {
            ("", _) => Some((400, 21604, "A 'To' phone number is required.")),
            (_, "") if service != SERVICE => Some((400, 21603, "A 'From' phone number is required.")),
            ("+15005550001", _) => Some((400, 21211, "The 'To' number is not a valid phone number.")),
            ("+15005550002", _) => Some((400, 21612, "The 'To' number is not reachable by this sender.")),
            ("+15005550003", _) => Some((400, 21408, "Permission to send has not been enabled for the region.")),
            ("+15005550004", _) => Some((400, 21610, "Attempt to send to unsubscribed recipient")),
            ("+15005550009", _) => Some((400, 21614, "'To' number is not a valid mobile number")),
            (_, "+15005550001") => Some((400, 21212, "The 'From' number is not a valid phone number.")),
            (_, "+15005550007") => Some((400, 21606, "The 'From' number is not SMS-capable for your account.")),
            (_, "+15005550008") => Some((429, 21611, "This 'From' number has too many queued messages")),
            (to, _) if self.opted_out.contains(to) => Some((400, 21610, "Attempt to send to unsubscribed recipient")),
            (to, _) if !to.starts_with('+') || to.len() < 8 => Some((400, 21211, "The 'To' number is not valid.")),
            (_, from) if !from.is_empty() && from != FROM => Some((400, 21606, "The 'From' number is not yours.")),
            _ if body.is_empty() => Some((400, 21602, "Message body is required")),
            _ if body.chars().count() > 1600 => Some((400, 21617, "The message body exceeds 1600 characters")),
            _ if status_callback.contains('_')
                && status_callback.split('/').nth(2).is_some_and(|h| h.contains('_')) =>
            {
                Some((400, 21609, "The 'StatusCallback' URL is not valid."))
            }
            _ => None,
        };
        if let Some((status, code, message)) = refused {
            return refuse(status, code, message);
        }
        let sid = format!("SM{:032x}", self.messages.len() + 1);
        let message = TakenMessage { sid, to, from, service, body, status_callback, created: self.now, sent: None };
        let reply = FakeReply::json(201, &shown(&message));
        self.messages.push(message);
        reply
    }

    fn list(&self, request: &RecordedRequest) -> FakeReply {
        let parameters = request.parameters();
        let size = parameters.get("PageSize").and_then(|size| size.parse().ok()).unwrap_or(50);
        let day = |time: SystemTime| DateTime::<Utc>::from(time).format("%Y-%m-%d").to_string();
        let is_listed = |message: &&TakenMessage| {
            parameters.get("To").is_none_or(|to| *to == message.to)
                && parameters.get("From").is_none_or(|from| *from == message.from)
                && parameters.get("DateSent>").is_none_or(|from| message.sent.is_some_and(|sent| day(sent) >= *from))
        };
        let listed: Vec<_> = self.messages.iter().rev().filter(is_listed).take(size).map(shown).collect();
        // Without `uri` and `first_page_uri`: Twilio sends paths, and its description demands whole URIs.
        let page = json!({
            "messages": listed, "page": 0, "page_size": size, "start": 0, "end": listed.len(),
            "next_page_uri": null, "previous_page_uri": null,
        });
        FakeReply::json(200, &page)
    }
}
