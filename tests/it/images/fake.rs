//! A fake of the Cloudinary API: checks signatures, stores uploads, returns the official responses, and fails on
//! request. Every request and response is validated against the official description.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use serde_json::{Value, json};
use sha1::{Digest as _, Sha1};

use super::spec::Spec;

pub const CLOUD: &str = "demo-cloud";
pub const KEY: &str = "472851639284736";
pub const SECRET: &str = "a-secret-that-nobody-may-read";

/// The fault of the next request.
#[derive(Debug, Clone)]
pub enum Fault {
    /// This status with this body.
    Answer(u16, String),
    /// No response at all.
    Silence,
    /// A response that is cut off.
    BreakOff,
    /// Performed, with a signature by another key.
    Forged,
    /// Performed, and the response is lost.
    Lost,
    /// A response without an end.
    Endless,
}

#[derive(Default)]
struct Memory {
    images: BTreeMap<String, Vec<u8>>,
    faults: VecDeque<Fault>,
    requests: usize,
    disagreements: Vec<String>,
}

/// A running one.
#[derive(Clone)]
pub struct Fake {
    pub base: String,
    memory: Arc<Mutex<Memory>>,
    spec: Arc<Option<Spec>>,
}

const UPLOAD: &str = "/v1_1/{cloud_name}/{resource_type}/upload";
const DESTROY: &str = "/v1_1/{cloud_name}/{resource_type}/destroy";

impl Fake {
    #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let fake = Self { base, memory: Arc::default(), spec: Arc::new(Spec::read()) };
        let router = Router::new()
            .route(&format!("/v1_1/{CLOUD}/image/upload"), post(upload))
            .route(&format!("/v1_1/{CLOUD}/image/destroy"), post(destroy))
            .layer(axum::extract::DefaultBodyLimit::disable())
            .with_state(fake.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        fake
    }

    /// The next requests fail in this way, one after another.
    pub fn fails(&self, faults: impl IntoIterator<Item = Fault>) {
        self.memory.lock().unwrap().faults.extend(faults);
    }

    /// The stored images by name.
    pub fn images(&self) -> BTreeMap<String, Vec<u8>> {
        self.memory.lock().unwrap().images.clone()
    }

    /// The number of requests since the last call.
    pub fn asked(&self) -> usize {
        std::mem::take(&mut self.memory.lock().unwrap().requests)
    }

    /// All requests and responses were valid by the official description.
    #[track_caller]
    pub fn agrees(&self) {
        assert_eq!(self.memory.lock().unwrap().disagreements, [""; 0]);
    }

    fn holds(&self, schema: impl FnOnce(&Spec) -> Vec<String>) {
        if let Some(spec) = self.spec.as_ref() {
            self.memory.lock().unwrap().disagreements.extend(schema(spec));
        }
    }

    fn answer(&self, path: &str, status: u16, body: &Value) -> Response {
        self.holds(|spec| spec.faults(spec.answered(path, status), body, &format!("answer {status}")));
        (StatusCode::from_u16(status).unwrap(), axum::Json(body)).into_response()
    }

    fn refuse(&self, path: &str, status: u16, message: impl Into<String>) -> Response {
        self.answer(path, status, &json!({ "error": { "message": message.into() } }))
    }

    /// Checks the signature; returns the error.
    fn stranger(&self, path: &str, sent: &BTreeMap<String, String>) -> Option<Response> {
        let field = |name: &str| sent.get(name).map(String::as_str).unwrap_or_default();
        if field("api_key") != KEY {
            return Some(self.refuse(path, 401, format!("Invalid api_key {}", field("api_key"))));
        }
        let left_out = ["file", "cloud_name", "resource_type", "api_key", "signature"];
        let signed: Vec<_> = sent
            .iter()
            .filter(|(name, value)| !left_out.contains(&name.as_str()) && !value.is_empty())
            .map(|(name, value)| format!("{name}={}", value.replace('&', "%26")))
            .collect();
        let signed = signed.join("&");
        if field("signature") != hash(&format!("{signed}{SECRET}")) {
            let message = format!("Invalid Signature {}. String to sign - '{signed}'.", field("signature"));
            return Some(self.refuse(path, 401, message));
        }
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        if field("timestamp").parse::<u64>().is_ok_and(|at| at.abs_diff(now) < 3600) {
            None
        } else {
            Some(self.refuse(path, 400, "Stale request - reported time is more than 1 hour ago"))
        }
    }
}

