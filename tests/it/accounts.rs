//! Registration, sign-in, and tokens.

use chrono::TimeDelta;
use comanda::ids::{SessionId, UserId};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::app::{SECRET, TestApp};
use crate::people::{PASSWORD, Person};

#[tokio::test]
async fn a_new_user_can_sign_in_and_is_a_customer() {
    let app = TestApp::start().await;
    let stranger = app.stranger();
    let request_body =
        json!({ "email": " Ada@Example.COM ", "password": "ùnô dué 333", "name": "Ada", "phone": "+390511234567" });
    let first = stranger.post("/api/auth/register", &request_body).await;
    first.expect(202);
    // The same characters in another Unicode normalisation form.
    let credentials = json!({ "email": "ada@example.com", "password": "u\u{300}no\u{302} due\u{301} 333" });
    let session = stranger.post("/api/auth/login", &credentials).await.expect(200);
    assert_eq!((&session["tokenType"], &session["expiresIn"]), (&json!("Bearer"), &json!(12 * 3600)));
    let ada = Person { token: session["accessToken"].as_str().map(Into::into), ..stranger.clone() };
    let me = ada.get("/api/me").await.expect(200);
    assert_eq!(me["email"], "ada@example.com");
    assert_eq!((&me["role"], &me["name"], &me["phone"]), (&json!("CUSTOMER"), &json!("Ada"), &json!("+390511234567")));
    assert_eq!((&me["memberships"], &me["driver"]), (&json!([]), &Value::Null));

    // A second registration changes nothing and has the same response.
    let other = json!({ "email": "ada@example.com", "password": "another password", "name": "Eve" });
    let second = stranger.post("/api/auth/register", &other).await;
    second.expect(202);
    assert_eq!(first.bytes, second.bytes);
    stranger.post("/api/auth/login", &credentials).await.expect(200);
    assert_eq!(app.count("select count(*) from users where name = 'Eve'").await, 0);
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_address_are_refused_alike() {
    let app = TestApp::start().await;
    let (ada, stranger) = (app.customer("Ada").await, app.stranger());
    let wrong = stranger.post("/api/auth/login", &json!({ "email": ada.email, "password": "four green apples" })).await;
    let unknown =
        stranger.post("/api/auth/login", &json!({ "email": "no.one@example.com", "password": PASSWORD })).await;
    wrong.refused(401, "invalid_credentials");
    unknown.refused(401, "invalid_credentials");
    assert_eq!(wrong.without_request_id(), unknown.without_request_id());
    app.execute("update users set disabled_at = now()").await;
    let disabled = stranger.post("/api/auth/login", &json!({ "email": ada.email, "password": PASSWORD })).await;
    assert_eq!(disabled.without_request_id(), unknown.without_request_id());
}

#[tokio::test]
async fn passwords_have_bounds_and_are_not_common_ones() {
    let app = TestApp::start().await;
    let stranger = app.stranger();
    for bad in ["short12".to_owned(), "x".repeat(129), "password123".to_owned(), "QWERTYUIOP".to_owned()] {
        let request_body = json!({ "email": "ada@example.com", "password": bad, "name": "Ada" });
        let refusal = stranger.post("/api/auth/register", &request_body).await.refused(422, "invalid_request");
        assert_eq!(refusal["errors"][0]["pointer"], "/password", "{bad}");
        assert!(!refusal.to_string().contains(&bad), "a password is not repeated: {refusal}");
    }
    assert_eq!(app.count("select count(*) from users").await, 0);
}

#[tokio::test]
async fn addresses_phones_and_names_are_validated() {
    let app = TestApp::start().await;
    let good = json!({ "email": "ada@example.com", "password": PASSWORD, "name": "Ada", "phone": "+390511234567" });
    let bad = [
        ("email", json!("ada")),
        ("email", json!("ada@example")),
        ("email", json!("@example.com")),
        ("email", json!("a da@example.com")),
        ("email", json!("a@b@example.com")),
        ("email", json!(format!("{}@example.com", "a".repeat(250)))),
        ("email", json!(format!("{}@example.com", "a".repeat(250_000)))),
        ("phone", json!("0511234567")),
        ("phone", json!("+0511234567")),
        ("phone", json!("+39 051")),
        ("phone", json!("+1234567890123456")),
        ("name", json!("   ")),
        ("name", json!("x".repeat(121))),
        ("name", json!("Ada\u{0}")),
        ("name", json!(7)),
    ];
    for (field, value) in bad {
        let mut request_body = good.clone();
        request_body[field] = value.clone();
        let refusal = app.stranger().post("/api/auth/register", &request_body).await.refused(422, "invalid_request");
        assert_eq!(refusal["errors"][0]["pointer"], format!("/{field}"), "{value}");
    }
    assert_eq!(app.count("select count(*) from users").await, 0);
}

#[tokio::test]
async fn a_role_is_granted_and_never_claimed() {
    let app = TestApp::start().await;
    let request_body = json!({ "email": "eve@example.com", "password": PASSWORD, "name": "Eve", "role": "ADMIN" });
    app.stranger().post("/api/auth/register", &request_body).await.refused(422, "invalid_request");
    assert_eq!(app.count("select count(*) from users").await, 0);
}

fn part(json: &Value) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(json.to_string())
}

