//! Permissions are checked in the transaction that uses them: races between using a permission and losing it.

use std::sync::Arc;

use chrono::TimeDelta;
use serde_json::{Value, json};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::app::TestApp;
use crate::people::{PASSWORD, Person, id_of};
use crate::shop::Shop;

/// Rounds of each race; an implementation that decides in one transaction and writes in another lost about half of
/// them.
const ROUNDS: usize = 12;
/// Requests that race with the removal.
const AT_ONCE: usize = 16;

async fn server() -> TestApp {
    TestApp::with(&[("RATE_LIMIT_USER", "off"), ("DATABASE_POOL", "12"), ("DATABASE_LOCK_TIMEOUT", "20s")]).await
}

/// Runs all of these concurrently; returns the statuses.
async fn at_once(requests: Vec<(Person, reqwest::Method, String, Value)>) -> Vec<(u16, Value)> {
    let start = Arc::new(Barrier::new(requests.len()));
    let mut running = JoinSet::new();
    for (index, (person, method, path, body)) in requests.into_iter().enumerate() {
        let start = Arc::clone(&start);
        running.spawn(async move {
            start.wait().await;
            let reply = person.send(person.request(method, &path).json(&body)).await;
            (index, reply.status, if reply.bytes.is_empty() { Value::Null } else { reply.json() })
        });
    }
    let mut ended = running.join_all().await;
    ended.sort_by_key(|(index, ..)| *index);
    ended.into_iter().map(|(_, status, body)| (status, body)).collect()
}

