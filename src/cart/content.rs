//! What a cart holds: read at the menu's prices of the moment, put whole, or written line by line.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::merge::{self, LeftBehind, WhyLeft};
use super::sql::lines::{self, LineWrite};
use super::sql::{self, WantedLine};
use super::{Cart, CartStatus, MOST_LINES, Owner};
use crate::ids::{CartId, UserId};
use crate::money::Amount;
use crate::problem::{FieldError, Problem};
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// The open cart, or an empty one that has not been written yet.
///
/// # Errors
/// 404 when there is no such restaurant.
pub async fn read(tx: &mut Tx, scope: &RestaurantScope, owner: Owner) -> Result<Cart, Problem> {
    let currency = crate::menu::sql::currency(tx, scope.restaurant()).await?;
    let Some(row) = sql::open_cart(tx, scope, owner).await? else {
        return Ok(Cart {
            id: None,
            restaurant_id: scope.restaurant(),
            version: 0,
            status: CartStatus::Open,
            lines: Vec::new(),
            items_total: Amount::ZERO.of(currency),
            updated_at: None,
        });
    };
    let now = tx.now();
    let stored = sql::lines(tx, scope, row.id, now).await?;
    let lines = stored.into_iter().map(|line| line.into_line(currency)).collect::<Result<Vec<_>, _>>()?;
    let items_total = Amount::sum(lines.iter().map(|line| line.total.amount))?.of(currency);
    Ok(Cart {
        id: Some(row.id),
        restaurant_id: row.restaurant_id,
        version: row.version,
        status: row.status,
        lines,
        items_total,
        updated_at: Some(row.updated_at),
    })
}

/// A name for a line that the client did not name.
pub fn fresh_key() -> String {
    Uuid::now_v7().simple().to_string()
}

/// Writes lines; tells the keys of those that hold. Those that do not were written later already.
///
/// # Errors
/// 422 for what does not fit the menu, by its place, and for more lines than a cart may have.
pub async fn write(
    tx: &mut Tx,
    scope: &RestaurantScope,
    owner: Owner,
    writes: &[LineWrite],
) -> Result<Vec<String>, Problem> {
    let cart = sql::touch(tx, scope, owner).await?;
    refuse_faults(tx, scope, writes).await?;
    let held = lines::write(tx, scope, cart, writes).await?;
    refuse_overfull(tx, scope, cart).await?;
    Ok(held)
}

/// Puts the cart whole: everything written before `at` is gone, in favour of these lines. What was written later stays.
///
/// # Errors
/// As [`write`].
pub async fn put(
    tx: &mut Tx,
    scope: &RestaurantScope,
    owner: Owner,
    at: Option<DateTime<Utc>>,
    mut writes: Vec<LineWrite>,
) -> Result<(), Problem> {
    let cart = sql::touch(tx, scope, owner).await?;
    refuse_faults(tx, scope, &writes).await?;
    let at = lines::replace(tx, scope, cart, at).await?;
    for write in &mut writes {
        write.at = Some(at);
    }
    lines::write(tx, scope, cart, &writes).await?;
    refuse_overfull(tx, scope, cart).await
}

/// What became of a guest's cart.
pub struct Merged {
    /// The user's cart.
    pub into: CartId,
    /// So many of the guest's lines are in it.
    pub lines: usize,
    /// Those that are not.
    pub left_behind: Vec<LeftBehind>,
}

/// Merges a guest's cart into the user's here, and ends it. What is not on the menu any more comes along, and is shown
/// for what it is.
///
/// # Errors
/// Only when the database does not answer.
pub async fn merge(tx: &mut Tx, scope: &RestaurantScope, from: CartId, user: UserId) -> Result<Merged, Problem> {
    let into = sql::touch(tx, scope, Owner::User(user)).await?;
    let own = sql::guests::own(tx, scope, into, user).await?;
    let plan = merge::plan(&own, lines::all(tx, scope, from).await?);
    let writes: Vec<_> = plan.writes.iter().cloned().map(LineWrite::from).collect();
    let held: BTreeSet<_> = lines::write(tx, scope, into, &writes).await?.into_iter().collect();
    lines::tidy(tx, scope, into).await?;
    sql::guests::discard(tx, scope, from).await?;
    let (kept, lost): (Vec<_>, Vec<_>) = plan.writes.into_iter().partition(|line| held.contains(&line.key));
    let mut left_behind = plan.left_behind;
    // Written at the very same instant, and the other one was the greater.
    left_behind.extend(lost.into_iter().filter_map(|line| line.left_behind(WhyLeft::WrittenLater)));
    Ok(Merged { into, lines: kept.iter().filter(|line| line.content.is_some()).count(), left_behind })
}

async fn refuse_overfull(tx: &mut Tx, scope: &RestaurantScope, cart: CartId) -> Result<(), Problem> {
    let count = lines::tidy(tx, scope, cart).await?;
    if usize::try_from(count).is_ok_and(|count| count <= MOST_LINES) {
        return Ok(());
    }
    Err(Problem::invalid_field("/lines", "must leave at most 100 in the cart"))
}

async fn refuse_faults(tx: &mut Tx, scope: &RestaurantScope, writes: &[LineWrite]) -> Result<(), Problem> {
    let mut faults = Vec::new();
    let mut named = BTreeSet::new();
    for (index, write) in writes.iter().enumerate() {
        if !named.insert(&write.key) {
            faults.push(FieldError::invalid(format!("/lines/{index}/key"), "names a line twice"));
        }
    }
    let (places, wanted): (Vec<usize>, Vec<WantedLine>) =
        writes.iter().enumerate().filter_map(|(index, write)| Some((index, write.content.clone()?))).unzip();
    for (index, misfit) in sql::unfit(tx, scope, &wanted).await? {
        faults.push(FieldError::invalid(format!("/lines/{}{}", places[index], misfit.pointer), misfit.message));
    }
    if faults.is_empty() { Ok(()) } else { Err(Problem::invalid(faults)) }
}
