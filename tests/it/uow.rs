//! The unit of work: committed, rolled back or unknown, never partly, and connections are never shared.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use comanda::ids::UserId;
use comanda::problem::{Code, Problem};
use comanda::tenancy::TenancyContext;
use comanda::uow::Database;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, UnixStream};

use crate::app::{TestApp, eventually, server_url};
use crate::people::id_of;

/// Transactions that are idle. Background tasks of the server have some for an instant too, so only those that stay
/// count.
const OPEN_TRANSACTIONS: &str = "select count(*) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid() and state like 'idle in transaction%'";

/// A table that the application may write to, with a deferred constraint.
async fn with_slips(app: &mut TestApp) {
    app.without_check();
    app.execute(
        "create table slips (number int not null, constraint slips_number_key unique (number) deferrable initially deferred);
         grant select, insert on slips to comanda_app;",
    )
    .await;
}

async fn write_slip(db: &Database, number: i32) -> Result<(), Problem> {
    db.write(TenancyContext::user(UserId::new()), move |tx| {
        Box::pin(async move {
            sqlx::query("insert into slips values ($1)").bind(number).execute(tx.connection()).await?;
            Ok(())
        })
    })
    .await
}

const SLIPS: &str = "select count(*) from slips";

#[tokio::test]
async fn a_unit_whose_steps_fail_is_rolled_back() {
    let mut app = TestApp::start().await;
    with_slips(&mut app).await;
    let db = app.running().app.db.clone();
    let refused: Result<(), Problem> = db
        .write(TenancyContext::anonymous(), |tx| {
            Box::pin(async move {
                sqlx::query("insert into slips values (1)").execute(tx.connection()).await?;
                Err(Problem::not_found())
            })
        })
        .await;
    assert_eq!(refused.unwrap_err().code(), Code::NotFound);
    assert_eq!(app.count(SLIPS).await, 0);
    write_slip(&db, 1).await.unwrap();
    assert_eq!(app.count(SLIPS).await, 1);
}

#[tokio::test]
async fn a_constraint_that_fails_at_commit_rolls_everything_back() {
    let mut app = TestApp::start().await;
    with_slips(&mut app).await;
    let db = app.running().app.db.clone();
    let refused: Result<(), Problem> = db
        .write(TenancyContext::anonymous(), |tx| {
            Box::pin(async move {
                sqlx::query("insert into slips values (1), (2), (1)").execute(tx.connection()).await?;
                Ok(())
            })
        })
        .await;
    assert_eq!(refused.unwrap_err().code(), Code::Internal);
    assert_eq!(app.count(SLIPS).await, 0);
    for number in 1..=20 {
        write_slip(&db, number).await.unwrap();
    }
    assert_eq!(app.count(SLIPS).await, 20);
    eventually("no transaction is left open", async || app.count(OPEN_TRANSACTIONS).await == 0).await;
}

#[tokio::test]
async fn a_unit_that_runs_out_of_time_is_rolled_back_and_its_connection_closed() {
    let mut app = TestApp::with(&[("DATABASE_UNIT_TIMEOUT", "150ms")]).await;
    with_slips(&mut app).await;
    let db = app.running().app.db.clone();
    let stuck: Result<(), Problem> = db
        .write(TenancyContext::anonymous(), |tx| {
            Box::pin(async move {
                sqlx::query("insert into slips values (1)").execute(tx.connection()).await?;
                std::future::pending().await
            })
        })
        .await;
    assert_eq!(stuck.unwrap_err().code(), Code::Busy);
    let slow: Result<(), Problem> = db
        .write(TenancyContext::anonymous(), |tx| {
            Box::pin(async move {
                sqlx::query("select pg_sleep(60)").execute(tx.connection()).await?;
                Ok(())
            })
        })
        .await;
    assert_eq!(slow.unwrap_err().code(), Code::Busy);
    eventually("no transaction is left open", async || app.count(OPEN_TRANSACTIONS).await == 0).await;
    write_slip(&db, 1).await.unwrap();
    assert_eq!(app.count(SLIPS).await, 1);
}

#[tokio::test]
async fn a_unit_that_panics_leaves_nothing_behind() {
    let mut app = TestApp::start().await;
    with_slips(&mut app).await;
    let db = app.running().app.db.clone();
    for _ in 0..20 {
        let broken: Result<(), Problem> = db
            .write(TenancyContext::anonymous(), |tx| {
                Box::pin(async move {
                    sqlx::query("insert into slips values (1)").execute(tx.connection()).await?;
                    panic!("a fault in a handler")
                })
            })
            .await;
        assert_eq!(broken.unwrap_err().code(), Code::Internal);
    }
    eventually("no transaction is left open", async || app.count(OPEN_TRANSACTIONS).await == 0).await;
    assert_eq!(app.count(SLIPS).await, 0);
    write_slip(&db, 1).await.unwrap();
}

