//! Secrets that must not leak: tokens, passwords and the server's own secrets in the database, in Redis, in the logs
//! or in responses. And commands of an operator next to a running server.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use comanda::accounts::{UserRole, totp};
use comanda::variables::VARIABLES;
use reqwest::Method;
use serde_json::{Value, json};

use crate::app::{TestApp, database_url, eventually, execute_in, fresh_database, server_url};
use crate::harness_clock::{clock, program};
use crate::images::files::png;
use crate::people::{PASSWORD, Person, id_of};
use crate::program::Program;
use crate::second_factor::{from_base32, sets_up};
use crate::socket::Socket;

/// All keys and values of a Redis.
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

/// The password of a Redis user.
const CANARY_OF_REDIS: &str = "a-canary-of-redis";

/// The address of a Redis with its own user and password.
async fn with_a_canary(redis_url: &str, user: &str) -> String {
    let client = redis::Client::open(redis_url).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut rule = redis::cmd("ACL");
    rule.arg("SETUSER").arg(user).arg("reset").arg("on").arg(format!(">{CANARY_OF_REDIS}"));
    rule.arg("~*").arg("&*").arg("+@all").exec_async(&mut connection).await.unwrap();
    redis_url.replacen("redis://", &format!("redis://{user}:{CANARY_OF_REDIS}@"), 1)
}

/// The user of a sign-in response.
fn signed_in(person: &Person, answer: &Value) -> Person {
    Person { token: answer["accessToken"].as_str().map(Into::into), ..person.clone() }
}

/// A signed-in administrator.
async fn an_administrator(anybody: &Person, database: &str) -> Person {
    let admin = json!({ "email": "admin@example.com", "password": PASSWORD, "name": "Admin" });
    anybody.post("/api/auth/register", &admin).await.expect(202);
    execute_in(database, "update users set role = 'ADMIN' where email = 'admin@example.com'").await;
    let login = json!({ "email": "admin@example.com", "password": PASSWORD });
    let admin = Person { email: "admin@example.com".to_owned(), ..anybody.clone() };
    signed_in(&admin, &anybody.post("/api/auth/login", &login).await.expect(200))
}

/// Everything that is shown or sent once: a code for a new password, the key of a second factor, recovery codes.
async fn codes_of(anybody: &Person, admin: &Person) -> Vec<String> {
    let (email, password) = (&anybody.email, "the canary after a reset");
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
    let canary = signed_in(anybody, &anybody.post("/api/auth/login", &login).await.expect(200));
    let shown = canary.post("/api/me/second-factor", &json!({ "password": password })).await.expect(201);
    let key = shown["secret"].as_str().unwrap().to_owned();
    let code = totp::code(&from_base32(&key), totp::step_at(clock().now()));
    let confirmed = canary.post("/api/me/second-factor/confirm", &json!({ "code": code })).await.expect(200);
    let recovery: Vec<String> = serde_json::from_value(confirmed["recoveryCodes"].clone()).unwrap();
    let half = anybody.post("/api/auth/login", &login).await.expect(200);
    let proof = json!({ "challenge": half["challenge"], "recoveryCode": recovery[0] });
    anybody.post("/api/auth/second-factor", &proof).await.expect(200);
    let hex = from_base32(&key).iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    let plain = recovery.iter().map(|code| code.replace('-', ""));
    plain.chain(recovery.clone()).chain([otp, password.to_owned(), key, hex]).collect()
}

/// A guest with a cart, who is merged into the administrator's account; another guest's token is sent to wrong
/// endpoints.
async fn tokens_of_guests(anybody: &Person, admin: &Person) -> Vec<String> {
    let mut tokens = Vec::new();
    let restaurant = admin.get("/api/restaurants").await.expect(200);
    let cart = format!("/api/restaurants/{}/cart", id_of(&restaurant["data"][0]));
    for _ in 0..2 {
        let guest = anybody.post("/api/guests", &Value::Null).await.expect(201);
        let token = guest["guestToken"].as_str().unwrap().to_owned();
        let guest = Person { token: Some(token.clone()), ..anybody.clone() };
        guest.put(&cart, &json!({ "lines": [] })).await.expect(200);
        guest.get("/api/me").await.refused(401, "account_required");
        tokens.push(token);
    }
    let misplaced = json!({ "guestToken": tokens[1], "token": tokens[1] });
    admin.post("/api/me/carts", &misplaced).await.refused(422, "invalid_request");
    let login = json!({ "email": admin.email, "password": PASSWORD, "guestToken": tokens[0] });
    let wrong = json!({ "email": admin.email, "password": "another one", "guestToken": tokens[1] });
    anybody.post("/api/auth/login", &wrong).await.refused(401, "invalid_credentials");
    assert_eq!(anybody.post("/api/auth/login", &login).await.expect(200)["guest"]["takenOver"], true);
    tokens
}

