//! Sessions: numbered refresh tokens, what happens when a copy of one is used, and the list of sessions.

use chrono::TimeDelta;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Row as _};

use crate::app::TestApp;
use crate::people::{PASSWORD, Person};
use crate::reply::Reply;

/// A signed-in device: the user with the latest access token, and all refresh tokens so far.
struct Device {
    person: Person,
    given: Vec<String>,
}

/// Signs in with a password as another device.
async fn signs_in(person: &Person) -> Device {
    let answer =
        person.post("/api/auth/login", &json!({ "email": person.email, "password": PASSWORD })).await.expect(200);
    let mut device = Device { person: person.clone(), given: Vec::new() };
    device.required_portions(&answer);
    device
}

impl Device {
    /// Stores a pair of tokens.
    fn required_portions(&mut self, pair: &Value) {
        self.person.token = pair["accessToken"].as_str().map(ToOwned::to_owned);
        self.given.push(pair["refreshToken"].as_str().unwrap().to_owned());
    }

    /// Sends the refresh token that is this many refreshes old.
    async fn sends(&self, ago: usize) -> Reply {
        refresh(&self.person, &self.given[self.given.len() - 1 - ago]).await
    }

    /// Refreshes, and stores the pair.
    async fn refreshes(&mut self) {
        let pair = self.sends(0).await.expect(200);
        self.required_portions(&pair);
    }

    /// Sends a request with the access token.
    async fn looks(&self) -> Reply {
        self.person.get("/api/me").await
    }

    /// All of its tokens are refused.
    async fn is_out(&self) {
        self.looks().await.refused(401, "unauthenticated");
        for ago in 0..self.given.len() {
            self.sends(ago).await.refused(401, "session_ended");
        }
    }
}

async fn refresh(person: &Person, token: &str) -> Reply {
    person.post("/api/auth/refresh", &json!({ "refreshToken": token })).await
}

#[tokio::test]
async fn two_hundred_concurrent_refreshes_make_one_rotation() {
    let app = TestApp::start().await;
    let device = signs_in(&app.customer("Ada").await).await;
    let token = &device.given[0];
    let answers = futures_util::future::join_all((0..200).map(|_| refresh(&device.person, token))).await;
    let next: Vec<_> = answers.iter().map(|answer| answer.expect(200)["refreshToken"].clone()).collect();
    assert!(next.iter().all(|token| *token == next[0]), "everybody gets the same token");
    assert_ne!(next[0], *token);
    assert_eq!(app.count("select max(counter)::bigint from sessions").await, 1);
}

#[tokio::test]
async fn a_lost_response_is_repeated_an_hour_later() {
    let app = TestApp::start().await;
    let mut device = signs_in(&app.customer("Ada").await).await;
    let lost = device.sends(0).await.expect(200);
    app.advance_clock(TimeDelta::hours(1));
    let again = device.sends(0).await.expect(200);
    assert_eq!(again["refreshToken"], lost["refreshToken"]);
    device.required_portions(&again);
    device.looks().await.expect(200);
    device.refreshes().await;
    device.looks().await.expect(200);
}

#[tokio::test]
async fn a_refresh_token_used_after_its_successor_ends_the_session() {
    let app = TestApp::start().await;
    let mut device = signs_in(&app.customer("Ada").await).await;
    device.refreshes().await;
    device.looks().await.expect(200);
    // Requests sent at the same time may still have the previous number.
    let side_by_side = device.sends(1).await.expect(200);
    assert_eq!(side_by_side["refreshToken"], device.given[1]);
    app.advance_clock(TimeDelta::seconds(11));
    device.sends(1).await.refused(401, "session_ended");
    device.is_out().await;
    let reasons = app.count("select count(*) from sessions where revoked_reason = 'refresh_reuse'").await;
    assert_eq!(reasons, 1);
}

#[tokio::test]
async fn a_refresh_token_two_generations_old_ends_the_session_at_once() {
    let app = TestApp::start().await;
    let mut device = signs_in(&app.customer("Ada").await).await;
    device.refreshes().await;
    device.refreshes().await;
    device.sends(2).await.refused(401, "session_ended");
    device.is_out().await;
}

