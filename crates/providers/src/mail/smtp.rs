//! E-mail through an SMTP server (RFC 5321), with a new connection for each message.
//!
//! Connections are not pooled: a send that is given up, because its time is over, leaves a connection in the middle of
//! a message, and lettre's pool would use it for the next one. The steps are made one by one, so that it is known how
//! far a message came; what an error means then is in `classify.rs`. DKIM is left to the server.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use lettre::Address;
use lettre::message::Mailbox;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailParameter};
use lettre::transport::smtp::response::Response;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use secrecy::{ExposeSecret as _, SecretString};

use super::{MailMessage, SendMail};
use crate::http::InvalidSettings;
use crate::outcome::{SendOutcome, Sending};
use crate::time_source::TimeSource;

mod classify;
mod compose;

/// The longest time to close a connection with `QUIT`.
const QUIT: Duration = Duration::from_secs(2);

/// How a connection to the server is encrypted. Certificates are checked against those of the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpTls {
    /// TLS from the beginning; usually on port 465.
    Implicit,
    /// `STARTTLS`, without which nothing is sent; usually on port 587.
    StartTls,
    /// Not at all: for a server on this machine or in a private network. Credentials are only sent on loopback.
    None,
}

/// A user of a server.
#[derive(Debug, Clone)]
pub struct SmtpCredentials {
    /// The name of the user.
    pub user: String,
    /// The password of the user.
    pub password: SecretString,
}

/// A server, and the sender.
#[derive(Debug, Clone)]
pub struct SmtpSettings {
    /// The name or address of the server.
    pub host: String,
    /// The port of the server.
    pub port: u16,
    /// How the connection is encrypted.
    pub tls: SmtpTls,
    /// Certificates in PEM that are trusted beside those of the system; `None`: no others.
    pub root_certificate: Option<String>,
    /// The user; `None`: the server asks for none.
    pub credentials: Option<SmtpCredentials>,
    /// The sender: `name@example.com` or `Name <name@example.com>`.
    pub from: String,
    /// The domain of `Message-ID`; `None`: that of the sender.
    pub message_id_domain: Option<String>,
    /// The name of this machine in the greeting; `None`: the domain of `Message-ID`.
    pub hello_name: Option<String>,
    /// The time limit for the whole of one message; closing the connection may take two seconds more.
    pub timeout: Duration,
}

/// The client of one server.
pub struct Smtp {
    host: String,
    port: u16,
    tls: Option<TlsParameters>,
    starts_encrypted: bool,
    credentials: Option<(Credentials, SecretString)>,
    from: Mailbox,
    message_id_domain: String,
    hello: ClientId,
    timeout: Duration,
    time: TimeSource,
}

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Smtp").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

/// How far a message came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Connect,
    Login,
    Sender,
    Recipient,
    /// The server was asked whether it takes the content.
    Data,
    /// The content was sent, perhaps not all of it.
    Content,
}

/// Why a message did not get through.
enum SmtpFailure {
    Server(Error),
    /// The time is over.
    TimedOut,
    /// The address needs an extension that the server does not have (RFC 6531).
    NoUnicodeAddresses,
}

impl From<Error> for SmtpFailure {
    fn from(error: Error) -> Self {
        Self::Server(error)
    }
}

fn is_host(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|sign| sign.is_ascii_alphanumeric() || ".-:[]_".contains(sign))
}

impl Smtp {
    /// Creates the client; nothing is sent.
    ///
    /// # Errors When the sender is no address, a name is no name of a host, a certificate cannot be read, or
    /// credentials would be sent without encryption.
    pub fn new(settings: &SmtpSettings, time: TimeSource) -> Result<Self, InvalidSettings> {
        let invalid = |what: &str| InvalidSettings(what.into());
        if !is_host(&settings.host) {
            return Err(invalid("the SMTP server must be the name or address of a host"));
        }
        let from: Mailbox = settings.from.parse().map_err(|_| invalid("the sender of e-mail is no address"))?;
        if settings.from.chars().any(char::is_control) {
            return Err(invalid("the sender of e-mail contains control characters"));
        }
        let domain = settings.message_id_domain.clone().unwrap_or_else(|| from.email.domain().to_owned());
        let hello = settings.hello_name.clone().unwrap_or_else(|| domain.clone());
        if !is_host(&domain) || !is_host(&hello) {
            return Err(invalid("the domain of Message-ID or the name in the greeting is no name of a host"));
        }
        let address = settings.host.trim_matches(['[', ']']).parse::<IpAddr>();
        let is_loopback = settings.host == "localhost" || address.is_ok_and(|address| address.is_loopback());
        if settings.tls == SmtpTls::None && settings.credentials.is_some() && !is_loopback {
            return Err(invalid("SMTP credentials need TLS, except on loopback"));
        }
        let tls = match settings.tls {
            SmtpTls::None => None,
            SmtpTls::Implicit | SmtpTls::StartTls => Some(tls_parameters(settings)?),
        };
        let credentials = settings.credentials.as_ref().map(|SmtpCredentials { user, password }| {
            (Credentials::new(user.clone(), password.expose_secret().to_owned()), password.clone())
        });
        Ok(Self {
            host: settings.host.clone(),
            port: settings.port,
            tls,
            starts_encrypted: settings.tls == SmtpTls::Implicit,
            credentials,
            from,
            message_id_domain: domain,
            hello: ClientId::Domain(hello),
            timeout: settings.timeout,
            time,
        })
    }

