//! Profiles: fields that several devices write, addresses, devices, preferences, invitations; and the administration
//! of accounts.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::people::{PASSWORD, Person, id_of};

fn stamped(value: &str, at: DateTime<Utc>) -> Value {
    json!({ "value": value, "at": at })
}

#[tokio::test]
async fn the_latest_write_of_a_field_wins_in_any_order_of_arrival() {
    let writes = [("Ada", 10), ("Ada L.", 30), ("Countess", 20), ("Lady", 30)];
    let mut ends = Vec::new();
    for turn in 0..writes.len() {
        let app = TestApp::start().await;
        let ada = app.customer("Nobody").await;
        let begin = app.clock.now() - TimeDelta::hours(1);
        let mut order = writes;
        order.rotate_left(turn);
        for (name, minute) in order {
            let patch = json!({ "name": stamped(name, begin + TimeDelta::minutes(minute)) });
            ada.patch("/api/me", &patch).await.expect(200);
        }
        ends.push(ada.get("/api/me").await.expect(200)["name"].clone());
    }
    assert!(ends.iter().all(|name| name == "Lady"), "{ends:?}");
}

#[tokio::test]
async fn a_wrong_clock_does_not_win_permanently() {
    let app = TestApp::start().await;
    let ada = app.customer("Ada").await;
    let now = app.clock.now();
    let year = |year: &str| format!("{year}-01-01T00:00:00Z").parse::<DateTime<Utc>>().unwrap();
    let future = json!({ "name": stamped("Future", year("2099")) });
    let refusal = ada.patch("/api/me", &future).await.refused(422, "clock_skew");
    assert_eq!(refusal["errors"][0]["pointer"], "/name/at");
    ada.patch("/api/me", &json!({ "name": "Future", "at": now + TimeDelta::hours(1) }))
        .await
        .refused(422, "clock_skew");
    let past = ada.patch("/api/me", &json!({ "name": stamped("First", year("1970")) })).await.expect(200);
    assert_eq!(past["name"], "First", "nobody wrote later yet");
    // A time slightly ahead counts as now, so that the next write wins.
    ada.patch("/api/me", &json!({ "name": stamped("Ahead", now + TimeDelta::minutes(4)) })).await.expect(200);
    let next = ada.patch("/api/me", &json!({ "name": stamped("Next", app.clock.now()) })).await.expect(200);
    assert_eq!(next["name"], "Next");
    let late = ada.patch("/api/me", &json!({ "name": stamped("Late", year("1970")) })).await.expect(200);
    assert_eq!(late["name"], "Next");
    // Undetected: at most a minute of advantage, and none over a write without a time.
    ada.patch("/api/me", &json!({ "name": stamped("Quick", app.clock.now() + TimeDelta::seconds(50)) }))
        .await
        .expect(200);
    assert_eq!(ada.patch("/api/me", &json!({ "name": "Plain" })).await.expect(200)["name"], "Plain");
}

#[tokio::test]
async fn a_profile_is_changed_field_by_field() {
    let app = TestApp::start().await;
    let ada = app.customer("Ada").await;
    let me = ada
        .patch("/api/me", &json!({ "locale": "it", "phone": "+39 051 1234567", "currentPassword": PASSWORD }))
        .await
        .expect(200);
    assert_eq!((&me["locale"], &me["phone"], &me["name"]), (&json!("it"), &json!("+390511234567"), &json!("Ada")));
    for bad in [
        json!({ "role": "ADMIN" }),
        json!({ "email": "x@example.com" }),
        json!({ "locale": "Italian!" }),
        json!({ "name": "" }),
        json!({ "phone": "12" }),
    ] {
        ada.patch("/api/me", &bad).await.refused(422, "invalid_request");
    }
    // A number can recover the account, so a token alone does not change it.
    ada.patch("/api/me", &json!({ "phone": "+390517654321" })).await.refused(403, "reauth_required");
    let wrong = json!({ "phone": "+390517654321", "currentPassword": "not hers" });
    ada.patch("/api/me", &wrong).await.refused(403, "reauth_required");
    let right = json!({ "phone": null, "currentPassword": PASSWORD });
    assert_eq!(ada.patch("/api/me", &right).await.expect(200)["phone"], Value::Null);
}