#[tokio::test]
async fn a_caller_who_disconnects_does_not_stop_the_unit() {
    let mut app = TestApp::start().await;
    with_slips(&mut app).await;
    let db = app.running().app.db.clone();
    for number in 0..20 {
        let (begun, receive) = tokio::sync::oneshot::channel();
        let unit = db.write(TenancyContext::anonymous(), move |tx| {
            Box::pin(async move {
                sqlx::query("insert into slips values ($1)").bind(number).execute(tx.connection()).await?;
                let _ = begun.send(());
                sqlx::query("select pg_sleep(0.02)").execute(tx.connection()).await?;
                Ok(())
            })
        });
        tokio::select! {
            _ = unit => panic!("the unit waits"),
            result = receive => result.unwrap(),
        }
    }
    eventually("every unit has ended", async || app.count(SLIPS).await == 20).await;
    eventually("no transaction is left open", async || app.count(OPEN_TRANSACTIONS).await == 0).await;
}

#[tokio::test]
async fn a_read_cannot_write() {
    let mut app = TestApp::start().await;
    with_slips(&mut app).await;
    let refused = app
        .running()
        .app
        .db
        .read(TenancyContext::anonymous(), |tx| {
            Box::pin(async move {
                sqlx::query("insert into slips values (1)").execute(tx.connection()).await?;
                Ok(())
            })
        })
        .await;
    assert_eq!(refused.unwrap_err().code(), Code::Internal);
    assert_eq!(app.count(SLIPS).await, 0);
}

#[tokio::test]
async fn the_tenancy_context_of_a_transaction_ends_with_it() {
    let app = TestApp::with(&[("DATABASE_POOL", "2")]).await;
    let db = app.running().app.db.clone();
    for _ in 0..5 {
        let ask = "select coalesce(app_user()::text, '') || coalesce(app_tenant()::text, '')";
        let named = UserId::new();
        let seen: String = db
            .read(TenancyContext::user(named), move |tx| {
                Box::pin(async move { Ok(sqlx::query_scalar(ask).fetch_one(tx.connection()).await?) })
            })
            .await
            .unwrap();
        assert_eq!(seen, named.uuid().to_string());
        let seen: String = db
            .read(TenancyContext::anonymous(), move |tx| {
                Box::pin(async move { Ok(sqlx::query_scalar(ask).fetch_one(tx.connection()).await?) })
            })
            .await
            .unwrap();
        assert_eq!(seen, "");
    }
}

#[tokio::test]
async fn the_pool_recovers_when_every_connection_is_cut() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let ada = app.customer("Ada").await;
    for round in 0..3 {
        app.execute(
            // Waits until they have ended: a backend that is still ending would accept a BEGIN and nothing more.
            "select pg_terminate_backend(pid, 10000) from pg_stat_activity
             where datname = current_database() and pid <> pg_backend_pid()",
        )
        .await;
        // The pool checks a connection that was idle for longer than this.
        let cut = std::time::Instant::now();
        eventually("they have rested", async || cut.elapsed().as_millis() > 50).await;
        let order = ada.places_order(&luigi, &[(luigi.any_dish(), 1)]).await;
        assert_eq!(order["number"], round + 1);
        ada.get("/api/me").await.expect(200);
        app.customer("New").await.get("/api/me").await.expect(200);
        app.stranger().get("/api/health").await.expect(200);
    }
}

#[tokio::test]
async fn a_flush_over_another_connection_does_not_confirm_a_commit() {
    let mut app = TestApp::start().await;
    with_slips(&mut app).await;
    let db = app.running().app.db.clone();
    write_slip(&db, 1).await.unwrap();
    let before = db.ticket().await.unwrap();
    db.durable(before).await.unwrap();
    let flushing = "select count(pg_terminate_backend(pid, 10000)) from pg_stat_activity
        where datname = current_database() and query like '%pg_logical_emit_message%' and pid <> pg_backend_pid()";
    assert!(app.count(flushing).await >= 1);
    // After a crash it would be the same: whether the commit succeeded is unknown.
    let refused = db.durable(before).await.unwrap_err();
    assert_eq!(refused.code(), Code::Busy);
    let now = db.ticket().await.unwrap();
    assert_ne!(now, before);
    db.durable(now).await.unwrap();
    assert_eq!(db.durable(before).await.unwrap_err().code(), Code::Busy);
    write_slip(&db, 2).await.unwrap();
    assert_eq!(app.count(SLIPS).await, 2);
}