/// The rank of a user at the restaurant, from the list of members.
async fn rank(app: &TestApp, shop: &Shop, person: &Person) -> Option<String> {
    let members = app.admin().await.get(&shop.path("/members")).await.expect(200);
    let members = members["data"].as_array().unwrap().clone();
    let found = members.into_iter().find(|member| member["userId"] == json!(person.id))?;
    found["role"].as_str().map(ToOwned::to_owned)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_manager_who_leaves_cannot_make_an_owner_in_any_interleaving() {
    let app = server().await;
    for round in 0..ROUNDS {
        let shop = app.restaurant("Luigi").opens().await;
        let (manager, friend, accomplice) =
            (app.customer("Manager").await, app.customer("Friend").await, app.customer("Accomplice").await);
        shop.takes_on(&manager, "MANAGER").await;
        shop.takes_on(&accomplice, "STAFF").await;
        let member = |person: &Person| shop.path(&format!("/members/{}", person.id));
        // One after the other: by invitation, by changing a rank, by removing the owner.
        let request_body = |index: usize| match (round + index) % 3 {
            0 => (reqwest::Method::POST, shop.path("/invitations"), json!({ "email": friend.email, "role": "OWNER" })),
            1 => (reqwest::Method::PATCH, member(&accomplice), json!({ "role": "OWNER" })),
            _ => (reqwest::Method::DELETE, member(&shop.owner), Value::Null),
        };
        let mut requests: Vec<_> = (0..AT_ONCE)
            .map(|index| {
                let (method, path, body) = request_body(index);
                (manager.clone(), method, path, body)
            })
            .collect();
        requests.push((manager.clone(), reqwest::Method::DELETE, member(&manager), Value::Null));
        let ended = at_once(requests).await;
        for (status, body) in &ended[..AT_ONCE] {
            assert!(matches!(status, 403 | 404), "round {round}: {status} {body}");
        }
        assert_eq!(ended[AT_ONCE].0, 204);
        assert_eq!(rank(&app, &shop, &accomplice).await.as_deref(), Some("STAFF"));
        assert_eq!(rank(&app, &shop, &shop.owner).await.as_deref(), Some("OWNER"));
        assert_eq!(rank(&app, &shop, &manager).await, None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_owners_who_remove_each_other_leave_one() {
    let app = server().await;
    for round in 0..ROUNDS {
        let shop = app.restaurant("Luigi").opens().await;
        let other = app.customer("Other").await;
        shop.takes_on(&other, "OWNER").await;
        let member = |person: &Person| shop.path(&format!("/members/{}", person.id));
        let against = |person: &Person| match round % 2 {
            0 => (reqwest::Method::DELETE, member(person), Value::Null),
            _ => (reqwest::Method::PATCH, member(person), json!({ "role": "STAFF" })),
        };
        let mut requests = Vec::new();
        for (actor, target) in [(&shop.owner, &other), (&other, &shop.owner)].repeat(4) {
            let (method, path, body) = against(target);
            requests.push((actor.clone(), method, path, body));
        }
        let ended = at_once(requests).await;
        let succeeded = ended.iter().filter(|(status, _)| matches!(status, 200 | 204)).count();
        let ranks = [rank(&app, &shop, &shop.owner).await, rank(&app, &shop, &other).await];
        let owners = ranks.iter().filter(|rank| rank.as_deref() == Some("OWNER")).count();
        assert_eq!(owners, 1, "round {round}: {ranks:?} after {ended:?}");
        assert!(succeeded >= 1, "round {round}: {ended:?}");
    }
}

#[tokio::test]
async fn the_last_owner_is_removed_by_the_platform_only() {
    let app = TestApp::start().await;
    let shop = app.restaurant("Luigi").opens().await;
    let own = shop.path(&format!("/members/{}", shop.owner.id));
    shop.owner.delete(&own).await.refused(409, "last_owner");
    shop.owner.patch(&own, &json!({ "role": "MANAGER" })).await.refused(409, "last_owner");
    shop.owner.patch(&own, &json!({ "role": "OWNER" })).await.expect(200);
    app.admin().await.delete(&own).await.expect(204);
    assert_eq!(rank(&app, &shop, &shop.owner).await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_concurrent_request_of_a_removed_member_happens_before_or_not_at_all() {
    let app = server().await;
    for round in 0..ROUNDS {
        let shop = app.restaurant("Luigi").opens().await;
        let manager = app.customer("Manager").await;
        let invited = app.crowd(AT_ONCE).await;
        shop.takes_on(&manager, "MANAGER").await;
        let mut requests: Vec<_> = invited
            .iter()
            .map(|guest| {
                let body = json!({ "email": guest.email, "role": "MANAGER" });
                (manager.clone(), reqwest::Method::POST, shop.path("/invitations"), body)
            })
            .collect();
        let remove = shop.path(&format!("/members/{}", manager.id));
        requests.push((shop.owner.clone(), reqwest::Method::DELETE, remove, Value::Null));
        let ended = at_once(requests).await;
        assert_eq!(ended[AT_ONCE].0, 204, "round {round}");
        for (guest, (status, body)) in invited.iter().zip(&ended) {
            match status {
                // Created before the removal: it is invalid afterwards.
                201 => {
                    let accept = format!("/api/me/invitations/{}/accept", id_of(body));
                    let reply = guest.post(&accept, &json!({ "code": body["code"] })).await;
                    assert!(matches!(reply.status, 404 | 422), "round {round}: {}", reply.text());
                }
                _ => assert_eq!(*status, 404, "round {round}: {body}"),
            }
            assert_eq!(rank(&app, &shop, guest).await, None);
        }
    }
}

#[tokio::test]
async fn an_invitation_grants_only_what_its_author_may_still_grant() {
    let app = TestApp::start().await;
    let shop = app.restaurant("Luigi").opens().await;
    let invite = async |by: &Person, whom: &Person, role: &str| {
        let wanted = json!({ "email": whom.email, "role": role });
        by.post(&shop.path("/invitations"), &wanted).await.expect(201)
    };
    let accept = async |by: &Person, invitation: &Value| {
        let path = format!("/api/me/invitations/{}/accept", id_of(invitation));
        by.post(&path, &json!({ "code": invitation["code"] })).await.status
    };
    let member = |person: &Person| shop.path(&format!("/members/{}", person.id));
    let (owner, invited) = (app.customer("Second").await, app.crowd(5).await);
    shop.takes_on(&owner, "OWNER").await;
    let (as_owner, as_staff) = (invite(&owner, &invited[0], "OWNER").await, invite(&owner, &invited[1], "STAFF").await);
    shop.owner.patch(&member(&owner), &json!({ "role": "MANAGER" })).await.expect(200);
    assert!(matches!(accept(&invited[0], &as_owner).await, 404 | 422), "a manager makes no owner");
    assert_eq!(accept(&invited[1], &as_staff).await, 200, "a manager still makes staff");
    let by_manager = invite(&owner, &invited[2], "MANAGER").await;
    shop.owner.patch(&member(&owner), &json!({ "role": "STAFF" })).await.expect(200);
    shop.owner.patch(&member(&owner), &json!({ "role": "OWNER" })).await.expect(200);
    assert!(
        matches!(accept(&invited[2], &by_manager).await, 404 | 422),
        "taken back with the rank, and not back with it"
    );
    let by_owner = invite(&owner, &invited[3], "STAFF").await;
    app.admin().await.patch(&format!("/api/admin/users/{}", owner.id), &json!({ "disabled": true })).await.expect(200);
    assert!(matches!(accept(&invited[3], &by_owner).await, 404 | 422), "somebody disabled lets nobody in");
    let admin = app.admin().await;
    let by_admin = invite(&admin, &invited[4], "OWNER").await;
    app.execute(&format!("update users set role = 'CUSTOMER' where email = '{}'", admin.email)).await;
    assert!(matches!(accept(&invited[4], &by_admin).await, 404 | 422), "no administrator any more");
}

/// Anybody may have registered with an address before its owner, so a grant to an address would go to them.
#[tokio::test]
async fn nothing_is_granted_to_an_address_that_nobody_confirmed() {
    let app = TestApp::start().await;
    let (shop, admin, stranger) = (app.restaurant("Luigi").opens().await, app.admin().await, app.customer("Eve").await);
    app.execute(&format!("update users set email_verified_at = null where email = '{}'", stranger.email)).await;
    let members = shop.path("/members");
    for (path, grant) in
        [(&*members, json!({ "role": "OWNER" })), ("/api/admin/drivers", json!({ "vehicle": "BICYCLE" }))]
    {
        let asks = async |fields: &[(&str, &str)]| {
            let mut body = grant.clone();
            for (field, value) in fields {
                body[*field] = json!(value);
            }
            admin.post(path, &body).await
        };
        let (email, id) = (("email", &*stranger.email), ("userId", &*stranger.id));
        for (fields, pointer) in [
            (&[email][..], "/email"),
            (&[email, id], ""),
            (&[], ""),
            (&[("userId", "usr_01jd3k9y5xfmt8zq2v7c4n6b0e")], "/userId"),
        ] {
            let refusal = asks(fields).await.refused(422, "invalid_request");
            assert_eq!(refusal["errors"][0]["pointer"], pointer, "{path} {fields:?}");
            // An error of the whole request has the pointer of the whole.
            let detail = refusal["detail"].as_str().unwrap();
            assert!(
                detail.starts_with(if pointer.is_empty() { "The request must contain" } else { pointer }),
                "{detail}"
            );
        }
        assert_eq!(asks(&[id]).await.expect(201)["userId"], stranger.id, "{path}");
    }
    // Members of a restaurant know no ids of accounts: they invite.
    let by_id = json!({ "userId": stranger.id, "role": "STAFF" });
    let refusal = shop.owner.post(&members, &by_id).await.refused(422, "invalid_request");
    assert_eq!(refusal["errors"][0]["pointer"], "/email");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_administrators_who_demote_each_other_leave_one() {
    let app = server().await;
    for round in 0..ROUNDS {
        let (one, two) = (app.admin().await, app.admin().await);
        let against = |by: &Person, whom: &Person| {
            let path = format!("/api/admin/users/{}", whom.id);
            (by.clone(), reqwest::Method::PATCH, path, json!({ "role": "CUSTOMER" }))
        };
        let ended = at_once((0..4).flat_map(|_| [against(&one, &two), against(&two, &one)]).collect()).await;
        let left =
            format!("select count(*) from users where role = 'ADMIN' and email in ('{}', '{}')", one.email, two.email);
        let left: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(left)).fetch_one(&app.superuser).await.unwrap();
        assert_eq!(left, 1, "round {round}: {ended:?}");
    }
}

#[tokio::test]
async fn a_user_with_several_roles_has_the_shortest_session_life_of_them() {
    let app = TestApp::with(&[("JWT_EXPIRES_IN", "10m"), ("STAFF_SESSION_IDLE", "12h")]).await;
    let shop = app.restaurant("Luigi").opens().await;
    let signs_in = async |person: &Person| {
        let body = json!({ "email": person.email, "password": PASSWORD });
        person.post("/api/auth/login", &body).await.expect(200)
    };
    let half_a_day = 12 * 3_600;
    // Staff and driver, granted in both orders.
    let (first, second) = (app.driver("First").await, app.customer("Second").await);
    let before = signs_in(&first).await;
    assert!(before["refreshExpiresIn"].as_i64() > Some(half_a_day), "a driver's session is long");
    shop.takes_on(&first, "OWNER").await;
    shop.takes_on(&second, "STAFF").await;
    let profile = json!({ "email": second.email, "vehicle": "BICYCLE" });
    app.admin().await.post("/api/admin/drivers", &profile).await.expect(201);
    for person in [&first, &second] {
        assert!(signs_in(person).await["refreshExpiresIn"].as_i64() <= Some(half_a_day), "{}", person.email);
    }
    // An existing session becomes shorter with the rank, and longer again without it.
    app.advance_clock(TimeDelta::hours(13));
    let refresh = json!({ "refreshToken": before["refreshToken"] });
    app.stranger().post("/api/auth/refresh", &refresh).await.refused(401, "session_ended");
    let own = shop.path(&format!("/members/{}", first.id));
    app.admin().await.delete(&own).await.expect(204);
    app.stranger().post("/api/auth/refresh", &refresh).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_driver_cannot_change_a_delivery_that_was_reassigned() {
    let app = server().await;
    for round in 0..4 {
        let shop = app.restaurant("Luigi").opens().await;
        let (ada, first, second) = (app.customer("Ada").await, app.driver("First").await, app.driver("Second").await);
        let on_duty = [first.goes_online(44.4949, 11.3426).await, second.goes_online(44.4949, 11.3426).await];
        let order = ada.orders_delivery(&shop, &[(shop.any_dish(), 1)]).await;
        shop.owner.makes_steps(&order, &["CONFIRMED", "PREPARING", "READY"]).await;
        let delivery = ada.finds_delivery(&order).await;
        shop.owner.assigns(&delivery, Some(&on_duty[0])).await.expect(200);
        let path = format!("/api/deliveries/{}", id_of(&delivery));
        let step =
            |to: &str| (first.clone(), reqwest::Method::PATCH, format!("{path}/status"), json!({ "status": to }));
        let mut requests = vec![step("PICKED_UP"); 6];
        let assign = json!({ "driverId": id_of(&on_duty[1]) });
        requests.push((shop.owner.clone(), reqwest::Method::POST, format!("{path}/assign"), assign));
        let ended = at_once(requests).await;
        let now = shop.owner.get(&path).await.expect(200);
        let mut picked_up = ended[..6].iter().filter(|(status, _)| *status == 200).peekable();
        let was_reassigned = ended[6].0 == 200;
        assert_ne!(picked_up.peek().is_some(), was_reassigned, "round {round}: one of the two: {ended:?}");
        // Recorded once, however often it was sent.
        assert!(picked_up.all(|(_, body)| body["version"] == now["version"]), "round {round}: {ended:?}");
        let status = if was_reassigned { "ASSIGNED" } else { "PICKED_UP" };
        assert_eq!(now["status"], json!(status), "round {round}: {ended:?}");
    }
}
