//! What nobody may find: tokens and passwords in the database, in Redis or in the logs; accounts by trying addresses.
//! And what an operator does by hand, next to a running server.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use comanda::accounts::{UserRole, totp};
use comanda::clock::Clock;
use serde_json::{Value, json};

use crate::app::{TestApp, database_url, eventually, execute_in, fresh_database, server_url};
use crate::people::{PASSWORD, Person};
use crate::program::Program;
use crate::reply::Reply;
use crate::second_factor::{from_base32, sets_up};
use crate::socket::Socket;

/// Everything in a Redis.
async fn everything_in(redis_url: &str) -> String {
    let client = redis::Client::open(redis_url).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let keys: Vec<Vec<u8>> = redis::cmd("KEYS").arg("*").query_async(&mut connection).await.unwrap();
    let mut text = String::new();
    for key in keys {
        text.push_str(&String::from_utf8_lossy(&key));
        let dump: Option<Vec<u8>> = redis::cmd("DUMP").arg(&key).query_async(&mut connection).await.unwrap();
        text.push_str(&String::from_utf8_lossy(&dump.unwrap_or_default()));
    }
    text
}

/// Everything that is shown or sent once: a code for a new password, a second factor's key, recovery codes.
async fn codes_of(anybody: &Person, database: &str) -> Vec<String> {
    let (email, password) = (&anybody.email, "the canary after a reset");
    let admin = json!({ "email": "admin@example.com", "password": PASSWORD, "name": "Admin" });
    anybody.post("/api/auth/register", &admin).await.expect(202);
    execute_in(database, "update users set role = 'ADMIN' where email = 'admin@example.com'").await;
    let login = json!({ "email": "admin@example.com", "password": PASSWORD });
    let signed_in = |answer: Value| Person { token: answer["accessToken"].as_str().map(Into::into), ..anybody.clone() };
    let admin = signed_in(anybody.post("/api/auth/login", &login).await.expect(200));

    let reset = anybody.post("/api/auth/forgot-password", &json!({ "email": email })).await.expect(202);
    let mut otp = None;
    eventually("the code is in the outbox", async || {
        let outbox = admin.get("/api/admin/outbox").await.expect(200);
        let sent = outbox["data"].as_array().unwrap().iter().find(|one| one["kind"] == "account.reset-code").cloned();
        otp = sent.and_then(|sent| sent["body"].as_str().map(|body| body[..8].to_owned()));
        otp.is_some()
    })
    .await;
    let otp = otp.unwrap();
    let mut change = json!({ "email": email, "otp": "00000000", "password": password, "resetId": reset["resetId"] });
    anybody.post("/api/auth/reset-password", &change).await.refused(401, "invalid_code");
    change["otp"] = json!(otp);
    anybody.post("/api/auth/reset-password", &change).await.expect(200);

    let login = json!({ "email": email, "password": password });
    let canary = signed_in(anybody.post("/api/auth/login", &login).await.expect(200));
    let shown = canary.post("/api/me/second-factor", &json!({ "password": password })).await.expect(201);
    let key = shown["secret"].as_str().unwrap().to_owned();
    let code = totp::code(&from_base32(&key), totp::step_at(Clock::System.now()));
    let confirmed = canary.post("/api/me/second-factor/confirm", &json!({ "code": code })).await.expect(200);
    let recovery: Vec<String> = serde_json::from_value(confirmed["recoveryCodes"].clone()).unwrap();
    let half = anybody.post("/api/auth/login", &login).await.expect(200);
    let proof = json!({ "challenge": half["challenge"], "recoveryCode": recovery[0] });
    anybody.post("/api/auth/second-factor", &proof).await.expect(200);
    let hex = from_base32(&key).iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    let plain = recovery.iter().map(|code| code.replace('-', ""));
    plain.chain(recovery.clone()).chain([otp, password.to_owned(), key, hex]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_the_database_in_redis_or_in_the_log() {
    let (database, redis_url) = (fresh_database().await, server_url("COMANDA_TEST_REDIS"));
    let url = database_url(&database);
    let keys =
        ["a canary that signs access tokens", "a canary that signs refresh tokens", "a canary that seals what is kept"];
    let variables = [
        ("REDIS_URL", redis_url.as_str()),
        ("LOG_LEVEL", "trace"),
        ("JWT_SECRET", keys[0]),
        ("JWT_REFRESH_SECRET", keys[1]),
        ("SEAL_SECRET", keys[2]),
    ];
    let program = Program::serve(&url, &variables).await;
    let anybody = Person { email: "canary@example.com".to_owned(), ..program.stranger() };
    let mut secrets = vec!["a canary for a password".to_owned(), "a wrong canary".into(), "the next canary".into()];
    let new = json!({ "email": anybody.email, "password": secrets[0], "name": "Canary" });
    anybody.post("/api/auth/register", &new).await.expect(202);
    let login = |password: &str| json!({ "email": anybody.email, "password": password });
    anybody.post("/api/auth/login", &login(&secrets[1])).await.refused(401, "invalid_credentials");
    let mut pair = anybody.post("/api/auth/login", &login(&secrets[0])).await.expect(200);
    let keep = |pair: &Value, secrets: &mut Vec<String>| {
        for name in ["accessToken", "refreshToken"] {
            secrets.push(pair[name].as_str().unwrap().to_owned());
        }
    };
    keep(&pair, &mut secrets);
    for _ in 0..3 {
        pair = anybody.post("/api/auth/refresh", &json!({ "refreshToken": pair["refreshToken"] })).await.expect(200);
        keep(&pair, &mut secrets);
        let signed_in = Person { token: pair["accessToken"].as_str().map(ToOwned::to_owned), ..anybody.clone() };
        signed_in.get("/api/me").await.expect(200);
        Socket::open(&program.door.base, signed_in.token.as_deref().unwrap()).await.unwrap();
    }
    let signed_in = Person { token: pair["accessToken"].as_str().map(ToOwned::to_owned), ..anybody.clone() };
    let change = json!({ "currentPassword": secrets[0], "newPassword": secrets[2] });
    signed_in.post("/api/auth/change-password", &change).await.expect(204);
    // A copy comes late, and what comes in the wrong place is refused without being repeated.
    anybody.post("/api/auth/refresh", &json!({ "refreshToken": secrets[4] })).await.refused(401, "session_ended");
    let confused = Person { token: Some(secrets[5].clone()), ..anybody.clone() };
    confused.get("/api/me").await.refused(401, "unauthenticated");
    anybody
        .post("/api/auth/refresh", &json!({ "refreshToken": secrets[3], "x": secrets[5] }))
        .await
        .refused(422, "invalid_request");

    secrets.extend(keys.map(str::to_owned));
    secrets.extend(codes_of(&anybody, &database).await);

    let (server, options) = url.split_once('?').unwrap();
    let dump =
        Command::new("pg_dump").args(["--dbname", &format!("{server}?{options}"), "--inserts"]).output().unwrap();
    assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
    let places = [
        ("the database", String::from_utf8_lossy(&dump.stdout).into_owned()),
        ("Redis", everything_in(&redis_url).await),
        ("the log", program.log()),
    ];
    assert!(places[0].1.contains("canary@example.com"), "the dump holds the rows");
    assert!(places[2].1.contains("/api/auth/login"), "the log holds the requests");
    for (place, text) in &places {
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "{secret} is in {place}");
            // Nor the part of a token that proves it.
            let proof = secret.rsplit(['.', '_']).next().unwrap();
            assert!(proof.len() < 20 || !text.contains(proof), "{proof} is in {place}");
        }
    }
}

