//! The demo city as it is written down: fourteen restaurants of Bologna and their people, one document each.

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

/// Where everybody of the demo has their mail; nobody else has an address there (RFC 2606).
pub const DOMAIN: &str = "demo.comanda.example";

/// The password of everybody in the demo.
pub const PASSWORD: &str = "comanda demo";

/// The restaurants, in the order in which they opened. A list shows the newest first: the one that never closes.
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

/// A document of the city cannot be read.
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
    /// Its name in addresses.
    pub slug: String,
    /// The restaurant's name.
    pub name: String,
    /// What it is like.
    pub description: String,
    /// What it cooks.
    pub cuisines: Vec<String>,
    /// Street and number.
    pub address: String,
    /// Where that is.
    pub place: Place,
    /// Delivery fee in cents.
    pub delivery_fee: i64,
    /// In hundredths of a percent of the lines.
    #[serde(default)]
    pub service_basis_points: Rate,
    /// Cents: what it is at most.
    pub service_cap: Option<i64>,
    /// What it takes off for whoever knows the code.
    #[serde(default)]
    pub coupons: Vec<CouponDocument>,
    /// Minimum order in cents.
    pub minimum_order: i64,
    /// Confirms by itself.
    pub auto_accept: bool,
    /// From confirmation to ready.
    pub preparation_minutes: i16,
    /// Empty: always open.
    pub hours: Vec<Span>,
    /// How much is going on.
    pub orders_per_day: u32,
    /// Who works there; the owner first.
    pub staff: Vec<StaffDocument>,
    /// What there is.
    pub menu: Vec<CategoryDocument>,
}

/// Somebody who works in a restaurant.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StaffDocument {
    /// The member's full name.
    pub name: String,
    /// The member's rank at the restaurant.
    pub role: MemberRole,
}

/// Something off for whoever knows the code: a share of the lines, or else no delivery fee.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CouponDocument {
    /// As people type it.
    pub code: CouponCode,
    /// The share, in hundredths of a percent.
    pub basis_points: Option<Rate>,
    /// How often somebody may use it.
    pub limit_per_user: Option<i32>,
}

/// A category of a menu.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CategoryDocument {
    /// The category's name.
    pub category: String,
    /// What stands in it.
    pub items: Vec<ItemDocument>,
}

/// Something to order.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ItemDocument {
    /// The item's name.
    pub name: String,
    /// What it is.
    pub description: String,
    /// Cents, with tax.
    pub price: i64,
    /// One of the data's tax classes.
    pub tax_class: Option<TaxClass>,
    /// Portions, where they are counted.
    pub stock: Option<i32>,
    /// Whether it is to be had on the first day.
    #[serde(default = "yes")]
    pub available: bool,
    /// How often it is chosen, next to the others.
    pub popularity: u32,
}

const fn yes() -> bool {
    true
}

/// Somebody who delivers.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DriverDocument {
    /// The driver's full name.
    pub name: String,
    /// How they get about.
    pub vehicle: Vehicle,
}

/// Somebody who eats.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustomerDocument {
    /// The customer's full name.
    pub name: String,
    /// Where they live.
    pub address: String,
    /// Where that is.
    pub place: Place,
}

/// Everybody who does not work in a restaurant.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeopleDocument {
    /// The drivers, in the order of their numbers.
    pub drivers: Vec<DriverDocument>,
    /// Who eats; Ada first.
    pub customers: Vec<CustomerDocument>,
    /// What people write on their orders.
    pub notes: Vec<String>,
}

/// The documents of the demo city.
#[derive(Debug, Clone)]
pub struct City {
    /// Its restaurants, in the order in which they opened.
    pub restaurants: Vec<RestaurantDocument>,
    /// Customers, drivers, and notes on orders.
    pub people: PeopleDocument,
}

impl City {
    /// Reads the documents.
    ///
    /// # Errors
    /// When one is not as it should be.
    pub fn read() -> Result<Self, CityError> {
        let people = read("people.json", include_str!("city/people.json"))?;
        let restaurants = RESTAURANTS.iter().map(|(name, text)| read(name, text)).collect::<Result<_, _>>()?;
        Ok(Self { restaurants, people })
    }

    /// With which addresses the customers sign in: their first names, and a number for whoever has the name of another.
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

/// A driver's address; they are counted from 1.
pub fn driver_email(number: usize) -> String {
    address(&format!("driver{number}"))
}

impl RestaurantDocument {
    /// What it takes for its service.
    pub fn service_fee(&self) -> ServiceFee {
        let cap = self.service_cap.map(Amount::minor);
        ServiceFee { share: self.service_basis_points, cap, fixed: Amount::ZERO }
    }

    /// With which addresses the staff sign in, in the order of [`RestaurantDocument::staff`]: the rank and the restaurant, and a
    /// number for the second of a rank.
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

/// The first name in plain letters: Inés is ines.
fn first_name(name: &str) -> String {
    let first = name.split(' ').next().unwrap_or(name);
    first.nfkd().filter(char::is_ascii).collect::<String>().to_lowercase()
}
