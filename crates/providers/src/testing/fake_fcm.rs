//! A fake of Firebase Cloud Messaging and of Google's token endpoint: it checks assertions, access tokens and messages,
//! and keeps the messages it took.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::fake_server::{FakeReply, FakeServer, RecordedRequest};
use crate::push::fcm::FcmSettings;

/// The project of the fake.
pub const PROJECT: &str = "comanda-test";
/// The service account of the fake.
pub const CLIENT_EMAIL: &str = "sender@comanda-test.iam.gserviceaccount.com";

const TOKEN_PATH: &str = "/token";

struct FcmMemory {
    public_key: Vec<u8>,
    /// Access tokens that were given out and are accepted.
    valid: BTreeSet<String>,
    given_out: u64,
    /// Targets whose app was removed.
    unregistered: BTreeSet<String>,
    delivered: Vec<Value>,
    now: SystemTime,
}

/// A running fake. Clones are the same one.
#[derive(Debug, Clone)]
pub struct FakeFcm {
    /// Its HTTP server: requests and faults. Paths are `/token` and `/v1/projects/{id}/messages:send`.
    pub server: FakeServer,
    private_key: SecretString,
    memory: Arc<Mutex<FcmMemory>>,
}

impl std::fmt::Debug for FcmMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FcmMemory").finish_non_exhaustive()
    }
}

impl FakeFcm {
    /// Starts a fake with a service account and a key of its own. Its clock stands still at `now`.
    pub async fn start(now: SystemTime) -> Self {
        let key = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: Pkcs8V1Der<'_> = key.as_der().unwrap();
        let pem =
            format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der.as_ref()));
        let memory = Arc::new(Mutex::new(FcmMemory {
            public_key: key.public_key().as_ref().to_vec(),
            valid: BTreeSet::new(),
            given_out: 0,
            unregistered: BTreeSet::new(),
            delivered: Vec::new(),
            now,
        }));
        let state = Arc::clone(&memory);
        let server = FakeServer::start(move |request| state.lock().unwrap().answer(request)).await;
        Self { server, private_key: pem.into(), memory }
    }

    /// Settings of a client for the fake.
    pub fn settings(&self) -> FcmSettings {
        FcmSettings {
            project_id: PROJECT.into(),
            client_email: CLIENT_EMAIL.into(),
            private_key: self.private_key.clone(),
            base_url: self.server.base_url.clone(),
            token_url: format!("{}{TOKEN_PATH}", self.server.base_url),
            timeout: Duration::from_secs(30),
            validate_only: false,
        }
    }

    /// The public key of the service account: an RSA public key in DER (PKCS #1).
    pub fn public_key(&self) -> Vec<u8> {
        self.memory.lock().unwrap().public_key.clone()
    }

    /// Moves the clock of the fake.
    pub fn set_now(&self, now: SystemTime) {
        self.memory.lock().unwrap().now = now;
    }

    /// Access tokens that were given out so far are refused from here on.
    pub fn revoke_access_tokens(&self) {
        self.memory.lock().unwrap().valid.clear();
    }

    /// The app with this token or installation id was removed.
    pub fn unregister(&self, target: &str) {
        self.memory.lock().unwrap().unregistered.insert(target.to_owned());
    }

    /// The messages that were taken, as they were sent.
    pub fn delivered(&self) -> Vec<Value> {
        self.memory.lock().unwrap().delivered.clone()
    }

    /// The number of requests for an access token.
    pub fn token_requests(&self) -> usize {
        self.server.count(TOKEN_PATH)
    }
}

fn fcm_error(status: u16, name: &str, message: &str, details: &Value) -> FakeReply {
    let error = json!({ "code": status, "message": message, "status": name, "details": details });
    FakeReply::json(status, &json!({ "error": error }))
}

fn fcm_detail(code: &str) -> Value {
    json!([{ "@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code }])
}

impl FcmMemory {
    fn answer(&mut self, request: &RecordedRequest) -> FakeReply {
        match (request.method.as_str(), request.path.as_str()) {
            ("POST", TOKEN_PATH) => self.give_token(request),
            ("POST", path) if path == format!("/v1/projects/{PROJECT}/messages:send") => self.take_message(request),
            _ => FakeReply::text(404, "text/html", "<!DOCTYPE html><title>Error 404 (Not Found)!!1</title>"),
        }
    }

    fn give_token(&mut self, request: &RecordedRequest) -> FakeReply {
        let form = request.form();
        let refuse = |text: &str| FakeReply::json(400, &json!({ "error": "invalid_grant", "error_description": text }));
        if form.get("grant_type").map(String::as_str) != Some("urn:ietf:params:oauth:grant-type:jwt-bearer") {
            return FakeReply::json(400, &json!({ "error": "unsupported_grant_type" }));
        }
        let assertion = form.get("assertion").cloned().unwrap_or_default();
        let Some((signed, signature)) = assertion.rsplit_once('.') else { return refuse("Invalid JWT.") };
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &self.public_key);
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
        if key.verify(signed.as_bytes(), &signature).is_err() {
            return refuse("Invalid JWT Signature.");
        }
        let claims = URL_SAFE_NO_PAD.decode(signed.split('.').nth(1).unwrap_or_default()).unwrap_or_default();
        let claims: Value = serde_json::from_slice(&claims).unwrap_or_default();
        if claims["iss"] != CLIENT_EMAIL {
            return refuse("Invalid grant: account not found");
        }
        let now = self.now.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let (from, to) = (claims["iat"].as_u64().unwrap_or_default(), claims["exp"].as_u64().unwrap_or_default());
        if from > now || to < now || to - from > 3600 {
            return refuse(
                "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe.",
            );
        }
        self.given_out += 1;
        let token = format!("ya29.fake-{}", self.given_out);
        self.valid.insert(token.clone());
        FakeReply::json(200, &json!({ "access_token": token, "expires_in": 3599, "token_type": "Bearer" }))
    }

    fn take_message(&mut self, request: &RecordedRequest) -> FakeReply {
        let token = request.header("authorization").strip_prefix("Bearer ").unwrap_or_default();
        if !self.valid.contains(token) {
            return fcm_error(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.", &json!([]));
        }
        let body = request.json();
        let message = &body["message"];
        let targets = ["token", "fid", "topic", "condition"];
        let mut named = targets.iter().filter_map(|field| message[field].as_str());
        let (Some(target), None) = (named.next(), named.next()) else {
            let message = "Recipient of the message is not set.";
            return fcm_error(400, "INVALID_ARGUMENT", message, &fcm_detail("INVALID_ARGUMENT"));
        };
        let mut values = message["data"].as_object().into_iter().flatten();
        if let Some((_, value)) = values.find(|(_, value)| !value.is_string()) {
            let message = format!("Invalid value at 'message.data[0].value' (TYPE_STRING), {value}");
            return fcm_error(400, "INVALID_ARGUMENT", &message, &json!([]));
        }
        if self.unregistered.contains(target) {
            let message = "Requested entity was not found.";
            return fcm_error(404, "NOT_FOUND", message, &fcm_detail("UNREGISTERED"));
        }
        if body["validateOnly"] != true {
            self.delivered.push(message.clone());
        }
        let name = format!("projects/{PROJECT}/messages/{}", self.delivered.len());
        FakeReply::json(200, &json!({ "name": name }))
    }
}
