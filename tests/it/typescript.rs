//! A client that is generated from the OpenAPI document: `openapi-typescript` generates its types, `tsc --strict`
//! compiles a program with them (`tests/node/order.ts`), and the program places an order.

use std::path::Path;

use crate::app::TestApp;
use crate::people::id_of;

/// Runs a program of Node and returns what it wrote.
async fn node(folder: &Path, arguments: &[&str]) -> String {
    let output = tokio::process::Command::new("node").current_dir(folder).args(arguments).output().await.expect("node");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "node {arguments:?}:\n{out}{err}");
    out.into_owned()
}

#[tokio::test]
async fn a_typescript_client_generated_from_the_document_places_an_order() {
    let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/node");
    assert!(packages.join("node_modules/openapi-typescript").exists(), "bin/setup fetches the packages through npm");
    // In the target folder, created again for each run.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("typescript-client");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.as_path();
    std::os::unix::fs::symlink(packages.join("node_modules"), path.join("node_modules")).unwrap();
    std::fs::copy(packages.join("order.ts"), path.join("order.ts")).unwrap();
    std::fs::write(path.join("package.json"), r#"{ "type": "module" }"#).unwrap();
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let ada = app.customer("Ada").await;
    let document = app.stranger().get("/api/openapi.json").await.text();
    std::fs::write(path.join("api.json"), document).unwrap();

    node(path, &["node_modules/openapi-typescript/bin/cli.js", "api.json", "--output", "api.d.ts"]).await;
    let strict = ["--strict", "--noUncheckedIndexedAccess", "--target", "es2022", "--module", "nodenext", "order.ts"];
    node(path, &[&["node_modules/typescript/bin/tsc"], &strict[..]].concat()).await;
    let token = ada.token.clone().expect("signed in");
    let placed = node(path, &["order.js", &app.endpoint.base, &token, &luigi.id, &luigi.any_dish().id]).await;
    let orders = ada.get("/api/orders").await.expect(200);
    assert_eq!((id_of(&orders["data"][0]), &orders["data"][0]["status"]), (placed.as_str(), &"CANCELLED".into()));
}
