//! Restaurants: created by administrators, managed by their members.

use serde_json::{Value, json};

use crate::app::TestApp;
use crate::people::{Person, id_of};

#[tokio::test]
async fn an_administrator_creates_a_restaurant_and_everybody_reads_it() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let request_body = json!({
        "name": "Trattoria dell'Oca!", "description": "Tagliatelle since 1921", "cuisines": ["bolognese"],
        "contact": { "phone": "+39051123456", "email": "ciao@oca.example", "website": "https://oca.example/menu" },
        "address": "Via Clavature 3", "place": { "lat": 44.4938, "lng": 11.343 }, "timezone": "Europe/Rome",
        "currency": "EUR", "taxBasisPoints": 1000, "deliveryFee": { "amount": 250, "currency": "EUR" },
        "hours": [{ "weekday": 5, "opens": "18:30", "closes": "02:00" }, { "weekday": 6, "opens": "00:00",
        "closes": "00:00" }],
    });
    // The two spans overlap on Saturday between midnight and two.
    let refusal = admin.post("/api/restaurants", &request_body).await.refused(422, "invalid_request");
    assert_eq!(refusal["errors"][0]["pointer"], "/hours/1");
    let mut request_body = request_body;
    request_body["hours"][1]["opens"] = json!("12:00");
    request_body["hours"][1]["closes"] = json!("24:00");
    let made = admin.post("/api/restaurants", &request_body).await.expect(201);
    assert_eq!(made["slug"], "trattoria-dell-oca");
    assert_eq!(made["contact"], request_body["contact"]);
    assert_eq!(made["hours"][0], json!({ "weekday": 5, "opens": "18:30", "closes": "02:00" }));
    assert_eq!(
        (&made["preparationMinutes"], &made["accepting"], &made["version"]),
        (&json!(20), &json!(true), &json!(1))
    );
    let read = app.stranger().get(&format!("/api/restaurants/{}", id_of(&made))).await;
    assert_eq!(read.expect(200), made);
    assert_eq!(read.header("etag"), "\"1\"");
    assert_eq!(app.stranger().get("/api/restaurants").await.expect(200)["data"], json!([made]));
    // Branches of a chain have the same name; a client that sets the slug gets an error if it is taken.
    for slug in ["trattoria-dell-oca-2", "trattoria-dell-oca-3"] {
        assert_eq!(admin.post("/api/restaurants", &request_body).await.expect(201)["slug"], slug);
    }
    let mut chosen = request_body.clone();
    chosen["slug"] = json!("trattoria-dell-oca");
    admin.post("/api/restaurants", &chosen).await.refused(409, "already_exists");
    app.customer("Ada").await.post("/api/restaurants", &request_body).await.refused(403, "forbidden");
    app.stranger().post("/api/restaurants", &request_body).await.refused(401, "unauthenticated");
}

#[tokio::test]
async fn every_field_of_a_restaurant_is_checked() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let good = json!({
        "name": "Luigi", "address": "Via 1", "place": { "lat": 44.0, "lng": 11.0 }, "timezone": "Europe/Rome",
        "currency": "EUR",
    });
    let bad = [
        ("name", json!(""), "/name"),
        ("slug", json!("Über Luigi"), "/slug"),
        ("slug", json!("-luigi"), "/slug"),
        ("slug", json!("luigi--2"), "/slug"),
        ("place", json!({ "lat": 91.0, "lng": 0.0 }), "/place"),
        ("place", json!({ "lat": "44", "lng": 0.0 }), "/place/lat"),
        ("timezone", json!("Europe/Atlantis"), "/timezone"),
        ("currency", json!("EURO"), "/currency"),
        ("taxBasisPoints", json!(10_001), "/taxBasisPoints"),
        ("taxBasisPoints", json!(-1), "/taxBasisPoints"),
        ("preparationMinutes", json!(0), "/preparationMinutes"),
        ("preparationMinutes", json!(481), "/preparationMinutes"),
        ("deliveryFee", json!({ "amount": -1, "currency": "EUR" }), "/deliveryFee"),
        ("deliveryFee", json!({ "amount": 1, "currency": "USD" }), "/deliveryFee"),
        ("minimumOrder", json!({ "amount": 1, "currency": "USD" }), "/minimumOrder"),
        ("cuisines", json!(vec!["x"; 21]), "/cuisines"),
        ("contact", json!({ "phone": "051 12" }), "/contact/phone"),
        ("contact", json!({ "email": "nobody" }), "/contact/email"),
        ("contact", json!({ "website": "https://known.example@other.example" }), "/contact/website"),
        ("contact", json!({ "website": "https://oca.example/\u{202e}gpj.exe" }), "/contact/website"),
        ("contact", json!({ "website": "https://oca.example/\u{200b}" }), "/contact/website"),
        ("contact", json!({ "email": "<ciao@oca.example>" }), "/contact/email"),
        ("contact", json!({ "website": "javascript:alert(1)" }), "/contact/website"),
        ("contact", json!({ "fax": "1" }), "/contact/fax"),
        ("hours", json!([{ "weekday": 0, "opens": "10:00", "closes": "11:00" }]), "/hours/0"),
        ("hours", json!([{ "weekday": 1, "opens": "24:00", "closes": "11:00" }]), "/hours/0"),
        ("hours", json!([{ "weekday": 1, "opens": "10:00", "closes": "25:00" }]), "/hours/0/closes"),
        ("owner", json!("me"), "/owner"),
    ];
    for (field, value, pointer) in bad {
        let mut request_body = good.clone();
        request_body[field] = value.clone();
        let refusal = admin.post("/api/restaurants", &request_body).await.refused(422, "invalid_request");
        assert_eq!(refusal["errors"][0]["pointer"], pointer, "{field} = {value}: {refusal}");
    }
    assert_eq!(app.count("select count(*) from restaurants").await, 0);
}

