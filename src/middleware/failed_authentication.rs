//! Logs failed authentication: one line each, with the client's address, the user if the account is known, and, by the
//! span of the request, its id. What was typed is never logged, because it may be a password in the wrong field.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;

use crate::accounts::caller::bearer;
use crate::app::App;
use crate::client::Client;
use crate::permission::Operation;
use crate::problem::{Code, Problem};

/// Whether this code is that of a failed authentication, or of too many attempts.
const fn is_failure(code: Code) -> bool {
    matches!(
        code,
        Code::InvalidCredentials
            | Code::InvalidCode
            | Code::ReauthRequired
            | Code::SessionEnded
            | Code::TooManyRequests
    )
}

/// Logs each refusal of an operation that authenticates a user.
pub async fn log(State(app): State<Arc<App>>, client: Client, request: Request, next: Next) -> Response {
    let operation = request.extensions().get::<Operation>().copied().filter(|operation| operation.takes_proof());
    let Some(operation) = operation else { return next.run(request).await };
    let token = bearer(request.headers()).map(ToOwned::to_owned);
    let response = next.run(request).await;
    if let Some(problem) = response.extensions().get::<Problem>().filter(|problem| is_failure(problem.code())) {
        let signed_in = || Some(app.tokens.check(&token?, app.clock.now()).ok()?.sub);
        let user = problem.concerns().or_else(signed_in).map_or_else(|| "-".to_owned(), |user| user.to_string());
        let (client, code) = (client.address(), problem.code().as_str());
        tracing::warn!(%client, user, operation = operation.id(), code, "authentication failed");
    }
    response
}
