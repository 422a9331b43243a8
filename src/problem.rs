//! Error responses: `application/problem+json` (RFC 9457) with a stable code.
//!
//! Rules return refusals that do not depend on HTTP; the `http` of a feature converts them to a [`Problem`]. The
//! request id is added by `middleware.rs`, so it need not be passed here.

use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::ids::UserId;

mod code;
mod database;

pub use code::Code;
pub use database::OnConstraint;

/// One error of a request, with its position.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// A JSON pointer (RFC 6901) into the body, or `?name` for a query parameter.
    #[schema(example = "/lines/0/quantity")]
    pub pointer: String,
    /// A stable code for the kind of error.
    #[schema(example = "invalid")]
    pub code: String,
    /// An explanation for a person.
    #[schema(example = "must be between 1 and 99")]
    pub message: String,
}

impl FieldError {
    /// The error of an invalid value.
    pub fn invalid(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), code: "invalid".into(), message: message.into() }
    }
}

/// The body of every error response (RFC 9457).
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProblemBody {
    /// The URL of the documentation of the code.
    #[serde(rename = "type")]
    #[schema(example = "/docs#problem-illegal_transition")]
    pub kind: String,
    /// The title, the same for every error with this code.
    pub title: String,
    /// The HTTP status code.
    #[schema(example = 409)]
    pub status: u16,
    /// What happened, and what to do next.
    pub detail: String,
    /// The stable code of the error, for programs.
    #[schema(example = "illegal_transition")]
    pub code: String,
    /// The errors of single fields.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// The id of the request, as in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Further members that depend on the code, such as the current state.
    #[serde(flatten)]
    #[schema(ignore)]
    pub facts: Map<String, Value>,
}

/// The most field errors in a response.
const MAX_FIELD_ERRORS: usize = 100;

/// An error, to be sent as a response.
#[derive(Debug, Clone)]
pub struct Problem {
    code: Code,
    detail: String,
    errors: Vec<FieldError>,
    facts: Map<String, Value>,
    headers: Vec<(HeaderName, HeaderValue)>,
    retry_after_seconds: Option<u32>,
    /// The account that the request was about, if known: for the log, not for the response.
    concerns: Option<Box<UserId>>,
}

