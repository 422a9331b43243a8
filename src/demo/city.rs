//! The documents of the demo city: fourteen restaurants in Bologna, one document each, and the people. `seed/` writes
//! them to the database.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use unicode_normalization::UnicodeNormalization as _;

use crate::actor::MemberRole;
use crate::coupons::CouponCode;
use crate::delivery::Vehicle;
use crate::money::Amount;
use crate::place::Place;
use crate::restaurants::hours::Span;
use crate::restaurants::service_fee::ServiceFee;
use crate::restaurants::tax::{Rate, TaxClass};

/// The domain of all e-mail addresses of the demo; it is reserved for examples (RFC 2606).
pub const DOMAIN: &str = "demo.comanda.example";

/// The password of all accounts of the demo.
pub const PASSWORD: &str = "comanda demo";

/// The restaurants, in the order in which they opened. Lists begin with the newest, which never closes.
const RESTAURANTS: [(&str, &str); 14] = [
    ("trattoria-ermengarda", include_str!("city/trattoria-ermengarda.json")),
    ("tre-bocche-di-fuoco", include_str!("city/tre-bocche-di-fuoco.json")),
    ("sushi-airone", include_str!("city/sushi-airone.json")),
    ("lanterna-blu-ramen", include_str!("city/lanterna-blu-ramen.json")),
    ("gallo-di-seul", include_str!("city/gallo-di-seul.json")),
    ("monsoon-portico", include_str!("city/monsoon-portico.json")),
    ("cedro-e-sumac", include_str!("city/cedro-e-sumac.json")),
    ("taverna-meltemia", include_str!("city/taverna-meltemia.json")),
    ("mesob-del-navile", include_str!("city/mesob-del-navile.json")),
    ("la-cometa-azul", include_str!("city/la-cometa-azul.json")),
    ("mattone-rosso-burgers", include_str!("city/mattone-rosso-burgers.json")),
    ("ortica-felice", include_str!("city/ortica-felice.json")),
    ("brina-d-agosto", include_str!("city/brina-d-agosto.json")),
    ("night-owl-diner", include_str!("city/night-owl-diner.json")),
];

/// A document of the demo city cannot be parsed.
#[derive(Debug, thiserror::Error)]
#[error("{document} of the demo data cannot be read: {fault}")]
pub struct CityError {
    document: &'static str,
    fault: serde_json::Error,
}

/// A restaurant of the demo, as its document describes it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RestaurantDocument {
    /// The slug of the restaurant.
    pub slug: String,
    /// The restaurant's name.
    pub name: String,
    /// The description of the restaurant.
    pub description: String,
    /// The cuisines it serves.
    pub cuisines: Vec<String>,
    /// Street and house number.
    pub address: String,
    /// The coordinates of the address.
    pub place: Place,
    /// Delivery fee in cents.
    pub delivery_fee: i64,
    /// The service fee, in hundredths of a percent of the lines.
    #[serde(default)]
    pub service_basis_points: Rate,
    /// The largest service fee in cents; `None`: unlimited.
    pub service_cap: Option<i64>,
    /// The coupons of the restaurant.
    #[serde(default)]
    pub coupons: Vec<CouponDocument>,
    /// Minimum order in cents.
    pub minimum_order: i64,
    /// Whether orders are accepted automatically.
    pub auto_accept: bool,
    /// Minutes from the confirmation of an order until it is ready.
    pub preparation_minutes: i16,
    /// The opening hours; empty: always open.
    pub hours: Vec<Span>,
    /// The mean number of orders a day.
    pub orders_per_day: u32,
    /// The staff; the owner first.
    pub staff: Vec<StaffDocument>,
    /// The menu, by category.
    pub menu: Vec<CategoryDocument>,
}

/// A member of a restaurant's staff.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StaffDocument {
    /// The member's full name.
    pub name: String,
    /// The role at the restaurant.
    pub role: MemberRole,
}

/// A coupon: a share off the lines, or without a share free delivery.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CouponDocument {
    /// The code of the coupon.
    pub code: CouponCode,
    /// The share, in hundredths of a percent; `None`: free delivery.
    pub basis_points: Option<Rate>,
    /// How many orders of one customer may use it.
    pub limit_per_user: Option<i32>,
}

