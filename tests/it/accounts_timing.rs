//! Existing accounts cannot be detected: requests for known, unknown and disabled addresses receive the same bytes in
//! the same time.

use std::time::Instant;

use rand::seq::IndexedRandom as _;
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::people::PASSWORD;
use crate::reply::Reply;

/// A response without the values that differ between any two: request id, date, remaining limits.
fn comparable(reply: &Reply) -> (u16, Vec<(String, String)>, String) {
    let changing = ["x-request-id", "date", "ratelimit"];
    let headers = reply.headers.iter().filter(|(name, _)| !changing.contains(&name.as_str()));
    (reply.status, headers.map(|(name, value)| (name.clone(), value.clone())).collect(), reply.without_request_id())
}

#[tokio::test]
async fn known_and_unknown_addresses_are_answered_alike() {
    let app = TestApp::start().await;
    let (ada, eve) = (app.customer("Ada").await, app.customer("Eve").await);
    app.execute(&format!("update users set disabled_at = now() where email = '{}'", eve.email)).await;
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
    // A disabled user with the correct password gets the same response.
    let right = json!({ "email": eve.email, "password": PASSWORD });
    assert_eq!(comparable(&stranger.post("/api/auth/login", &right).await), answers[0].0);
    // Sessions that never existed or have ended, and texts that are no tokens.
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

/// Pairs of each kind: `bin/chaos timing` sends many, and only then are the times judged.
#[expect(clippy::disallowed_methods, reason = "how many pairs")]
fn pairs() -> (usize, bool) {
    let asked = std::env::var("COMANDA_PAIRS").ok().map(|pairs| pairs.parse().expect("a number of pairs"));
    (asked.unwrap_or(20), asked.is_some())
}

/// The differences between two kinds of addresses in milliseconds, pair by pair.
struct Differences(Vec<f64>);

impl Differences {
    fn median(sample: &mut [f64]) -> f64 {
        sample.sort_by(f64::total_cmp);
        sample[sample.len() / 2]
    }

    /// Wilcoxon's signed-rank statistic, normal approximation: beyond ±2.58, p < 0.01.
    fn wilcoxon(&self) -> f64 {
        let mut ranked = self.0.clone();
        ranked.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
        let sum: f64 = (1_u32..).zip(&ranked).filter(|(_, d)| **d > 0.0).map(|(rank, _)| f64::from(rank)).sum();
        let n = f64::from(u32::try_from(ranked.len()).unwrap());
        (sum - n * (n + 1.0) / 4.0) / (n * (n + 1.0) * (2.0 * n + 1.0) / 24.0).sqrt()
    }

    /// The 95 % confidence interval of the median (bootstrap).
    fn bounds(&self) -> (f64, f64) {
        let mut chance = rand::rng();
        let again = |_| {
            let mut sample: Vec<_> = (0..self.0.len()).map(|_| *self.0.choose(&mut chance).unwrap()).collect();
            Self::median(&mut sample)
        };
        let mut medians: Vec<_> = (0..1_000).map(again).collect();
        medians.sort_by(f64::total_cmp);
        (medians[25], medians[974])
    }
}

/// Requests for existing and unknown addresses in random pairs: both get the same response, and with many pairs the
/// times do not differ.
#[expect(clippy::print_stdout, reason = "the figures")]
async fn compare(app: &TestApp, what: &str, route: &str, disabled: bool, body: impl Fn(&str) -> Value) {
    let (count, is_timed) = pairs();
    let (people, stranger) = (app.crowd(count).await, app.stranger());
    if disabled {
        app.execute("update users set disabled_at = now() where disabled_at is null").await;
    }
    // Their owners have signed in from another network.
    app.execute("update sessions set ip = '203.0.113.9'").await;
    let ask = async |email: &str| {
        let begun = Instant::now();
        let reply = stranger.post(route, &body(email)).await;
        (begun.elapsed().as_secs_f64() * 1_000.0, reply)
    };
    let mut differences = Vec::new();
    for person in &people {
        let nobody = person.email.replace("guest", "ghost");
        let (known, unknown) = if rand::random() {
            let known = ask(&person.email).await;
            (known, ask(&nobody).await)
        } else {
            let unknown = ask(&nobody).await;
            (ask(&person.email).await, unknown)
        };
        let (mut one, mut other) = (comparable(&known.1), comparable(&unknown.1));
        for answer in [&mut one, &mut other] {
            // A new name for each request.
            if let Some(reset) = serde_json::from_str::<Value>(&answer.2).unwrap()["resetId"].as_str() {
                answer.2 = answer.2.replace(reset, "");
            }
        }
        assert_eq!(one, other, "{what}");
        differences.push(known.0 - unknown.0);
    }
    let differences = Differences(differences);
    let (median, z, (low, high)) =
        (Differences::median(&mut differences.0.clone()), differences.wilcoxon(), differences.bounds());
    println!(
        "{what}: {count} pairs, median difference {median:.3} ms (95 %: {low:.3} to {high:.3}), Wilcoxon z {z:.2}"
    );
    // A busy machine moves the median by more than that, in both directions.
    let is_apart = median.abs() >= 1.0 && (low > 0.0 || high < 0.0);
    assert!(!is_timed || (z.abs() < 2.58 && !is_apart), "{what} takes longer for one of them");
}

#[tokio::test]
async fn known_and_unknown_addresses_take_as_long() {
    let app = TestApp::with(&[("RATE_LIMIT_AUTH", "1000000/1m")]).await;
    let login = |email: &str| json!({ "email": email, "password": "not the password" });
    compare(&app, "sign-in", "/api/auth/login", false, login).await;
    compare(&app, "forgotten password", "/api/auth/forgot-password", false, |email| json!({ "email": email })).await;
    let register = |email: &str| json!({ "email": email, "password": "four yellow pears", "name": "X" });
    compare(&app, "sign-up", "/api/auth/register", false, register).await;
    compare(&app, "sign-in of somebody disabled", "/api/auth/login", true, login).await;
}
