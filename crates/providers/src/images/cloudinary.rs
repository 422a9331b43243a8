//! Images at Cloudinary: signed uploads and deletions, with limits on their time and on the size of responses.
//!
//! <https://cloudinary.com/documentation/image_upload_api_reference>. An image is uploaded with a name that we choose
//! and with `overwrite`, so that repeating an upload changes nothing; variants are generated at delivery by
//! transformations in the URL.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest;
use reqwest::multipart::{Form, Part};
use reqwest::{StatusCode, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::{Addresses, Outcome, PreparedImage, StoreError, StoreImage, Variant};

/// The account and its addresses.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The address of the upload API; default: `https://api.cloudinary.com`.
    pub base_url: String,
    /// The address from which images are delivered; default: `https://res.cloudinary.com`.
    pub delivery_url: String,
    /// The name of the account's cloud.
    pub cloud_name: String,
    /// The key of the API.
    pub api_key: String,
    /// The secret for signatures.
    pub api_secret: SecretString,
    /// The hash of signatures of requests and responses.
    pub signature: Signature,
    /// The time limit of one attempt.
    pub timeout: Duration,
    /// The pause before the second attempt; doubled before the third.
    pub pause: Duration,
}

/// The hash with which an account signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signature {
    /// The default of accounts.
    Sha1,
    /// For accounts that are configured for it.
    Sha256,
}

/// The store at Cloudinary.
#[derive(Debug, Clone)]
pub struct Cloudinary {
    settings: Settings,
    client: reqwest::Client,
}

/// The number of attempts of an idempotent call.
const TRIES: u32 = 3;
/// The maximum number of bytes of a response that are read.
const LONGEST_ANSWER: usize = 64 << 10;
/// Cloudinary's status when the hourly limit is used up; 429 is for too many concurrent calls.
const ENHANCE_YOUR_CALM: u16 = 420;

