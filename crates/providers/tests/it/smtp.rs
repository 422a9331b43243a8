//! E-mail over SMTP: the conversation, what errors mean at each step, encryption, and faults.

use std::sync::Arc;

use comanda_providers::mail::smtp::{SmtpCredentials, SmtpSettings, SmtpTls};
use comanda_providers::mail::{MailMessage, SendMail as _, Smtp};
use comanda_providers::outcome::{
    AmbiguousCause, PermanentCause, RecipientProblem, RetryCause, SendOutcome, UnavailableCause,
};
use comanda_providers::testing::fake_smtp::PASSWORD;
use comanda_providers::testing::{FakeSmtp, SmtpFault, SmtpStep};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::fcm_tokens::spawn;
use crate::shared::{TestTime, given_up};

pub async fn setup(change: impl FnOnce(&mut SmtpSettings)) -> (FakeSmtp, Smtp) {
    let fake = FakeSmtp::start().await;
    let client = client_of(&fake, change);
    (fake, client)
}

fn client_of(fake: &FakeSmtp, change: impl FnOnce(&mut SmtpSettings)) -> Smtp {
    let mut settings = fake.settings();
    change(&mut settings);
    Smtp::new(&settings, TestTime::at_noon().source()).unwrap()
}

pub fn message() -> MailMessage {
    MailMessage {
        id: "dlv_01jd8x2v5e9qa8h3m4k6p7r8st".into(),
        to: "ada@guest.example".into(),
        subject: "Your order is on its way".into(),
        text: "It arrives in 12 minutes.".into(),
        html: None,
        unsubscribe_url: None,
    }
}

fn reply(line: &str) -> SmtpFault {
    SmtpFault::Reply(line.into())
}

#[tokio::test]
async fn a_message_is_sent_over_a_connection_of_its_own() {
    let (fake, client) = setup(|_| {}).await;
    let accepted = |line: &str| SendOutcome::Accepted { provider_id: Some(line.into()) };
    assert_eq!(client.send_mail(&message()).await, accepted("2.0.0 Ok: queued as 1"));
    assert_eq!(client.send_mail(&message()).await, accepted("2.0.0 Ok: queued as 2"));
    let commands = fake.commands();
    assert!(commands[1].starts_with("AUTH PLAIN "));
    assert_eq!(commands[0], "EHLO comanda.example");
    assert_eq!(commands[2..5], ["MAIL FROM:<orders@comanda.example>", "RCPT TO:<ada@guest.example>", "DATA"]);
    assert_eq!((fake.connections(), fake.received().len()), (2, 2));
    let (fake, client) = setup(|settings| settings.credentials = None).await;
    assert!(matches!(client.send_mail(&message()).await, SendOutcome::Accepted { .. }));
    assert!(!fake.commands().iter().any(|command| command.starts_with("AUTH")));
}

/// What an outcome is, for tables.
fn class(outcome: &SendOutcome) -> &'static str {
    match outcome {
        SendOutcome::Accepted { .. } => "accepted",
        SendOutcome::Permanent { cause: PermanentCause::Message, .. } => "message",
        SendOutcome::Permanent { cause: PermanentCause::Configuration, .. } => "settings",
        SendOutcome::DeadRecipient { cause: RecipientProblem::Invalid, .. } => "dead",
        SendOutcome::DeadRecipient { .. } => "other dead",
        SendOutcome::RetryLater { after: None, cause: RetryCause::Throttled, .. } => "later",
        SendOutcome::RetryLater { .. } => "failure",
        SendOutcome::Unavailable { cause: UnavailableCause::Account, .. } => "account",
        SendOutcome::Unavailable { .. } => "unavailable",
        SendOutcome::Ambiguous { cause: AmbiguousCause::Interrupted, .. } => "ambiguous",
        SendOutcome::Ambiguous { .. } => "not repeated",
    }
}

