//! Versions of resources: `ETag` of responses and `If-Match` of requests. An offline operation's `version` is checked
//! in the same way.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::Json;
use crate::problem::{Code, Problem};

/// A JSON response with the version of the resource as `ETag`.
pub struct Versioned<T> {
    /// The body of the response.
    pub body: T,
    /// The version of the resource, sent as `ETag`.
    pub version: i64,
}

impl<T: Serialize> IntoResponse for Versioned<T> {
    fn into_response(self) -> Response {
        let mut response = Json(self.body).into_response();
        if let Ok(etag) = HeaderValue::from_str(&format!("\"{}\"", self.version)) {
            response.headers_mut().insert(header::ETAG, etag);
        }
        response
    }
}

/// `If-Match: "3"`: the change is made only if the resource still has this version. Absent, or `*`: any version.
#[derive(Debug, Clone, Copy)]
pub struct IfMatch(pub Option<i64>);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let Some(value) = parts.headers.get(header::IF_MATCH) else {
            return Ok(Self(None));
        };
        let text = value.to_str().unwrap_or_default().trim();
        if text == "*" {
            return Ok(Self(None));
        }
        text.strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'))
            .and_then(|version| version.parse().ok())
            .map(|version| Self(Some(version)))
            .ok_or_else(|| {
                Problem::new(Code::MalformedRequest, "If-Match must be one version in quotes, as in ETag: \"3\".")
            })
    }
}

impl IfMatch {
    /// Refuses the request if the expected version is not the current one; `current` is included in the response.
    pub fn check(self, version: i64, current: impl Serialize) -> Result<(), Problem> {
        if self.0.is_none_or(|expected| expected == version) {
            return Ok(());
        }
        Err(Problem::new(
            Code::VersionConflict,
            "Compare with `current`, and repeat the request with its version in If-Match.",
        )
        .with("current", current)
        .with_header(
            header::ETAG,
            HeaderValue::from_str(&format!("\"{version}\"")).unwrap_or(HeaderValue::from_static("\"\"")),
        ))
    }
}
