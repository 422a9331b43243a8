//! Extractors and responses: requests are parsed into types, or refused with a [`Problem`].

use axum::body::Bytes;
use axum::extract::{FromRef, FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::body_budget::NoRoomForBody;
use crate::body_rate::{BodyFragmented, BodyTooSlow};
use crate::client::Client;
use crate::heavy::{HeavyWork, LARGE_BODY, WorkFor};
use crate::objects_only::ObjectsOnly;
use crate::parse_messages;
use crate::problem::{Code, FieldError, Problem};

mod version;

pub use version::{IfMatch, Versioned};

/// A JSON body: `application/json`, UTF-8, within the size limit, of the type `T`, without unknown fields.
pub struct Body<T>(pub T);

/// The same, with the bytes it was parsed from, to which an idempotency key is bound.
pub struct BodyWithBytes<T> {
    /// The parsed body.
    pub value: T,
    /// The bytes of the body.
    pub bytes: Bytes,
}

impl<S: Send + Sync, T: DeserializeOwned + Send + 'static> FromRequest<S> for BodyWithBytes<T>
where
    HeavyWork: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let network = request.extensions().get::<Client>().map(|client| client.network());
        let JsonBytes(bytes) = JsonBytes::from_request(request, state).await?;
        let value = if bytes.len() > LARGE_BODY {
            let large = bytes.clone();
            HeavyWork::from_ref(state)
                .run(network.map_or(WorkFor::Anybody, WorkFor::Network), move || parse(&large))
                .await??
        } else {
            parse(&bytes)?
        };
        Ok(Self { value, bytes })
    }
}

/// The media types of a JSON body; GeoJSON has its own (RFC 7946, section 12).
const JSON_TYPES: [&str; 2] = ["application/json", "application/geo+json"];

/// A body with the content type of JSON, within the size limit, not parsed yet: for bodies that are parsed in parts.
pub struct JsonBytes(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for JsonBytes {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        require(request.headers(), &JSON_TYPES, "JSON")?;
        Bytes::from_request(request, state).await.map(Self).map_err(|rejection| unreadable(&rejection))
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Send + 'static> FromRequest<S> for Body<T>
where
    HeavyWork: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        BodyWithBytes::from_request(request, state).await.map(|body| Self(body.value))
    }
}

/// What to do about a body that is too large.
pub const TOO_LARGE: &str = "Send less: the limit is MAX_BODY_BYTES of the server's configuration; MENU_MAX_BYTES for \
                             whole menus, IMAGE_MAX_BYTES for images.";

/// The media types of a table whose cells are separated by commas, semicolons or tabs. Browsers on Windows send every
/// CSV file as `application/vnd.ms-excel`.
const CSV_TYPES: [&str; 3] = ["text/csv", "text/tab-separated-values", "application/vnd.ms-excel"];

/// A body of `text/csv`, within the size limit.
pub struct CsvBody(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for CsvBody {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        require(request.headers(), &CSV_TYPES, "CSV")?;
        Bytes::from_request(request, state).await.map(Self).map_err(|rejection| unreadable(&rejection))
    }
}

/// Refuses a body whose media type is not in the list; the error names the first of the list.
fn require(headers: &HeaderMap, expected: &[&str], name: &str) -> Result<(), Problem> {
    let is_coded = |coding: &HeaderValue| !coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity");
    if headers.get_all(header::CONTENT_ENCODING).iter().any(is_coded) {
        let detail = "Send the body as it is, without Content-Encoding: compressed bodies are not accepted.";
        return Err(Problem::new(Code::UnsupportedMediaType, detail));
    }
    let media_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .map(str::trim);
    let is = |expected: &&str| media_type.is_some_and(|media_type| media_type.eq_ignore_ascii_case(expected));
    if expected.iter().any(is) {
        return Ok(());
    }
    let expected = expected.first().copied().unwrap_or_default();
    Err(Problem::new(Code::UnsupportedMediaType, format!("Send the body as {name} with `Content-Type: {expected}`.")))
}

pub(crate) fn unreadable(rejection: &axum::extract::rejection::BytesRejection) -> Problem {
    if rejection.status() == axum::http::StatusCode::PAYLOAD_TOO_LARGE {
        Problem::new(Code::BodyTooLarge, TOO_LARGE)
    } else if is_caused_by::<NoRoomForBody>(rejection) {
        Problem::busy(2).with_header(header::CONNECTION, HeaderValue::from_static("close"))
    } else if is_caused_by::<BodyFragmented>(rejection) {
        Problem::new(
            Code::MalformedRequest,
            "Send the body in larger pieces: thousands of chunks of a few bytes are refused.",
        )
        .with_header(header::CONNECTION, HeaderValue::from_static("close"))
    } else if is_caused_by::<BodyTooSlow>(rejection) {
        Problem::new(
            Code::RequestTimeout,
            "Send the body faster; the limit is BODY_MIN_RATE of the server's configuration.",
        )
        .with_header(header::CONNECTION, HeaderValue::from_static("close"))
    } else {
        Problem::new(Code::MalformedRequest, "The body ended early. Send it again.")
    }
}