#[tokio::test]
async fn saved_addresses_belong_to_their_user() {
    let app = TestApp::start().await;
    let (ada, eve) = (app.customer("Ada").await, app.customer("Eve").await);
    let home = json!({ "label": "Home", "address": "Via del Pratello 12", "place": { "lat": 44.4965, "lng": 11.334 } });
    let kept = ada.post("/api/me/addresses", &home).await.expect(201);
    let path = format!("/api/me/addresses/{}", id_of(&kept));
    eve.put(&path, &home).await.refused(404, "not_found");
    eve.delete(&path).await.refused(404, "not_found");
    assert_eq!(eve.get("/api/me/addresses").await.expect(200)["data"], json!([]));
    let moved = ada.put(&path, &json!({ "address": "Via Zamboni 1", "note": "third floor" })).await.expect(200);
    assert_eq!((&moved["address"], &moved["place"]), (&json!("Via Zamboni 1"), &Value::Null));
    assert_eq!(ada.get("/api/me/addresses").await.expect(200)["data"][0], moved);
    ada.delete(&path).await.expect(204);
    ada.delete(&path).await.refused(404, "not_found");
    for _ in 0..50 {
        ada.post("/api/me/addresses", &home).await.expect(201);
    }
    ada.post("/api/me/addresses", &home).await.refused(409, "too_many");
}

#[tokio::test]
async fn a_push_device_belongs_to_the_last_user_who_signed_in_on_it() {
    let app = TestApp::start().await;
    let (ada, eve) = (app.customer("Ada").await, app.customer("Eve").await);
    let phone = json!({ "kind": "fcm", "target": "fcm-token-1", "locale": "it" });
    let first = ada.post("/api/me/devices", &phone).await.expect(201);
    let again = ada.post("/api/me/devices", &phone).await.expect(201);
    assert_eq!(first["id"], again["id"]);
    eve.post("/api/me/devices", &phone).await.expect(201);
    assert_eq!(ada.get("/api/me/devices").await.expect(200)["data"], json!([]));
    let path = format!("/api/me/devices/{}", id_of(&first));
    ada.delete(&path).await.refused(404, "not_found");
    eve.delete(&path).await.expect(204);
    ada.post("/api/me/devices", &json!({ "kind": "apns", "target": "x", "locale": "it" }))
        .await
        .refused(422, "invalid_request");
}

#[tokio::test]
async fn push_devices_of_a_user_are_limited_and_the_oldest_is_deleted() {
    let app = TestApp::with(&[("PUSH_MAX_DEVICES", "3")]).await;
    let (ada, eve) = (app.customer("Ada").await, app.customer("Eve").await);
    let registers = async |person: &Person, target: &str| {
        app.advance_clock(TimeDelta::seconds(1));
        let device = json!({ "kind": "fcm", "target": target, "locale": "it" });
        person.post("/api/me/devices", &device).await.expect(201)["id"].clone()
    };
    let eves = registers(&eve, "eve's").await;
    let mut ids = Vec::new();
    for target in ["one", "two", "three", "one", "four"] {
        ids.push(registers(&ada, target).await);
    }
    let listed = |body: &Value| -> Vec<Value> {
        body["data"].as_array().unwrap().iter().map(|device| device["id"].clone()).collect()
    };
    let now = listed(&ada.get("/api/me/devices").await.expect(200));
    assert_eq!(now, [ids[4].clone(), ids[3].clone(), ids[2].clone()], "two was registered longest ago");
    assert_eq!(listed(&eve.get("/api/me/devices").await.expect(200)), [eves]);
}

#[tokio::test]
async fn security_cannot_be_declined() {
    let app = TestApp::start().await;
    let ada = app.customer("Ada").await;
    let path = "/api/me/notification-preferences";
    let mut preferences = ada.get(path).await.expect(200);
    assert_eq!(preferences["marketing"], json!({ "push": false, "sms": false, "email": false }));
    preferences["order"]["sms"] = json!(false);
    assert_eq!(ada.put(path, &preferences).await.expect(200), preferences);
    assert_eq!(ada.get(path).await.expect(200), preferences);
    preferences["security"]["email"] = json!(false);
    let refusal = ada.put(path, &preferences).await.refused(422, "invalid_request");
    assert_eq!(refusal["errors"][0]["pointer"], "/security/email");
}

