//! The log of requests: every line has the request id, no line is lost, upgrades are named, and no client can fill the
//! log.

use comanda::config::Log;
use comanda::telemetry;
use reqwest::Method;
use serde_json::{Value, json};

use crate::admission::overloads;
use crate::app::TestApp;
use crate::people::{PASSWORD, Person};
use crate::second_factor::sets_up;
use crate::socket::Socket;

/// Requests of each kind: enough that a loss of one line in a hundred is detected.
const ROUNDS: usize = 100;

/// A separate log in a new folder; the lines are complete when the guard is dropped.
fn begins(level: &str) -> (std::path::PathBuf, telemetry::Telemetry) {
    let name = format!("log-{}", uuid::Uuid::new_v4().simple());
    let folder = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let log = Log { level: level.into(), json: true, dir: Some(folder.clone()), keep_files: 2 };
    let guard = telemetry::begin(&log).unwrap();
    (folder, guard)
}

fn lines(folder: &std::path::Path) -> Vec<Value> {
    let files = std::fs::read_dir(folder).unwrap().map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
    files.flat_map(|text| text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<_>>()).collect()
}

#[tokio::test]
async fn every_line_of_a_request_carries_its_id() {
    let (folder, guard) = begins("info");
    let mut app = TestApp::start().await;
    let ada = app.customer("Ada").await;
    let base = app.endpoint.base.clone();
    for round in 0..ROUNDS {
        let asks = |method: Method, path: &str, id: &str| {
            ada.request(method, path).header("x-request-id", format!("{id}-{round}"))
        };
        ada.send(asks(Method::GET, "/api/orders", "list")).await.expect(200);
        ada.send(asks(Method::POST, "/api/orders", "bad").json(&json!({})))
            .await
            .refused(400, "idempotency_key_missing");
        ada.send(asks(Method::GET, "/nowhere", "lost")).await.refused(404, "not_found");
        ada.send(asks(Method::GET, "/socket.io/?EIO=4&transport=polling", "poll")).await;
        if round % 10 == 0 {
            Socket::open(&base, ada.token.as_deref().unwrap()).await.unwrap();
        }
    }
    // A server error, logged in the unit of work of a request.
    app.execute("alter table orders rename to orders_away").await;
    ada.send(ada.request(Method::GET, "/api/orders").header("x-request-id", "fault")).await.refused(500, "internal");
    app.execute("alter table orders_away rename to orders").await;
    app.stop().await;
    drop(guard);
    let lines = lines(&folder);
    std::fs::remove_dir_all(&folder).unwrap();
    let of_requests: Vec<_> = lines.iter().filter(|line| line["target"] == "comanda::middleware").collect();
    for line in &of_requests {
        assert!(line["span"]["request_id"].as_str().is_some_and(|id| !id.is_empty()), "{line}");
        let milliseconds = line["milliseconds"].to_string();
        let digits = milliseconds.split_once('.').map_or(0, |(_, digits)| digits.len());
        assert!(digits <= 3, "{milliseconds}");
    }
    let answered = |id: &str, message: &str| {
        let of_id = of_requests
            .iter()
            .filter(|line| line["span"]["request_id"].as_str().is_some_and(|own| own.starts_with(id)));
        of_id.filter(|line| line["message"] == message).count()
    };
    for id in ["list", "bad", "lost", "poll"] {
        assert_eq!(answered(id, "answered"), ROUNDS, "{id}");
    }
    let upgrades: Vec<_> = of_requests.iter().filter(|line| line["status"] == 101).collect();
    assert_eq!(upgrades.len(), ROUNDS.div_ceil(10));
    for line in upgrades {
        assert_eq!(
            (&line["message"], &line["route"], &line["transport"]),
            (&json!("upgraded"), &json!("/socket.io"), &json!("websocket"))
        );
    }
    let polls: Vec<_> = of_requests.iter().filter(|line| line["transport"] == "polling").collect();
    assert!(polls.len() == ROUNDS && polls.iter().all(|line| line["route"] == "/socket.io"));
    let faults: Vec<_> = lines.iter().filter(|line| line["message"] == "request failed").collect();
    assert!(!faults.is_empty() && faults.iter().all(|line| line["span"]["request_id"] == "fault"), "{faults:?}");
}