#[tokio::test]
async fn a_foreign_or_expired_token_is_refused() {
    let app = TestApp::start().await;
    let ada = app.customer("Ada").await;
    let good = ada.token.clone().unwrap();
    let [header, payload, signature] = good.split('.').collect::<Vec<_>>().try_into().unwrap();
    let read: Value = {
        use base64::Engine as _;
        serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
    };
    let kid = jsonwebtoken::decode_header(&good).unwrap().kid;
    let sign = |claims: &Value, key: &str, algorithm, typ: &str| {
        let header = Header { typ: Some(typ.into()), kid: kid.clone(), ..Header::new(algorithm) };
        jsonwebtoken::encode(&header, claims, &EncodingKey::from_secret(key.as_bytes())).unwrap()
    };
    let with = |field: &str, value: Value| {
        let mut claims = read.clone();
        claims[field] = value;
        sign(&claims, SECRET, Algorithm::HS256, "at+jwt")
    };
    let whoami = |token: String| {
        let person = Person { token: Some(token), ..ada.clone() };
        async move { person.get("/api/me").await }
    };
    whoami(sign(&read, SECRET, Algorithm::HS256, "at+jwt")).await.expect(200);
    let now = app.clock.now().timestamp();
    let none = json!({ "alg": "none", "typ": "at+jwt", "kid": kid });
    let mut other_user = read.clone();
    other_user["sub"] = json!(UserId::new());
    let bad = [
        ("no token at all", String::new()),
        ("not a token", "abc".into()),
        ("three dots", "...".into()),
        ("cut off", format!("{header}.{payload}.")),
        ("another's claims under our signature", format!("{header}.{}.{signature}", part(&other_user))),
        ("algorithm none", format!("{}.{payload}.", part(&none))),
        ("algorithm none, signed", format!("{}.{payload}.{signature}", part(&none))),
        ("another algorithm", sign(&read, SECRET, Algorithm::HS512, "at+jwt")),
        ("another key", sign(&read, &SECRET.to_uppercase(), Algorithm::HS256, "at+jwt")),
        ("another kind", sign(&read, SECRET, Algorithm::HS256, "JWT")),
        ("over", with("exp", json!(now - 1))),
        ("not yet", with("nbf", json!(now + 60))),
        ("over before it began", with("exp", json!(-5))),
        ("another issuer", with("iss", json!("somebody"))),
        ("another audience", with("aud", json!("somebody"))),
        ("an unknown session", with("sid", json!(SessionId::new()))),
        ("another user's session", with("sub", json!(UserId::new()))),
        ("an unknown claim", with("role", json!("ADMIN"))),
        ("no user", with("sub", json!("root"))),
        ("very long", format!("{good}{}", "A".repeat(4_000))),
    ];
    for (what, token) in bad {
        let reply = whoami(token).await;
        reply.refused(401, "unauthenticated");
        assert!(reply.header("www-authenticate").starts_with("Bearer"), "{what}");
    }
    let basic =
        app.stranger().request(reqwest::Method::GET, "/api/me").header("authorization", format!("Basic {good}"));
    ada.send(basic).await.refused(401, "unauthenticated");
    ada.get("/api/me").await.expect(200);
    app.stranger().get("/api/me").await.refused(401, "unauthenticated");
    app.advance_clock(TimeDelta::hours(12));
    ada.get("/api/me").await.refused(401, "unauthenticated");
}

#[tokio::test]
async fn a_disabled_user_and_a_revoked_session_lose_access_at_once() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.customer("Ada").await, app.customer("Bob").await);
    app.execute("update users set disabled_at = now() where name = 'Ada'").await;
    ada.get("/api/me").await.refused(401, "unauthenticated");
    app.execute("update sessions set revoked_at = now(), revoked_reason = 'test'").await;
    bob.get("/api/me").await.refused(401, "unauthenticated");
}