#[tokio::test]
async fn an_invitation_is_accepted_by_its_address_and_its_code() {
    let app = TestApp::start().await;
    let shop = app.restaurant("Luigi").opens().await;
    let invite = |role: &str| json!({ "email": "nora@example.com", "role": role });
    let replaced = shop.owner.post(&shop.path("/invitations"), &invite("STAFF")).await.expect(201);
    let invitation = shop.owner.post(&shop.path("/invitations"), &invite("MANAGER")).await.expect(201);
    assert_eq!(shop.owner.get(&shop.path("/invitations")).await.expect(200)["data"].as_array().unwrap().len(), 1);
    app.customer("Eve").await.get(&shop.path("/invitations")).await.refused(404, "not_found");

    let stranger = app.stranger();
    let nora = json!({ "email": "nora@example.com", "password": PASSWORD, "name": "Nora" });
    stranger.post("/api/auth/register", &nora).await.expect(202);
    let credentials = json!({ "email": "nora@example.com", "password": PASSWORD });
    let signed_in = stranger.post("/api/auth/login", &credentials).await.expect(200);
    let nora = crate::people::Person { token: signed_in["accessToken"].as_str().map(ToOwned::to_owned), ..stranger };
    let mine = nora.get("/api/me/invitations").await.expect(200);
    assert_eq!(mine["data"], json!([]), "whether the mailbox is theirs is not known yet");
    app.execute("update users set email_verified_at = now() where email = 'nora@example.com'").await;
    let mine = nora.get("/api/me/invitations").await.expect(200);
    assert_eq!(mine["data"][0]["id"], invitation["id"]);
    assert!(mine["data"][0]["code"].is_null(), "the code is shown once, to whoever invited");
    app.execute("update users set email_verified_at = null where email = 'nora@example.com'").await;
    let path = format!("/api/me/invitations/{}/accept", id_of(&invitation));
    // Another user who registered with the address does not know the code.
    nora.post(&path, &json!({ "code": "guessed" })).await.refused(422, "invalid_request");
    nora.post(&path, &json!({ "code": replaced["code"] })).await.refused(422, "invalid_request");
    let eve = app.customer("Eve").await;
    eve.post(&path, &json!({ "code": invitation["code"] })).await.refused(404, "not_found");
    nora.get(&shop.path("/members")).await.refused(404, "not_found");
    let place = nora.post(&path, &json!({ "code": invitation["code"] })).await.expect(200);
    assert_eq!(place["role"], "MANAGER");
    nora.get(&shop.path("/members")).await.expect(200);
    nora.post(&path, &json!({ "code": invitation["code"] })).await.refused(404, "not_found");

    // A manager manages the restaurant and cannot give it to somebody else.
    let to = |role: &str| json!({ "email": eve.email, "role": role });
    nora.post(&shop.path("/members"), &to("OWNER")).await.refused(403, "forbidden");
    nora.post(&shop.path("/invitations"), &invite("OWNER")).await.refused(403, "forbidden");
    nora.delete(&shop.path(&format!("/members/{}", shop.owner.id))).await.refused(403, "forbidden");
    nora.post(&shop.path("/members"), &to("STAFF")).await.expect(202);
    shop.owner.post(&shop.path("/members"), &to("OWNER")).await.expect(202);
}