fn is_caused_by<E: std::error::Error + 'static>(error: &(dyn std::error::Error + 'static)) -> bool {
    error.is::<E>() || error.source().is_some_and(is_caused_by::<E>)
}

/// Parses JSON that is part of a request; the pointers of errors begin at this part.
///
/// # Errors
/// 400 for text that is not JSON, 422 for JSON of another type.
pub fn read_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    parse(bytes)
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let bytes = without_mark(bytes);
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(ObjectsOnly(&mut deserializer)).map_err(|error| {
        let pointer = json_pointer(error.path());
        describe(bytes, &pointer, error.inner())
    })?;
    deserializer.end().map_err(|error| describe(bytes, "", &error))?;
    Ok(value)
}

/// Without the byte order mark that some programs write before UTF-8 and that a parser may ignore (RFC 8259, section
/// 8.1).
pub(crate) fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

/// 400 for text that is not JSON, 422 with a pointer for JSON of another type. The decision is made from the bytes,
/// because the parser reports some errors of type as syntax errors, such as a list that is too long or a number that is
/// too large.
pub(crate) fn describe(bytes: &[u8], pointer: &str, error: &serde_json::Error) -> Problem {
    let unreadable = |line: usize, column: usize| {
        let detail = format!("The body is not JSON: it cannot be read at line {line}, column {column}.");
        Problem::new(Code::MalformedRequest, detail)
    };
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Problem::new(Code::MalformedRequest, "The body is not JSON: it is not UTF-8.");
    };
    match serde_json::from_str::<IgnoredAny>(text) {
        Err(broken) if broken.is_eof() => {
            Problem::new(Code::MalformedRequest, "The body is not JSON: it ends before it is complete.")
        }
        Err(broken) => unreadable(broken.line(), broken.column()),
        Ok(_) if parse_messages::is_half_a_character(error) => {
            let (line, column) = (error.line(), error.column());
            let detail = format!(
                "The JSON text at line {line}, column {column} holds half of a character: a UTF-16 surrogate \
                 (\\uD800 to \\uDFFF) without its partner. Send whole characters."
            );
            Problem::new(Code::MalformedRequest, detail)
        }
        Ok(_) => {
            let (field, words) = deserialization_fault(error);
            let pointer = field.map_or_else(|| pointer.to_owned(), |field| format!("{pointer}/{field}"));
            Problem::invalid_field(pointer, words)
        }
    }
}

/// The field with the error, below the parser's position, and what is wrong with it.
pub(crate) fn deserialization_fault(error: &serde_json::Error) -> (Option<String>, String) {
    let text = error.to_string();
    let message = text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message);
    let (field, words) = parse_messages::in_plain_words(message);
    (field.map(ToOwned::to_owned), words)
}

pub(crate) fn json_pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter()
        .filter_map(|segment| match segment {
            Segment::Seq { index } => Some(format!("/{index}")),
            Segment::Map { key } => Some(format!("/{}", key.replace('~', "~0").replace('/', "~1"))),
            Segment::Enum { .. } | Segment::Unknown => None,
        })
        .collect()
}

/// Path parameters. A text that cannot be an id is answered with 404, as an id that does not exist.
pub struct Path<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    #[expect(clippy::disallowed_types, reason = "this is the wrapper that gives Problems")]
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        axum::extract::Path::<T>::from_request_parts(parts, state)
            .await
            .map(|path| Self(path.0))
            .map_err(|_| Problem::not_found())
    }
}

/// Query parameters. Unknown ones are refused if the type has `deny_unknown_fields`.
pub struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    #[expect(clippy::disallowed_types, reason = "this is the wrapper that gives Problems")]
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        axum::extract::Query::<T>::from_request_parts(parts, state).await.map(|query| Self(query.0)).map_err(
            |rejection| {
                let text = rejection.body_text();
                let message = text.split_once(": ").map_or(text.as_str(), |(_, message)| message);
                let (pointer, words) = parse_messages::of_query(message);
                Problem::invalid(vec![FieldError::invalid(pointer, words)])
            },
        )
    }
}

/// A JSON response.
pub struct Json<T>(pub T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(body) => ([(header::CONTENT_TYPE, APPLICATION_JSON)], body).into_response(),
            Err(error) => Problem::internal(&error).into_response(),
        }
    }
}

/// The content type of JSON bodies, `application/json`.
pub const APPLICATION_JSON: HeaderValue = HeaderValue::from_static("application/json");
