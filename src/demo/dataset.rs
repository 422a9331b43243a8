//! The demo data with its ids, which are the same each time.

use chrono_tz::Tz;

use super::chance::fixed_id;
use super::city::{self, City, ItemDocument, RestaurantDocument};
use crate::accounts::{Email, UserRole};
use crate::actor::MemberRole;
use crate::delivery::Vehicle;
use crate::ids::{CategoryId, DriverId, ItemId, RestaurantId, UserId};
use crate::money::{Currency, UnknownCurrency};
use crate::place::Place;
use crate::restaurants::tax::{ClassRates, InvalidRate, Rate, Rates, TaxClass, TaxRules};

/// The time zone of the demo city.
pub const ZONE: Tz = chrono_tz::Europe::Rome;

/// Why a document is not valid.
#[derive(Debug, thiserror::Error)]
pub enum DemoDataError {
    /// The currency is unknown.
    #[error(transparent)]
    Currency(#[from] UnknownCurrency),
    /// The rate is invalid.
    #[error(transparent)]
    Rate(#[from] InvalidRate),
    /// Invalid name of a tax class.
    #[error("a tax class has no name")]
    TaxClass,
    /// Invalid e-mail address.
    #[error("{0} is not an e-mail address")]
    Email(String),
}

/// A user of the demo.
#[derive(Debug, Clone)]
pub struct DemoUser {
    /// The user's id, the same in every demo.
    pub id: UserId,
    /// The e-mail address.
    pub email: Email,
    /// The user's full name.
    pub name: String,
    /// The platform role.
    pub role: UserRole,
}

impl DemoUser {
    fn new(email: String, name: &str, role: UserRole) -> Result<Self, DemoDataError> {
        let id = UserId::from_uuid(fixed_id(&email));
        let email = Email::try_from(email.clone()).map_err(|_| DemoDataError::Email(email))?;
        Ok(Self { id, email, name: name.to_owned(), role })
    }
}

/// A customer with the delivery address.
#[derive(Debug, Clone)]
pub struct DemoCustomer {
    /// The customer's account.
    pub person: DemoUser,
    /// The delivery address.
    pub address: String,
    /// The coordinates of the address.
    pub place: Place,
}

/// A driver of the demo.
#[derive(Debug, Clone)]
pub struct DemoDriver {
    /// The driver's account.
    pub person: DemoUser,
    /// The id of the driver profile.
    pub id: DriverId,
    /// How they get about.
    pub vehicle: Vehicle,
    /// Where the driver waits for deliveries.
    pub corner: Place,
}

/// A category of the menu.
#[derive(Debug, Clone)]
pub struct DemoCategory {
    /// The category's id, the same in every demo.
    pub id: CategoryId,
    /// The category's name.
    pub name: String,
    /// What stands in it.
    pub items: Vec<(ItemId, ItemDocument)>,
}

/// A restaurant of the demo with its ids.
#[derive(Debug, Clone)]
pub struct DemoRestaurant {
    /// The restaurant's id, the same in every demo.
    pub id: RestaurantId,
    /// The document of the restaurant.
    pub document: RestaurantDocument,
    /// Who works there; the owner first.
    pub staff: Vec<(DemoUser, MemberRole)>,
    /// The categories with their items.
    pub menu: Vec<DemoCategory>,
}

/// All data of the demo.
#[derive(Debug, Clone)]
pub struct DemoData {
    /// The currency of all restaurants.
    pub currency: Currency,
    /// The tax rules.
    pub tax: TaxRules,
    /// The administrator of the platform.
    pub admin: DemoUser,
    /// The customers; Ada first.
    pub customers: Vec<DemoCustomer>,
    /// The drivers, in the order of their numbers.
    pub drivers: Vec<DemoDriver>,
    /// The restaurants of the demo.
    pub restaurants: Vec<DemoRestaurant>,
    /// Notes on orders.
    pub notes: Vec<String>,
}

impl DemoData {
    /// Creates the data with ids from the documents.
    ///
    /// # Errors
    /// When a document is not valid.
    pub fn of(city: &City) -> Result<Self, DemoDataError> {
        let customers = city.people.customers.iter().zip(city.guest_emails());
        let customers = customers.map(|(customer, email)| {
            let person = DemoUser::new(email, &customer.name, UserRole::Customer)?;
            Ok(DemoCustomer { person, address: customer.address.clone(), place: customer.place })
        });
        let restaurants = city.restaurants.iter().map(demo_restaurant);
        let corners: Vec<_> = city.restaurants.iter().map(|restaurant| restaurant.place).collect();
        let drivers = city.people.drivers.iter().enumerate().map(|(index, driver)| {
            let person = DemoUser::new(city::driver_email(index + 1), &driver.name, UserRole::Driver)?;
            let id = DriverId::from_uuid(fixed_id(&format!("driver {}", index + 1)));
            // At a corner near the restaurants, at most two drivers at each.
            Ok(DemoDriver { person, id, vehicle: driver.vehicle, corner: corners[index % corners.len()] })
        });
        Ok(Self {
            currency: "EUR".parse()?,
            tax: italian_vat()?,
            admin: DemoUser::new(city::admin_email(), "Comanda Demo", UserRole::Admin)?,
            drivers: drivers.collect::<Result<_, DemoDataError>>()?,
            customers: customers.collect::<Result<_, DemoDataError>>()?,
            restaurants: restaurants.collect::<Result<_, DemoDataError>>()?,
            notes: city.people.notes.clone(),
        })
    }
}

/// Prices include tax. Meals have the reduced rate for every kind of fulfilment, and so have delivery fees; bottled
/// drinks have the full rate, except at a table.
fn italian_vat() -> Result<TaxRules, DemoDataError> {
    let (reduced, full) = (Rate::basis_points(1_000)?, Rate::basis_points(2_200)?);
    let class = |name: &str, delivery, pickup, dine_in| -> Result<ClassRates, DemoDataError> {
        let name = TaxClass::try_from(name.to_owned()).map_err(|_| DemoDataError::TaxClass)?;
        Ok(ClassRates { name, basis_points: Rates { delivery, pickup, dine_in } })
    };
    let classes =
        vec![class("bottled-drinks", full, full, reduced)?, class(TaxClass::FEES, reduced, reduced, reduced)?];
    Ok(TaxRules { included: true, standard: reduced, classes, ..TaxRules::default() })
}

fn demo_restaurant(restaurant: &RestaurantDocument) -> Result<DemoRestaurant, DemoDataError> {
    let staff = restaurant.staff.iter().zip(restaurant.staff_emails());
    let staff = staff.map(|(worker, email)| Ok((DemoUser::new(email, &worker.name, UserRole::Staff)?, worker.role)));
    let menu = restaurant.menu.iter().map(|category| DemoCategory {
        id: CategoryId::from_uuid(fixed_id(&format!("{}/{}", restaurant.slug, category.category))),
        name: category.category.clone(),
        items: category.items.iter().map(|item| (item_id(restaurant, item), item.clone())).collect(),
    });
    Ok(DemoRestaurant {
        id: RestaurantId::from_uuid(fixed_id(&restaurant.slug)),
        menu: menu.collect(),
        staff: staff.collect::<Result<_, DemoDataError>>()?,
        document: restaurant.clone(),
    })
}

fn item_id(restaurant: &RestaurantDocument, item: &ItemDocument) -> ItemId {
    ItemId::from_uuid(fixed_id(&format!("{}/item/{}", restaurant.slug, item.name)))
}
