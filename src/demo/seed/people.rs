//! The people of the city sign up and go to work.

use std::sync::Arc;

use crate::accounts::sql::{self, NewUser};
use crate::delivery;
use crate::demo::town::{Person, Town};
use crate::problem::Problem;
use crate::tenancy::PlatformScope;
use crate::uow::{Database, Tx};

/// Makes the account of somebody.
pub async fn account(tx: &mut Tx, person: &Person, password_hash: &str) -> Result<(), Problem> {
    let Person { id, email, name, role } = person;
    let user = NewUser { id: *id, email, password_hash, name, phone: None, role: *role, is_proved: true };
    sql::insert(tx, &user).await.map(drop)
}

/// Guests and drivers sign up.
pub async fn sign_up(db: &Database, town: &Arc<Town>, hash: &Arc<str>) -> Result<(), Problem> {
    let (town, hash) = (Arc::clone(town), Arc::clone(hash));
    let scope = PlatformScope::proven_by("the demo city, in a database without people", None);
    db.write(scope, move |tx| {
        Box::pin(async move {
            for guest in &town.guests {
                account(tx, &guest.person, &hash).await?;
            }
            for rider in &town.riders {
                account(tx, &rider.person, &hash).await?;
                delivery::sql::drivers::insert(tx, rider.id, rider.person.id, rider.vehicle).await?;
            }
            Ok(())
        })
    })
    .await
}

/// Drivers come on duty, each at their corner; and the administrator signs up, which says that the city is whole.
pub async fn begin_work(db: &Database, town: &Arc<Town>, hash: &Arc<str>) -> Result<(), Problem> {
    let (town, hash) = (Arc::clone(town), Arc::clone(hash));
    let scope = PlatformScope::proven_by("the demo city, which is being built", None);
    db.write(scope, move |tx| {
        Box::pin(async move {
            for rider in &town.riders {
                delivery::sql::drivers::set_online(tx, rider.id, true, Some(rider.corner)).await?;
            }
            account(tx, &town.admin, &hash).await
        })
    })
    .await
}