#[tokio::test]
async fn an_error_means_what_its_step_and_code_say() {
    let cases = [
        (SmtpStep::Greeting, "421 4.3.2 Shutting down", "unavailable", "4.3.2"),
        (SmtpStep::Greeting, "554 5.7.1 Your address is blocked", "account", "5.7.1"),
        (SmtpStep::Hello, "504 No such name", "account", "504"),
        (SmtpStep::Login, "454 4.7.0 Temporary authentication failure", "unavailable", "4.7.0"),
        (SmtpStep::Login, "535 5.7.8 Authentication failed", "account", "5.7.8"),
        (SmtpStep::Sender, "530 5.7.0 Authentication required", "account", "5.7.0"),
        (SmtpStep::Sender, "452 4.3.1 Insufficient storage", "later", "4.3.1"),
        (SmtpStep::Sender, "553 5.1.8 Sender address rejected", "settings", "5.1.8"),
        (SmtpStep::Recipient, "450 4.2.0 Greylisted, try again", "later", "4.2.0"),
        (SmtpStep::Recipient, "550 5.1.1 No such user", "dead", "5.1.1"),
        (SmtpStep::Recipient, "550 5.1.10 Null MX", "dead", "5.1.10"),
        (SmtpStep::Recipient, "550 5.2.1 Mailbox disabled", "dead", "5.2.1"),
        (SmtpStep::Recipient, "552 5.2.2 Mailbox full", "message", "5.2.2"),
        (SmtpStep::Recipient, "554 5.7.1 Relay access denied", "settings", "5.7.1"),
        (SmtpStep::Recipient, "550 Rejected", "message", "550"),
        (SmtpStep::Data, "451 4.3.0 Try again", "later", "4.3.0"),
        (SmtpStep::Data, "554 5.5.1 No valid recipients", "message", "5.5.1"),
        (SmtpStep::Content, "421 4.4.2 Timeout", "failure", "4.4.2"),
        (SmtpStep::Content, "451 4.7.1 Try again", "later", "4.7.1"),
        (SmtpStep::Content, "552 5.3.4 Message too big", "message", "5.3.4"),
        (SmtpStep::Content, "554-5.7.1 Looks like spam\r\n554 5.7.1 see our page", "message", "5.7.1"),
    ];
    let (fake, client) = setup(|_| {}).await;
    for (step, line, expected, code) in cases {
        fake.fail([(step, reply(line))]);
        let outcome = client.send_mail(&message()).await;
        assert_eq!((class(&outcome), outcome.error().unwrap().code.as_str()), (expected, code), "{line}: {outcome:?}");
    }
    assert_eq!(fake.received().len(), 0);
    fake.remove_mailbox("ada@guest.example");
    assert_eq!(class(&client.send_mail(&message()).await), "dead");
    let other = MailMessage { to: "bea@guest.example".into(), ..message() };
    assert_eq!(class(&client.send_mail(&other).await), "accepted");
}

#[tokio::test]
async fn a_lost_connection_is_ambiguous_only_after_the_content() {
    let (fake, client) = setup(|_| {}).await;
    let before =
        [SmtpStep::Greeting, SmtpStep::Hello, SmtpStep::Login, SmtpStep::Sender, SmtpStep::Recipient, SmtpStep::Data];
    let rubbish = || reply("<html>502 Bad Gateway</html>");
    for step in before {
        for fault in [SmtpFault::Close, rubbish()] {
            fake.fail([(step, fault)]);
            let outcome = client.send_mail(&message()).await;
            assert_eq!(class(&outcome), "unavailable", "{step:?}: {outcome:?}");
        }
    }
    for fault in [SmtpFault::Close, SmtpFault::DoneThenClose, rubbish()] {
        fake.fail([(SmtpStep::Content, fault)]);
        assert_eq!(class(&client.send_mail(&message()).await), "ambiguous");
    }
    // A second attempt is recognised by its id.
    assert_eq!(class(&client.send_mail(&message()).await), "accepted");
    let [first, second] = fake.received().try_into().unwrap();
    let id = |mail: &str| mail.lines().find(|line| line.starts_with("Message-ID")).unwrap().to_owned();
    assert_eq!(id(&first.content), "Message-ID: <dlv_01jd8x2v5e9qa8h3m4k6p7r8st@comanda.example>");
    assert_eq!(id(&first.content), id(&second.content));
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_given_up() {
    let (fake, client) = setup(|_| {}).await;
    let steps = [
        (SmtpStep::Greeting, "unavailable"),
        (SmtpStep::Login, "unavailable"),
        (SmtpStep::Recipient, "unavailable"),
        (SmtpStep::Content, "ambiguous"),
    ];
    for (count, (step, expected)) in (1..).zip(steps) {
        fake.fail([(step, SmtpFault::Silence)]);
        let outcome = given_up(client.send_mail(&message()), fake.wait_for_silence(count)).await;
        assert_eq!((class(&outcome), outcome.error().unwrap().code.as_str()), (expected, "timeout"), "{step:?}");
    }
    // What was given up leaves nothing behind for the next message.
    assert_eq!(class(&client.send_mail(&message()).await), "accepted");
    assert_eq!(fake.received().len(), 1);
}

#[tokio::test]
async fn a_refused_connection_uses_no_attempt() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let (_fake, client) = setup(|settings| settings.port = closed.port()).await;
    assert_eq!(class(&client.send_mail(&message()).await), "unavailable");
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_shown_nowhere() {
    let wrong = |settings: &mut SmtpSettings| {
        let password = "a-wrong-password".to_owned().into();
        settings.credentials = Some(SmtpCredentials { user: "comanda".into(), password });
    };
    let (fake, client) = setup(wrong).await;
    let outcome = client.send_mail(&message()).await;
    assert_eq!(class(&outcome), "account");
    fake.fail([(SmtpStep::Login, reply("535 a-wrong-password is not the password"))]);
    let echoed = client.send_mail(&message()).await;
    let shown = format!("{outcome:?} {echoed:?} {client:?} {:?} {:?}", message(), fake.settings());
    assert!(shown.contains("[removed] is not the password"), "{shown}");
    for secret in ["a-wrong-password", PASSWORD, "ada@guest.example", "12 minutes"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

/// A certificate of `localhost`, signed by itself, valid until 2126. Made with `openssl req -x509 -newkey ec`.
const CERTIFICATE: &str = include_str!("files/localhost.pem");
const CERTIFICATE_KEY: &str = include_str!("files/localhost.key.pem");

/// A server that speaks TLS from the beginning, with the certificate of `localhost`.
async fn encrypted(fake: &FakeSmtp) -> u16 {
    let key = PrivateKeyDer::from_pem_slice(CERTIFICATE_KEY.as_bytes()).unwrap();
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    let (acceptor, fake) = (TlsAcceptor::from(Arc::new(config)), fake.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, fake) = (acceptor.clone(), fake.clone());
            spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    fake.serve(stream).await;
                }
            });
        }
    });
    port
}