/// The key of the request whose response is lost; the call has it among its parameters.
const CALLED_KEY: &[u8] = b"key-of-the-lost-response";

/// The write whose response the proxy drops.
#[derive(Clone, Copy, PartialEq)]
enum LostResponse {
    /// The COMMIT of a transaction that writes.
    Commit,
    /// The call of a function that writes and commits on its own.
    Call,
}

/// A proxy between the program and PostgreSQL that can drop the response to a write.
struct Proxy {
    port: u16,
    lost: Arc<Mutex<Option<LostResponse>>>,
}

impl Proxy {
    #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, lost) = (listener.local_addr().unwrap().port(), Arc::<Mutex<Option<LostResponse>>>::default());
        let server = server_url("COMANDA_TEST_POSTGRES");
        let folder = server.split_once("host=").expect("the folder of the socket").1;
        let socket = PathBuf::from(folder).join(".s.PGSQL.5432");
        let on_demand = Arc::clone(&lost);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = UnixStream::connect(&socket).await.unwrap();
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                let muted = Arc::<AtomicBool>::default();
                tokio::spawn(forward_requests(from_client, to_server, Arc::clone(&on_demand), Arc::clone(&muted)));
                tokio::spawn(forward_responses(from_server, to_client, muted));
            }
        });
        Self { port, lost }
    }

    fn loses(&self, response: impl Into<Option<LostResponse>>) {
        *self.lost.lock().unwrap() = response.into();
    }
}

/// Forwards what the program sends.
async fn forward_requests(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    lost: Arc<Mutex<Option<LostResponse>>>,
    muted: Arc<AtomicBool>,
) {
    let mut buffer = vec![0; 65_536];
    let mut writes = false;
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let contains = |text: &[u8]| buffer[..length].windows(text.len()).any(|window| window == text);
        if contains(b"BEGIN") {
            writes = !contains(b"READ ONLY");
        }
        let loses_it = match *lost.lock().unwrap() {
            Some(LostResponse::Commit) => contains(b"COMMIT\0") && writes,
            Some(LostResponse::Call) => contains(CALLED_KEY),
            None => false,
        };
        if loses_it {
            muted.store(true, Ordering::SeqCst);
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

async fn forward_responses(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, muted: Arc<AtomicBool>) {
    let mut buffer = vec![0; 65_536];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if !muted.load(Ordering::SeqCst) && to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

/// An order is placed, the response to its write is lost, and the request is repeated.
async fn repeats_after(lost: LostResponse) {
    let proxy = Proxy::start().await;
    let port = proxy.port.to_string();
    let app = TestApp::through(&port, &[("DATABASE_COMMIT_TIMEOUT", "200ms"), ("DATABASE_UNIT_TIMEOUT", "1s")]).await;
    let luigi = app.restaurant("Luigi").opens().await;
    let ada = app.customer("Ada").await;
    let cart = ada.puts_in_cart(&luigi, &[(luigi.any_dish(), 1)]).await;
    let body = match lost {
        // An order from a quote is a transaction, an order from a cart is one call.
        LostResponse::Commit => {
            let quote = json!({ "cartId": id_of(&cart), "fulfilment": "PICKUP" });
            json!({ "quoteId": id_of(&ada.post(&luigi.path("/quotes"), &quote).await.expect(201)) })
        }
        LostResponse::Call => json!({ "cartId": id_of(&cart), "fulfilment": "PICKUP" }),
    };
    let key = str::from_utf8(CALLED_KEY).unwrap();
    proxy.loses(lost);
    let unanswered = ada.asks_for_order(key, &body).await;
    assert_eq!(unanswered.refused(503, "outcome_unknown")["outcome"], "unknown");
    assert!(!unanswered.header("retry-after").is_empty());
    proxy.loses(None);
    eventually("the order is there", async || app.count("select count(*) from orders").await == 1).await;
    let settled = ada.asks_for_order(key, &body).await;
    settled.expect(201);
    assert_eq!(settled.header("idempotency-replayed"), "true");
    assert_eq!(app.count("select count(*) from orders").await, 1);
}

#[tokio::test]
async fn a_commit_without_a_response_is_unknown_and_resolved_by_the_key() {
    repeats_after(LostResponse::Commit).await;
}

#[tokio::test]
async fn a_call_without_a_response_is_unknown_and_resolved_by_the_key() {
    repeats_after(LostResponse::Call).await;
}