/// An answer without what differs between any two: the request's id, the date, and what is left of a limit.
fn comparable(reply: &Reply) -> (u16, Vec<(String, String)>, String) {
    let changing = ["x-request-id", "date", "ratelimit"];
    let headers = reply.headers.iter().filter(|(name, _)| !changing.contains(&name.as_str()));
    (reply.status, headers.map(|(name, value)| (name.clone(), value.clone())).collect(), reply.without_request_id())
}

#[tokio::test]
async fn known_and_unknown_addresses_are_answered_alike() {
    let app = TestApp::start().await;
    let (ada, eve) = (app.customer("Ada").await, app.customer("Eve").await);
    app.does(&format!("update users set disabled_at = now() where email = '{}'", eve.email)).await;
    let stranger = app.stranger();
    let mut answers = Vec::new();
    for email in [ada.email.as_str(), eve.email.as_str(), "nobody@example.com"] {
        let wrong = json!({ "email": email, "password": "not the password" });
        let new = json!({ "email": email, "password": "four yellow pears", "name": "X" });
        answers.push((
            comparable(&stranger.post("/api/auth/login", &wrong).await),
            comparable(&stranger.post("/api/auth/register", &new).await),
        ));
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0], answers[2]);
    // A disabled user who knows the password is told no more than that.
    let right = json!({ "email": eve.email, "password": PASSWORD });
    assert_eq!(comparable(&stranger.post("/api/auth/login", &right).await), answers[0].0);
    // Sessions that never were, that ended, and texts that are no tokens.
    let tokens = &app.running().app.refresh_tokens;
    let never = tokens.issue(comanda::ids::SessionId::new(), 0);
    let refused: Vec<_> =
        [never.as_str(), "rt_", "no token at all"].map(|token| json!({ "refreshToken": token })).into();
    let mut bodies = Vec::new();
    for body in &refused {
        bodies.push(comparable(&stranger.post("/api/auth/refresh", body).await));
    }
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
}

