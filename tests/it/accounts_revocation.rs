//! A revocation takes effect on two nodes within a second, over HTTP and on open sockets, with and without Redis, and
//! it cannot be undone.
#![expect(clippy::print_stdout, reason = "the figures, for whoever asks with --no-capture")]

use std::time::{Duration, Instant};

use comanda::database::DatabaseServer;
use comanda::serve::{self, Running};
use serde_json::json;

use crate::app::{TestApp, config, server_url};
use crate::people::{PASSWORD, Person};
use crate::socket::{Received, Socket};

/// The time within which a revocation takes effect on every node.
const AT_ONCE: Duration = Duration::from_secs(1);

/// A second server on the same database.
pub async fn other_node(app: &TestApp, changes: &[(&str, &str)]) -> Running {
    let settings = config(&app.database_url, changes);
    let reached = DatabaseServer::find(&settings).await.unwrap();
    serve::start(settings, &reached, app.clock.clone(), false).await.unwrap()
}

/// The same user with a client of the other server.
pub fn at(person: &Person, node: &Running) -> Person {
    let mut person = person.clone();
    person.endpoint.base = format!("http://{}", node.address);
    person
}

async fn signs_in(person: &Person) -> Person {
    let answer = person.post("/api/auth/login", &json!({ "email": person.email, "password": PASSWORD })).await;
    let token = answer.expect(200)["accessToken"].as_str().map(ToOwned::to_owned);
    Person { token, ..person.clone() }
}

/// How long a node still accepts the token.
async fn until_refused(person: &Person, path: &str) -> Duration {
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(10) {
        if person.get(path).await.status >= 400 {
            return since.elapsed();
        }
    }
    panic!("{path} is still answered");
}

/// How long a socket stays open.
async fn until_ended(socket: &mut Socket) -> Duration {
    let since = Instant::now();
    while socket.receive().await != Received::Ended {}
    since.elapsed()
}

