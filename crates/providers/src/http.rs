//! What all HTTP clients share: no redirects, time limits, responses of bounded size, and the base URLs that are
//! allowed.

use std::error::Error as _;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{RequestBuilder, StatusCode, Url};

use crate::outcome::{ProviderError, SendOutcome, UnavailableCause};

/// The most bytes of a response that are read.
const LONGEST_RESPONSE: usize = 64 << 10;
/// The longest time to connect.
const CONNECT: Duration = Duration::from_secs(3);
/// How long an idle connection is kept.
const IDLE: Duration = Duration::from_secs(10);
/// The longest `Retry-After` that is believed.
const LONGEST_PAUSE: Duration = Duration::from_hours(24);
/// How long to wait when no connection can be made.
pub(crate) const UNREACHABLE_PAUSE: Duration = Duration::from_secs(5);
/// How long to wait when a provider refuses our account.
pub(crate) const ACCOUNT_PAUSE: Duration = Duration::from_mins(1);

/// Settings with which no client can be made; the text says which, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidSettings(pub String);

/// A client with a time limit for the whole of each request, without redirects.
pub(crate) fn client_builder(timeout: Duration) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT.min(timeout))
        .timeout(timeout)
        // A server that closes an idle connection at the moment of a request leaves it unknown whether it was received.
        .pool_idle_timeout(IDLE)
}

/// Builds a client.
pub(crate) fn client(timeout: Duration) -> Result<reqwest::Client, InvalidSettings> {
    client_builder(timeout).build().map_err(|error| InvalidSettings(error.to_string()))
}

/// Whether a URL is on this machine: `localhost`, or a loopback address.
pub(crate) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// A base URL without a slash at its end: https, or http on this machine; without credentials, query and fragment.
pub(crate) fn base_url(name: &str, text: &str) -> Result<Url, InvalidSettings> {
    let url = Url::parse(text).map_err(|error| InvalidSettings(format!("{name} is not a URL: {error}")))?;
    let is_allowed = url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url));
    let is_plain = url.username().is_empty() && url.password().is_none();
    if is_allowed && is_plain && url.query().is_none() && url.fragment().is_none() && url.host_str().is_some() {
        Ok(url)
    } else {
        Err(InvalidSettings(format!("{name} must be an https URL without credentials and query, or http on loopback")))
    }
}

/// A base URL with these path segments after it, each encoded.
pub(crate) fn join(base: &Url, segments: &[&str]) -> Url {
    let mut url = base.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}

/// A whole response.
#[derive(Debug)]
pub(crate) struct HttpReply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

/// Why there is no whole response.
#[derive(Debug)]
pub(crate) enum CallFailure {
    /// The request was certainly not sent.
    NotSent(ProviderError),
    /// The request may have reached the provider.
    Interrupted(ProviderError),
}

impl CallFailure {
    /// The error, whether or not the request was sent.
    pub(crate) fn into_error(self) -> ProviderError {
        let (Self::NotSent(error) | Self::Interrupted(error)) = self;
        error
    }
}

/// A host has only addresses that must not be asked.
#[derive(Debug, thiserror::Error)]
#[error("the host has no public address")]
pub(crate) struct NoPublicAddress;

/// The code of the error of a host with only addresses that must not be asked.
pub(crate) const NO_PUBLIC_ADDRESS: &str = "no_public_address";

fn is_refused_address(error: &reqwest::Error) -> bool {
    let mut sources = std::iter::successors(error.source(), |error| (*error).source());
    sources.any(<dyn std::error::Error>::is::<NoPublicAddress>)
}

/// An error with its causes, without the URL, which may contain a token.
fn described(error: reqwest::Error) -> String {
    let error = error.without_url();
    let causes = std::iter::successors(error.source(), |error| (*error).source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

fn failure(error: reqwest::Error, private: &[&str]) -> CallFailure {
    let code = if is_refused_address(&error) {
        NO_PUBLIC_ADDRESS
    } else if error.is_timeout() {
        "timeout"
    } else if error.is_connect() {
        "unreachable"
    } else {
        "interrupted"
    };
    let (is_connect, is_builder) = (error.is_connect(), error.is_builder());
    let error = ProviderError::new(code, &described(error), private);
    if is_connect || is_builder { CallFailure::NotSent(error) } else { CallFailure::Interrupted(error) }
}

/// Sends a request and reads the whole response, up to a limit.
pub(crate) async fn call(request: RequestBuilder, private: &[&str]) -> Result<HttpReply, CallFailure> {
    let mut response = request.send().await.map_err(|error| failure(error, private))?;
    let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
    let mut body = Vec::new();
    let cut = |error: reqwest::Error| {
        let text = format!("status {}, and then {}", status.as_u16(), described(error));
        CallFailure::Interrupted(ProviderError::new("interrupted", &text, private))
    };
    while let Some(chunk) = response.chunk().await.map_err(cut)? {
        if body.len() + chunk.len() > LONGEST_RESPONSE {
            let text = format!("status {}, and more than {LONGEST_RESPONSE} bytes", status.as_u16());
            return Err(CallFailure::Interrupted(ProviderError::new("response_too_long", &text, private)));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(HttpReply { status, headers, body })
}

impl HttpReply {
    /// `Retry-After` in seconds or as a date (RFC 9110, 10.2.3), at most a day; `None`: absent or invalid.
    pub(crate) fn retry_after(&self, now: SystemTime) -> Option<Duration> {
        let text = self.headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
        let after = match text.parse() {
            Ok(seconds) => Duration::from_secs(seconds),
            Err(_) => httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default(),
        };
        Some(after.min(LONGEST_PAUSE))
    }

    /// The error of a response whose body says nothing.
    pub(crate) fn plain_error(&self) -> ProviderError {
        ProviderError::new(format_args!("http_{}", self.status.as_u16()), "", &[])
    }
}

/// The outcome when nothing was sent, because no connection was made.
pub(crate) fn unreachable(error: ProviderError) -> SendOutcome {
    SendOutcome::Unavailable { after: UNREACHABLE_PAUSE, cause: UnavailableCause::Unreachable, error }
}

/// The outcome when the provider refuses our account.
pub(crate) fn account_refused(error: ProviderError) -> SendOutcome {
    SendOutcome::Unavailable { after: ACCOUNT_PAUSE, cause: UnavailableCause::Account, error }
}