/// Prints how long a route takes for addresses that exist and that do not, in random pairs.
#[expect(clippy::print_stdout, reason = "the figure")]
async fn compare(app: &TestApp, route: &str, body: impl Fn(&str) -> Value) {
    let pairs = 300_u32;
    let (people, stranger) = (app.crowd(pairs as usize).await, app.stranger());
    let time = async |email: &str| {
        let begun = Instant::now();
        stranger.post(route, &body(email)).await;
        begun.elapsed().as_secs_f64() * 1_000.0
    };
    let mut differences = Vec::new();
    for person in &people {
        let nobody = person.email.replace("guest", "ghost");
        let (known, unknown) = if rand::random() {
            let known = time(&person.email).await;
            (known, time(&nobody).await)
        } else {
            let unknown = time(&nobody).await;
            (time(&person.email).await, unknown)
        };
        differences.push(known - unknown);
    }
    // Wilcoxon's signed ranks, normal approximation.
    let mut ranked = differences.clone();
    ranked.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
    let sum: f64 = (1_u32..).zip(&ranked).filter(|(_, d)| **d > 0.0).map(|(rank, _)| f64::from(rank)).sum();
    let n = f64::from(pairs);
    let z = (sum - n * (n + 1.0) / 4.0) / (n * (n + 1.0) * (2.0 * n + 1.0) / 24.0).sqrt();
    differences.sort_by(f64::total_cmp);
    let median = differences[differences.len() / 2];
    println!("{route}: {pairs} pairs, median difference {median:.3} ms, Wilcoxon z = {z:.2} (p < 0.01 beyond 2.58)");
}

/// `bin/test --run-ignored all take_as_long_for_an_address_that_nobody_has --no-capture`
#[tokio::test]
#[ignore = "a measurement: its figures depend on the machine"]
async fn sign_in_and_recovery_take_as_long_for_an_address_that_nobody_has() {
    let app = TestApp::with(&[("RATE_LIMIT_AUTH", "1000000/1m")]).await;
    compare(&app, "/api/auth/login", |email| json!({ "email": email, "password": "not the password" })).await;
    compare(&app, "/api/auth/forgot-password", |email| json!({ "email": email })).await;
}