#[tokio::test]
async fn managers_change_the_profile_and_staff_do_not() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let staff = app.staff_of(&luigi).await;
    let path = luigi.path("");
    staff.patch(&path, &json!({ "accepting": false })).await.refused(403, "forbidden");
    app.customer("Ada").await.patch(&path, &json!({ "accepting": false })).await.refused(404, "not_found");
    let read = app.stranger().get(&path).await.expect(200);
    let version = read["version"].as_i64().unwrap();
    let changed = luigi.owner.patch_version(&path, &format!("\"{version}\""), &json!({ "name": "Da Luigi" })).await;
    let changed = changed.expect(200);
    assert_eq!((&changed["name"], &changed["version"]), (&json!("Da Luigi"), &json!(version + 1)));
    let stale = luigi.owner.patch_version(&path, &format!("\"{version}\""), &json!({ "name": "Luigi" })).await;
    assert_eq!(stale.refused(412, "version_conflict")["current"]["name"], "Da Luigi");
    luigi.owner.patch_version(&path, "3", &json!({ "name": "Luigi" })).await.refused(400, "malformed_request");
    luigi.owner.patch(&path, &json!({ "currency": "USD" })).await.refused(422, "invalid_request");
    let updated = luigi.owner.patch(&path, &json!({ "description": "Since 1921" })).await.expect(200);
    assert_eq!(updated["description"], "Since 1921");
    let untold = luigi.owner.patch(&path, &json!({ "description": null })).await.expect(200);
    assert_eq!(untold["description"], Value::Null);
}

#[tokio::test]
async fn members_are_added_changed_and_removed() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let ada = app.customer("Ada").await;
    let members = luigi.path("/members");
    luigi.takes_on(&ada, "STAFF").await;
    let me = ada.get("/api/me").await.expect(200);
    assert_eq!(me["role"], "STAFF");
    let expected = json!([{ "restaurantId": luigi.id, "restaurantName": "Luigi", "role": "STAFF" }]);
    assert_eq!(me["memberships"], expected);
    ada.get(&members).await.refused(403, "forbidden");
    let hers = format!("{members}/{}", ada.id);
    let to = |role: &str| json!({ "role": role });
    let member = luigi.owner.patch(&hers, &to("MANAGER")).await.expect(200);
    let expected =
        json!({ "userId": ada.id, "email": ada.email, "name": "Ada", "role": "MANAGER", "emailVerified": true });
    assert_eq!(member, expected);
    assert_eq!(ada.get(&members).await.expect(200)["data"].as_array().unwrap().len(), 2);
    // A manager makes nobody an owner, including themselves, and does not change one.
    ada.patch(&hers, &to("OWNER")).await.refused(403, "forbidden");
    ada.patch(&format!("{members}/{}", luigi.owner.id), &to("STAFF")).await.refused(403, "forbidden");
    luigi.owner.patch(&hers, &to("CHEF")).await.refused(422, "invalid_request");
    luigi
        .owner
        .patch(&format!("{members}/{}", app.customer("Bob").await.id), &to("STAFF"))
        .await
        .refused(404, "not_found");
    luigi.owner.patch(&hers, &to("STAFF")).await.expect(200);
    ada.get(&members).await.refused(403, "forbidden");
    luigi.owner.delete(&format!("{members}/{}", ada.id)).await.expect(204);
    luigi.owner.delete(&format!("{members}/{}", ada.id)).await.refused(404, "not_found");
    ada.get(&members).await.refused(404, "not_found");
    luigi.owner.post(&members, &json!({ "email": ada.email, "role": "CHEF" })).await.refused(422, "invalid_request");
}

