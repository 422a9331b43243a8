//! A fake SMTP server: it keeps the messages it took, and fails at any step on request.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::mail::smtp::{SmtpCredentials, SmtpSettings, SmtpTls};

/// The user that the fake knows.
pub const USER: &str = "comanda";
/// The password of the user.
pub const PASSWORD: &str = "a-password-that-nobody-may-see";

/// A step of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpStep {
    /// The server's greeting, before anything is sent.
    Greeting,
    /// `EHLO`, with the name of the client.
    Hello,
    /// `AUTH`, with the user and the password.
    Login,
    /// `MAIL FROM`, with the sender.
    Sender,
    /// `RCPT TO`, with the recipient.
    Recipient,
    /// `DATA`, before the content.
    Data,
    /// The end of the content.
    Content,
}

/// How a step fails.
#[derive(Debug, Clone)]
pub enum SmtpFault {
    /// This response, without the line break at its end.
    Reply(String),
    /// The connection is closed before the response.
    Close,
    /// No response, ever.
    Silence,
    /// The step is done, and the connection is closed before the response. After the content the message was taken.
    DoneThenClose,
}

/// A message that the fake took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedMail {
    /// The sender of the envelope.
    pub from: String,
    /// The recipients of the envelope.
    pub to: Vec<String>,
    /// The content with its line breaks, without the dots that the protocol adds.
    pub content: String,
}

#[derive(Debug, Default)]
struct SmtpMemory {
    faults: VecDeque<(SmtpStep, SmtpFault)>,
    unknown: BTreeSet<String>,
    received: Vec<ReceivedMail>,
    commands: Vec<String>,
    connections: usize,
    /// How many conversations have stopped at a step without a response.
    silent: usize,
}

/// A running server. Clones are the same one.
#[derive(Debug, Clone)]
pub struct FakeSmtp {
    /// The port on 127.0.0.1.
    pub port: u16,
    memory: Arc<Mutex<SmtpMemory>>,
    fell_silent: Arc<Notify>,
}

/// What follows on a response.
enum Reaction {
    Say(String),
    Close,
}