#[tokio::test]
async fn a_certificate_must_be_trusted_and_of_this_host() {
    let (fake, _) = setup(|_| {}).await;
    let port = encrypted(&fake).await;
    let connect = |host: &str, trusted: Option<&str>| {
        client_of(&fake, |settings| {
            settings.host = host.into();
            settings.port = port;
            settings.tls = SmtpTls::Implicit;
            settings.root_certificate = trusted.map(ToOwned::to_owned);
        })
    };
    assert_eq!(class(&connect("localhost", Some(CERTIFICATE)).send_mail(&message()).await), "accepted");
    assert_eq!(fake.received().len(), 1);
    for untrusted in [connect("localhost", None), connect("127.0.0.1", Some(CERTIFICATE))] {
        let outcome = untrusted.send_mail(&message()).await;
        assert!(matches!(class(&outcome), "account" | "unavailable"), "{outcome:?}");
    }
    assert_eq!(fake.received().len(), 1);
}

#[tokio::test]
async fn without_encryption_neither_password_nor_message_is_sent() {
    for tls in [SmtpTls::StartTls, SmtpTls::Implicit] {
        let (fake, client) = setup(|settings| {
            settings.tls = tls;
            settings.host = "localhost".into();
        })
        .await;
        let outcome = client.send_mail(&message()).await;
        assert!(matches!(class(&outcome), "account" | "unavailable"), "{tls:?}: {outcome:?}");
        let commands = fake.commands();
        assert!(!commands.iter().any(|command| command.starts_with("AUTH") || command.starts_with("MAIL")), "{tls:?}");
    }
}

type Change = fn(&mut SmtpSettings);

#[tokio::test]
async fn invalid_settings_are_refused() {
    let fake = FakeSmtp::start().await;
    let changes: [(&str, Change); 8] = [
        ("a name that begins like loopback", |settings| settings.host = "127.0.0.1.example.com".into()),
        ("credentials without encryption", |settings| settings.host = "mail.example.com".into()),
        ("no sender", |settings| settings.from = "Comanda".into()),
        ("two lines", |settings| settings.from = "Comanda <a@b.example>\r\nBcc: c@d.example".into()),
        ("no host", |settings| settings.host = String::new()),
        ("a command as name", |settings| settings.hello_name = Some("x\r\nMAIL FROM:<a@b.example>".into())),
        ("a domain with brackets", |settings| settings.message_id_domain = Some("a>b".into())),
        ("no certificate", |settings| {
            settings.tls = SmtpTls::Implicit;
            settings.root_certificate = Some("no PEM".into());
        }),
    ];
    for (name, change) in changes {
        let mut settings = fake.settings();
        change(&mut settings);
        assert!(Smtp::new(&settings, TestTime::at_noon().source()).is_err(), "{name}");
    }
}
