//! The actors of a day: new accounts for every run, so that a day can be replayed on the same server.

use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use rand::RngExt;
use rand::rngs::StdRng;
use tokio::sync::Mutex;

use crate::day::{Day, DayRestaurant, Shift};
use crate::plane::to_coordinates;
use crate::progress::Progress;
use comanda_client::{CallError, Client, Item, Money, NewRestaurant, NewUser, Session};

/// The number of concurrent registrations. Each costs the server a password hash, so more would only wait.
const AT_ONCE: usize = 4;
/// The number of orders for each customer, within limits.
const ORDERS_PER_GUEST: usize = 4;
const GUESTS: std::ops::RangeInclusive<usize> = 8..=200;
const CURRENCY: &str = "USD";

const DISHES: [(&str, i64); 12] = [
    ("Green chile stew", 1150),
    ("Margherita", 1290),
    ("Chicken burrito", 1080),
    ("Pad thai", 1390),
    ("Falafel plate", 1190),
    ("Cheeseburger", 1250),
    ("Tomato soup", 690),
    ("Caesar salad", 980),
    ("Beef pho", 1420),
    ("Vegetable curry", 1310),
    ("Apple pie", 620),
    ("Lemonade", 390),
];

/// A restaurant on the server and a member of its staff.
pub struct Table {
    /// The restaurant's id, `rst_…`.
    pub restaurant: String,
    /// The session of the member.
    pub staff: Arc<Session>,
    /// The items of its menu.
    pub items: Vec<Item>,
}

/// A courier on the server.
pub struct Rider {
    /// The driver's id, `drv_…`.
    pub driver: String,
    /// The session of the driver.
    pub session: Arc<Session>,
}

/// A customer on the server.
pub struct Guest {
    /// The session of the customer.
    pub session: Session,
    /// Held while an order is placed: there is one cart for each customer and restaurant.
    pub ordering: Mutex<()>,
}

/// All actors, in the order of the day's files.
pub struct Actors {
    /// The restaurants of the day.
    pub tables: Vec<Table>,
    /// The couriers of the day.
    pub riders: Vec<Rider>,
    /// The customers who place orders.
    pub guests: Vec<Guest>,
}

/// Registers the actors of one run.
pub struct Registration<'a> {
    /// The client of the server under test.
    pub client: &'a Client,
    /// The administrator, who creates restaurants and drivers.
    pub admin: &'a Session,
    /// Part of every name, so that no two runs have the same.
    pub run: &'a str,
}

impl Registration<'_> {
    /// Registers all actors of the day.
    pub async fn all(&self, day: &Day, random: &mut StdRng, progress: &Progress) -> Result<Actors, CallError> {
        let menus =
            day.kitchens.iter().map(|_| (random.random_range(0..DISHES.len()), random.random_range(2..=6_usize)));
        let menus: Vec<_> = menus.collect();
        let tables = stream::iter((1..).zip(&day.kitchens).zip(menus))
            .map(async |((number, kitchen), menu)| progress.step(self.table(number, kitchen, menu).await))
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let riders = stream::iter((1..).zip(&day.shifts))
            .map(async |(number, shift)| progress.step(self.rider(number, shift).await))
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let guests = stream::iter(1..=guests_for(day))
            .map(async |number| progress.step(self.guest(number).await))
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        Ok(Actors { tables, riders, guests })
    }

    fn person(&self, role: &str, number: usize, name: String) -> NewUser {
        let run = self.run;
        let email = format!("replay.{run}.{role}{number}@replay.comanda.example");
        NewUser { email, password: format!("{role} of replay {run}"), name }
    }

    async fn table(&self, number: usize, kitchen: &DayRestaurant, menu: (usize, usize)) -> Result<Table, CallError> {
        let restaurant = NewRestaurant {
            name: format!("Replay kitchen {}", kitchen.name),
            slug: format!("replay-{}-{number}", self.run),
            address: format!("{number} Replay Street"),
            place: to_coordinates(kitchen.at),
            timezone: "America/Denver".to_owned(),
            currency: CURRENCY.to_owned(),
            delivery_fee: Money { amount: 299, currency: CURRENCY.to_owned() },
            auto_accept: false,
        };
        let restaurant = self.admin.create_restaurant(&restaurant).await?.id;
        let category = self.admin.create_category(&restaurant, "Kitchen").await?.id;
        let mut items = Vec::new();
        for (name, amount) in DISHES.iter().cycle().skip(menu.0).take(menu.1) {
            let price = Money { amount: *amount, currency: CURRENCY.to_owned() };
            items.push(self.admin.create_item(&restaurant, &category, name, &price).await?);
        }
        let person = self.person("staff", number, format!("Staff of {}", kitchen.name));
        self.client.register(&person).await?;
        let staff = Arc::new(self.client.login(&person.email, &person.password).await?);
        self.admin.add_member(&restaurant, &staff.user().id, "STAFF").await?;
        Ok(Table { restaurant, staff, items })
    }

    async fn rider(&self, number: usize, shift: &Shift) -> Result<Rider, CallError> {
        let person = self.person("courier", number, format!("Courier {}", shift.name));
        self.client.register(&person).await?;
        let session = Arc::new(self.client.login(&person.email, &person.password).await?);
        let driver = self.admin.create_driver(&session.user().id, "SCOOTER").await?.id;
        Ok(Rider { driver, session })
    }

    async fn guest(&self, number: usize) -> Result<Guest, CallError> {
        let person = self.person("guest", number, format!("Guest {number}"));
        self.client.register(&person).await?;
        let session = self.client.login(&person.email, &person.password).await?;
        Ok(Guest { session, ordering: Mutex::default() })
    }
}

/// The number of customers of a day.
pub fn size_for(day: &Day) -> usize {
    day.kitchens.len() + day.shifts.len() + guests_for(day)
}

fn guests_for(day: &Day) -> usize {
    (day.meals.len() / ORDERS_PER_GUEST).clamp(*GUESTS.start(), *GUESTS.end())
}