/// A category of a menu.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CategoryDocument {
    /// The category's name.
    pub category: String,
    /// The items of the category.
    pub items: Vec<ItemDocument>,
}

/// An item of a menu.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ItemDocument {
    /// The item's name.
    pub name: String,
    /// The description of the item.
    pub description: String,
    /// The price in cents, including tax.
    pub price: i64,
    /// The tax class.
    pub tax_class: Option<TaxClass>,
    /// The stock in portions; `None`: not counted.
    pub stock: Option<i32>,
    /// Whether it is available at the start.
    #[serde(default = "default_true")]
    pub available: bool,
    /// How often it is ordered, relative to other items.
    pub popularity: u32,
}

const fn default_true() -> bool {
    true
}

/// A driver of the demo.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DriverDocument {
    /// The driver's full name.
    pub name: String,
    /// The driver's vehicle.
    pub vehicle: Vehicle,
}

/// A customer of the demo.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustomerDocument {
    /// The customer's full name.
    pub name: String,
    /// The delivery address: street and house number.
    pub address: String,
    /// The coordinates of the address.
    pub place: Place,
}

/// Drivers and customers.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeopleDocument {
    /// The drivers, in the order of their numbers.
    pub drivers: Vec<DriverDocument>,
    /// The customers; Ada first.
    pub customers: Vec<CustomerDocument>,
    /// Notes on orders.
    pub notes: Vec<String>,
}

/// The documents of the demo city.
#[derive(Debug, Clone)]
pub struct City {
    /// The restaurants, in the order in which they opened.
    pub restaurants: Vec<RestaurantDocument>,
    /// Customers, drivers, and notes on orders.
    pub people: PeopleDocument,
}

impl City {
    /// Reads the documents.
    ///
    /// # Errors
    /// When one cannot be parsed.
    pub fn read() -> Result<Self, CityError> {
        let people = read("people.json", include_str!("city/people.json"))?;
        let restaurants = RESTAURANTS.iter().map(|(name, text)| read(name, text)).collect::<Result<_, _>>()?;
        Ok(Self { restaurants, people })
    }

    /// The e-mail addresses of the customers: their first names, with a number for repeated names.
    pub fn guest_emails(&self) -> Vec<String> {
        let firsts: Vec<_> = self.people.customers.iter().map(|customer| first_name(&customer.name)).collect();
        let email = |(index, first): (usize, &String)| {
            let earlier = firsts[..index].iter().filter(|other| *other == first).count();
            if earlier == 0 { address(first) } else { address(&format!("{first}{}", earlier + 1)) }
        };
        firsts.iter().enumerate().map(email).collect()
    }
}

fn read<T: DeserializeOwned>(document: &'static str, text: &str) -> Result<T, CityError> {
    serde_json::from_str(text).map_err(|fault| CityError { document, fault })
}

fn address(name: &str) -> String {
    format!("{name}@{DOMAIN}")
}

/// The administrator's address.
pub fn admin_email() -> String {
    address("admin")
}

/// The address of a driver, numbered from 1.
pub fn driver_email(number: usize) -> String {
    address(&format!("driver{number}"))
}

impl RestaurantDocument {
    /// The service fee of the restaurant.
    pub fn service_fee(&self) -> ServiceFee {
        let cap = self.service_cap.map(Amount::minor);
        ServiceFee { share: self.service_basis_points, cap, fixed: Amount::ZERO }
    }

    /// The e-mail addresses of the staff, in the order of [`RestaurantDocument::staff`]: role and restaurant, with a
    /// number for repeated roles.
    pub fn staff_emails(&self) -> Vec<String> {
        let email = |(index, worker): (usize, &StaffDocument)| {
            let rank = match worker.role {
                MemberRole::Owner => "owner",
                MemberRole::Manager => "manager",
                MemberRole::Staff => "staff",
            };
            let earlier = self.staff[..index].iter().filter(|other| other.role == worker.role).count();
            let number = if earlier == 0 { String::new() } else { (earlier + 1).to_string() };
            address(&format!("{rank}{number}.{}", self.slug))
        };
        self.staff.iter().enumerate().map(email).collect()
    }
}

/// The first name in letters a–z: ines for Inés.
fn first_name(name: &str) -> String {
    let first = name.split(' ').next().unwrap_or(name);
    first.nfkd().filter(char::is_ascii).collect::<String>().to_lowercase()
}
