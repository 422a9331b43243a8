//! Creates the users, and sets drivers on duty.

use std::sync::Arc;

use crate::accounts::sql::{self, NewUser};
use crate::delivery;
use crate::demo::dataset::{DemoData, DemoUser};
use crate::problem::Problem;
use crate::tenancy::PlatformScope;
use crate::uow::{Database, Tx};

/// Creates the account of a user.
pub async fn account(tx: &mut Tx, person: &DemoUser, password_hash: &str) -> Result<(), Problem> {
    let DemoUser { id, email, name, role } = person;
    let user = NewUser { id: *id, email, password_hash, name, phone: None, role: *role, is_proved: true };
    sql::insert(tx, &user).await.map(drop)
}

/// Creates the accounts of customers and drivers.
pub async fn sign_up(db: &Database, data: &Arc<DemoData>, hash: &Arc<str>) -> Result<(), Problem> {
    let (data, hash) = (Arc::clone(data), Arc::clone(hash));
    let scope = PlatformScope::proven_by("the demo city, in a database without people", None);
    db.write(scope, move |tx| {
        Box::pin(async move {
            for customer in &data.customers {
                account(tx, &customer.person, &hash).await?;
            }
            for driver in &data.drivers {
                account(tx, &driver.person, &hash).await?;
                delivery::sql::drivers::insert(tx, driver.id, driver.person.id, driver.vehicle).await?;
            }
            Ok(())
        })
    })
    .await
}

/// Sets drivers on duty, each at their corner, and creates the administrator, whose account shows that the data is
/// complete.
pub async fn begin_work(db: &Database, data: &Arc<DemoData>, hash: &Arc<str>) -> Result<(), Problem> {
    let (data, hash) = (Arc::clone(data), Arc::clone(hash));
    let scope = PlatformScope::proven_by("the demo city, which is being built", None);
    db.write(scope, move |tx| {
        Box::pin(async move {
            for driver in &data.drivers {
                delivery::sql::drivers::set_online(tx, driver.id, true, Some(driver.corner), None).await?;
            }
            account(tx, &data.admin, &hash).await
        })
    })
    .await
}
