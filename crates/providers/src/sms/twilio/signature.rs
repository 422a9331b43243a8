//! The signature of Twilio's requests to us.
//!
//! <https://www.twilio.com/docs/usage/security#validating-requests>: base64 of the HMAC-SHA1, keyed with the account's
//! auth token, of the URL and the sorted parameters of a form. Of other bodies the URL contains the SHA-256, and only
//! the URL is signed. Twilio signs the URL sometimes with and sometimes without the port, and sometimes with its query
//! encoded anew, so each form is accepted.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};

use aws_lc_rs::{constant_time, digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;
use secrecy::{ExposeSecret as _, SecretString};

/// The request is not signed with one of the tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not match")]
pub struct InvalidSignature;

/// Verifies the header `X-Twilio-Signature`.
#[derive(Clone)]
pub struct CallbackVerifier {
    keys: Vec<hmac::Key>,
}

impl fmt::Debug for CallbackVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallbackVerifier").field("keys", &self.keys.len()).finish()
    }
}

/// The parameter of the query that contains the SHA-256 of a body that is no form, in hexadecimal digits.
const BODY_HASH: &str = "bodySHA256";

impl CallbackVerifier {
    /// Accepts requests that are signed with one of these auth tokens: the primary one, and during a rotation another
    /// one. Secrets of API keys sign nothing.
    pub fn new<'a>(auth_tokens: impl IntoIterator<Item = &'a SecretString>) -> Self {
        let key = |token: &SecretString| {
            hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, token.expose_secret().as_bytes())
        };
        Self { keys: auth_tokens.into_iter().map(key).collect() }
    }

    /// Verifies a request. `url` is the one that Twilio was given: the public URL of the service with path and query as
    /// received, and not what a proxy made of it. `body` are the bytes as received.
    ///
    /// # Errors
    /// When no token matches, or the body is not the signed one.
    pub fn verify(&self, url: &str, body: &[u8], signature: &str) -> Result<(), InvalidSignature> {
        let signature = STANDARD.decode(signature).map_err(|_| InvalidSignature)?;
        let query = url.split_once('?').map_or("", |(_, query)| query);
        let expected = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == BODY_HASH);
        let signed_after_url = match expected {
            Some((_, expected)) => {
                let actual = hex(digest::digest(&digest::SHA256, body).as_ref());
                constant_time::verify_slices_are_equal(actual.as_bytes(), expected.to_ascii_lowercase().as_bytes())
                    .map_err(|_| InvalidSignature)?;
                String::new()
            }
            None => sorted_parameters(body),
        };
        let is_signed = |url: String| {
            let signed = format!("{url}{signed_after_url}");
            self.keys.iter().any(|key| hmac::verify(key, signed.as_bytes(), &signature).is_ok())
        };
        if forms_of(url).into_iter().any(is_signed) { Ok(()) } else { Err(InvalidSignature) }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The parameters of a form, each name followed by its different values, sorted.
fn sorted_parameters(form: &[u8]) -> String {
    let mut sorted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(form).into_owned() {
        sorted.entry(name).or_default().insert(value);
    }
    sorted.iter().flat_map(|(name, values)| values.iter().map(move |value| format!("{name}{value}"))).collect()
}

/// The forms of a URL that Twilio may have signed: as it is, without and with a port, and each with its query encoded
/// anew.
fn forms_of(url: &str) -> BTreeSet<String> {
    let mut forms = BTreeSet::from([url.to_owned()]);
    if let Some((scheme, rest)) = url.split_once("://") {
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        // The last colon separates the port, unless it is in the address (`[::1]`) or before the host (`user:word@`).
        let host_begins = authority.rfind(['@', ']']).map_or(0, |place| place + 1);
        let port = authority[host_begins..].rfind(':').map(|place| host_begins + place);
        let host = &authority[..port.unwrap_or(authority.len())];
        let usual = if scheme == "http" { 80 } else { 443 };
        forms.insert(format!("{scheme}://{host}{path}"));
        if port.is_none() {
            forms.insert(format!("{scheme}://{host}:{usual}{path}"));
        }
    }
    let anew: Vec<_> = forms.iter().flat_map(|form| encoded_anew(form)).collect();
    forms.extend(anew);
    forms
}

/// The URL with its query encoded as the URL standard says, which encodes apostrophes; and decoded and encoded with
/// `%20` for spaces. Empty: it has no query.
fn encoded_anew(url: &str) -> Vec<String> {
    let Some((base, query)) = url.split_once('?') else { return Vec::new() };
    let standard = Url::parse(url).ok().and_then(|url| url.query().map(|query| format!("{base}?{query}")));
    let encode = |text: &str| {
        text.bytes().fold(String::new(), |mut encoded, byte| {
            if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte) {
                encoded.push(char::from(byte));
            } else {
                // Writing to a String cannot fail.
                let _ = write!(encoded, "%{byte:02X}");
            }
            encoded
        })
    };
    let pairs = form_urlencoded::parse(query.as_bytes());
    let pairs: Vec<_> = pairs.map(|(name, value)| format!("{}={}", encode(&name), encode(&value))).collect();
    standard.into_iter().chain([format!("{base}?{}", pairs.join("&"))]).collect()
}