#[tokio::test]
async fn administrators_find_disable_and_promote_accounts() {
    let app = TestApp::start().await;
    let (admin, ada) = (app.admin().await, app.customer("Ada").await);
    let beginning = &ada.email[..12];
    let found = admin.get(&format!("/api/admin/users?email={beginning}")).await.expect(200);
    assert_eq!(found["data"][0]["id"], ada.id.as_str());
    let is_verified_in = async |field: &str| {
        admin.get(&format!("/api/admin/users?email={beginning}")).await.expect(200)["data"][0][field].clone()
    };
    for (column, field) in [("email_verified_at", "emailVerified"), ("phone_verified_at", "phoneVerified")] {
        for (value, is_verified) in [("null", false), ("now()", true)] {
            let phone = "phone = coalesce(phone, '+390511234567')";
            app.execute(&format!("update users set {phone}, {column} = {value} where email = '{}'", ada.email)).await;
            assert_eq!(is_verified_in(field).await, json!(is_verified), "{field}");
        }
    }
    assert_eq!(admin.get("/api/admin/users?email=%25").await.expect(200)["data"], json!([]), "no pattern of LIKE");
    let first = admin.get("/api/admin/users?limit=1").await.expect(200);
    let cursor = first["nextCursor"].as_str().unwrap();
    let second = admin.get(&format!("/api/admin/users?limit=1&cursor={cursor}")).await.expect(200);
    assert_ne!(first["data"][0]["id"], second["data"][0]["id"]);
    ada.get("/api/admin/users").await.refused(403, "forbidden");

    let path = format!("/api/admin/users/{}", ada.id);
    ada.patch(&path, &json!({ "role": "ADMIN" })).await.refused(403, "forbidden");
    admin.patch(&path, &json!({ "rôle": "ADMIN" })).await.refused(422, "invalid_request");
    admin.patch(&path, &json!({ "role": "ADMIN" })).await.expect(200);
    ada.get("/api/admin/users").await.expect(200);
    assert!(admin.patch(&path, &json!({ "disabled": true })).await.expect(200)["disabledAt"].is_string());
    ada.get("/api/me").await.refused(401, "unauthenticated");
    let credentials = json!({ "email": ada.email, "password": PASSWORD });
    ada.post("/api/auth/login", &credentials).await.refused(401, "invalid_credentials");
    admin.patch(&path, &json!({ "disabled": false, "role": "CUSTOMER" })).await.expect(200);
    ada.get("/api/me").await.refused(401, "unauthenticated");
    ada.post("/api/auth/login", &credentials).await.expect(200);
    let nobody = "/api/admin/users/usr_01jd3k9y5xfmt8zq2v7c4n6b0e";
    admin.patch(nobody, &json!({ "disabled": true })).await.refused(404, "not_found");
}

#[tokio::test]
async fn losing_a_role_ends_its_permissions() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let shop = app.restaurant("Luigi").opens().await;
    let (staff, driver) = (app.staff_of(&shop).await, app.driver("Dora").await);
    driver.goes_online(44.49, 11.34).await;
    for person in [&staff, &driver] {
        let path = format!("/api/admin/users/{}", person.id);
        admin.patch(&path, &json!({ "role": "CUSTOMER" })).await.expect(200);
    }
    staff.get(&format!("/api/orders?restaurantId={}", shop.id)).await.refused(404, "not_found");
    assert_eq!(staff.get("/api/me").await.expect(200)["memberships"], json!([]));
    let off = json!({ "status": "OFFLINE" });
    driver.put("/api/drivers/me/availability", &off).await.refused(403, "forbidden");
}

#[tokio::test]
async fn premium_numbers_are_refused_for_messages() {
    let app = TestApp::start().await;
    let ada = app.customer("Ada").await;
    let changes =
        async |phone: &str| ada.patch("/api/me", &json!({ "phone": phone, "currentPassword": PASSWORD })).await;
    for special in [
        "+19002345678",
        "+449098790123",
        "+447012345678",
        "+39899123456",
        "+4919001234567",
        "+80012345678",
        "+881612345678",
        "+882161234567",
        "+979123456789",
        "+448001234567",
    ] {
        let refusal = changes(special).await.refused(422, "invalid_request");
        assert_eq!(refusal["errors"][0]["pointer"], "/phone", "{special}");
        let registration = json!({ "email": "eve@example.com", "password": PASSWORD, "name": "Eve", "phone": special });
        app.stranger().post("/api/auth/register", &registration).await.refused(422, "invalid_request");
    }
    for ordinary in ["+393123456789", "+390511234567", "+12015550123", "+447400123456", "+4915123456789"] {
        changes(ordinary).await.expect(200);
    }
}