/// Revokes in every possible way on one node, and checks the other one.
async fn assert_that_it_reaches_both(changes: &[(&str, &str)]) {
    let app = TestApp::with(changes).await;
    let there = other_node(&app, changes).await;
    let admin = app.admin().await;
    let mut slowest = Duration::ZERO;
    for way in ["logout", "logout-all", "password", "end", "disable", "prompt"] {
        let victim = app.customer("Ada").await;
        let (first, second) = (signs_in(&victim).await, signs_in(&victim).await);
        let remote = at(&first, &there);
        // Both nodes have cached the token.
        first.get("/api/me").await.expect(200);
        remote.get("/api/me").await.expect(200);
        let token = first.token.clone().unwrap();
        let mut here_socket = Socket::open(&first.endpoint.base, &token).await.unwrap();
        let mut there_socket = Socket::open(&remote.endpoint.base, &token).await.unwrap();
        match way {
            "logout" => _ = first.post("/api/auth/logout", &json!({})).await.expect(204),
            "logout-all" => _ = second.post("/api/auth/logout-all", &json!({})).await.expect(204),
            "password" => {
                let change = json!({ "currentPassword": PASSWORD, "newPassword": "four yellow pears" });
                second.post("/api/auth/change-password", &change).await.expect(204);
            }
            "end" => {
                let list = first.get("/api/me/sessions").await.expect(200);
                let mine = list["data"].as_array().unwrap().iter().find(|row| row["current"] == true).unwrap().clone();
                second.delete(&format!("/api/me/sessions/{}", mine["id"].as_str().unwrap())).await.expect(204);
            }
            "disable" => {
                let path = format!("/api/admin/users/{}", victim.id);
                admin.patch(&path, &json!({ "disabled": true })).await.expect(200);
            }
            // An operator with psql changes the row; the token itself is still valid.
            _ => app.execute(&format!("update users set disabled_at = now() where email = '{}'", victim.email)).await,
        }
        let (a, b, c, d) = tokio::join!(
            until_refused(&first, "/api/me"),
            until_refused(&remote, "/api/me"),
            until_ended(&mut here_socket),
            until_ended(&mut there_socket),
        );
        let worst = a.max(b).max(c).max(d);
        println!("{way}: HTTP {a:?} here, {b:?} there; sockets {c:?} here, {d:?} there");
        assert!(worst <= AT_ONCE, "{way} took {worst:?}");
        slowest = slowest.max(worst);
    }
    println!("slowest: {slowest:?}");
    there.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_reaches_every_node_at_once() {
    Box::pin(assert_that_it_reaches_both(&[])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_reaches_every_node_at_once_with_redis() {
    Box::pin(assert_that_it_reaches_both(&[("REDIS_URL", &server_url("COMANDA_TEST_REDIS"))])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_reaches_every_node_with_redis_away() {
    Box::pin(assert_that_it_reaches_both(&[("REDIS_URL", "redis://127.0.0.1:1")])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_former_member_leaves_the_rooms_and_stays_connected() {
    let app = TestApp::start().await;
    let there = other_node(&app, &[]).await;
    let shop = app.restaurant("Luigi").sells("Margherita", 850).opens().await;
    let staff = app.staff_of(&shop).await;
    let remote = at(&staff, &there);
    let room = format!("restaurant:{}", shop.id);
    let mut socket = Socket::open(&remote.endpoint.base, staff.token.as_deref().unwrap()).await.unwrap();
    assert_eq!(socket.joins(&room).await["ok"], true);
    remote.get(&shop.path("/members")).await.refused(403, "forbidden");
    let orders = format!("/api/orders?restaurantId={}", shop.id);
    remote.get(&orders).await.expect(200);

    let mut owners = Socket::open(&remote.endpoint.base, shop.owner.token.as_deref().unwrap()).await.unwrap();
    assert_eq!(owners.joins(&room).await["ok"], true);
    let (ada, nowhere) = (app.customer("Ada").await, json!({ "room": format!("user:{}", staff.id) }));
    shop.owner.delete(&shop.path(&format!("/members/{}", staff.id))).await.expect(204);
    let gone = Instant::now();
    let (mut refused, mut out) = (None, None);
    while refused.is_none() || out.is_none() {
        if remote.get(&orders).await.status == 404 {
            refused.get_or_insert(gone.elapsed());
        }
        ada.places_order(&shop, &[(shop.any_dish(), 1)]).await;
        assert!(matches!(owners.receive().await, Received::Event(..)), "the owner hears of it");
        // Both sockets were sent the event at the same time: a member of the room has received it before the
        // acknowledgement.
        if socket.asks("leave", &nowhere).await.0.is_empty() {
            out.get_or_insert(gone.elapsed());
        }
        assert!(gone.elapsed() <= AT_ONCE * 5, "refused: {refused:?}, out of the room: {out:?}");
    }
    println!("refused after {refused:?}, out of the room after {out:?}");
    assert!(refused <= Some(AT_ONCE) && out <= Some(AT_ONCE), "refused: {refused:?}, out of the room: {out:?}");
    let refusal = socket.joins(&room).await;
    assert_eq!(refusal["error"]["status"], 404, "still connected, and refused: {refusal}");
    there.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demoted_administrator_loses_access() {
    let app = TestApp::start().await;
    let there = other_node(&app, &[]).await;
    let (root, second) = (app.admin().await, app.admin().await);
    let remote = at(&second, &there);
    remote.get("/api/admin/users").await.expect(200);
    root.patch(&format!("/api/admin/users/{}", root.id), &json!({ "disabled": true }))
        .await
        .refused(409, "own_account");
    root.patch(&format!("/api/admin/users/{}", second.id), &json!({ "role": "CUSTOMER" })).await.expect(200);
    assert!(until_refused(&remote, "/api/admin/users").await <= AT_ONCE);
    remote.get("/api/me").await.expect(200);
    there.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_and_an_empty_redis_restore_no_revoked_session() {
    let redis = server_url("COMANDA_TEST_REDIS");
    let changes = [("REDIS_URL", redis.as_str())];
    let app = TestApp::with(&changes).await;
    let ada = signs_in(&app.customer("Ada").await).await;
    ada.post("/api/auth/logout", &json!({})).await.expect(204);
    let client = redis::Client::open(redis.as_str()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    redis::cmd("FLUSHALL").query_async::<()>(&mut connection).await.unwrap();
    ada.get("/api/me").await.refused(401, "unauthenticated");
    let again = other_node(&app, &changes).await;
    at(&ada, &again).get("/api/me").await.refused(401, "unauthenticated");
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_revocation_listener_a_node_asks_the_database() {
    let app = TestApp::start().await;
    let ada = signs_in(&app.customer("Ada").await).await;
    ada.get("/api/me").await.expect(200);
    // The listener's connection is closed and cannot be opened again, and the triggers do not notify.
    app.execute("alter table sessions disable trigger user").await;
    app.execute("revoke select on revocations from comanda_app").await;
    app.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'comanda revocations'
              and datname = current_database()",
    )
    .await;
    app.execute("update sessions set revoked_at = now(), revoked_reason = 'operator'").await;
    assert!(until_refused(&ada, "/api/me").await <= AT_ONCE);
}
