//! Reads a cart at current menu prices, and writes it as a whole or line by line.

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::cart::merge::{self, UnmergedLine, UnmergedReason};
use crate::cart::sql::lines::{self, Extent, LineWrite, WriteResult};
use crate::cart::sql::{self, LoadedGroups, OpenCart, RequestedLine};
use crate::cart::{Cart, CartOwner, CartStatus, MAX_LINES, PricedLine};
use crate::config::CartLimits;
use crate::ids::{CartId, UserId};
use crate::menu::configure;
use crate::money::{Amount, Currency};
use crate::problem::{FieldError, Problem};
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// The open cart, or an empty one that has not been written yet.
///
/// # Errors
/// 404 when there is no such restaurant.
pub async fn read(tx: &mut Tx, scope: &RestaurantScope, owner: CartOwner) -> Result<Cart, Problem> {
    let found = sql::open_cart(tx, scope, owner).await?;
    let (currency, cart) = found.ok_or_else(Problem::not_found)?;
    let now = tx.now();
    let lines = match cart {
        Some(cart) => sql::lines(tx, scope, cart.id, now, LoadedGroups::default()).await?,
        None => Vec::new(),
    };
    cart_response(scope, currency, cart, lines)
}

/// The cart as in responses.
fn cart_response(
    scope: &RestaurantScope,
    currency: Currency,
    cart: Option<OpenCart>,
    lines: Vec<PricedLine>,
) -> Result<Cart, Problem> {
    let lines = lines.into_iter().map(|line| line.into_line(currency)).collect::<Result<Vec<_>, _>>()?;
    Ok(Cart {
        id: cart.map(|cart| cart.id),
        restaurant_id: scope.restaurant(),
        version: cart.map_or(0, |cart| cart.version),
        status: CartStatus::Open,
        items_total: Amount::sum(lines.iter().map(|line| line.total.amount))?.of(currency),
        lines,
        updated_at: cart.map(|cart| cart.updated_at),
    })
}

/// A key for a line without one.
pub fn fresh_key() -> String {
    Uuid::now_v7().simple().to_string()
}

/// Writes lines of a cart, or replaces the whole cart: then lines that were written before are deleted. Lines that were
/// written later are kept.
///
/// # Errors
/// 422 for lines that do not fit the menu, with their pointers, and for more lines or choices than a cart may have.
pub async fn write(
    tx: &mut Tx,
    scope: &RestaurantScope,
    owner: CartOwner,
    writes: &[LineWrite],
    extent: Extent,
    limits: CartLimits,
) -> Result<Cart, Problem> {
    check_counts(writes, limits.choices)?;
    let locked = sql::lock_or_open(tx, scope, owner, limits).await?;
    let groups = refuse_faults(tx, scope, writes).await?;
    let cart = lines::write(tx, scope, &locked, writes, extent).await?.cart;
    let now = tx.now();
    let lines = sql::lines(tx, scope, cart.id, now, groups).await?;
    let choices = lines.iter().map(|line| configure::count(&line.choices)).sum();
    refuse_too_much(lines.len(), choices, limits.choices)?;
    cart_response(scope, locked.currency, Some(cart), lines)
}

/// Writes one line, and returns whether the write took effect: a later write of the line may be stored. The cart is not
/// read.
///
/// # Errors
/// As [`write`].
pub async fn write_line(
    tx: &mut Tx,
    scope: &RestaurantScope,
    owner: CartOwner,
    line: LineWrite,
    limits: CartLimits,
) -> Result<bool, Problem> {
    let writes = [line];
    check_counts(&writes, limits.choices)?;
    let locked = sql::lock_or_open(tx, scope, owner, limits).await?;
    refuse_faults(tx, scope, &writes).await?;
    let WriteResult { keys: written_keys, cart } = lines::write(tx, scope, &locked, &writes, Extent::Lines).await?;
    let (lines, choices) = lines::count(tx, scope, cart.id).await?;
    refuse_too_much(lines, choices, limits.choices)?;
    Ok(!written_keys.is_empty())
}

/// Checks the number of choices of each line, and of all lines together, before any query.
fn check_counts(writes: &[LineWrite], max_choices: usize) -> Result<(), Problem> {
    let choices = writes.iter().map(|write| write.content.as_ref().map_or(&[][..], |line| line.choices.as_slice()));
    configure::check_counts(choices.enumerate(), max_choices)
}

/// Checks the limits of a cart after a write.
fn refuse_too_much(lines: usize, choices: usize, max_choices: usize) -> Result<(), Problem> {
    if lines > MAX_LINES {
        return Err(Problem::invalid_field("/lines", "must leave at most 100 lines in the cart"));
    }
    if choices > max_choices { Err(configure::too_many(choices, max_choices)) } else { Ok(()) }
}

/// The result of merging a guest's cart.
pub struct MergeResult {
    /// The user's cart.
    pub into: CartId,
    /// The number of the guest's lines that were merged.
    pub lines: usize,
    /// The lines that were not merged.
    pub left_behind: Vec<UnmergedLine>,
}

/// Merges a guest's cart into the user's cart at the restaurant, and deletes it. Lines of deleted items are merged too,
/// and shown as not orderable.
///
/// # Errors
/// Only when the database does not answer.
pub async fn merge(
    tx: &mut Tx,
    scope: &RestaurantScope,
    from: CartId,
    user: UserId,
    limits: CartLimits,
) -> Result<MergeResult, Problem> {
    let locked = sql::lock_or_open(tx, scope, CartOwner::User(user), limits).await?;
    let into = locked.cart.id;
    let own = sql::merge::user_cart(tx, scope, into, user).await?;
    let plan = merge::plan(&own, lines::all(tx, scope, from).await?, limits.choices);
    let writes: Vec<_> = plan.writes.iter().cloned().map(LineWrite::from).collect();
    let written_keys: BTreeSet<_> =
        lines::write(tx, scope, &locked, &writes, Extent::Lines).await?.keys.into_iter().collect();
    sql::merge::discard(tx, scope, from).await?;
    let (merged, lost): (Vec<_>, Vec<_>) = plan.writes.into_iter().partition(|line| written_keys.contains(&line.key));
    let mut left_behind = plan.left_behind;
    // Both lines were written at the same instant, and the user's is greater.
    left_behind.extend(lost.into_iter().filter_map(|line| line.left_behind(UnmergedReason::WrittenLater)));
    Ok(MergeResult { into, lines: merged.iter().filter(|line| line.content.is_some()).count(), left_behind })
}

/// Checks lines against the menu; returns the groups that were read for it.
async fn refuse_faults(tx: &mut Tx, scope: &RestaurantScope, writes: &[LineWrite]) -> Result<LoadedGroups, Problem> {
    let mut faults = Vec::new();
    let mut named = BTreeSet::new();
    for (index, write) in writes.iter().enumerate() {
        if !named.insert(&write.key) {
            faults.push(FieldError::invalid(format!("/lines/{index}/key"), "is the key of more than one line"));
        }
    }
    let (indices, requested): (Vec<usize>, Vec<RequestedLine>) =
        writes.iter().enumerate().filter_map(|(index, write)| Some((index, write.content.clone()?))).unzip();
    let (unfit, groups) = sql::unfit(tx, scope, &requested).await?;
    for (index, invalid_choice) in unfit {
        faults.push(invalid_choice.field_error(&format!("/lines/{}", indices[index])));
    }
    if faults.is_empty() { Ok(groups) } else { Err(Problem::invalid(faults)) }
}