    async fn deliver(&self, message: &MailMessage) -> SendOutcome {
        let (to, content) = match compose::compose(message, &self.from, &self.message_id_domain, self.time.now()) {
            Ok(composed) => composed,
            Err(outcome) => return outcome,
        };
        let mut stage = Stage::Connect;
        let result = tokio::time::timeout(self.timeout, self.converse(&to, &content, &mut stage)).await;
        match result.unwrap_or(Err(SmtpFailure::TimedOut)) {
            Ok((response, mut connection)) => {
                // The server has the message, whatever happens now.
                let _ = tokio::time::timeout(QUIT, connection.quit()).await;
                SendOutcome::Accepted { provider_id: response.first_line().map(shortened) }
            }
            Err(failure) => {
                let password = self.credentials.as_ref().map(|(_, password)| password.expose_secret());
                classify::outcome(stage, &failure, &[&message.to, password.unwrap_or_default()])
            }
        }
    }

    /// Sends a message over a new connection, which is returned. When it is given up, the connection is closed.
    async fn converse(
        &self,
        to: &Address,
        content: &[u8],
        stage: &mut Stage,
    ) -> Result<(Response, AsyncSmtpConnection), SmtpFailure> {
        let at_once = self.tls.clone().filter(|_| self.starts_encrypted);
        let address = (self.host.trim_matches(['[', ']']), self.port);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(address, Some(self.timeout), &self.hello, at_once, None).await?;
        if let Some(tls) = self.tls.clone().filter(|_| !self.starts_encrypted) {
            connection.starttls(tls, &self.hello).await?;
        }
        if let Some((credentials, _)) = &self.credentials {
            *stage = Stage::Login;
            connection.auth(&[Mechanism::Plain, Mechanism::Login], credentials).await?;
        }
        *stage = Stage::Sender;
        let mut parameters = Vec::new();
        let is_ascii = |address: &Address| address.user().is_ascii() && address.domain().is_ascii();
        if !is_ascii(to) || !is_ascii(&self.from.email) {
            if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
                return Err(SmtpFailure::NoUnicodeAddresses);
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }
        connection.command(Mail::new(Some(self.from.email.clone()), parameters)).await?;
        *stage = Stage::Recipient;
        connection.command(Rcpt::new(to.clone(), Vec::new())).await?;
        *stage = Stage::Data;
        connection.command(Data).await?;
        *stage = Stage::Content;
        let response = connection.message(content).await?;
        Ok((response, connection))
    }
}

/// The first line of a response, by which a message is found in the server's log.
fn shortened(line: &str) -> String {
    line.chars().filter(|sign| !sign.is_control()).take(200).collect()
}

fn tls_parameters(settings: &SmtpSettings) -> Result<TlsParameters, InvalidSettings> {
    let mut builder = TlsParameters::builder(settings.host.clone());
    if let Some(pem) = &settings.root_certificate {
        let unreadable = || InvalidSettings("the certificate for SMTP cannot be read".into());
        CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| unreadable())?;
        let certificate = Certificate::from_pem(pem.as_bytes()).map_err(|_| unreadable())?;
        builder = builder.add_root_certificate(certificate);
    }
    builder.build().map_err(|error| InvalidSettings(format!("TLS for SMTP cannot be set up: {error}")))
}

impl SendMail for Smtp {
    fn provider(&self) -> &'static str {
        "smtp"
    }

    fn send_mail<'a>(&'a self, message: &'a MailMessage) -> Sending<'a> {
        Box::pin(self.deliver(message))
    }
}
