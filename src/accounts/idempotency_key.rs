//! Extractors of the `Idempotency-Key` of a request, bound to its caller.

use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::caller::{authenticate, operation};
use crate::app::App;
use crate::extract::BodyWithBytes;
use crate::idempotency::{IdempotencyKey, IdempotentBody, RequestKey};
use crate::problem::Problem;

impl FromRequestParts<Arc<App>> for RequestKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let key = IdempotencyKey::from_request_parts(parts, app).await?;
        if key.is_none() {
            return Ok(Self::none());
        }
        let (caller, operation) = (authenticate(parts, app).await?, operation(parts)?);
        Ok(Self::of(key, caller.user, operation, parts.uri.path()))
    }
}

impl<T: DeserializeOwned + Send + 'static> FromRequest<Arc<App>> for IdempotentBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let key = RequestKey::from_request_parts(&mut parts, app).await?;
        let BodyWithBytes { value, bytes } = BodyWithBytes::from_request(Request::from_parts(parts, body), app).await?;
        Ok(Self { value, key: key.with_body(&bytes) })
    }
}
