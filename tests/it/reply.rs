//! The response that a client received, and rules for every response.

use std::collections::BTreeMap;

use serde_json::Value;

/// A response with its body.
#[derive(Debug)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// Headers by lower-case name.
    pub headers: BTreeMap<String, String>,
    /// The body as it came.
    pub bytes: Vec<u8>,
    asked: String,
}

impl Reply {
    /// Reads the body of the response to the request `asked`.
    pub async fn read(asked: String, response: reqwest::Response) -> Self {
        let status = response.status().as_u16();
        let headers = response
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        let bytes = response.bytes().await.expect("the body").to_vec();
        Self { status, headers, bytes, asked }
    }

    /// A header, or the empty text.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// The body as JSON; null for an empty one.
    pub fn json(&self) -> Value {
        if self.bytes.is_empty() {
            return Value::Null;
        }
        serde_json::from_slice(&self.bytes).unwrap_or_else(|error| panic!("{}: {error}: {}", self.asked, self.text()))
    }

    /// The body of a response that must have this status.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{} answered {}", self.asked, self.text());
        assert!(!self.header("x-request-id").is_empty(), "{} has no x-request-id", self.asked);
        self.json()
    }

    /// The body of an error: this status and code, the fields of every problem, the request's id.
    #[track_caller]
    pub fn refused(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{} answered {}", self.asked, self.text());
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.asked);
        let body = self.json();
        assert_eq!(body["code"], code, "{} answered {body}", self.asked);
        assert_eq!(body["status"], status, "{body}");
        assert_eq!(body["type"], format!("/docs#problem-{code}"), "{body}");
        assert_eq!(body["requestId"], self.header("x-request-id"), "{body}");
        for field in ["title", "detail", "requestId"] {
            assert!(body[field].as_str().is_some_and(|text| !text.is_empty()), "{field} is missing in {body}");
        }
        body
    }

    /// The body without the request id: for comparing two errors byte for byte.
    pub fn without_request_id(&self) -> String {
        let id = self.header("x-request-id");
        assert!(!id.is_empty(), "{} has no x-request-id", self.asked);
        self.text().replace(id, "")
    }
}