#[tokio::test]
async fn forged_refresh_tokens_are_refused() {
    let app = TestApp::start().await;
    let device = signs_in(&app.customer("Ada").await).await;
    let token = &device.given[0];
    let mut forged =
        vec![String::new(), "rt_".into(), token[3..].to_owned(), format!("{token}A"), token.to_uppercase()];
    for place in 3..token.len() {
        for bit in 0..6 {
            let mut bytes = token.clone().into_bytes();
            bytes[place] ^= 1 << bit;
            forged.extend(String::from_utf8(bytes));
        }
    }
    forged.retain(|text| text != token);
    assert!(forged.len() > 200);
    let first = refresh(&device.person, &forged[0]).await.without_request_id();
    for text in forged {
        let answer = refresh(&device.person, &text).await;
        answer.refused(401, "session_ended");
        assert_eq!(answer.without_request_id(), first, "one answer for all that is not ours");
    }
    refresh(&device.person, token).await.expect(200);
}

#[tokio::test]
async fn a_session_expires_without_use_and_after_its_maximum_life() {
    let lives = [("JWT_REFRESH_EXPIRES_IN", "10d"), ("SESSION_MAX_LIFE", "25d"), ("JWT_EXPIRES_IN", "1h")];
    let app = TestApp::with(&lives).await;
    let ada = app.customer("Ada").await;
    let (mut used, unused) = (signs_in(&ada).await, signs_in(&ada).await);
    for _ in 0..2 {
        app.advance_clock(TimeDelta::days(9));
        used.refreshes().await;
    }
    unused.sends(0).await.refused(401, "session_ended");
    let pair = used.sends(0).await.expect(200);
    let left = pair["refreshExpiresIn"].as_i64().unwrap();
    assert!((7 * 86_400 - 60..=7 * 86_400).contains(&left), "no longer than the whole life: {left}");
    app.advance_clock(TimeDelta::days(7));
    used.is_out().await;

    let staff = [("STAFF_SESSION_IDLE", "12h"), ("STAFF_SESSION_MAX_LIFE", "7d")];
    let app = TestApp::with(&staff).await;
    let (admin, ada) = (app.admin().await, app.customer("Ada").await);
    let (root, mut customer) = (signs_in(&admin).await, signs_in(&ada).await);
    customer.refreshes().await;
    app.advance_clock(TimeDelta::hours(13));
    root.is_out().await;
    customer.refreshes().await;
    // A user who becomes staff has the shorter lifetimes from then on.
    app.execute(&format!("update users set role = 'ADMIN' where email = '{}'", ada.email)).await;
    app.advance_clock(TimeDelta::hours(13));
    customer.sends(0).await.refused(401, "session_ended");
}

#[tokio::test]
async fn sessions_are_listed_and_ended_one_by_one() {
    let app = TestApp::start().await;
    let (ada, eve) = (app.customer("Ada").await, app.customer("Eve").await);
    let (phone, tablet) = (signs_in(&ada).await, signs_in(&ada).await);
    let sessions = phone.person.get("/api/me/sessions").await.expect(200);
    let rows = sessions["data"].as_array().unwrap();
    assert_eq!(rows.len(), 3, "the harness signed her in as well");
    let current: Vec<_> = rows.iter().filter(|row| row["current"] == true).collect();
    assert_eq!(current.len(), 1);
    assert_eq!(current[0]["address"], "127.0.0.1");
    let other = tablet.person.get("/api/me/sessions").await.expect(200);
    let tablets = other["data"].as_array().unwrap().iter().find(|row| row["current"] == true).unwrap()["id"].clone();
    let path = format!("/api/me/sessions/{}", tablets.as_str().unwrap());
    eve.delete(&path).await.refused(404, "not_found");
    tablet.looks().await.expect(200);
    phone.person.delete(&path).await.expect(204);
    tablet.is_out().await;
    phone.looks().await.expect(200);
    phone.person.delete(&path).await.refused(404, "not_found");
}

