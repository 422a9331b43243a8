//! A fake push service with the browsers behind it: it checks requests as RFC 8030 and RFC 8292 say, and decrypts
//! messages as a browser does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use aws_lc_rs::aead::Aad;
use aws_lc_rs::agreement::{ECDH_P256, PrivateKey};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::fake_server::{FakeReply, FakeServer, RecordedRequest};
use crate::web_push::encryption::{HEADER, SubscriptionKeys, record_key};

/// The longest body that is taken.
const LONGEST_BODY: usize = 4096;

struct Browser {
    key: PrivateKey,
    keys: SubscriptionKeys,
    /// The key for which it subscribed, in base64url.
    server: String,
    is_subscribed: bool,
    shown: Vec<Vec<u8>>,
}

struct PushServiceMemory {
    browsers: BTreeMap<String, Browser>,
    origin: String,
    now: SystemTime,
}

/// The fields of a subscription, as a page sends them to us.
#[derive(Debug, Clone)]
pub struct FakeSubscription {
    /// The id of the browser at the fake.
    pub id: String,
    /// The URL of the subscription.
    pub endpoint: String,
    /// The public key of the browser in base64url.
    pub p256dh: String,
    /// The secret of the browser in base64url.
    pub auth: String,
}

/// A running fake. Clones are the same one.
#[derive(Clone)]
pub struct FakePushService {
    /// Its HTTP server: requests and faults. Paths are `/push/{id}`.
    pub server: FakeServer,
    memory: Arc<Mutex<PushServiceMemory>>,
}

impl std::fmt::Debug for FakePushService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FakePushService").field("server", &self.server).finish_non_exhaustive()
    }
}

/// The claims of a header `Authorization` of VAPID, and the key in base64url; `None`: its signature is wrong.
pub fn verify_vapid(authorization: &str) -> Option<(Value, String)> {
    let fields = authorization.strip_prefix("vapid ")?;
    let field = |name: &str| fields.split(',').find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='));
    let (token, key) = (field("t")?, field("k")?);
    let (signed, signature) = token.rsplit_once('.')?;
    let public = URL_SAFE_NO_PAD.decode(key).ok()?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public).verify(signed.as_bytes(), &signature).ok()?;
    let claims = URL_SAFE_NO_PAD.decode(signed.split('.').nth(1)?).ok()?;
    Some((serde_json::from_slice(&claims).ok()?, key.to_owned()))
}

/// The message in a body, as the browser with this private key (32 bytes) reads it; `None`: it is for somebody else.
pub fn decrypt(body: &[u8], private: &[u8], browser: &SubscriptionKeys) -> Option<Vec<u8>> {
    open(body, &PrivateKey::from_private_key(&ECDH_P256, private).ok()?, browser)
}

fn open(body: &[u8], own: &PrivateKey, browser: &SubscriptionKeys) -> Option<Vec<u8>> {
    let (header, record) = body.split_at_checked(HEADER)?;
    let (salt, server) = (&header[..16], &header[21..]);
    let (key, nonce) = record_key(own, server, browser, server, salt)?;
    let mut record = record.to_vec();
    let plain = key.open_in_place(nonce, Aad::empty(), &mut record).ok()?;
    // The last record ends with a 2 and zeros (RFC 8188, 2).
    let end = plain.iter().rposition(|byte| *byte != 0)?;
    (plain[end] == 2).then(|| plain[..end].to_vec())
}

impl FakePushService {
    /// Starts a fake without browsers. Its clock stands still at `now`.
    pub async fn start(now: SystemTime) -> Self {
        let memory = PushServiceMemory { browsers: BTreeMap::new(), origin: String::new(), now };
        let memory = Arc::new(Mutex::new(memory));
        let state = Arc::clone(&memory);
        let server = FakeServer::start(move |request| state.lock().unwrap().answer(request)).await;
        memory.lock().unwrap().origin.clone_from(&server.base_url);
        Self { server, memory }
    }

    /// A new browser that subscribes for a public key, in base64url.
    pub fn subscribe(&self, server_key: &str) -> FakeSubscription {
        let key = PrivateKey::generate(&ECDH_P256).unwrap();
        let public = key.compute_public_key().unwrap().as_ref().to_vec();
        let mut auth = [0; 16];
        aws_lc_rs::rand::fill(&mut auth).unwrap();
        let (p256dh, auth_text) = (URL_SAFE_NO_PAD.encode(&public), URL_SAFE_NO_PAD.encode(auth));
        let keys = SubscriptionKeys { public: public.try_into().unwrap(), auth };
        let mut memory = self.memory.lock().unwrap();
        let id = format!("browser-{}", memory.browsers.len() + 1);
        let browser = Browser { key, keys, server: server_key.into(), is_subscribed: true, shown: Vec::new() };
        memory.browsers.insert(id.clone(), browser);
        let endpoint = format!("{}/push/{id}", memory.origin);
        FakeSubscription { id, endpoint, p256dh, auth: auth_text }
    }

    /// A browser ends its subscription.
    pub fn unsubscribe(&self, id: &str) {
        self.memory.lock().unwrap().browsers.get_mut(id).unwrap().is_subscribed = false;
    }

    /// What a browser received, decrypted, oldest first.
    pub fn received(&self, id: &str) -> Vec<Vec<u8>> {
        self.memory.lock().unwrap().browsers[id].shown.clone()
    }
}

impl PushServiceMemory {
    fn answer(&mut self, request: &RecordedRequest) -> FakeReply {
        let refuse = |status, text: &str| FakeReply::text(status, "text/plain", text);
        let now = self.now.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let id = request.path.strip_prefix("/push/").unwrap_or_default();
        let Some(browser) = self.browsers.get_mut(id).filter(|_| request.method == "POST") else {
            return refuse(404, "no such subscription");
        };
        if !browser.is_subscribed {
            return refuse(410, "push subscription has unsubscribed or expired.");
        }
        let Some((claims, key)) = verify_vapid(request.header("authorization")) else {
            return refuse(401, "the signature is wrong");
        };
        let expires = claims["exp"].as_u64().unwrap_or_default();
        let is_current = expires > now && expires <= now + 24 * 3600;
        let is_contact = claims["sub"].as_str().is_some_and(|sub| sub.contains(':'));
        if key != browser.server || claims["aud"] != *self.origin || !is_current || !is_contact {
            return refuse(403, "the claims or the key do not correspond to the subscription");
        }
        if request.header("ttl").parse::<u64>().is_err() || request.header("content-encoding") != "aes128gcm" {
            return refuse(400, "TTL or Content-Encoding is missing");
        }
        let topic = request.header("topic");
        let is_topic = topic.bytes().all(|sign| sign.is_ascii_alphanumeric() || sign == b'-' || sign == b'_');
        if topic.len() > 32
            || !is_topic
            || !["", "very-low", "low", "normal", "high"].contains(&request.header("urgency"))
        {
            return refuse(400, "Topic or Urgency is invalid");
        }
        if request.body.len() > LONGEST_BODY {
            return refuse(413, "the message is too large");
        }
        // A push service cannot read the message; the browser behind it can.
        let Some(message) = open(&request.body, &browser.key, &browser.keys) else {
            return refuse(400, "the browser could not decrypt the message");
        };
        browser.shown.push(message);
        let location = format!("{}/message/{id}-{}", self.origin, browser.shown.len());
        refuse(201, "").with_header("location", &location)
    }
}