/// One canary for each secret of the configuration with which a server can start; the addresses contain theirs as
/// passwords.
fn secrets_of_the_server() -> Vec<(&'static str, String)> {
    let own = VARIABLES.iter().filter(|variable| variable.secret && !variable.name.ends_with("_URL"));
    own.map(|variable| (variable.name, format!("the canary of {} sings at night", variable.name))).collect()
}

/// The other variables that a provider's secrets need. Nothing listens on the addresses.
const PROVIDERS: [(&str, &str); 4] = [
    ("CLOUDINARY_CLOUD_NAME", "demo"),
    ("CLOUDINARY_API_KEY", "1234"),
    ("CLOUDINARY_BASE_URL", "http://127.0.0.1:1"),
    ("IMAGE_PROVIDER_TIMEOUT", "1s"),
];

/// Uploads an image to a provider that does not respond; returns the error.
async fn provokes_a_provider(admin: &Person) -> String {
    let place = json!({ "lat": 44.4949, "lng": 11.3426 });
    let restaurant = json!({ "name": "Luigi", "slug": "luigi", "address": "Via Zamboni 1", "place": place,
        "timezone": "Europe/Rome", "currency": "EUR" });
    let restaurant = admin.post("/api/restaurants", &restaurant).await.expect(201);
    let path = format!("/api/restaurants/{}/image", id_of(&restaurant));
    let image = admin.request(Method::POST, &path).header("content-type", "image/png").body(png(20, 20));
    let reply = admin.send(image).await;
    assert!(reply.status >= 500, "{}", reply.text());
    reply.text()
}

/// The output of `comanda config` for these variables, and the errors of invalid ones.
fn shown(variables: &[(&str, &str)]) -> String {
    let shows = |further: &[(&str, &str)]| {
        let mut command = program();
        command.args(["--config", "/dev/null", "config"]).envs(variables.iter().copied());
        said(&command.envs(further.iter().copied()).output().unwrap())
    };
    let (right, wrong) = (shows(&[]), shows(&[("PORT", "x"), ("CLOUDINARY_API_KEY", "")]));
    assert!(right.contains("(set, hidden)") && wrong.contains("CLOUDINARY_API_KEY"), "{right}{wrong}");
    right + &wrong
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_the_database_in_redis_or_in_the_log() {
    let (database, redis_url) = (fresh_database().await, server_url("COMANDA_TEST_REDIS"));
    // The test server requires no password; there is one in the address all the same.
    let url = database_url(&database).replacen("comanda@", "comanda:a%20canary%20of%20the%20database@", 1);
    assert!(url.contains("canary"), "{url}");
    let keys = secrets_of_the_server();
    let guarded_redis = with_a_canary(&redis_url, "redis_canary").await;
    let mut variables = vec![("REDIS_URL", guarded_redis.as_str()), ("LOG_LEVEL", "trace")];
    variables.extend(PROVIDERS);
    variables.extend(keys.iter().map(|(name, value)| (*name, value.as_str())));
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
        let ada = signed_in(&anybody, &pair);
        ada.get("/api/me").await.expect(200);
        Socket::open(&program.endpoint.base, ada.token.as_deref().unwrap()).await.unwrap();
    }
    let change = json!({ "currentPassword": secrets[0], "newPassword": secrets[2] });
    signed_in(&anybody, &pair).post("/api/auth/change-password", &change).await.expect(204);
    // A late copy, and tokens in wrong places, are refused without being repeated in the response.
    anybody.post("/api/auth/refresh", &json!({ "refreshToken": secrets[4] })).await.refused(401, "session_ended");
    let confused = Person { token: Some(secrets[5].clone()), ..anybody.clone() };
    confused.get("/api/me").await.refused(401, "unauthenticated");
    anybody
        .post("/api/auth/refresh", &json!({ "refreshToken": secrets[3], "x": secrets[5] }))
        .await
        .refused(422, "invalid_request");

    let admin = an_administrator(&anybody, &database).await;
    let error = provokes_a_provider(&admin).await;
    secrets.extend(tokens_of_guests(&anybody, &admin).await);
    secrets.extend(codes_of(&anybody, &admin).await);
    secrets.extend(keys.iter().map(|(_, value)| value.clone()));
    secrets.extend(["a canary of the database".to_owned(), "a%20canary%20of%20the%20database".to_owned()]);
    secrets.push(CANARY_OF_REDIS.to_owned());
    variables.push(("DATABASE_URL", &url));

    let (server, options) = url.split_once('?').unwrap();
    let dump =
        Command::new("pg_dump").args(["--dbname", &format!("{server}?{options}"), "--inserts"]).output().unwrap();
    assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
    let places = [
        ("the database", String::from_utf8_lossy(&dump.stdout).into_owned()),
        ("Redis", everything_in(&redis_url).await),
        ("the log", program.log()),
        ("an answer", error),
        ("what `comanda config` shows", shown(&variables)),
    ];
    assert!(places[0].1.contains("canary@example.com"), "the dump holds the rows");
    assert!(places[2].1.contains("/api/auth/login"), "the log holds the requests");
    for (place, text) in &places {
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "{secret} is in {place}");
            // Nor the signature of a token.
            let proof = secret.rsplit(['.', '_']).next().unwrap();
            assert!(proof.len() < 20 || !text.contains(proof), "{proof} is in {place}");
        }
    }
}