/// Failed authentication is logged: from which address, for which account, in which request; without the secret.
#[tokio::test]
async fn failed_authentication_is_logged_with_client_user_and_request() {
    const TYPED: &str = "typed into the wrong field";
    let (folder, guard) = begins("info");
    let limits = [("TRUSTED_PROXIES", "127.0.0.1"), ("RATE_LIMIT_AUTH", "25/10h")];
    let mut app = TestApp::with(&limits).await;
    let (ada, bob) = (app.customer("Ada").await, app.customer("Bob").await);
    let guarded = sets_up(&app, bob).await.person;
    let asks = async |person: &Person, id: &str, path: &str, body: Value| {
        let request = person.request(Method::POST, path).header("x-forwarded-for", "198.51.100.7");
        person.send(request.header("x-request-id", id).json(&body)).await
    };
    let stranger = app.stranger();
    let signs_in = |email: &str, password: &str| json!({ "email": email, "password": password });
    let login = "/api/auth/login";
    asks(&stranger, "password", login, signs_in(&ada.email, TYPED)).await.refused(401, "invalid_credentials");
    let unknown = signs_in("typed.into@example.com", TYPED);
    asks(&stranger, "nobody", login, unknown).await.refused(401, "invalid_credentials");
    app.execute(&format!("update users set disabled_at = now() where email = '{}'", ada.email)).await;
    asks(&stranger, "disabled", login, signs_in(&ada.email, PASSWORD)).await.refused(401, "invalid_credentials");
    app.execute(&format!("update users set disabled_at = null where email = '{}'", ada.email)).await;
    let half = asks(&stranger, "half", login, signs_in(&guarded.email, PASSWORD)).await.expect(200);
    let proof = json!({ "challenge": half["challenge"], "code": TYPED });
    asks(&stranger, "factor", "/api/auth/second-factor", proof).await.refused(401, "invalid_code");
    asks(&stranger, "forgot", "/api/auth/forgot-password", json!({ "email": ada.email })).await.expect(202);
    let code = json!({ "email": ada.email, "otp": TYPED, "password": "four green pears" });
    asks(&stranger, "recovery", "/api/auth/reset-password", code).await.refused(401, "invalid_code");
    let change = json!({ "currentPassword": TYPED, "newPassword": "four green pears" });
    asks(&guarded, "again", "/api/auth/change-password", change).await.refused(403, "reauth_required");
    asks(&guarded, "contact", "/api/me/email/confirm", json!({ "code": TYPED })).await.refused(401, "invalid_code");
    let token = json!({ "refreshToken": TYPED });
    asks(&stranger, "refresh", "/api/auth/refresh", token).await.refused(401, "session_ended");
    // A successful one is not logged, nor is an error for another reason.
    asks(&stranger, "fine", login, signs_in(&ada.email, PASSWORD)).await.expect(200);
    asks(&stranger, "shape", login, json!({})).await.refused(422, "invalid_request");
    while asks(&stranger, "fast", login, signs_in(&ada.email, PASSWORD)).await.status == 200 {}
    app.stop().await;
    drop(guard);
    let lines = lines(&folder);
    std::fs::remove_dir_all(&folder).unwrap();
    let failed: Vec<_> = lines.iter().filter(|line| line["message"] == "authentication failed").collect();
    let of = |line: &Value| {
        assert_eq!((&line["client"], &line["level"]), (&json!("198.51.100.7"), &json!("WARN")), "{line}");
        let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{line}")).to_owned();
        [&line["span"]["request_id"], &line["user"], &line["operation"], &line["code"]].map(text)
    };
    let logged: Vec<_> = failed.iter().map(|line| of(line)).collect();
    let expected = [
        ["password", &ada.id, "login", "invalid_credentials"],
        ["nobody", "-", "login", "invalid_credentials"],
        ["disabled", "-", "login", "invalid_credentials"],
        ["factor", &guarded.id, "complete_login", "invalid_code"],
        ["recovery", &ada.id, "reset_password", "invalid_code"],
        ["again", &guarded.id, "change_password", "reauth_required"],
        ["contact", &guarded.id, "confirm_email", "invalid_code"],
        ["refresh", "-", "refresh", "session_ended"],
        ["fast", "-", "login", "too_many_requests"],
    ];
    assert_eq!(logged, expected.map(|line| line.map(ToOwned::to_owned)));
    let text = lines.iter().map(Value::to_string).collect::<String>();
    assert!(!text.contains(TYPED) && !text.contains("typed.into"), "what was typed is in the log");
}

/// Early refusals are counted, so that their lines do not take the time that other requests need.
#[tokio::test]
async fn early_refusals_are_one_line_a_second() {
    let (folder, guard) = begins("info");
    let mut app = TestApp::with(&[("REQUESTS_AT_ONCE", "1"), ("REQUEST_QUEUE_WAIT", "1ms")]).await;
    let luigi = app.restaurant("Luigi").opens().await;
    let held = overloads(&app).await;
    let begun = std::time::Instant::now();
    for _ in 0..ROUNDS {
        app.stranger().get(&luigi.path("/cart")).await.refused(503, "busy");
    }
    drop(held);
    app.stop().await;
    let seconds = begun.elapsed().as_secs();
    drop(guard);
    let lines = lines(&folder);
    std::fs::remove_dir_all(&folder).unwrap();
    let counted: Vec<_> = lines.iter().filter_map(|line| line["requests"].as_u64()).collect();
    assert_eq!(counted.iter().sum::<u64>(), ROUNDS as u64, "{counted:?}");
    assert!(counted.len() as u64 <= seconds + 2, "{counted:?} in {seconds} s");
    assert!(!lines.iter().any(|line| line["status"] == 503));
}

#[tokio::test]
async fn packets_of_a_client_without_a_token_fill_no_log() {
    let (folder, guard) = begins("trace");
    let mut app = TestApp::start().await;
    let stranger = app.stranger();
    let path = "/socket.io/?EIO=4&transport=polling";
    let opened = stranger.get(path).await;
    let opened: Value = serde_json::from_slice(&opened.bytes[1..]).unwrap();
    // More than `SOCKET_BUFFER_PACKETS`, so that some of the errors cannot be sent.
    let packets = vec!["40/nowhere,"; 1_500].join("\u{1e}");
    let path = format!("{path}&sid={}", opened["sid"].as_str().unwrap());
    let posted = stranger.request(Method::POST, &path).header("content-type", "text/plain;charset=UTF-8").body(packets);
    stranger.send(posted).await;
    app.stop().await;
    drop(guard);
    let lines = lines(&folder);
    std::fs::remove_dir_all(&folder).unwrap();
    let of_library: Vec<_> =
        lines.iter().filter(|line| line["target"].as_str().is_some_and(|target| target.contains("ioxide"))).collect();
    assert_eq!(of_library, [] as [&Value; 0]);
}
