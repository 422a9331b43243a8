//! Limits on attempts at coupon codes: counted in PostgreSQL for each user, as with passwords, and for all users of a
//! network together, since accounts cost nothing.

use std::future::Future;

use chrono::TimeDelta;

use crate::accounts::actions::attempt_limits;
use crate::accounts::attempt_limits::{AttemptLimit, Counter};
use crate::app::App;
use crate::coupons::CouponCode;
use crate::ids::UserId;
use crate::network::Network;
use crate::problem::{Code, Problem};

/// Unknown codes that one user may try.
pub const WRONG_CODES: AttemptLimit = AttemptLimit::new("coupon codes", 20, TimeDelta::minutes(15));

/// Runs `work` under the limits, if there is a code. `network` is the network of the request. Where no attempt is left,
/// `stored_response` reads the response that was stored under the request's key: a repeated request always gets its
/// response. An attempt is taken before the code is looked up, and given back unless the code is unknown, so that many
/// concurrent attempts gain nothing.
///
/// # Errors
/// 429 when no attempt is left, and the problem of `work`.
pub async fn with_attempt_limit<T>(
    app: &App,
    user: UserId,
    network: Network,
    code: Option<&CouponCode>,
    stored_response: impl Future<Output = Result<Option<T>, Problem>>,
    work: impl Future<Output = Result<T, Problem>>,
) -> Result<T, Problem> {
    if code.is_none() {
        return work.await;
    }
    let mut counters = vec![Counter::new(app, WRONG_CODES, &[user.as_bytes()])];
    counters.extend(Counter::coupon_codes_from(app, network));
    if let Err(problem) = attempt_limits::take(app, counters.clone()).await {
        return stored_response.await?.ok_or(problem);
    }
    let outcome = work.await;
    let is_unknown = outcome.as_ref().is_err_and(|problem| problem.code() == Code::CouponUnknown);
    if !is_unknown {
        attempt_limits::give_back(app, counters).await?;
    }
    outcome
}