impl Problem {
    /// A problem of this code; `detail` says what happened and what to do next.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            errors: Vec::new(),
            facts: Map::new(),
            headers: Vec::new(),
            retry_after_seconds: None,
            concerns: None,
        }
    }

    /// Records the account that the request was about, for the log; the response does not contain it.
    #[must_use]
    pub fn concerning(mut self, user: Option<UserId>) -> Self {
        self.concerns = user.map(Box::new);
        self
    }

    /// The account that the request was about, if it was recorded.
    pub fn concerns(&self) -> Option<UserId> {
        self.concerns.as_deref().copied()
    }

    /// 404: the resource does not exist, or the caller has no access to it. The response is the same, byte for byte.
    pub fn not_found() -> Self {
        Self::new(Code::NotFound, "The resource does not exist, or you have no access to it. Check the id.")
    }

    /// 422 with errors of fields; the first hundred are included.
    pub fn invalid(mut errors: Vec<FieldError>) -> Self {
        let detail = match errors.as_slice() {
            [only] if only.pointer.is_empty() => format!("The request {}", only.message),
            [only] => format!("{} {}", only.pointer, only.message),
            several if several.len() > MAX_FIELD_ERRORS => {
                format!("{} fields are not valid; the first {MAX_FIELD_ERRORS} are in errors.", several.len())
            }
            several => format!("{} fields are not valid; see errors.", several.len()),
        };
        errors.truncate(MAX_FIELD_ERRORS);
        Self { errors, ..Self::new(Code::InvalidRequest, detail) }
    }

    /// 422 with the error of one field.
    pub fn invalid_field(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self::invalid(vec![FieldError::invalid(pointer, message)])
    }

    /// 422: the client's time of a write is too far in the future.
    pub fn clock_skew(pointer: &str, now: DateTime<Utc>) -> Self {
        let message = crate::clock::ClockSkew.to_string();
        Self::new(Code::ClockSkew, "Set the client's clock to `serverTime` and send the request again.")
            .with("serverTime", now)
            .with("errors", [FieldError { pointer: pointer.into(), code: "clock_skew".into(), message }])
    }

    /// 401: no token, or an invalid one.
    pub fn unauthenticated() -> Self {
        Self::new(Code::Unauthenticated, "Sign in and send the access token as `Authorization: Bearer …`.")
            .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    /// 403 for a guest's token, valid or not, on an operation for users.
    pub fn account_required() -> Self {
        Self::new(
            Code::AccountRequired,
            "Guests can only use a cart. Register, sign in with the guestToken, and send the access token.",
        )
        .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    /// 500: an error that the client cannot correct; the cause is logged and not sent.
    pub fn internal(cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(%cause, "request failed");
        Self::new(Code::Internal, "The error has been logged with the request id. Try again later.")
    }

    /// 503: the client may try again after this many seconds.
    pub fn busy(retry_after_seconds: u32) -> Self {
        Self::new(Code::Busy, "Try again after the number of seconds in Retry-After.").retry_after(retry_after_seconds)
    }

    /// Adds `Retry-After`: the same request can succeed after this many seconds.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_seconds = Some(seconds);
        self.with_header(header::RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// Marks that waiting for `Retry-After` alone does not help: something else has to happen first.
    #[must_use]
    pub const fn not_by_waiting(mut self) -> Self {
        self.retry_after_seconds = None;
        self
    }

    /// The seconds after which the same request can succeed; `None`: waiting does not help.
    pub const fn retry_after_seconds(&self) -> Option<u32> {
        self.retry_after_seconds
    }

    /// Adds a header to the response.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Adds errors of fields; the first hundred are included.
    #[must_use]
    pub fn with_errors(mut self, mut errors: Vec<FieldError>) -> Self {
        errors.truncate(MAX_FIELD_ERRORS);
        self.errors = errors;
        self
    }

    /// Makes the pointers of the errors relative to `part` of the request.
    #[must_use]
    pub fn within(mut self, part: &str) -> Self {
        for error in &mut self.errors {
            if let Some(rest) = error.pointer.strip_prefix(part) {
                error.pointer = rest.to_owned();
            }
        }
        if let [only] = self.errors.as_slice()
            && self.code == Code::InvalidRequest
        {
            self.detail = format!("{} {}", only.pointer, only.message);
        }
        self
    }

    /// The same problem with another detail.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }

    /// Adds a member to the body, such as the current state.
    #[must_use]
    pub fn with(mut self, name: &str, fact: impl Serialize) -> Self {
        self.facts.insert(name.to_owned(), serde_json::to_value(fact).unwrap_or(Value::Null));
        self
    }

    /// Removes the added members, such as the current state.
    #[must_use]
    pub fn without_facts(mut self) -> Self {
        self.facts.clear();
        self
    }

    /// The errors of fields.
    pub fn errors(&self) -> &[FieldError] {
        &self.errors
    }

    /// The stable code.
    pub const fn code(&self) -> Code {
        self.code
    }

    /// The body, with the id of the request.
    pub fn body(&self, request_id: Option<&str>) -> ProblemBody {
        ProblemBody {
            kind: format!("/docs#problem-{}", self.code.as_str()),
            title: self.code.title().into(),
            status: self.code.status().as_u16(),
            detail: self.detail.clone(),
            code: self.code.as_str().into(),
            errors: self.errors.clone(),
            request_id: request_id.map(Into::into),
            facts: self.facts.clone(),
        }
    }

    /// The complete response.
    pub fn render(&self, request_id: Option<&str>) -> Response {
        let body = serde_json::to_vec(&self.body(request_id)).unwrap_or_default();
        let mut response = (self.code.status(), body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.extend(self.headers.iter().cloned());
        response
    }
}

impl IntoResponse for Problem {
    /// Without a body, which the middleware adds together with the request id.
    fn into_response(self) -> Response {
        let mut response = self.code.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.detail)
    }
}

impl From<crate::money::Overflow> for Problem {
    fn from(overflow: crate::money::Overflow) -> Self {
        Self::invalid_field("", overflow.to_string())
    }
}