fn comanda(url: &str, arguments: &[&str]) -> Output {
    program()
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
async fn operator_commands_work_beside_a_running_server() {
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
    assert!(said(&run(&["user", "enable", "--email", &ada.email])).contains("is enabled"));
    ada.post("/api/auth/login", &login).await.expect(200);

    for (arguments, remedy) in [
        (&["user", "disable", "--email", "nobody@example.com"][..], "has no account: check the spelling"),
        (&["user", "disable", "--email", "nobody"], "is not an e-mail address"),
        (&["user", "revoke", "--email", &ada.email, "--session", "7"], "`comanda user sessions"),
        (&["user", "revoke", "--email", &ada.email, "--session", &session], "has no active session"),
    ] {
        let refused = run(arguments);
        assert!(!refused.status.success() && said(&refused).contains(remedy), "{}", said(&refused));
    }
    for command in ["create", "disable", "enable", "sessions", "revoke"] {
        assert!(said(&run(&["user", command, "--help"])).contains("--email"), "{command}");
    }
}

/// `comanda user create`, with a password on standard input.
fn creates(url: &str, email: &str, password: &str) -> Output {
    creates_named(url, "Root", email, password)
}

fn creates_named(url: &str, name: &str, email: &str, password: &str) -> Output {
    let mut child = program()
        .args(["user", "create", "--role", "admin", "--name", name, "--email", email])
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
async fn an_operator_creates_the_first_administrator_and_removes_a_lost_factor() {
    let app = TestApp::start().await;
    let url = app.database_url.clone();
    assert_eq!(app.count("select count(*) from users").await, 0, "nobody is there by default");
    for (email, password, remedy) in [
        ("nobody", PASSWORD, "is not an e-mail address"),
        ("root@example.com", "", "no password on standard input"),
        ("root@example.com", "password1", "the password "),
        ("root@example.com", "short", "the password "),
    ] {
        let refused = creates(&url, email, password);
        assert!(!refused.status.success() && said(&refused).contains(remedy), "{}", said(&refused));
    }
    for name in ["", "   ", "\u{200b}", "Ro\not", "Ro\u{202e}ot", &"x".repeat(121)] {
        let refused = creates_named(&url, name, "root@example.com", PASSWORD);
        assert!(!refused.status.success() && said(&refused).contains("the name "), "{name:?}: {}", said(&refused));
    }
    let created = creates(&url, "root@example.com", &format!("{PASSWORD}\n"));
    assert!(created.status.success() && said(&created).starts_with("usr_"), "{}", said(&created));
    assert!(said(&creates(&url, "root@example.com", PASSWORD)).contains("already has an account"));
    let login = json!({ "email": "root@example.com", "password": PASSWORD });
    let answer = app.stranger().post("/api/auth/login", &login).await.expect(200);
    let token = answer["accessToken"].as_str().map(Into::into);
    let root = Person { token, email: "root@example.com".into(), ..app.stranger() };
    root.get("/api/admin/users").await.expect(200);

    let guarded = sets_up(&app, root).await;
    let run = |email: &str| comanda(&url, &["user", "reset-second-factor", "--email", email]);
    assert!(said(&run("nobody@example.com")).contains("has no account: check the spelling"));
    assert_eq!(said(&run("root@example.com")), "The second factor is deleted; all sessions have ended.\n");
    eventually("the session is out", async || guarded.person.get("/api/me").await.status == 401).await;
    assert!(app.stranger().post("/api/auth/login", &login).await.expect(200)["accessToken"].is_string());
    assert_eq!(said(&run("root@example.com")), "The account has no second factor.\n");
    assert_eq!(app.count("select count(*) from notifications where kind = 'account.second-factor-removed'").await, 1);
    assert!(said(&comanda(&url, &["user", "reset-second-factor", "--help"])).contains("verify their identity first"));
}