impl FakeSmtp {
    /// Starts a server that takes messages without encryption and with or without credentials. It ends with the
    /// runtime.
    #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let fake =
            Self { port: listener.local_addr().unwrap().port(), memory: Arc::default(), fell_silent: Arc::default() };
        let accepting = fake.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let fake = accepting.clone();
                tokio::spawn(async move { fake.serve(stream).await });
            }
        });
        fake
    }

    /// Settings of a client for the fake: without encryption, with the fake's user.
    pub fn settings(&self) -> SmtpSettings {
        SmtpSettings {
            host: "127.0.0.1".into(),
            port: self.port,
            tls: SmtpTls::None,
            root_certificate: None,
            credentials: Some(SmtpCredentials { user: USER.into(), password: PASSWORD.to_owned().into() }),
            from: "Comanda <orders@comanda.example>".into(),
            message_id_domain: None,
            hello_name: None,
            timeout: Duration::from_secs(30),
        }
    }

    /// The next times that these steps are reached, they fail in this way, one after another.
    pub fn fail(&self, faults: impl IntoIterator<Item = (SmtpStep, SmtpFault)>) {
        self.memory.lock().unwrap().faults.extend(faults);
    }

    /// There is no mailbox with this address.
    pub fn remove_mailbox(&self, address: &str) {
        self.memory.lock().unwrap().unknown.insert(address.to_owned());
    }

    /// The messages that were taken, oldest first.
    pub fn received(&self) -> Vec<ReceivedMail> {
        self.memory.lock().unwrap().received.clone()
    }

    /// The commands of all conversations, in the order in which they were received.
    pub fn commands(&self) -> Vec<String> {
        self.memory.lock().unwrap().commands.clone()
    }

    /// The number of connections so far.
    pub fn connections(&self) -> usize {
        self.memory.lock().unwrap().connections
    }

    /// Waits until so many conversations have stopped at a step with [`SmtpFault::Silence`].
    pub async fn wait_for_silence(&self, count: usize) {
        loop {
            let fell_silent = self.fell_silent.notified();
            if self.memory.lock().unwrap().silent >= count {
                return;
            }
            fell_silent.await;
        }
    }

    /// Serves one connection, which may be encrypted.
    pub async fn serve(&self, stream: impl AsyncRead + AsyncWrite + Unpin) {
        self.memory.lock().unwrap().connections += 1;
        // It ends with an error when the client closes the connection.
        let _ = self.converse(BufReader::new(stream)).await;
    }

    async fn react(&self, step: SmtpStep, usual: impl FnOnce(&mut SmtpMemory) -> String) -> Reaction {
        let fault = {
            let mut memory = self.memory.lock().unwrap();
            let position = memory.faults.iter().position(|(of, _)| *of == step);
            let fault = position.and_then(|position| memory.faults.remove(position)).map(|(_, fault)| fault);
            match fault {
                None => return Reaction::Say(usual(&mut memory)),
                Some(SmtpFault::DoneThenClose) => {
                    usual(&mut memory);
                    return Reaction::Close;
                }
                Some(fault) => fault,
            }
        };
        match fault {
            SmtpFault::Reply(line) => Reaction::Say(line),
            SmtpFault::Silence => {
                self.memory.lock().unwrap().silent += 1;
                self.fell_silent.notify_waiters();
                std::future::pending().await
            }
            SmtpFault::Close | SmtpFault::DoneThenClose => Reaction::Close,
        }
    }

    async fn converse<S: AsyncRead + AsyncWrite + Unpin>(&self, mut stream: BufReader<S>) -> std::io::Result<()> {
        let mut reaction = self.react(SmtpStep::Greeting, |_| "220 mail.example ESMTP".into()).await;
        let mut mail = ReceivedMail { from: String::new(), to: Vec::new(), content: String::new() };
        loop {
            let Reaction::Say(line) = reaction else { return stream.shutdown().await };
            stream.write_all(format!("{line}\r\n").as_bytes()).await?;
            stream.flush().await?;
            if line.starts_with("354") {
                mail.content = read_content(&mut stream).await?;
                let taken = std::mem::take(&mut mail.content);
                let taken = ReceivedMail { content: taken, ..mail.clone() };
                let take = |memory: &mut SmtpMemory| {
                    memory.received.push(taken);
                    format!("250 2.0.0 Ok: queued as {}", memory.received.len())
                };
                reaction = self.react(SmtpStep::Content, take).await;
                continue;
            }
            let command = read_line(&mut stream).await?;
            self.memory.lock().unwrap().commands.push(command.clone());
            let verb = command.to_ascii_uppercase();
            reaction = if verb.starts_with("EHLO ") {
                let features = "250-mail.example\r\n250-8BITMIME\r\n250 AUTH PLAIN LOGIN";
                self.react(SmtpStep::Hello, |_| features.into()).await
            } else if let Some(login) = command.strip_prefix("AUTH PLAIN ") {
                let is_right = STANDARD.decode(login).unwrap_or_default() == format!("\0{USER}\0{PASSWORD}").as_bytes();
                let answer = if is_right { "235 2.7.0 Accepted" } else { "535 5.7.8 Authentication failed" };
                self.react(SmtpStep::Login, |_| answer.into()).await
            } else if verb.starts_with("MAIL FROM:") {
                mail = ReceivedMail { from: in_brackets(&command), to: Vec::new(), content: String::new() };
                self.react(SmtpStep::Sender, |_| "250 2.1.0 Ok".into()).await
            } else if verb.starts_with("RCPT TO:") {
                let to = in_brackets(&command);
                mail.to.push(to.clone());
                let answer = |memory: &mut SmtpMemory| {
                    let unknown = memory.unknown.contains(&to);
                    if unknown { format!("550 5.1.1 <{to}>: no such mailbox") } else { "250 2.1.5 Ok".into() }
                };
                self.react(SmtpStep::Recipient, answer).await
            } else if verb == "DATA" {
                self.react(SmtpStep::Data, |_| "354 End data with <CR><LF>.<CR><LF>".into()).await
            } else if verb == "QUIT" {
                stream.write_all(b"221 2.0.0 Bye\r\n").await?;
                return stream.shutdown().await;
            } else {
                Reaction::Say("502 5.5.2 Command not recognized".into())
            };
        }
    }
}

fn in_brackets(command: &str) -> String {
    let address = command.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    address.map(|(address, _)| address.to_owned()).unwrap_or_default()
}

/// A line without its end. Only CR LF ends a line.
async fn read_line<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> std::io::Result<String> {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        if stream.read_until(b'\n', &mut line).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    line.truncate(line.len() - 2);
    String::from_utf8(line).map_err(std::io::Error::other)
}

/// The content up to the line with a single dot.
async fn read_content<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> std::io::Result<String> {
    let mut content = String::new();
    loop {
        let line = read_line(stream).await?;
        if line == "." {
            return Ok(content);
        }
        content += line.strip_prefix('.').unwrap_or(&line);
        content += "\r\n";
    }
}
