//! Creates a restaurant with profile, hours, staff and menu, in one transaction.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::people::account;
use crate::coupons::{self, Coupon, CouponKind};
use crate::demo::city;
use crate::demo::dataset::{DemoData, DemoRestaurant, ZONE};
use crate::ids::CouponId;
use crate::menu::stock::StockChange;
use crate::menu::translations::Translations;
use crate::menu::{self, Category, Item};
use crate::money::{Amount, Currency};
use crate::problem::Problem;
use crate::restaurants;
use crate::restaurants::contact::Contact;
use crate::restaurants::last_orders::LastOrders;
use crate::restaurants::slots::SlotRules;
use crate::restaurants::sql::Profile;
use crate::tenancy::{PlatformScope, RestaurantScope};
use crate::uow::{Database, Tx};

/// Creates the restaurant if it does not exist.
pub async fn open(db: &Database, data: &Arc<DemoData>, kitchen: usize, hash: &Arc<str>) -> Result<(), Problem> {
    let (data, hash) = (Arc::clone(data), Arc::clone(hash));
    let platform = PlatformScope::proven_by("the demo city, which is being built", None);
    let scope = platform.restaurant(data.restaurants[kitchen].id);
    db.write(scope, move |tx| {
        Box::pin(async move {
            let kitchen = &data.restaurants[kitchen];
            if restaurants::sql::get(tx, kitchen.id).await?.is_some() {
                return Ok(());
            }
            restaurants::sql::insert(tx, &scope, data.currency, &profile(&data, kitchen)).await?;
            restaurants::sql::hours::set_week(tx, &scope, &kitchen.document.hours).await?;
            for (person, role) in &kitchen.staff {
                account(tx, person, &hash).await?;
                restaurants::sql::put_member(tx, &scope, person.id, *role).await?;
            }
            for coupon in &kitchen.document.coupons {
                coupons::sql::insert(tx, &scope, &coupon_of(kitchen, coupon, data.currency, tx.now())).await?;
            }
            write_menu(tx, &scope, kitchen, data.currency).await
        })
    })
    .await
}

fn profile(data: &DemoData, kitchen: &DemoRestaurant) -> Profile {
    let restaurant = &kitchen.document;
    Profile {
        always_open: kitchen.document.hours.is_empty(),
        last_orders: LastOrders::default(),
        slug: restaurant.slug.clone(),
        name: restaurant.name.clone(),
        description: Some(restaurant.description.clone()),
        cuisines: restaurant.cuisines.clone(),
        contact: Contact {
            phone: None,
            // The console recognises the demo's restaurants by it.
            email: Some(format!("ciao@{}.example", restaurant.slug)),
            website: Some(format!("https://{}.example", restaurant.slug)),
        },
        address: restaurant.address.clone(),
        place: restaurant.place,
        timezone: ZONE,
        tax: data.tax.clone(),
        delivery_fee: Amount::minor(restaurant.delivery_fee),
        service_fee: restaurant.service_fee(),
        minimum_order: Amount::minor(restaurant.minimum_order),
        auto_accept: restaurant.auto_accept,
        accept_minutes: None,
        preparation_minutes: restaurant.preparation_minutes,
        slots: SlotRules::default(),
        accepting: true,
    }
}

fn coupon_of(
    kitchen: &DemoRestaurant,
    coupon: &city::CouponDocument,
    currency: Currency,
    now: DateTime<Utc>,
) -> Coupon {
    let kind = if coupon.basis_points.is_some() { CouponKind::Percent } else { CouponKind::FreeDelivery };
    Coupon {
        id: CouponId::new(),
        restaurant_id: kitchen.id,
        code: coupon.code.clone(),
        kind,
        basis_points: coupon.basis_points,
        cap: None,
        amount: None,
        minimum_items: Amount::ZERO.of(currency),
        valid_from: None,
        valid_until: None,
        limit_total: None,
        limit_per_user: coupon.limit_per_user,
        active: true,
        redeemed: 0,
        version: 1,
        created_at: now,
        updated_at: now,
    }
}

async fn write_menu(
    tx: &mut Tx,
    scope: &RestaurantScope,
    kitchen: &DemoRestaurant,
    currency: Currency,
) -> Result<(), Problem> {
    for (position, demo_category) in (0..).zip(&kitchen.menu) {
        let category = Category {
            id: demo_category.id,
            key: None,
            name: demo_category.name.clone(),
            position,
            day_parts: Vec::new(),
            translations: Translations::new(),
        };
        menu::sql::save_category(tx, scope, &category).await?;
        for (position, (id, dish)) in (0..).zip(&demo_category.items) {
            let item = Item {
                id: *id,
                key: None,
                category_id: demo_category.id,
                name: dish.name.clone(),
                description: Some(dish.description.clone()),
                price: Amount::minor(dish.price).of(currency),
                tax_class: dish.tax_class.clone(),
                available: dish.available,
                unavailable_until: None,
                stock: dish.stock,
                position,
                image: None,
                day_parts: Vec::new(),
                allergens: None,
                diets: Vec::new(),
                modifier_groups: Vec::new(),
                translations: Translations::new(),
            };
            menu::sql::items::save(tx, scope, &item).await?;
            if item.stock.is_some() {
                menu::sql::stock::of_item(tx, scope, item.id, StockChange::To(item.stock)).await?;
            }
        }
    }
    Ok(())
}
