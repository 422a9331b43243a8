//! Signed tokens: JWS in compact form (RFC 7515, RFC 7518). Only signing, with the two algorithms that providers
//! ask for.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{EcdsaKeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// The key could not sign; this does not depend on the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key cannot sign")]
pub(crate) struct SigningFailure;

fn compact(algorithm: &str, claims: &Value) -> String {
    let header = json!({ "typ": "JWT", "alg": algorithm });
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()))
}

/// A token signed with RSASSA-PKCS1-v1_5 and SHA-256.
pub(crate) fn rs256(key: &RsaKeyPair, claims: &Value) -> Result<String, SigningFailure> {
    let signed = compact("RS256", claims);
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).map_err(|_| SigningFailure)?;
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// A token signed with ECDSA on P-256 and SHA-256; the key signs in fixed form (`ECDSA_P256_SHA256_FIXED_SIGNING`).
pub(crate) fn es256(key: &EcdsaKeyPair, claims: &Value) -> Result<String, SigningFailure> {
    let signed = compact("ES256", claims);
    let signature = key.sign(&SystemRandom::new(), signed.as_bytes()).map_err(|_| SigningFailure)?;
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref())))
}
