//! Sends a request until it is answered: which requests are repeated, for how long, and the errors.

use std::time::Duration;

use rand::RngExt;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;

use crate::Client;

/// The maximum number of attempts of a request.
const ATTEMPTS: u32 = 10;
/// How long a request is repeated at most, including the waits that the server requests.
const PATIENCE: Duration = Duration::from_mins(2);
/// How long one attempt may take.
pub(super) const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);

/// An error response of the server (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// The stable code of the error.
    pub code: String,
    /// The detail of the error.
    pub detail: String,
    /// The request id, to find the request in the server's log.
    pub request_id: String,
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The server refused the request.
    #[error("{operation}: {} {}: {} (request {})",
        .problem.status, .problem.code, .problem.detail, .problem.request_id)]
    Refused {
        /// The name of the operation.
        operation: &'static str,
        /// The error response.
        problem: Box<Problem>,
    },
    /// There was no response to any attempt.
    #[error("{operation}: no answer from the server: {reason}")]
    Unreachable {
        /// The name of the operation.
        operation: &'static str,
        /// The error of the last attempt.
        reason: String,
    },
    /// The response does not match the API.
    #[error("{operation}: the server's answer is not understood: {reason}")]
    Unreadable {
        /// The name of the operation.
        operation: &'static str,
        /// The error in the response.
        reason: String,
    },
}

impl CallError {
    /// The code of the error response; `None`: there is none.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { problem, .. } => Some(&problem.code),
            _ => None,
        }
    }

    /// The status of the error response; `None`: there is none.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { problem, .. } => Some(problem.status),
            _ => None,
        }
    }
}

/// One request of the API.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) operation: &'static str,
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) body: Option<Value>,
    /// Sent with every attempt, so that the request takes effect once.
    pub(super) idempotency_key: Option<String>,
    /// The maximum number of attempts.
    pub(super) attempts: u32,
}

impl Call {
    pub(super) fn get(operation: &'static str, path: impl Into<String>) -> Self {
        let path = path.into();
        Self { operation, method: Method::GET, path, body: None, idempotency_key: None, attempts: ATTEMPTS }
    }

    pub(super) fn send(operation: &'static str, method: Method, path: impl Into<String>, body: Value) -> Self {
        Self { method, body: Some(body), ..Self::get(operation, path) }
    }

    /// A POST that creates something, with a new key for all attempts.
    pub(super) fn create(operation: &'static str, path: impl Into<String>, body: Value) -> Self {
        let key = Some(uuid::Uuid::new_v4().to_string());
        Self { idempotency_key: key, ..Self::send(operation, Method::POST, path, body) }
    }
}

/// A successful response (2xx).
pub(super) struct Answer {
    operation: &'static str,
    bytes: Vec<u8>,
}

impl Answer {
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, CallError> {
        serde_json::from_slice(&self.bytes)
            .map_err(|error| CallError::Unreadable { operation: self.operation, reason: error.to_string() })
    }
}

/// The result of one attempt.
enum Attempt {
    Answered(Answer),
    Refused { problem: Box<Problem>, retry_after: Option<Duration> },
    Lost(String),
}

impl Client {
    /// Sends a request, repeats it where that is safe and useful, and returns the final result.
    ///
    /// Repeated are requests after lost connections, after 429, 503 and similar statuses (after the time that the
    /// server requests), and after the 409 that says that an earlier attempt with the same key is still being
    /// processed.
    pub(super) async fn answer(&self, call: &Call, token: Option<&str>) -> Result<Answer, CallError> {
        let deadline = Instant::now() + PATIENCE;
        let mut attempt = 1;
        loop {
            let outcome = self.attempt(call, token).await;
            let pause = match &outcome {
                Attempt::Answered(_) => None,
                Attempt::Lost(_) => Some(backoff(attempt)),
                Attempt::Refused { problem, retry_after } => match problem.status {
                    408 | 429 | 502..=504 => Some(retry_after.unwrap_or_else(|| backoff(attempt))),
                    409 if attempt > 1 && problem.code.starts_with("idempotency") => Some(backoff(attempt)),
                    _ => None,
                },
            };
            if let Some(pause) = pause
                && attempt < call.attempts
                && Instant::now() + pause < deadline
            {
                self.calls().repeated();
                tokio::time::sleep(pause).await;
                attempt += 1;
                continue;
            }
            let operation = call.operation;
            return match outcome {
                Attempt::Answered(answer) => Ok(answer),
                Attempt::Refused { problem, .. } => Err(CallError::Refused { operation, problem }),
                Attempt::Lost(reason) => Err(CallError::Unreachable { operation, reason }),
            };
        }
    }

    async fn attempt(&self, call: &Call, token: Option<&str>) -> Attempt {
        let mut request = self.http().request(call.method.clone(), self.address(&call.path));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(key) = &call.idempotency_key {
            request = request.header("Idempotency-Key", key);
        }
        if let Some(body) = &call.body {
            request = request.json(body);
        }
        let began = Instant::now();
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => return Attempt::Lost(root_cause(&error)),
        };
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = match response.bytes().await {
            Ok(bytes) => bytes.to_vec(),
            Err(error) => return Attempt::Lost(root_cause(&error)),
        };
        self.calls().record(call.operation, began.elapsed());
        if status.is_success() {
            return Attempt::Answered(Answer { operation: call.operation, bytes });
        }
        let problem = Box::new(read_problem(status, &headers, &bytes));
        Attempt::Refused { problem, retry_after: retry_after(&headers) }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProblemBody {
    code: String,
    #[serde(default)]
    detail: Option<String>,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    request_id: Option<String>,
    #[serde(default)]
    errors: Vec<FieldError>,
}

#[derive(Deserialize)]
struct FieldError {
    pointer: String,
    message: String,
}

fn read_problem(status: StatusCode, headers: &HeaderMap, bytes: &[u8]) -> Problem {
    let header_id = || headers.get("x-request-id").and_then(|id| id.to_str().ok()).unwrap_or("unknown").to_owned();
    match serde_json::from_slice::<ProblemBody>(bytes) {
        Ok(body) => {
            let mut detail = body.detail.or(body.title).unwrap_or_default();
            for error in &body.errors {
                detail = format!("{detail}; {}: {}", error.pointer, error.message);
            }
            let request_id = body.request_id.unwrap_or_else(header_id);
            Problem { status: status.as_u16(), code: body.code, detail, request_id }
        }
        // A proxy between client and server responded.
        Err(_) => Problem {
            status: status.as_u16(),
            code: format!("http_{}", status.as_u16()),
            detail: String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).trim().to_owned(),
            request_id: header_id(),
        },
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// Doubles with every attempt up to 5 s, with a random part, so that clients do not return at the same time.
pub(super) fn backoff(attempt: u32) -> Duration {
    let ceiling = 100_u64.saturating_mul(1 << attempt.min(6)).min(5_000);
    Duration::from_millis(rand::rng().random_range(ceiling / 2..=ceiling))
}

/// The innermost cause is the useful one ("connection refused"); the outer ones repeat the address.
pub(super) fn root_cause(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
