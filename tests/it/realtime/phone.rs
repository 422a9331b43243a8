//! The official Socket.IO client in a separate process (`tests/node/client.mjs`).

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

/// A limit that is reached only if the message never arrives.
const NEVER: Duration = Duration::from_mins(1);

/// An event as it arrived: its name and its one argument.
pub type Received = (String, Value);

/// A client on one transport.
pub struct Phone {
    _process: Child,
    hands: ChildStdin,
    screen: Lines<BufReader<ChildStdout>>,
    received: VecDeque<Received>,
    asked: u64,
    answered: HashMap<u64, Value>,
}

impl Phone {
    /// A client that has not connected yet.
    pub fn new(url: &str, transport: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/node");
        let is_installed = folder.join("node_modules/socket.io-client/package.json").exists();
        assert!(is_installed, "the official Socket.IO client is not installed: run bin/setup");
        let mut process = Command::new("node")
            .arg(folder.join("client.mjs"))
            .args([url, transport])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("Node.js is needed for this test: run bin/setup");
        let screen = BufReader::new(process.stdout.take().unwrap()).lines();
        Self {
            hands: process.stdin.take().unwrap(),
            _process: process,
            screen,
            received: VecDeque::new(),
            asked: 0,
            answered: HashMap::new(),
        }
    }

    /// A client that is connected.
    pub async fn signed_in(url: &str, transport: &str, token: &str) -> Self {
        let mut phone = Self::new(url, transport);
        phone.sign_in(token).await;
        phone
    }

    /// Connects with a valid token.
    pub async fn sign_in(&mut self, token: &str) {
        let answer = self.connect(&json!({ "token": token })).await;
        assert!(answer["connected"].is_string(), "{answer}");
    }

    /// Connects, or is refused.
    pub async fn connect(&mut self, auth: &Value) -> Value {
        self.type_in(&json!({ "does": "connect", "auth": auth })).await;
        self.until(|news| !news["connected"].is_null() || !news["refused"].is_null()).await
    }

    /// Closes the connection without a packet.
    pub async fn hang_up(&mut self) {
        self.type_in(&json!({ "does": "disconnect" })).await;
        self.ended().await;
    }

    /// The client stops reading.
    pub async fn fall_asleep(&mut self) {
        self.type_in(&json!({ "does": "sleep" })).await;
        self.until(|news| news["asleep"] == true).await;
    }

    /// Reads from the connection again.
    pub async fn wake_up(&mut self) {
        self.type_in(&json!({ "does": "wake" })).await;
    }

    /// Waits for the end of the connection, and returns the reason.
    pub async fn ended(&mut self) -> String {
        let news = self.until(|news| !news["disconnected"].is_null()).await;
        news["disconnected"].as_str().unwrap().to_owned()
    }

    /// Sends without waiting for an acknowledgement.
    pub async fn send(&mut self, name: &str, argument: &Value) {
        self.type_in(&json!({ "does": "send", "name": name, "args": [argument] })).await;
    }

    /// Sends, and waits for the acknowledgement.
    pub async fn ask(&mut self, name: &str, arguments: &Value) -> Value {
        let id = self.ask_later(name, arguments).await;
        self.answer(id).await
    }

    /// Sends; the acknowledgement is read later.
    pub async fn ask_later(&mut self, name: &str, arguments: &Value) -> u64 {
        self.asked += 1;
        let id = self.asked;
        self.type_in(&json!({ "does": "ask", "name": name, "args": arguments, "id": id })).await;
        id
    }

    /// The acknowledgement of a message.
    pub async fn answer(&mut self, id: u64) -> Value {
        loop {
            if let Some(answer) = self.answered.remove(&id) {
                return answer;
            }
            // Requests are processed concurrently, and acknowledged when they are done.
            let news = self.until(|news| !news["id"].is_null()).await;
            self.answered.insert(news["id"].as_u64().unwrap(), news["answer"].clone());
        }
    }

    /// Joins a room, and returns the position of its stream.
    pub async fn join(&mut self, room: &str, after: Option<i64>) -> i64 {
        let answer = self.try_join(room, after).await;
        assert_eq!((&answer["ok"], &answer["room"]), (&json!(true), &json!(room)), "{answer}");
        answer["seq"].as_i64().unwrap()
    }

    /// Tries to join a room; returns the error.
    pub async fn try_join(&mut self, room: &str, after: Option<i64>) -> Value {
        let request_body =
            after.map_or_else(|| json!({ "room": room }), |after| json!({ "room": room, "after": after }));
        self.ask("join", &json!([request_body])).await
    }

    /// The next event.
    pub async fn next(&mut self) -> Received {
        while self.received.is_empty() {
            let news = self.read().await;
            assert!(!news["event"].is_null(), "an event was expected, and came: {news}");
            self.handle_news(&news);
        }
        self.received.pop_front().unwrap()
    }

    /// The numbers of the next events.
    pub async fn next_numbers(&mut self, count: usize) -> Vec<i64> {
        let mut numbers = Vec::with_capacity(count);
        for _ in 0..count {
            numbers.push(self.next().await.1["seq"].as_i64().unwrap());
        }
        numbers
    }

    /// The numbers of the events that were received and not read yet.
    pub fn received_numbers(&mut self) -> Vec<i64> {
        self.received.drain(..).map(|(_, body)| body["seq"].as_i64().unwrap()).collect()
    }

    /// All events that were not read yet: everything sent before a response arrives before it.
    pub async fn everything(&mut self) -> Vec<Received> {
        self.ask("leave", &json!([{ "room": "user:usr_00000000000000000000000000" }])).await;
        self.received.drain(..).collect()
    }

    /// Checks that no unread event has arrived: everything sent before a response arrives before it.
    pub async fn received_nothing(&mut self) {
        self.ask("leave", &json!([{ "room": "user:usr_00000000000000000000000000" }])).await;
        assert!(self.received.is_empty(), "{:?}", self.received);
    }

    /// Drops the unread events that have arrived, and returns how many they were.
    pub async fn drops_received(&mut self) -> usize {
        self.ask("leave", &json!([{ "room": "user:usr_00000000000000000000000000" }])).await;
        self.received.drain(..).count()
    }

    fn handle_news(&mut self, news: &Value) {
        let bodies = news["bodies"].as_array().unwrap();
        assert_eq!(bodies.len(), 1, "an event has one argument: {news}");
        self.received.push_back((news["event"].as_str().unwrap().to_owned(), bodies[0].clone()));
    }

    /// Reads until a condition holds; earlier events are kept.
    async fn until(&mut self, is_it: impl Fn(&Value) -> bool) -> Value {
        loop {
            let news = self.read().await;
            if is_it(&news) {
                return news;
            }
            assert!(!news["event"].is_null(), "something else was expected than {news}");
            self.handle_news(&news);
        }
    }

    async fn read(&mut self) -> Value {
        let line = timeout(NEVER, self.screen.next_line()).await.expect("the client says nothing any more");
        serde_json::from_str(&line.unwrap().expect("the client has ended")).unwrap()
    }

    async fn type_in(&mut self, what: &Value) {
        self.hands.write_all(format!("{what}\n").as_bytes()).await.unwrap();
    }
}
