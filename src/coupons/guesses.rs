//! How often somebody may guess at codes: counted in PostgreSQL for each user, as with passwords, and for all users of a
//! network together, since accounts cost nothing.

use std::future::Future;

use chrono::TimeDelta;
use ipnet::IpNet;

use super::CouponCode;
use crate::accounts::guesses::{self, Bound, Counter};
use crate::app::App;
use crate::ids::UserId;
use crate::problem::{Code, Problem};

/// Codes that nobody has, tried by one user.
pub const WRONG_CODES: Bound = Bound::new("coupon codes", 20, TimeDelta::minutes(15));

/// Does something with a code, if there is one. `network` is where the user asks from; null where that is not known any more. Where no try is left, what was done before under the request's key is
/// `recall`ed: repeating a request always gets its answer. A try is taken before the code is looked at, and given back unless the
/// code is nobody's: so it is no use to try many at once.
///
/// # Errors
/// 429 when there is no try left, and whatever the work is refused with.
pub async fn guarded<T>(
    app: &App,
    user: UserId,
    network: Option<IpNet>,
    code: Option<&CouponCode>,
    recall: impl Future<Output = Result<Option<T>, Problem>>,
    work: impl Future<Output = Result<T, Problem>>,
) -> Result<T, Problem> {
    if code.is_none() {
        return work.await;
    }
    let mut counters = vec![Counter::new(app, WRONG_CODES, &[user.as_bytes()])];
    counters.extend(network.map(|network| Counter::coupon_codes_from(app, network)));
    if let Err(problem) = guesses::take(app, counters.clone()).await {
        return recall.await?.ok_or(problem);
    }
    let outcome = work.await;
    let is_guess = outcome.as_ref().is_err_and(|problem| problem.code() == Code::CouponUnknown);
    if !is_guess {
        guesses::give_back(app, counters).await?;
    }
    outcome
}
