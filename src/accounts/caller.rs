//! Authentication of a request: extractors that find the caller of the token, and check the permission of the handlers
//! that take them as arguments. `unlocked` refuses an administrator who has to set up a second factor first.

use std::str::FromStr;
use std::sync::Arc;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use chrono::{DateTime, Utc};

use super::caller_cache::CachedSession;
use super::sql::sessions;
use super::token::Claims;
use super::{Caller, UserRole};
use crate::app::App;
use crate::config::Accounts;
use crate::guests::token;
use crate::permission::{self, Operation, Relation};
use crate::problem::{Code, Problem};
use crate::tenancy::{PlatformScope, TenancyContext};

impl Caller {
    /// The caller that a token belongs to.
    ///
    /// # Errors
    /// 401 for a token that is invalid, or whose session or user has ended; and for a guest's token, which is not
    /// checked.
    pub async fn by_token(app: &App, token: &str) -> Result<Self, Problem> {
        if token::has_guest_prefix(token) {
            return Err(Problem::account_required());
        }
        let now = app.clock.now();
        let claims = app.tokens.check(token, now)?;
        let known = session_of(app, &claims, now).await?;
        if known.caller.user != claims.sub || known.expires_at <= now {
            return Err(Problem::unauthenticated());
        }
        if claims.cnt > known.confirmed {
            let (session, counter) = (claims.sid, claims.cnt);
            let tenancy = TenancyContext::user(claims.sub);
            app.db
                .write(tenancy, move |tx| Box::pin(async move { sessions::confirm(tx, session, counter).await }))
                .await?;
            app.callers.confirm(session, counter);
        }
        Ok(known.caller)
    }

    /// The user's relations that do not depend on a resource.
    pub fn relations(&self) -> Vec<Relation> {
        let mut relations = vec![Relation::SignedIn];
        if self.platform().is_some() {
            relations.push(Relation::Admin);
        }
        if self.driver.is_some() {
            relations.push(Relation::Driver);
        }
        relations
    }

    /// The caller's context for row level security: the user, the driver profile, and the platform for an
    /// administrator.
    pub fn tenancy(&self) -> TenancyContext {
        TenancyContext {
            driver: self.driver,
            ..self.platform().map_or_else(|| TenancyContext::user(self.user), TenancyContext::from)
        }
    }

    /// The scope of the whole platform; `None`: the caller is not an administrator.
    pub fn platform(&self) -> Option<PlatformScope> {
        let runs_it = self.role == UserRole::Admin && !self.is_locked;
        runs_it.then(|| PlatformScope::administrator("an administrator", self.user, self.admin_needs_factor))
    }

    /// Applies the configuration: whether an administrator without a second factor is locked.
    #[must_use]
    pub const fn with_configuration(self, accounts: &Accounts) -> Self {
        let needed = accounts.admin_second_factor;
        Self { is_locked: self.is_locked && needed, admin_needs_factor: needed, ..self }
    }

    /// Refuses an administrator who has to set up a second factor first.
    ///
    /// # Errors
    /// 403 `second_factor_required`.
    pub fn unlocked(&self) -> Result<(), Problem> {
        if self.is_locked {
            let detail = "Administrators need a second factor: set it up with POST /api/me/second-factor.";
            return Err(Problem::new(Code::SecondFactorRequired, detail));
        }
        Ok(())
    }
}

/// The caller of a session, from the cache or else from the database.
async fn session_of(app: &App, claims: &Claims, now: DateTime<Utc>) -> Result<CachedSession, Problem> {
    let epoch = match app.callers.cached(claims.sid) {
        Ok(known) => return Ok(known),
        Err(epoch) => epoch,
    };
    let accounts = &app.config.accounts;
    let found = sessions::caller(&app.db, claims.sid, claims.sub, now, accounts.sessions).await?;
    let Some(mut known) = found else {
        app.callers.remember_end(claims.sid);
        return Err(Problem::unauthenticated());
    };
    known.caller = known.caller.with_configuration(accounts);
    app.callers.remember(claims.sid, known, epoch);
    Ok(known)
}

/// The operation this request was routed to; set by the router (`router.rs`).
pub fn operation(parts: &Parts) -> Result<Operation, Problem> {
    let operation = parts.extensions.get::<Operation>().copied();
    operation.ok_or_else(|| Problem::internal(&"the route has no operation"))
}

/// A path parameter. A text that cannot be an id is answered with 404, as an id that does not exist.
pub async fn path_parameter<T: FromStr>(parts: &mut Parts, app: &Arc<App>, name: &str) -> Result<T, Problem> {
    let parameters = RawPathParams::from_request_parts(parts, app).await.map_err(|_| Problem::not_found())?;
    let value = parameters.iter().find_map(|(key, value)| (key == name).then_some(value));
    value.and_then(|value| value.parse().ok()).ok_or_else(Problem::not_found)
}

/// Any signed-in user, for operations on their own resources.
pub struct SignedIn(pub Caller);

impl FromRequestParts<Arc<App>> for SignedIn {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let caller = authenticate(parts, app).await?;
        permission::decide(operation(parts)?, &caller.relations())?;
        Ok(Self(caller))
    }
}

/// The caller of a request, before the permission is checked: for extractors that have to load the resource first.
///
/// # Errors
/// 401 without a valid token, 403 for an administrator who has to set up a second factor first.
pub async fn authenticate(parts: &Parts, app: &App) -> Result<Caller, Problem> {
    let caller = Caller::by_token(app, bearer(&parts.headers).ok_or_else(Problem::unauthenticated)?).await?;
    if !operation(parts)?.is_about_signing_in() {
        caller.unlocked()?;
    }
    Ok(caller)
}

/// The token of `Authorization: Bearer …`, not yet checked.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// An administrator of the platform.
pub struct Admin {
    /// The signed-in administrator.
    pub caller: Caller,
    /// The scope of the whole platform, for statements on rows of any restaurant.
    pub scope: PlatformScope,
}

impl FromRequestParts<Arc<App>> for Admin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let caller = authenticate(parts, app).await?;
        permission::decide(operation(parts)?, &caller.relations())?;
        let scope = caller.platform().ok_or_else(Problem::not_found)?;
        Ok(Self { caller, scope })
    }
}
