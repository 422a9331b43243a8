//! Operations that wait when their session ends: they are run after signing out, and not run after a revocation.

use serde_json::{Value, json};

use super::{op, outcomes, place, sends};
use crate::app::TestApp;
use crate::people::{PASSWORD, Person};

/// The same user, signed in once more.
async fn signs_in_again(app: &TestApp, person: &Person, password: &str) -> Person {
    let body = json!({ "email": person.email, "password": password });
    let session = app.stranger().post("/api/auth/login", &body).await.expect(200);
    Person { token: session["accessToken"].as_str().map(Into::into), ..person.clone() }
}

#[tokio::test]
async fn waiting_operations_of_a_revoked_session_are_refused() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let new = "yellow lemons 7";
    let change = json!({ "currentPassword": PASSWORD, "newPassword": new });
    // What the attacker's session does after it has sent a waiting order, what the owner does, and the result of the
    // order.
    let cases = [
        ("signs out", "", "applied"),
        ("", "signs out everywhere", "rejected:forbidden"),
        ("", "ends the session", "rejected:forbidden"),
        ("", "changes the password", "rejected:forbidden"),
        ("signs out", "signs out everywhere", "rejected:forbidden"),
        ("signs out", "changes the password", "rejected:forbidden"),
    ];
    for (thief_does, owner_does, expected) in cases {
        let owner = app.customer("Ada").await;
        let thief = signs_in_again(&app, &owner, PASSWORD).await;
        let now = app.clock.now();
        let order = op(2, "order.place", now, place(&luigi, luigi.any_dish(), 1));
        assert_eq!(outcomes(&sends(&thief, "phone", std::slice::from_ref(&order)).await), ["blocked:1:missing"]);
        let sessions = owner.get("/api/me/sessions").await.expect(200);
        let other = sessions["data"].as_array().unwrap().iter().find(|one| one["current"] == json!(false)).unwrap();
        if thief_does == "signs out" {
            thief.post("/api/auth/logout", &Value::Null).await.expect(204);
        }
        let mut password = PASSWORD;
        match owner_does {
            "signs out everywhere" => owner.post("/api/auth/logout-all", &Value::Null).await.expect(204),
            "ends the session" => {
                owner.delete(&format!("/api/me/sessions/{}", other["id"].as_str().unwrap())).await.expect(204)
            }
            "changes the password" => {
                password = new;
                owner.post("/api/auth/change-password", &change).await.expect(204)
            }
            _ => Value::Null,
        };
        let owner = signs_in_again(&app, &owner, password).await;
        let write = json!({ "restaurantId": luigi.id, "key": "k", "quantity": 0 });
        sends(&owner, "phone", &[op(1, "cart.line", now, write)]).await.expect(200);
        let end = outcomes(&sends(&owner, "phone", &[order]).await);
        assert_eq!(end, [format!("duplicate:{}", expected.split(':').next().unwrap())], "{thief_does}, {owner_does}");
        let orders = owner.get("/api/orders").await.expect(200)["data"].as_array().unwrap().len();
        assert_eq!(orders, usize::from(expected == "applied"), "{thief_does}, {owner_does}");
    }
}
