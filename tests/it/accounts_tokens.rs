//! Access tokens: forged, altered, expired tokens and those signed with a retired secret are refused with the same
//! body.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::{Sha256, Sha384};

use crate::app::{TestApp, config};
use crate::people::Person;

/// The secret of the test servers.
const SECRET: &[u8] = b"a secret for tests that is long enough";

fn part(text: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// Signs any header and payload.
fn signed(header: &str, claims: &str, key: &[u8]) -> String {
    let body = format!("{}.{}", part(header), part(claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(body.as_bytes());
    format!("{body}.{}", part(mac.finalize().into_bytes()))
}

/// The two readable parts of a token.
fn taken_apart(token: &str) -> (Value, Value) {
    let mut parts =
        token.split('.').map(|part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap_or_default()));
    (parts.next().unwrap().unwrap(), parts.next().unwrap().unwrap())
}

fn with(value: &Value, changes: &[(&str, Value)]) -> String {
    let mut altered = value.clone();
    for (name, to) in changes {
        altered[name] = to.clone();
    }
    altered.to_string()
}

fn without(value: &Value, name: &str) -> String {
    let mut changed = value.clone();
    changed.as_object_mut().unwrap().remove(name);
    changed.to_string()
}

/// Forgeries of a valid token. `now` is the time of the server.
fn forgeries(token: &str, refresh: &str, now: i64) -> Vec<String> {
    let (header, claims) = taken_apart(token);
    let (h, c) = (header.to_string(), claims.to_string());
    let body = format!("{}.{}", part(&h), part(&c));
    let mut forged = vec![String::new(), ".".into(), "..".into(), "a.b.c".into(), refresh.into(), body.clone()];
    forged.push(format!("{body}."));
    forged.push(format!("{token}.{token}"));
    forged.push(format!("{token}A"));
    forged.push(format!("{token}="));
    forged.push("A".repeat(1 << 12));
    // Another algorithm, or none.
    for algorithm in ["none", "None", "nOnE", "NONE", "", "HS384", "HS512", "RS256", "ES256", "EdDSA", "PS256", "hs256"]
    {
        let header = with(&header, &[("alg", json!(algorithm))]);
        forged.push(format!("{}.{}.", part(&header), part(&c)));
        forged.push(signed(&header, &c, SECRET));
    }
    let long_header = with(&header, &[("alg", json!("HS384"))]);
    let long_body = format!("{}.{}", part(&long_header), part(&c));
    let mut mac = Hmac::<Sha384>::new_from_slice(SECRET).unwrap();
    mac.update(long_body.as_bytes());
    forged.push(format!("{long_body}.{}", part(mac.finalize().into_bytes())));
    // Another key, and keys that are embedded in the token.
    for key in
        [&b"another secret that is long enough, too"[..], b"", b"secret", b"another secret for tests, as long as that"]
    {
        forged.push(signed(&h, &c, key));
    }
    for kid in ["", "00000000", "../../../../dev/null", "' OR 1=1 --", "/proc/self/environ"] {
        forged.push(signed(&with(&header, &[("kid", json!(kid))]), &c, SECRET));
    }
    forged.push(signed(&without(&header, "kid"), &c, SECRET));
    let jwk = json!({ "kty": "oct", "k": part(b"my own"), "alg": "HS256" });
    for (name, value) in [
        ("jwk", jwk),
        ("jku", json!("https://evil.test/k")),
        ("x5u", json!("https://evil.test/c")),
        ("x5c", json!(["AA=="])),
    ] {
        forged.push(signed(&with(&header, &[(name, value.clone())]), &c, SECRET));
        forged.push(signed(&with(&header, &[(name, value)]), &c, b"my own"));
    }
    // Not an access token of this server.
    for typ in ["JWT", "rt+jwt", "reset+jwt", ""] {
        forged.push(signed(&with(&header, &[("typ", json!(typ))]), &c, SECRET));
    }
    forged.push(signed(&without(&header, "typ"), &c, SECRET));
    for (name, value) in [
        ("iss", json!("someone")),
        ("iss", json!(["comanda"])),
        ("aud", json!("another-api")),
        ("aud", json!(["another-api"])),
        ("sub", json!("usr_01jd3k9y5xfmt8zq2v7c4n6b0e")),
        ("sub", json!(1)),
        ("sub", json!("")),
        ("sid", json!("ses_01jd3k9y5xfmt8zq2v7c4n6b0e")),
        ("sid", json!(null)),
        ("cnt", json!("0")),
        ("cnt", json!(1e308)),
        ("role", json!("ADMIN")),
        // Expired, not valid yet, or without a time.
        ("exp", json!(now - 31)),
        ("exp", json!("99999999999")),
        ("exp", json!(null)),
        ("exp", json!(1e308)),
        ("exp", json!(-1)),
        ("exp", json!(i64::MAX)),
        ("nbf", json!(now + 31)),
        ("nbf", json!("99999999999")),
        ("nbf", json!(now + 86_400)),
        ("iat", json!("now")),
    ] {
        forged.push(signed(&h, &with(&claims, &[(name, value)]), SECRET));
    }
    for name in ["iss", "aud", "sub", "sid", "cnt", "exp", "nbf", "iat"] {
        forged.push(signed(&h, &without(&claims, name), SECRET));
        // A duplicate claim, where the effective one would be ambiguous.
        let twice = format!("{{\"{name}\":{},{}", claims[name], &c[1..]);
        forged.push(signed(&h, &twice, SECRET));
    }
    forged
}

async fn answer(person: &Person, token: &str) -> Option<String> {
    let request = person.endpoint.client.get(format!("{}/api/me", person.endpoint.base));
    // Characters that are not allowed in a header cannot be sent.
    let value = reqwest::header::HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
    let reply = person.send(request.header("authorization", value)).await;
    reply.refused(401, "unauthenticated");
    Some(reply.without_request_id())
}

#[tokio::test]
async fn forged_tokens_are_refused_and_all_alike() {
    let app = TestApp::start().await;
    let ada = app.customer("Ada").await;
    let token = ada.token.clone().unwrap();
    let (header, claims) = taken_apart(&token);
    // The signature of this test is correct: the unchanged parts are a valid token.
    let copy = Person { token: Some(signed(&header.to_string(), &claims.to_string(), SECRET)), ..ada.clone() };
    copy.get("/api/me").await.expect(200);

    let session = claims["sid"].as_str().unwrap().parse().unwrap();
    let refresh = app.running().app.refresh_tokens.issue(session, 0);
    let forged = forgeries(&token, &refresh, app.clock.now().timestamp());
    assert!(forged.len() >= 60, "{}", forged.len());
    let expected = answer(&app.stranger(), "x").await.unwrap();
    for text in &forged {
        let Some(body) = answer(&ada, text).await else { continue };
        assert_eq!(body, expected, "one answer for every fault: {text}");
    }
    ada.get("/api/me").await.expect(200);
}

#[tokio::test]
async fn a_token_with_a_flipped_bit_is_invalid() {
    let app = TestApp::start().await;
    let token = app.customer("Ada").await.token.unwrap();
    let (tokens, now) = (&app.running().app.tokens, app.clock.now());
    tokens.check(&token, now).unwrap();
    let mut tried = 0;
    for place in 0..token.len() {
        for bit in 0..8 {
            let mut bytes = token.clone().into_bytes();
            bytes[place] ^= 1 << bit;
            let Ok(altered) = String::from_utf8(bytes) else { continue };
            assert!(tokens.check(&altered, now).is_err(), "byte {place}, bit {bit}");
            tried += 1;
        }
    }
    assert!(tried >= token.len() * 7);
}

#[tokio::test]
async fn a_token_is_valid_from_its_start_to_its_expiry() {
    let app = TestApp::with(&[("JWT_EXPIRES_IN", "10m")]).await;
    let ada = app.customer("Ada").await;
    app.advance_clock(TimeDelta::seconds(-31));
    ada.get("/api/me").await.refused(401, "unauthenticated");
    app.advance_clock(TimeDelta::seconds(31) + TimeDelta::seconds(590));
    ada.get("/api/me").await.expect(200);
    app.advance_clock(TimeDelta::seconds(41));
    ada.get("/api/me").await.refused(401, "unauthenticated");
    app.advance_clock(TimeDelta::hours(1));
    ada.get("/api/me").await.refused(401, "unauthenticated");
}

#[tokio::test]
async fn secrets_are_changed_without_signing_anybody_out() {
    let app = TestApp::start().await;
    let ada = app.customer("Ada").await;
    let (_, claims) = taken_apart(ada.token.as_deref().unwrap());
    let old_refresh = app.running().app.refresh_tokens.issue(claims["sid"].as_str().unwrap().parse().unwrap(), 0);
    let node = async |changes: &[(&str, &str)]| {
        let settings = config(&app.database_url, changes);
        let reached = comanda::database::DatabaseServer::find(&settings).await.unwrap();
        comanda::serve::start(settings, &reached, app.clock.clone(), false).await.unwrap()
    };
    let at = |running: &comanda::serve::Running| {
        let mut person = ada.clone();
        person.endpoint.base = format!("http://{}", running.address);
        person
    };
    let (next, next_refresh) =
        ("the next secret, also long enough for it", "and the next one for refreshing, no shorter");
    let (old, old_for_refresh) = (std::str::from_utf8(SECRET).unwrap(), "another secret for tests, as long as that");
    let during = [
        ("JWT_SECRET", next),
        ("JWT_SECRET_PREVIOUS", old),
        ("JWT_REFRESH_SECRET", next_refresh),
        ("JWT_REFRESH_SECRET_PREVIOUS", old_for_refresh),
    ];
    let rotating = node(&during).await;
    at(&rotating).get("/api/me").await.expect(200);
    let body = json!({ "refreshToken": old_refresh });
    let pair = at(&rotating).post("/api/auth/refresh", &body).await.expect(200);
    let renewed = Person { token: pair["accessToken"].as_str().map(ToOwned::to_owned), ..at(&rotating) };
    renewed.get("/api/me").await.expect(200);
    rotating.stop().await;

    let rotated = node(&[("JWT_SECRET", next), ("JWT_REFRESH_SECRET", next_refresh)]).await;
    at(&rotated).get("/api/me").await.refused(401, "unauthenticated");
    at(&rotated).post("/api/auth/refresh", &body).await.refused(401, "session_ended");
    Person { token: renewed.token, ..at(&rotated) }.get("/api/me").await.expect(200);
    rotated.stop().await;
}
