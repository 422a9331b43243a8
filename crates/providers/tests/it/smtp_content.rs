//! The content of e-mail: headers, alternatives, and that nothing of a message becomes a header or a command.

use comanda_providers::mail::{MailMessage, SendMail as _};
use comanda_providers::outcome::{PermanentCause, RecipientProblem, SendOutcome};
use comanda_providers::testing::FakeSmtp;

use crate::smtp::{message, setup};

/// The content of a message as it arrived.
async fn arrived(message: &MailMessage) -> (FakeSmtp, String) {
    let (fake, client) = setup(|_| {}).await;
    let outcome = client.send_mail(message).await;
    assert!(matches!(outcome, SendOutcome::Accepted { .. }), "{outcome:?}");
    let [mail] = fake.received().try_into().unwrap();
    assert_eq!((mail.from.as_str(), mail.to), ("orders@comanda.example", vec![message.to.clone()]));
    (fake, mail.content)
}

#[tokio::test]
async fn a_plain_message_has_these_headers() {
    let (_, content) = arrived(&message()).await;
    let (headers, body) = content.split_once("\r\n\r\n").unwrap();
    let mut headers: Vec<_> = headers.split("\r\n").collect();
    headers.sort_unstable();
    assert_eq!(
        headers,
        [
            "Auto-Submitted: auto-generated",
            "Content-Transfer-Encoding: 7bit",
            "Content-Type: text/plain; charset=utf-8",
            "Date: Tue, 01 Dec 2026 12:00:00 +0000",
            "From: Comanda <orders@comanda.example>",
            "MIME-Version: 1.0",
            "Message-ID: <dlv_01jd8x2v5e9qa8h3m4k6p7r8st@comanda.example>",
            "Subject: Your order is on its way",
            "To: ada@guest.example",
        ]
    );
    assert_eq!(body.trim_end(), "It arrives in 12 minutes.");
}

#[tokio::test]
async fn html_comes_with_plain_text_and_letters_of_all_scripts() {
    let rich = MailMessage {
        subject: "Ordine n. 7: «in arrivo» טעים".into(),
        text: "Arriva fra 12 minuti: Caffè\n".into(),
        html: Some("<p>Arriva fra <b>12 minuti</b></p>\n".into()),
        unsubscribe_url: Some("https://shop.example/unsubscribe?t=abc".into()),
        ..message()
    };
    let (_, content) = arrived(&rich).await;
    assert!(content.is_ascii());
    for part in [
        "Content-Type: multipart/alternative;",
        "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable",
        "Caff=C3=A8",
        "Content-Type: text/html; charset=utf-8",
        "<p>Arriva fra <b>12 minuti</b></p>",
        "Subject: Ordine n. 7: =?utf-8?b?",
        "List-Unsubscribe: <https://shop.example/unsubscribe?t=abc>",
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
    ] {
        assert!(content.contains(part), "{part} is not in\n{content}");
    }
    let (plain, html) = (content.find("text/plain").unwrap(), content.find("text/html").unwrap());
    assert!(plain < html, "the last alternative is the preferred one");
}

#[tokio::test]
async fn a_text_cannot_end_the_message_or_add_another() {
    let smuggled = "Hello\r\n.\r\nMAIL FROM:<evil@example.com>\n.\nRCPT TO:<b@example.com>\r.\rDATA\n..\n\0end";
    let hostile = MailMessage { text: smuggled.into(), html: Some(smuggled.into()), ..message() };
    let (fake, content) = arrived(&hostile).await;
    assert_eq!(fake.commands().iter().filter(|command| *command != "QUIT").count(), 5);
    let lines =
        "Hello\r\n.\r\nMAIL FROM:<evil@example.com>\r\n.\r\nRCPT TO:<b@example.com>\r\n.\r\nDATA\r\n..\r\n\r\nend";
    assert_eq!(content.matches(lines).count(), 2, "{content}");
}

#[tokio::test]
async fn headers_cannot_be_injected() {
    let (fake, client) = setup(|_| {}).await;
    let inject = "Hello\r\nBcc: other@example.com";
    let hostile = [
        MailMessage { subject: inject.into(), ..message() },
        MailMessage { subject: "Hello\nBcc: other@example.com".into(), ..message() },
        MailMessage { subject: "Hello\rthere".into(), ..message() },
        MailMessage { id: "a>\r\nBcc: other@example.com".into(), ..message() },
        MailMessage { id: String::new(), ..message() },
        MailMessage { unsubscribe_url: Some("http://shop.example/".into()), ..message() },
        MailMessage { unsubscribe_url: Some("javascript:alert(1)".into()), ..message() },
    ];
    for message in hostile {
        let outcome = client.send_mail(&message).await;
        let is_refused = matches!(outcome, SendOutcome::Permanent { cause: PermanentCause::Message, .. });
        assert!(is_refused, "{}: {outcome:?}", message.subject);
    }
    for to in [
        "ada@guest.example\r\nRCPT TO:<b@example.com>",
        "ada@guest.example,b@example.com",
        "Ada <ada@guest.example>",
        "<ada@guest.example>",
        "ada",
        "",
        "ada@guest.example ",
        "\"a b\"@guest.example",
        &format!("{}@guest.example", "a".repeat(250)),
    ] {
        let outcome = client.send_mail(&MailMessage { to: to.into(), ..message() }).await;
        let is_refused = matches!(outcome, SendOutcome::DeadRecipient { cause: RecipientProblem::Invalid, .. });
        assert!(is_refused, "{to}: {outcome:?}");
    }
    assert_eq!(fake.connections(), 0);
    // A URL with line breaks is one without them.
    let broken = "https://shop.example/\r\nBcc: other@example.com".to_owned();
    let sent = MailMessage { unsubscribe_url: Some(broken), ..message() };
    let (_, content) = arrived(&sent).await;
    assert!(!content.contains("\r\nBcc"), "{content}");
}

#[tokio::test]
async fn an_address_with_other_letters_needs_a_server_that_takes_it() {
    let (fake, client) = setup(|_| {}).await;
    let outcome = client.send_mail(&MailMessage { to: "andré@guest.example".into(), ..message() }).await;
    assert_eq!(outcome.error().unwrap().code, "no_smtputf8", "{outcome:?}");
    assert_eq!(fake.received().len(), 0);
}
