//! The texts of all notifications, in English. All are about accounts.

use crate::outbox::{Channel, NotificationKind};

/// The text of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageText {
    /// The subject of a mail, the title of a push; empty for an SMS.
    pub subject: String,
    /// The text of the message, in English.
    pub body: String,
}

/// The sentence for a recipient who did not cause the notification.
const SECURITY_ADVICE: &str =
    "If this was not you, choose a new password at once: ask for a code with “forgot password”.";

/// The text of a kind of notification on a channel; `secret` is the code in it.
pub fn message_text(kind: NotificationKind, channel: Channel, secret: Option<&str>) -> MessageText {
    let (subject, body) = match kind {
        NotificationKind::ResetCode => {
            let code = secret.unwrap_or("(the code is not kept)");
            let body = format!(
                "{code} is your code for a new password. It can be used once, within 10 minutes. We will never \
                 ask you for it. If you did not ask for it, do nothing: your password stays as it is."
            );
            ("Your code for a new password", body)
        }
        NotificationKind::PhoneCode | NotificationKind::EmailCode => {
            let code = secret.unwrap_or("(the code is not kept)");
            let body = format!(
                "{code} is your code to confirm this phone number or e-mail address. It can be used once, within 10 \
                 minutes. We will never ask you for it. If you did not ask for it, do nothing."
            );
            ("Your code to confirm your contact", body)
        }
        NotificationKind::PhoneChanged => (
            "The phone number of your account was changed",
            format!("The phone number of your account is another one now, or none. {SECURITY_ADVICE}"),
        ),
        NotificationKind::PhoneConfirmed => (
            "A phone number was confirmed for your account",
            format!("Codes for a new password may be sent to the phone number of your account now. {SECURITY_ADVICE}"),
        ),
        NotificationKind::Welcome => (
            "Welcome",
            "Your account is ready. Sign in with this address and your password. If you did not sign up, ask for a \
             code with “forgot password”, by e-mail: the password and phone number that somebody else set are then \
             removed."
                .to_owned(),
        ),
        NotificationKind::AlreadySignedUp => (
            "You have an account already",
            "Somebody, perhaps you, tried to sign up with this address. It has an account, and nothing about it was \
             changed. Sign in, or ask for a code with “forgot password”."
                .to_owned(),
        ),
        NotificationKind::PasswordChanged => (
            "Your password was changed",
            format!("Your password was changed, and all other sessions were ended. {SECURITY_ADVICE}"),
        ),
        NotificationKind::SecondFactorAdded => (
            "Signing in requires a second factor now",
            format!(
                "Signing in to your account requires a code of your authenticator app from now on. \
                     {SECURITY_ADVICE}"
            ),
        ),
        NotificationKind::SecondFactorRemoved => (
            "Signing in requires no second factor any more",
            format!(
                "The second factor of your account was removed: the password alone is enough to sign in. \
                     {SECURITY_ADVICE}"
            ),
        ),
        NotificationKind::RecoveryCodeUsed => (
            "A recovery code was used",
            format!("Somebody signed in with one of your recovery codes; it is used up. {SECURITY_ADVICE}"),
        ),
    };
    match channel {
        Channel::Sms => MessageText { subject: String::new(), body },
        Channel::Email | Channel::Push => MessageText { subject: subject.to_owned(), body },
    }
}
