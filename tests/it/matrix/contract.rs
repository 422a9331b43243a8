//! The OpenAPI document compared with the server by an independent tool: schemathesis (`PyPI`, pinned in
//! `tests/schemathesis/`, installed into `target/schemathesis` by `bin/setup`) sends valid and invalid requests, and
//! checks that each response has a documented status, media type, headers and body.

use std::path::Path;
use std::process::Stdio;

use futures_util::{StreamExt as _, stream};

use super::callers::Caller;
use super::world::World;

/// Generated requests for each operation and caller. With `examples,coverage,fuzzing` in place of `fuzzing` below,
/// about 9,000 are generated for each caller.
const EXAMPLES: &str = "2";

/// The checks of each response.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
                      response_schema_conformance";

/// Ends the sessions that the run needs.
const EXCLUDED: [&str; 3] = ["logout_all", "logout", "end_session"];

/// Where `bin/setup` installs the program.
const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/schemathesis/bin/schemathesis");

/// The output of the program, and whether it found nothing.
async fn holds(world: &World, caller: Caller) -> Result<(), String> {
    let mut command = tokio::process::Command::new(PROGRAM);
    command.arg("run").arg(format!("{}/api/openapi.json", world.app.endpoint.base));
    command.args(["--phases", "fuzzing", "--max-examples", EXAMPLES, "--seed", "20231", "--workers", "1"]);
    command.args(["--generation-deterministic", "--suppress-health-check", "all", "--warnings", "off", "--no-shrink"]);
    command.args(["--checks", CHECKS]);
    command.args(["--request-timeout", "20", "--no-color"]);
    // Its cache does not belong in the tree.
    command.current_dir(env!("CARGO_TARGET_TMPDIR"));
    for operation in EXCLUDED {
        command.args(["--exclude-operation-id", operation]);
    }
    if let Some(token) = &world.person(caller).token {
        command.args(["--header", &format!("Authorization: Bearer {token}")]);
    }
    let output = command.stdin(Stdio::null()).output().await.expect("schemathesis runs");
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    Err(format!("{caller:?}: {said}"))
}

#[tokio::test]
async fn schemathesis_finds_no_undocumented_response() {
    assert!(
        Path::new(PROGRAM).exists(),
        "schemathesis is not installed: run bin/setup, which fetches it from PyPI into target/schemathesis"
    );
    let world = World::new().await;
    let callers = [Caller::Anonymous, Caller::Ada, Caller::OwnerA, Caller::Mario, Caller::Admin];
    let runs = stream::iter(callers).map(|caller| holds(&world, caller)).buffer_unordered(2);
    let found: Vec<_> = runs.collect::<Vec<_>>().await.into_iter().filter_map(Result::err).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}
