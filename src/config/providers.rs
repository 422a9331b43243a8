//! Providers of push and text messages.

use secrecy::SecretString;

/// Who delivers pushes.
#[derive(Debug, Clone)]
pub struct Firebase {
    /// `FIREBASE_PROJECT_ID`.
    pub project_id: String,
    /// `FIREBASE_CLIENT_EMAIL`.
    pub client_email: String,
    /// `FIREBASE_PRIVATE_KEY`.
    pub private_key: SecretString,
}

/// Who delivers text messages.
#[derive(Debug, Clone)]
pub struct Twilio {
    /// `TWILIO_ACCOUNT_SID`.
    pub account_sid: String,
    /// `TWILIO_AUTH_TOKEN`.
    pub auth_token: SecretString,
    /// `TWILIO_PHONE_NUMBER`.
    pub phone_number: String,
}
