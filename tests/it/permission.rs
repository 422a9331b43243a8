//! The permission table, and everything that must agree with it.

use std::collections::BTreeSet;

use comanda::openapi;
use comanda::permission::{Operation, Relation, decide};
use comanda::problem::Code;
use comanda::router;
use serde_json::Value;

use crate::app::TestApp;

fn document() -> Value {
    router::document()
}

#[tokio::test]
async fn router_openapi_document_and_permissions_have_the_same_operations() {
    let app = TestApp::start().await;
    // The router cannot be built otherwise; here it is built again, for a clear failure.
    assert!(router::router(&app.running().app).is_ok());
    let served = app.stranger().get("/api/openapi.json").await.expect(200);
    assert_eq!(served, document());
    let described: BTreeSet<_> = openapi::operations(&router::document()).into_iter().map(|(.., id)| id).collect();
    let permitted = Operation::ALL
        .iter()
        .filter(|operation| !operation.is_socket_only() && **operation != Operation::ListRestaurantOrders);
    assert_eq!(described, permitted.map(|operation| operation.id().to_owned()).collect());
}

#[tokio::test]
async fn every_described_route_asks_for_a_token_unless_it_is_public() {
    let app = TestApp::start().await;
    let stranger = app.stranger();
    for (path, method, id) in openapi::operations(&router::document()) {
        let operation = Operation::by_id(&id).unwrap();
        let path = path.replace("{restaurantId}", "rst_01h455vb4pex5vsknk084sn02q");
        let path =
            path.split('/').map(|part| if part.starts_with('{') { "itm_01h455vb4pex5vsknk084sn02q" } else { part });
        let path = path.collect::<Vec<_>>().join("/");
        let reply = stranger.send(stranger.request(method.clone(), &path)).await;
        let public = operation.is_public();
        assert_eq!(reply.status == 401, !public, "{method} {path} answered {}", reply.status);
        if !public {
            reply.refused(401, "unauthenticated");
        }
        assert!(reply.status < 500, "{method} {path}");
        let described = &document()["paths"];
        let has_security = described.as_object().unwrap().values().any(|item| {
            item[method.as_str().to_lowercase()]["operationId"] == id
                && item[method.as_str().to_lowercase()]["security"].is_array()
        });
        assert_eq!(has_security, !public, "{id} in the document");
    }
}

#[test]
fn strangers_get_404_and_related_users_403() {
    let relations = [
        Relation::Anyone,
        Relation::Guest,
        Relation::SignedIn,
        Relation::Customer,
        Relation::Staff,
        Relation::Manager,
        Relation::Owner,
        Relation::Driver,
        Relation::Carrier,
        Relation::Admin,
    ];
    for operation in Operation::ALL {
        let allowed = operation.allowed_to();
        assert!(!allowed.is_empty(), "{operation:?} is for nobody");
        for relation in relations {
            assert_eq!(
                decide(*operation, &[relation]).is_ok(),
                allowed.contains(&relation),
                "{operation:?} {relation:?}"
            );
        }
    }
    let code = |operation, held: &[Relation]| decide(operation, held).unwrap_err().code();
    assert_eq!(code(Operation::GetOrder, &[Relation::SignedIn]), Code::NotFound);
    assert_eq!(code(Operation::UpdateRestaurant, &[Relation::SignedIn]), Code::NotFound);
    assert_eq!(code(Operation::GetOrder, &[Relation::SignedIn, Relation::Driver]), Code::NotFound);
    assert_eq!(code(Operation::UpdateRestaurant, &[Relation::SignedIn, Relation::Staff]), Code::Forbidden);
    assert_eq!(code(Operation::CreateRestaurant, &[Relation::SignedIn]), Code::Forbidden);
    assert_eq!(code(Operation::SetDriverAvailability, &[Relation::SignedIn, Relation::Admin]), Code::Forbidden);
}

#[test]
fn every_error_code_is_unique_and_has_an_error_status() {
    let words: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(words.len(), Code::ALL.len());
    for code in Code::ALL {
        assert!(code.status().is_client_error() || code.status().is_server_error(), "{code:?}");
        assert!(code.as_str().bytes().all(|letter| letter.is_ascii_lowercase() || letter == b'_'), "{code:?}");
        assert!(!code.title().is_empty() && !code.title().ends_with('.'), "{code:?}");
    }
}

#[test]
fn every_operation_is_described_in_full() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = format!("{method} {path}");
            assert!(operation["summary"].as_str().is_some_and(|summary| !summary.is_empty()), "{name} has no summary");
            let answers = operation["responses"].as_object().unwrap();
            assert!(answers.keys().any(|status| status.starts_with('2')), "{name} has no success");
            let in_path = path.matches('{').count();
            let described = operation["parameters"]
                .as_array()
                .map_or(0, |all| all.iter().filter(|parameter| parameter["in"] == "path").count());
            assert_eq!(described, in_path, "{name}: parameters of the path");
        }
    }
    // All references exist.
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1) {
        let pointer = reference.split('"').next().unwrap();
        assert!(document.pointer(pointer).is_some(), "{pointer}");
    }
}

/// A schema that requires a value to be of two types at once is valid for no value.
#[test]
fn no_schema_contradicts_itself() {
    fn walk(schema: &Value, place: &str) {
        if let Some(parts) = schema["allOf"].as_array() {
            let types: BTreeSet<_> = parts.iter().filter_map(|part| part["type"].as_str()).collect();
            assert!(types.len() < 2, "{place} is {types:?} at once");
        }
        match schema {
            Value::Object(fields) => fields.iter().for_each(|(name, field)| walk(field, &format!("{place}/{name}"))),
            Value::Array(all) => all.iter().for_each(|one| walk(one, place)),
            _ => {}
        }
    }
    walk(&document(), "");
}

/// Every error response is a problem, and those that every operation can return are documented for each.
#[test]
fn refusals_are_described_for_every_operation() {
    let document = document();
    for (path, method, id) in openapi::operations(&document) {
        let operation = &document["paths"][&path][method.as_str().to_lowercase()];
        let responses = operation["responses"].as_object().unwrap();
        let mut statuses = vec!["408", "429", "500", "503"];
        statuses.extend(operation.get("security").iter().flat_map(|_| ["401", "403"]));
        statuses.extend(operation.get("requestBody").iter().flat_map(|_| ["400", "413", "415", "422"]));
        for status in statuses {
            assert!(responses.contains_key(status), "{id} does not describe {status}");
        }
        for (status, response) in responses.iter().filter(|(status, _)| status.starts_with(['4', '5'])) {
            let response = match response["$ref"].as_str() {
                Some(reference) => document.pointer(&reference[1..]).unwrap(),
                None => response,
            };
            assert!(response["content"]["application/problem+json"].is_object(), "{id} {status}: {response}");
        }
    }
}

#[test]
fn the_openapi_document_equals_its_snapshot() {
    insta::assert_json_snapshot!("openapi", document(), { ".info.version" => "[version]" });
}
