//! What the log says of requests: every line of one carries its id, none is lost, and upgrades say what they are.

use comanda::config::Log;
use comanda::telemetry;
use reqwest::Method;
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::socket::Socket;

/// Requests of each kind: enough that a line in a hundred that is lost shows.
const ROUNDS: usize = 100;

fn lines(folder: &std::path::Path) -> Vec<Value> {
    let files = std::fs::read_dir(folder).unwrap().map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
    files.flat_map(|text| text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<_>>()).collect()
}

#[tokio::test]
async fn every_line_of_a_request_carries_its_id() {
    let folder =
        std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("log-{}", uuid::Uuid::new_v4().simple()));
    std::fs::create_dir_all(&folder).unwrap();
    let log = Log { level: "info".into(), json: true, dir: Some(folder.clone()), keep_files: 2 };
    let guard = telemetry::begin(&log).unwrap();
    let mut app = TestApp::start().await;
    let ada = app.customer("Ada").await;
    let base = app.door.base.clone();
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
    // A fault of the server's, noted in the unit of work that a request began.
    app.does("alter table orders rename to orders_away").await;
    ada.send(ada.request(Method::GET, "/api/orders").header("x-request-id", "fault")).await.refused(500, "internal");
    app.does("alter table orders_away rename to orders").await;
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