#[tokio::test]
async fn signing_out_here_or_everywhere() {
    let app = TestApp::start().await;
    let ada = app.customer("Ada").await;
    let (phone, tablet, laptop) = (signs_in(&ada).await, signs_in(&ada).await, signs_in(&ada).await);
    phone.person.post("/api/auth/logout", &json!({})).await.expect(204);
    phone.is_out().await;
    tablet.looks().await.expect(200);
    tablet.person.post("/api/auth/logout-all", &json!({})).await.expect(204);
    tablet.is_out().await;
    laptop.is_out().await;
    signs_in(&ada).await.looks().await.expect(200);
}

#[tokio::test]
async fn a_new_password_ends_the_other_sessions() {
    let app = TestApp::start().await;
    let ada = app.customer("Ada").await;
    let (phone, tablet) = (signs_in(&ada).await, signs_in(&ada).await);
    let change = |current: &str, new: &str| json!({ "currentPassword": current, "newPassword": new });
    let path = "/api/auth/change-password";
    phone.person.post(path, &change("not hers", "four yellow pears")).await.refused(403, "reauth_required");
    phone.person.post(path, &change(PASSWORD, "password1")).await.refused(422, "invalid_request");
    tablet.looks().await.expect(200);
    phone.person.post(path, &change(PASSWORD, "four yellow pears")).await.expect(204);
    tablet.is_out().await;
    phone.looks().await.expect(200);
    let credentials = |password: &str| json!({ "email": ada.email, "password": password });
    ada.post("/api/auth/login", &credentials(PASSWORD)).await.refused(401, "invalid_credentials");
    ada.post("/api/auth/login", &credentials("four yellow pears")).await.expect(200);
}

#[tokio::test]
async fn nothing_brings_a_revoked_session_back() {
    let app = TestApp::start().await;
    let phone = signs_in(&app.customer("Ada").await).await;
    phone.person.post("/api/auth/logout", &json!({})).await.expect(204);
    let restore = "update sessions set revoked_at = null, revoked_reason = null where revoked_at is not null";
    let outcome = sqlx::raw_sql(restore).execute(&app.superuser).await;
    assert!(outcome.unwrap_err().to_string().contains("stays so"));
    phone.is_out().await;
}

/// A sign-in does not read all earlier sessions of the user, nor those of others.
#[tokio::test]
async fn every_statement_that_asks_for_the_sessions_of_a_user_is_served_by_an_index() {
    let app = TestApp::start().await;
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/.sqlx");
    let mut looked_at = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let recorded: Value = serde_json::from_str(&std::fs::read_to_string(entry.unwrap().path()).unwrap()).unwrap();
        let statement = recorded["query"].as_str().unwrap();
        let of_sessions =
            ["from sessions", "update sessions", "join sessions"].iter().any(|part| statement.contains(part));
        if !of_sessions || !statement.contains("user_id") {
            continue;
        }
        looked_at += 1;
        let count = recorded["describe"]["parameters"]["Left"].as_array().unwrap().len();
        let nothing = vec!["null"; count].join(", ");
        let mut one = app.superuser.acquire().await.unwrap();
        let prepare = format!(
            "set enable_seqscan = off; set plan_cache_mode = force_generic_plan; deallocate all; prepare asked as \
             {statement}"
        );
        sqlx::raw_sql(AssertSqlSafe(prepare)).execute(&mut *one).await.unwrap();
        let explain = format!("explain execute asked({nothing})");
        let plan = sqlx::raw_sql(AssertSqlSafe(explain)).fetch_all(&mut *one).await.unwrap();
        let plan = plan.iter().map(|row| row.get_unchecked::<String, _>(0)).collect::<Vec<_>>().join("\n");
        assert!(!plan.contains("Seq Scan on sessions"), "{statement}\n{plan}");
    }
    assert!(looked_at >= 8, "{looked_at}");
}
