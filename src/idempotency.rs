//! Idempotency keys: a POST with an `Idempotency-Key` can be repeated and takes effect once.
//!
//! The key, a fingerprint of the request and the response are written in the transaction of the effect, so that none
//! exists without the others. A refusal rolls everything back, the key included. The same key with another request is
//! refused (`idempotency/claim.rs`). A key and its response are kept for `IDEMPOTENCY_KEY_RETENTION`, and less long
//! when a user has more than `STORED_RESPONSES_MAX` of them.

use axum::body::Bytes;
use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::ids::UserId;
use crate::permission::Operation;
use crate::problem::{Code, Problem};
use crate::tenancy::TenancyContext;
use crate::uow::{Database, Steps, Tx};

mod claim;

use claim::is_stored;
pub use claim::{Claim, ClaimRow, IdempotentResponse, delete_expired, delete_surplus};

const LONGEST_KEY: usize = 255;

/// The key as sent: 1 to 255 visible ASCII characters.
#[derive(Debug, Clone)]
pub struct IdempotencyKey(Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        Self::read(&parts.headers)
    }
}

impl IdempotencyKey {
    fn read(headers: &HeaderMap) -> Result<Self, Problem> {
        let mut sent = headers.get_all("idempotency-key").iter();
        let Some(value) = sent.next() else { return Ok(Self(None)) };
        if sent.next().is_some() {
            return Err(Problem::new(Code::MalformedRequest, "Send one Idempotency-Key; several were sent."));
        }
        let key = value.to_str().unwrap_or_default();
        let visible = key.bytes().all(|byte| byte.is_ascii_graphic());
        if key.is_empty() || key.len() > LONGEST_KEY || !visible {
            let detail = "Idempotency-Key must be 1 to 255 visible ASCII characters; use a random UUID.";
            return Err(Problem::new(Code::MalformedRequest, detail));
        }
        Ok(Self(Some(key.to_owned())))
    }

    /// Whether none was sent.
    pub const fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// Binds the key to the user, operation and body, for the operations that require a key: orders and batches of
    /// offline operations. Their paths have no parameters.
    ///
    /// # Errors
    /// 400 `idempotency_key_missing` when none was sent.
    pub fn require(self, user: UserId, operation: Operation, body: &Bytes) -> Result<Claim, Problem> {
        let claim = self.0.map(|key| Claim { user, operation, key, fingerprint: Sha256::digest(body).into() });
        claim.ok_or_else(|| {
            let detail =
                "Send a fresh random Idempotency-Key with each new order or batch, and the same one when repeating it.";
            Problem::new(Code::IdempotencyKeyMissing, detail)
        })
    }
}

/// The identity of a repeated request: operation, user and key.
#[derive(Debug, Clone)]
pub struct RepeatedRequest {
    user: UserId,
    operation: Operation,
    key: String,
}

impl RepeatedRequest {
    /// For a request with a well-formed key.
    pub fn of(request: &Request, user: UserId, operation: Operation) -> Option<Self> {
        let key = IdempotencyKey::read(request.headers()).ok()?.0?;
        Some(Self { user, operation, key })
    }

    /// The user of the request.
    pub const fn user(&self) -> UserId {
        self.user
    }

    /// Whether a response is stored under the key. The body is not compared.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn was_answered(&self, db: &Database) -> Result<bool, Problem> {
        let Self { user, operation, key } = self.clone();
        db.read(TenancyContext::user(user), move |tx| {
            Box::pin(async move { is_stored(tx, user, operation, &key).await })
        })
        .await
    }
}

/// A JSON body and the key of its request. Extracted in `accounts/idempotency_key.rs`.
pub struct IdempotentBody<T> {
    /// The parsed body.
    pub value: T,
    /// The key, which may be absent.
    pub key: RequestKey,
}

/// An optional key, bound to the user, operation, path and body of its request. It is also an extractor for requests
/// without a body.
pub struct RequestKey(Option<Claim>);

impl RequestKey {
    /// For a request without a key.
    pub const fn none() -> Self {
        Self(None)
    }

    /// The key of a request with this path, without its body.
    pub fn of(key: IdempotencyKey, user: UserId, operation: Operation, path: &str) -> Self {
        // The same body at another path, such as another restaurant's, is another request.
        let fingerprint = Sha256::digest(path).into();
        Self(key.0.map(|key| Claim { user, operation, key, fingerprint }))
    }

    /// The same with the request's body.
    #[must_use]
    pub fn with_body(mut self, body: &[u8]) -> Self {
        if let Some(claim) = &mut self.0 {
            claim.fingerprint = Sha256::new_with_prefix(claim.fingerprint).chain_update(body).finalize().into();
        }
        self
    }

    /// The claim of the key that was sent, with which its stored response is looked up.
    pub fn claimed(&self) -> Option<Claim> {
        self.0.clone()
    }

    /// Runs `steps` in a unit of work and responds with 201, or repeats the stored response of this key.
    ///
    /// # Errors
    /// Those of the steps and of [`Claim::claim`].
    pub async fn create<T, F>(
        self,
        db: &Database,
        tenancy: impl Into<TenancyContext>,
        steps: F,
    ) -> Result<IdempotentResponse, Problem>
    where
        T: Serialize + Send,
        F: for<'t> FnOnce(&'t mut Tx) -> Steps<'t, T> + Send + 'static,
    {
        self.run(db, tenancy, StatusCode::CREATED, steps).await
    }

    /// As [`RequestKey::create`], with another status.
    ///
    /// # Errors
    /// As there.
    pub async fn run<T, F>(
        self,
        db: &Database,
        tenancy: impl Into<TenancyContext>,
        status: StatusCode,
        steps: F,
    ) -> Result<IdempotentResponse, Problem>
    where
        T: Serialize + Send,
        F: for<'t> FnOnce(&'t mut Tx) -> Steps<'t, T> + Send + 'static,
    {
        db.write(tenancy, move |tx| {
            Box::pin(async move {
                let Some(claim) = self.0 else {
                    return IdempotentResponse::fresh(status, &steps(tx).await?);
                };
                if let Some(answer) = claim.claim(tx).await? {
                    return Ok(answer);
                }
                let answer = IdempotentResponse::fresh(status, &steps(tx).await?)?;
                claim.store(tx, &answer).await?;
                Ok(answer)
            })
        })
        .await
    }
}
