//! Every statement on tax classes.

use serde::Deserialize;
use sqlx::types::Json;

use crate::ids::RestaurantId;
use crate::problem::Problem;
use crate::restaurants::tax::{ClassRates, InvalidRate, Rate, Rates, TaxClass};
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// The stored form of a class, with rates in millionths.
#[derive(Debug, Deserialize)]
pub struct StoredClass {
    name: String,
    delivery: i32,
    pickup: i32,
    dine_in: i32,
}

impl TryFrom<StoredClass> for ClassRates {
    type Error = Problem;

    fn try_from(stored: StoredClass) -> Result<Self, Problem> {
        let rate =
            |millionths: i32| Rate::from_millionths(millionths).map_err(|error: InvalidRate| Problem::internal(&error));
        Ok(Self {
            name: TaxClass::try_from(stored.name).map_err(|error| Problem::internal(&error))?,
            basis_points: Rates {
                delivery: rate(stored.delivery)?,
                pickup: rate(stored.pickup)?,
                dine_in: rate(stored.dine_in)?,
            },
        })
    }
}

/// The classes in the order of their names, from the query of a restaurant.
pub(super) fn classes(stored: Json<Vec<StoredClass>>) -> Result<Vec<ClassRates>, Problem> {
    stored.0.into_iter().map(ClassRates::try_from).collect()
}

/// Whether a restaurant has a class with this name.
pub async fn has_class(tx: &mut Tx, restaurant: RestaurantId, class: &TaxClass) -> Result<bool, Problem> {
    let known = sqlx::query_scalar!(
        r#"select exists (select from tax_classes where restaurant_id = $1 and name = $2) as "known!""#,
        restaurant as RestaurantId,
        class.as_str(),
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(known)
}

/// The names of a restaurant's classes.
pub async fn names(tx: &mut Tx, restaurant: RestaurantId) -> Result<Vec<TaxClass>, Problem> {
    let names = sqlx::query_scalar!(
        r#"select name as "name: TaxClass" from tax_classes where restaurant_id = $1 order by name"#,
        restaurant as RestaurantId,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(names)
}

/// The names of a restaurant's classes, locked against deletion until the transaction ends.
pub async fn hold(tx: &mut Tx, scope: &RestaurantScope) -> Result<Vec<TaxClass>, Problem> {
    let names = sqlx::query_scalar!(
        r#"select name as "name: TaxClass" from tax_classes where restaurant_id = $1 order by name for key share"#,
        scope.restaurant() as RestaurantId,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(names)
}

/// Replaces the classes. One that an item or a modifier uses cannot be deleted.
pub async fn set(tx: &mut Tx, scope: &RestaurantScope, classes: &[ClassRates]) -> Result<(), Problem> {
    let names: Vec<_> = classes.iter().map(|class| class.name.as_str().to_owned()).collect();
    // Under this lock no item can get a class that is being deleted: its foreign key waits.
    sqlx::query!(
        "select name from tax_classes where restaurant_id = $1 and name <> all($2) order by name for update",
        scope.restaurant() as RestaurantId,
        &names,
    )
    .fetch_all(tx.connection())
    .await?;
    let in_use = sqlx::query_scalar!(
        r#"select tax_class as "class!" from menu_items
           where restaurant_id = $1 and deleted_at is null and tax_class is not null and tax_class <> all($2)
           union select tax_class from modifiers
           where restaurant_id = $1 and deleted_at is null and tax_class is not null and tax_class <> all($2)
           order by 1 limit 1"#,
        scope.restaurant() as RestaurantId,
        &names,
    )
    .fetch_optional(tx.connection())
    .await?;
    if let Some(class) = in_use {
        let message = format!("must keep “{class}”: something on the menu is in that class");
        return Err(Problem::invalid_field("/taxClasses", message));
    }
    let rates = |of: fn(&Rates) -> Rate| -> Vec<Rate> { classes.iter().map(|class| of(&class.basis_points)).collect() };
    sqlx::query!(
        "with gone as (delete from tax_classes where restaurant_id = $1 and name <> all($2))
         insert into tax_classes (restaurant_id, name, delivery, pickup, dine_in)
         select $1, * from unnest($2::text[], $3::int[], $4::int[], $5::int[])
         on conflict (restaurant_id, name) do update set delivery = excluded.delivery, pickup = excluded.pickup,
             dine_in = excluded.dine_in",
        scope.restaurant() as RestaurantId,
        &names,
        &rates(|rates| rates.delivery) as &[Rate],
        &rates(|rates| rates.pickup) as &[Rate],
        &rates(|rates| rates.dine_in) as &[Rate],
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}