/// SHA-1 in hex.
fn hash(text: &str) -> String {
    Sha1::digest(text.as_bytes()).iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

/// A fault that replaces the whole response.
async fn spoiled(fault: &Fault) -> Option<Response> {
    match fault {
        Fault::Answer(status, body) => {
            let kind = if body.starts_with('{') { "application/json" } else { "text/html" };
            let status = StatusCode::from_u16(*status).unwrap();
            Some((status, [(header::CONTENT_TYPE, kind)], body.clone()).into_response())
        }
        Fault::Silence => std::future::pending().await,
        Fault::BreakOff => {
            let pieces = [Ok(Bytes::from_static(b"{\"public_id\":")), Err(std::io::Error::other("gone"))];
            Some(Body::from_stream(futures_util::stream::iter(pieces)).into_response())
        }
        Fault::Endless => {
            let piece = Ok::<_, std::io::Error>(Bytes::from_static(&[b' '; 4096]));
            Some(
                Body::from_stream(futures_util::stream::iter(std::iter::repeat_with(move || {
                    piece.as_ref().map(Bytes::clone).map_err(|_| std::io::Error::other("never"))
                })))
                .into_response(),
            )
        }
        Fault::Forged | Fault::Lost => None,
    }
}

async fn upload(State(fake): State<Fake>, headers: HeaderMap, body: Bytes) -> Response {
    let fault = next_fault(&fake);
    if let Some(spoiled) = match &fault {
        Some(fault) => spoiled(fault).await,
        None => None,
    } {
        return spoiled;
    }
    let kind = headers[header::CONTENT_TYPE].to_str().unwrap();
    let boundary = multer::parse_boundary(kind).unwrap();
    let stream = futures_util::stream::iter([Ok::<_, std::convert::Infallible>(body)]);
    let mut form = multer::Multipart::new(stream, boundary);
    let (mut sent, mut file) = (BTreeMap::new(), None);
    while let Some(part) = form.next_field().await.unwrap() {
        let (name, is_file) = (part.name().unwrap().to_owned(), part.file_name().is_some());
        let bytes = part.bytes().await.unwrap();
        if is_file {
            assert_eq!(name, "file");
            file = Some(bytes.to_vec());
        } else {
            sent.insert(name, String::from_utf8(bytes.to_vec()).unwrap());
        }
    }
    fake.holds(|spec| {
        let schema = spec.asked(UPLOAD, "multipart/form-data");
        let unknown = sent.keys().filter(|name| !spec.properties(schema).contains(name.as_str()));
        let mut faults: Vec<_> = unknown.map(|name| format!("upload sent {name}, which is not known")).collect();
        let typed = |(name, text): (&String, &String)| {
            let kind = spec.property(schema, name).and_then(|known| known["type"].as_str());
            let value = match kind {
                Some("integer" | "boolean") => serde_json::from_str(text).unwrap_or(json!(text)),
                _ => json!(text),
            };
            (name.clone(), value)
        };
        let mut value: serde_json::Map<_, _> = sent.iter().map(typed).collect();
        if file.is_some() {
            value.insert("file".into(), json!("bytes"));
        }
        faults.extend(spec.faults(schema, &value.into(), "upload"));
        faults
    });
    if let Some(refusal) = fake.stranger(UPLOAD, &sent) {
        return refusal;
    }
    let Some(file) = file else { return fake.refuse(UPLOAD, 400, "Missing required parameter - file") };
    let Ok(image) = image::load_from_memory(&file) else {
        return fake.refuse(UPLOAD, 400, "Invalid image file");
    };
    let (name, bytes) = (sent["public_id"].clone(), file.len());
    fake.memory.lock().unwrap().images.insert(name.clone(), file);
    if matches!(fault, Some(Fault::Lost)) {
        return std::future::pending().await;
    }
    let secret = if matches!(fault, Some(Fault::Forged)) { "another" } else { SECRET };
    let version = 1_700_000_000;
    let address = format!("https://res.cloudinary.com/{CLOUD}/image/upload/v{version}/{name}.jpg");
    let done = json!({
        "asset_id": "b5e6d2b39ba3e0869d67141ba7dba6cf", "public_id": name, "version": version,
        "version_id": "6ee3e0c5a2f9e5d0ad7f4b9f1ce3d1a4",
        "signature": hash(&format!("public_id={name}&version={version}{secret}")),
        "width": image.width(), "height": image.height(), "format": "jpg", "resource_type": "image",
        "created_at": "2026-11-22T07:00:00Z", "tags": [], "bytes": bytes, "type": "upload", "etag": "e",
        "placeholder": false, "url": address.replace("https", "http"), "secure_url": address,
    });
    fake.answer(UPLOAD, 200, &done)
}

async fn destroy(State(fake): State<Fake>, body: Bytes) -> Response {
    let fault = next_fault(&fake);
    if let Some(spoiled) = match &fault {
        Some(fault) => spoiled(fault).await,
        None => None,
    } {
        return spoiled;
    }
    let value: Value = serde_json::from_slice(&body).unwrap();
    fake.holds(|spec| {
        let schema = spec.asked(DESTROY, "application/json");
        let sent = value.as_object().unwrap().keys();
        let unknown = sent.filter(|name| !spec.properties(schema).contains(name.as_str()));
        let mut faults: Vec<_> = unknown.map(|name| format!("destroy sent {name}, which is not known")).collect();
        faults.extend(spec.faults(schema, &value, "destroy"));
        faults
    });
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    let sent: BTreeMap<_, _> =
        value.as_object().unwrap().iter().map(|(name, value)| (name.clone(), text(value))).collect();
    if let Some(refusal) = fake.stranger(DESTROY, &sent) {
        return refusal;
    }
    let was_there = fake.memory.lock().unwrap().images.remove(&sent["public_id"]).is_some();
    fake.answer(DESTROY, 200, &json!({ "result": if was_there { "ok" } else { "not found" } }))
}

fn next_fault(fake: &Fake) -> Option<Fault> {
    let mut memory = fake.memory.lock().unwrap();
    memory.requests += 1;
    memory.faults.pop_front()
}

/// How long a test's client waits for an answer.
pub const PATIENCE: Duration = Duration::from_millis(400);