fn comanda(url: &str, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_comanda"))
        .args(arguments)
        .current_dir(std::env::temp_dir())
        .env("DATABASE_URL", url)
        .env("SEAL_SECRET", "another secret for tests, long enough too")
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_lists_ends_and_disables_next_to_a_running_server() {
    let app = TestApp::start().await;
    let ada = app.customer("Ada").await;
    assert_eq!(ada.get("/api/me").await.expect(200)["role"], json!(UserRole::Customer));
    let run = |arguments: &[&str]| comanda(&app.database_url, arguments);
    let listed = said(&run(&["user", "sessions", "--email", &ada.email]));
    let session = listed.split_whitespace().next().unwrap().to_owned();
    assert!(session.starts_with("ses_"), "{listed}");
    let ended = run(&["user", "revoke", "--email", &ada.email, "--session", &session]);
    assert_eq!(said(&ended), "1 session(s) ended.\n");
    eventually("the session is out", || async { ada.get("/api/me").await.status == 401 }).await;

    let login = json!({ "email": ada.email, "password": PASSWORD });
    let again = ada.post("/api/auth/login", &login).await.expect(200);
    let ada = Person { token: again["accessToken"].as_str().map(ToOwned::to_owned), ..ada };
    ada.get("/api/me").await.expect(200);
    assert!(said(&run(&["user", "disable", "--email", &ada.email])).contains("is disabled"));
    eventually("the user is out", || async { ada.get("/api/me").await.status == 401 }).await;
    ada.post("/api/auth/login", &login).await.refused(401, "invalid_credentials");
    assert!(said(&run(&["user", "enable", "--email", &ada.email])).contains("may sign in again"));
    ada.post("/api/auth/login", &login).await.expect(200);

    for (arguments, remedy) in [
        (&["user", "disable", "--email", "nobody@example.com"][..], "has no account: check the spelling"),
        (&["user", "disable", "--email", "nobody"], "is no e-mail address"),
        (&["user", "revoke", "--email", &ada.email, "--session", "7"], "`comanda user sessions"),
        (&["user", "revoke", "--email", &ada.email, "--session", &session], "has no session"),
    ] {
        let refused = run(arguments);
        assert!(!refused.status.success() && said(&refused).contains(remedy), "{}", said(&refused));
    }
    for command in ["create", "disable", "enable", "sessions", "revoke"] {
        assert!(said(&run(&["user", command, "--help"])).contains("--email"), "{command}");
    }
}

/// `comanda user create`, with a password over standard input.
fn creates(url: &str, email: &str, password: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_comanda"))
        .args(["user", "create", "--role", "admin", "--name", "Root", "--email", email])
        .current_dir(std::env::temp_dir())
        .env("DATABASE_URL", url)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(password.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_makes_the_first_administrator_and_takes_a_lost_factor_away() {
    let app = TestApp::start().await;
    let url = app.database_url.clone();
    assert_eq!(app.count("select count(*) from users").await, 0, "nobody is there by default");
    for (email, password, remedy) in [
        ("nobody", PASSWORD, "is no e-mail address"),
        ("root@example.com", "", "no password came over standard input"),
        ("root@example.com", "password1", "the password "),
        ("root@example.com", "short", "the password "),
    ] {
        let refused = creates(&url, email, password);
        assert!(!refused.status.success() && said(&refused).contains(remedy), "{}", said(&refused));
    }
    let created = creates(&url, "root@example.com", &format!("{PASSWORD}\n"));
    assert!(created.status.success() && said(&created).starts_with("usr_"), "{}", said(&created));
    assert!(said(&creates(&url, "root@example.com", PASSWORD)).contains("has an account already"));
    let login = json!({ "email": "root@example.com", "password": PASSWORD });
    let answer = app.stranger().post("/api/auth/login", &login).await.expect(200);
    let token = answer["accessToken"].as_str().map(Into::into);
    let root = Person { token, email: "root@example.com".into(), ..app.stranger() };
    root.get("/api/admin/users").await.expect(200);

    let guarded = sets_up(&app, root).await;
    let run = |email: &str| comanda(&url, &["user", "reset-second-factor", "--email", email]);
    assert!(said(&run("nobody@example.com")).contains("has no account: check the spelling"));
    assert_eq!(said(&run("root@example.com")), "The second factor is gone; every session has ended.\n");
    eventually("the session is out", async || guarded.person.get("/api/me").await.status == 401).await;
    assert!(app.stranger().post("/api/auth/login", &login).await.expect(200)["accessToken"].is_string());
    assert_eq!(said(&run("root@example.com")), "There was none.\n");
    assert_eq!(app.count("select count(*) from notifications where kind = 'account.second-factor-removed'").await, 1);
    assert!(said(&comanda(&url, &["user", "reset-second-factor", "--help"])).contains("make sure first who is asking"));
}