/// The signature of parameters: `key=value` sorted by key, joined by `&`, followed by the secret, hashed, in hex. An
/// `&` in a value is written `%26`, so that no value can be read as another parameter; empty values are left out.
pub fn sign(signature: Signature, parameters: &BTreeMap<&str, String>, secret: &str) -> String {
    let algorithm = match signature {
        Signature::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        Signature::Sha256 => &digest::SHA256,
    };
    let present = parameters.iter().filter(|(_, value)| !value.is_empty());
    let pairs: Vec<_> = present.map(|(key, value)| format!("{key}={}", value.replace('&', "%26"))).collect();
    let signed = digest::digest(algorithm, format!("{}{secret}", pairs.join("&")).as_bytes());
    signed.as_ref().iter().fold(String::new(), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The fields of an upload's response that are read.
#[derive(Deserialize)]
struct Uploaded {
    public_id: String,
    version: u64,
    signature: String,
}

#[derive(Deserialize)]
struct Destroyed {
    result: String,
}

#[derive(Deserialize)]
struct Failure {
    error: FailureText,
}

#[derive(Deserialize)]
struct FailureText {
    message: String,
}

impl Cloudinary {
    /// Creates the client: without redirects, with a limited time to connect.
    ///
    /// # Errors
    /// When TLS cannot be set up or the address is invalid.
    pub fn new(settings: Settings) -> Result<Self, StoreError> {
        Url::parse(&settings.base_url).map_err(|error| StoreError::Refused(error.to_string()))?;
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(3).min(settings.timeout))
            .timeout(settings.timeout)
            .build()
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Self { settings, client })
    }

    fn secret(&self) -> &str {
        self.settings.api_secret.expose_secret()
    }

    /// The parameters with key, time and signature.
    fn signed(&self, mut parameters: BTreeMap<&'static str, String>) -> BTreeMap<&'static str, String> {
        // Cloudinary compares it with its own clock, so this is the machine's clock and no other.
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        parameters.insert("timestamp", now.as_secs().to_string());
        let signature = sign(self.settings.signature, &parameters, self.secret());
        parameters.insert("signature", signature);
        parameters.insert("api_key", self.settings.api_key.clone());
        parameters
    }

    /// Calls until it succeeds, is refused, or the attempts are used up. Every call here is idempotent.
    async fn call<T: for<'de> Deserialize<'de>>(
        &self,
        method: &str,
        parameters: &BTreeMap<&'static str, String>,
        file: Option<&[u8]>,
    ) -> Result<T, StoreError> {
        let Settings { base_url, cloud_name, pause, .. } = &self.settings;
        let address = format!("{}/v1_1/{cloud_name}/image/{method}", base_url.trim_end_matches('/'));
        let mut attempt = 0;
        loop {
            attempt += 1;
            let outcome = self.once(&address, self.signed(parameters.clone()), file).await;
            match outcome {
                Err(StoreError::Unavailable(why)) if attempt < TRIES => {
                    tracing::warn!(why, attempt, "Cloudinary does not answer as it should; trying again");
                    tokio::time::sleep(*pause * 2_u32.pow(attempt - 1)).await;
                }
                Ok(answer) => {
                    return serde_json::from_slice(&answer).map_err(|error| StoreError::Garbage(error.to_string()));
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// One attempt: the body of a successful response.
    async fn once(
        &self,
        address: &str,
        parameters: BTreeMap<&'static str, String>,
        file: Option<&[u8]>,
    ) -> Result<Vec<u8>, StoreError> {
        let away = |error: reqwest::Error| StoreError::Unavailable(error.without_url().to_string());
        let request = self.client.post(address);
        let request = if let Some(file) = file {
            let file = Part::bytes(file.to_vec()).file_name("image.jpg").mime_str("image/jpeg").map_err(away)?;
            let form = parameters.into_iter().fold(Form::new(), |form, (name, value)| form.text(name, value));
            request.multipart(form.part("file", file))
        } else {
            request.json(&in_json(parameters))
        };
        let mut answer = request.send().await.map_err(away)?;
        let status = answer.status();
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(away)? {
            if body.len() + chunk.len() > LONGEST_ANSWER {
                return Err(StoreError::Garbage(format!("{status} with more than {LONGEST_ANSWER} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        if status == StatusCode::OK { Ok(body) } else { Err(failure(status, &body)) }
    }
}

/// The parameters as in the JSON response: the time is a number, true is a boolean.
fn in_json(parameters: BTreeMap<&'static str, String>) -> serde_json::Value {
    let typed = |(name, value): (&'static str, String)| {
        let value = match (name, value.parse::<u64>()) {
            ("timestamp", Ok(seconds)) => seconds.into(),
            _ if value == "true" => true.into(),
            _ => value.into(),
        };
        (name.to_owned(), value)
    };
    parameters.into_iter().map(typed).collect::<serde_json::Map<_, _>>().into()
}

/// The kind of an error, by its status.
fn failure(status: StatusCode, body: &[u8]) -> StoreError {
    let text = serde_json::from_slice::<Failure>(body).map(|failure| failure.error.message);
    let text: String = text.unwrap_or_else(|_| "without a message".into()).chars().take(300).collect();
    let text = format!("{} {text}", status.as_u16());
    match status.as_u16() {
        401 | 403 => StoreError::Account(text),
        ENHANCE_YOUR_CALM => StoreError::TooOften(text),
        408 | 429 | 500..=599 => StoreError::Unavailable(text),
        200..=399 => StoreError::Garbage(text),
        _ => StoreError::Refused(text),
    }
}

/// The transformation of a variant at delivery.
const fn transformation(variant: Variant) -> &'static str {
    match variant {
        Variant::Thumb => "c_fill,g_auto,h_160,w_160/f_auto,q_auto",
        Variant::Card => "c_fill,g_auto,h_300,w_400/f_auto,q_auto",
        Variant::Detail => "c_limit,h_800,w_800/f_auto,q_auto",
        Variant::Hero => "c_limit,h_1600,w_1600/f_auto,q_auto",
    }
}

impl StoreImage for Cloudinary {
    fn provider(&self) -> &'static str {
        "cloudinary"
    }

    fn put<'a>(&'a self, key: &'a str, image: &'a PreparedImage) -> Outcome<'a, Addresses> {
        Box::pin(async move {
            let parameters = BTreeMap::from([("public_id", key.to_owned()), ("overwrite", "true".to_owned())]);
            let uploaded: Uploaded = self.call("upload", &parameters, Some(&image.hero)).await?;
            // Signed by Cloudinary with the same secret: a response from somebody else is refused.
            let Uploaded { public_id, version, signature } = uploaded;
            let signed = BTreeMap::from([("public_id", public_id.clone()), ("version", version.to_string())]);
            if public_id != key || signature != sign(self.settings.signature, &signed, self.secret()) {
                return Err(StoreError::Garbage("an answer that is not signed for this image".into()));
            }
            let Settings { delivery_url, cloud_name, .. } = &self.settings;
            let base = format!("{}/{cloud_name}/image/upload", delivery_url.trim_end_matches('/'));
            Ok(Addresses::of(|variant| format!("{base}/{}/v{version}/{key}.jpg", transformation(variant))))
        })
    }

    fn remove<'a>(&'a self, key: &'a str) -> Outcome<'a, ()> {
        Box::pin(async move {
            let parameters = BTreeMap::from([("public_id", key.to_owned()), ("invalidate", "true".to_owned())]);
            let Destroyed { result } = self.call("destroy", &parameters, None).await?;
            match result.as_str() {
                "ok" | "not found" => Ok(()),
                other => Err(StoreError::Garbage(format!("a removal that came to {other:?}"))),
            }
        })
    }
}