#[tokio::test]
async fn an_invitation_does_not_reveal_whether_there_is_an_account() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let (ada, eve) = (app.customer("Ada").await, app.customer("Eve").await);
    app.execute(&format!("update users set disabled_at = now() where email = '{}'", eve.email)).await;
    let nobody = ada.email.replace("ada.", "nobody.");
    let (mut answers, mut lists) = (Vec::new(), Vec::new());
    for email in [&ada.email, &eve.email, &nobody] {
        for (path, status) in [("/members", 202), ("/invitations", 201)] {
            let reply = luigi.owner.post(&luigi.path(path), &json!({ "email": email, "role": "STAFF" })).await;
            let mut body = reply.expect(status);
            assert_eq!(body["email"], email.as_str());
            for own in ["id", "code", "email", "createdAt", "expiresAt"] {
                assert!(body[own].take().is_string(), "{own}");
            }
            let names: Vec<_> = reply.headers.keys().cloned().collect();
            answers.push((body, names));
        }
        let open = luigi.owner.get(&luigi.path("/invitations")).await.expect(200);
        lists.push(open["data"].as_array().unwrap().len());
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
    assert_eq!(lists, [1, 2, 3]);
    let members = luigi.owner.get(&luigi.path("/members")).await.expect(200);
    assert_eq!(members["data"].as_array().unwrap().len(), 1, "nobody works here who has not accepted");
    assert_eq!(members["data"][0]["emailVerified"], true);
    app.execute(&format!("update users set email_verified_at = null where email = '{}'", luigi.owner.email)).await;
    let members = luigi.owner.get(&luigi.path("/members")).await.expect(200);
    assert_eq!(members["data"][0]["emailVerified"], false);

    // Administrators know every account, and assign members directly.
    let admin = app.admin().await;
    let asks =
        async |email: &str| admin.post(&luigi.path("/members"), &json!({ "email": email, "role": "OWNER" })).await;
    assert_eq!(asks(&ada.email).await.expect(201)["userId"], ada.id);
    for email in [&eve.email, &nobody] {
        assert_eq!(asks(email).await.refused(422, "invalid_request")["errors"][0]["pointer"], "/email");
    }
}

#[tokio::test]
async fn invitations_end_with_the_rights_of_their_author_and_only_owners_manage_owners() {
    let app = TestApp::with(&[("ADMIN_SECOND_FACTOR", "optional")]).await;
    let luigi = app.restaurant("Luigi").opens().await;
    let manager = app.staff_of(&luigi).await;
    app.execute("update memberships set role = 'MANAGER' where role = 'STAFF'").await;
    let invites = async |by: &Person, whom: &Person, role: &str| {
        by.post(&luigi.path("/invitations"), &json!({ "email": whom.email, "role": role })).await
    };
    let accepts = async |whom: &Person, invitation: &Value| {
        let path = format!("/api/me/invitations/{}/accept", id_of(invitation));
        whom.post(&path, &json!({ "code": invitation["code"] })).await
    };
    // A manager can neither withdraw nor replace an owner's invitation of an owner.
    let (ada, bob) = (app.customer("Ada").await, app.customer("Bob").await);
    let owners = invites(&luigi.owner, &ada, "OWNER").await.expect(201);
    let path = luigi.path(&format!("/invitations/{}", id_of(&owners)));
    manager.delete(&path).await.refused(403, "forbidden");
    invites(&manager, &ada, "STAFF").await.refused(403, "forbidden");
    accepts(&ada, &owners).await.expect(200);
    let managers = invites(&manager, &bob, "STAFF").await.expect(201);
    manager.delete(&luigi.path(&format!("/invitations/{}", id_of(&managers)))).await.expect(204);

    // Invitations of a member who lacks the required second factor are invalid.
    let managers = invites(&manager, &bob, "MANAGER").await.expect(201);
    let open =
        async || luigi.owner.get(&luigi.path("/invitations")).await.expect(200)["data"].as_array().unwrap().len();
    assert_eq!(open().await, 1);
    app.execute(
        "insert into second_factors (user_id, secret, confirmed_at, created_at)
              select user_id, '', now(), now() from memberships where role = 'OWNER'",
    )
    .await;
    app.execute("update restaurants set require_second_factor = true").await;
    assert_eq!(open().await, 0);
    accepts(&bob, &managers).await.refused(422, "invalid_request");
    app.execute("update restaurants set require_second_factor = false").await;
    accepts(&bob, &managers).await.expect(200);
}

#[tokio::test]
async fn whether_a_restaurant_is_open_follows_its_clock() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").with("timezone", json!("UTC")).opens().await;
    let now = app.clock.now();
    // Open from the next full hour on, today.
    let (next, weekday) = (now + chrono::TimeDelta::hours(1), (now + chrono::TimeDelta::hours(1)).format("%u"));
    let span = json!({ "weekday": weekday.to_string().parse::<i64>().unwrap(),
      "opens": next.format("%H:00").to_string(), "closes": next.format("%H:59").to_string() });
    luigi.owner.patch(&luigi.path(""), &json!({ "hours": [span] })).await.expect(200);
    let open = async || app.stranger().get(&luigi.path("")).await.expect(200)["openNow"].clone();
    assert_eq!(open().await, Value::Bool(false));
    let minutes_left = 60 - now.format("%M").to_string().parse::<i64>().unwrap();
    app.advance_clock(chrono::TimeDelta::minutes(minutes_left));
    assert_eq!(open().await, Value::Bool(true));
    app.advance_clock(chrono::TimeDelta::minutes(59));
    assert_eq!(open().await, Value::Bool(false));
}
