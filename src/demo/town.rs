//! The demo city with its ids: who is who, the same in every demo city.

use chrono_tz::Tz;

use super::chance::founding_id;
use super::city::{self, City, DemoRestaurant, Dish};
use crate::accounts::{Email, UserRole};
use crate::actor::MemberRole;
use crate::delivery::Vehicle;
use crate::ids::{CategoryId, DriverId, ItemId, RestaurantId, UserId};
use crate::money::{Currency, UnknownCurrency};
use crate::place::Place;
use crate::restaurants::tax::{ClassRates, NoRate, Rate, Rates, TaxClass, TaxRules};

/// Where it is.
pub const ZONE: Tz = chrono_tz::Europe::Rome;

/// What does not fit into the restaurant.
#[derive(Debug, thiserror::Error)]
pub enum TownError {
    /// The currency is none.
    #[error(transparent)]
    Currency(#[from] UnknownCurrency),
    /// A rate is none.
    #[error(transparent)]
    Rate(#[from] NoRate),
    /// A tax class has no name.
    #[error("a tax class has no name")]
    TaxClass,
    /// Somebody's address is none.
    #[error("{0} is not an e-mail address")]
    Email(String),
}

/// Somebody with an account.
#[derive(Debug, Clone)]
pub struct Person {
    /// Their id.
    pub id: UserId,
    /// With what they sign in.
    pub email: Email,
    /// Their name.
    pub name: String,
    /// What they are to the platform.
    pub role: UserRole,
}

impl Person {
    fn new(email: String, name: &str, role: UserRole) -> Result<Self, TownError> {
        let id = UserId::from_uuid(founding_id(&email));
        let email = Email::try_from(email.clone()).map_err(|_| TownError::Email(email))?;
        Ok(Self { id, email, name: name.to_owned(), role })
    }
}

/// Somebody who eats, and where.
#[derive(Debug, Clone)]
pub struct Guest {
    /// Who.
    pub person: Person,
    /// Where they live.
    pub address: String,
    /// Where that is.
    pub place: Place,
}

/// Somebody who delivers.
#[derive(Debug, Clone)]
pub struct Rider {
    /// Who.
    pub person: Person,
    /// Their profile.
    pub id: DriverId,
    /// How they get about.
    pub vehicle: Vehicle,
    /// Where they wait for work.
    pub corner: Place,
}

/// A chapter of the menu.
#[derive(Debug, Clone)]
pub struct Chapter {
    /// Its id.
    pub id: CategoryId,
    /// Its heading.
    pub name: String,
    /// What stands in it.
    pub dishes: Vec<(ItemId, Dish)>,
}

/// A restaurant.
#[derive(Debug, Clone)]
pub struct Kitchen {
    /// Its id.
    pub id: RestaurantId,
    /// As it is written down.
    pub document: DemoRestaurant,
    /// Who works there; the owner first.
    pub staff: Vec<(Person, MemberRole)>,
    /// Its menu.
    pub menu: Vec<Chapter>,
}

/// Everybody and everything.
#[derive(Debug, Clone)]
pub struct Town {
    /// What is paid with.
    pub currency: Currency,
    /// How everything is taxed.
    pub tax: TaxRules,
    /// Who runs the platform.
    pub admin: Person,
    /// Who eats; Ada first.
    pub guests: Vec<Guest>,
    /// Who delivers.
    pub riders: Vec<Rider>,
    /// Where it is cooked.
    pub kitchens: Vec<Kitchen>,
    /// What people write on their orders.
    pub notes: Vec<String>,
}

impl Town {
    /// Gives everything in the city its id.
    ///
    /// # Errors
    /// When something in the documents is not acceptable.
    pub fn of(city: &City) -> Result<Self, TownError> {
        let guests = city.people.customers.iter().zip(city.guest_emails());
        let guests = guests.map(|(guest, email)| {
            let person = Person::new(email, &guest.name, UserRole::Customer)?;
            Ok(Guest { person, address: guest.address.clone(), place: guest.place })
        });
        let kitchens = city.restaurants.iter().map(kitchen);
        let corners: Vec<_> = city.restaurants.iter().map(|restaurant| restaurant.place).collect();
        let riders = city.people.drivers.iter().enumerate().map(|(index, rider)| {
            let person = Person::new(city::driver_email(index + 1), &rider.name, UserRole::Driver)?;
            let id = DriverId::from_uuid(founding_id(&format!("driver {}", index + 1)));
            // Near the restaurants, where the work is: a corner has at most two of them.
            Ok(Rider { person, id, vehicle: rider.vehicle, corner: corners[index % corners.len()] })
        });
        Ok(Self {
            currency: "EUR".parse()?,
            tax: italian_vat()?,
            admin: Person::new(city::admin_email(), "Comanda Demo", UserRole::Admin)?,
            riders: riders.collect::<Result<_, TownError>>()?,
            guests: guests.collect::<Result<_, TownError>>()?,
            kitchens: kitchens.collect::<Result<_, TownError>>()?,
            notes: city.people.notes.clone(),
        })
    }
}

/// Prices hold it. Meals have the reduced rate, however they reach the guest, and so has bringing them; a bottle has the
/// full rate, unless it is served at a table.
fn italian_vat() -> Result<TaxRules, TownError> {
    let (reduced, full) = (Rate::basis_points(1_000)?, Rate::basis_points(2_200)?);
    let class = |name: &str, delivery, pickup, dine_in| -> Result<ClassRates, TownError> {
        let name = TaxClass::try_from(name.to_owned()).map_err(|_| TownError::TaxClass)?;
        Ok(ClassRates { name, basis_points: Rates { delivery, pickup, dine_in } })
    };
    let classes =
        vec![class("bottled-drinks", full, full, reduced)?, class(TaxClass::FEES, reduced, reduced, reduced)?];
    Ok(TaxRules { included: true, standard: reduced, classes, ..TaxRules::default() })
}

fn kitchen(restaurant: &DemoRestaurant) -> Result<Kitchen, TownError> {
    let staff = restaurant.staff.iter().zip(restaurant.staff_emails());
    let staff = staff.map(|(worker, email)| Ok((Person::new(email, &worker.name, UserRole::Staff)?, worker.role)));
    let menu = restaurant.menu.iter().map(|chapter| Chapter {
        id: CategoryId::from_uuid(founding_id(&format!("{}/{}", restaurant.slug, chapter.category))),
        name: chapter.category.clone(),
        dishes: chapter.items.iter().map(|dish| (item_id(restaurant, dish), dish.clone())).collect(),
    });
    Ok(Kitchen {
        id: RestaurantId::from_uuid(founding_id(&restaurant.slug)),
        menu: menu.collect(),
        staff: staff.collect::<Result<_, TownError>>()?,
        document: restaurant.clone(),
    })
}

fn item_id(restaurant: &DemoRestaurant, dish: &Dish) -> ItemId {
    ItemId::from_uuid(founding_id(&format!("{}/item/{}", restaurant.slug, dish.name)))
}
