//! The customers: every few seconds one of them orders at an open restaurant.

use std::sync::Arc;

use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use tokio::time::Instant;

use super::Simulation;
use super::speed::{self, MAX_IN_PROGRESS};
use crate::demo::chance;
use crate::demo::city::{CustomerDocument, RestaurantDocument};
use comanda_client::{CallError, CartLine, Fulfilment, MenuItem, Money, NewOrder, OrderStatus, Place, Restaurant};

/// How long the list of open restaurants is used before it is read again.
const LOOK_AGAIN: std::time::Duration = std::time::Duration::from_mins(1);

/// A restaurant of the demo, as the server lists it.
pub struct ListedRestaurant {
    /// The document of the restaurant.
    pub document: RestaurantDocument,
    /// The restaurant from the API.
    pub restaurant: Restaurant,
}

/// The demo's restaurants on the server; others are left out.
pub async fn restaurants(simulation: &Simulation) -> Result<Vec<ListedRestaurant>, CallError> {
    let (mut shops, mut cursor) = (Vec::new(), None);
    loop {
        let page = simulation.client.restaurants(cursor.as_deref()).await?;
        shops.extend(page.data.into_iter().filter_map(|restaurant| {
            let document = simulation.city.restaurants.iter().find(|document| document.slug == restaurant.slug)?;
            Some(ListedRestaurant { document: document.clone(), restaurant })
        }));
        cursor = page.next_cursor;
        if cursor.is_none() || shops.len() == simulation.city.restaurants.len() {
            return Ok(shops);
        }
    }
}

/// Places orders, one customer after the other.
pub async fn order(simulation: Arc<Simulation>) {
    let mut random = chance::of("simulator/customers");
    let emails = simulation.city.guest_emails();
    let (mut shops, mut known): (Vec<Arc<ListedRestaurant>>, Option<Instant>) = (Vec::new(), None);
    loop {
        simulation.speed.wait(speed::until_next_order(&simulation.clock, &mut random)).await;
        if simulation.task_count() >= MAX_IN_PROGRESS {
            continue;
        }
        if known.is_none_or(|since| since.elapsed() > LOOK_AGAIN) {
            match restaurants(&simulation).await {
                Ok(found) => (shops, known) = (found.into_iter().map(Arc::new).collect(), Some(Instant::now())),
                Err(error) => super::note("looking who is open", &error),
            }
        }
        let open: Vec<_> = shops.iter().filter(|shop| shop.restaurant.open_now).collect();
        let busy = |shop: &&Arc<ListedRestaurant>| shop.document.orders_per_day;
        let Ok(shop) = open.choose_weighted(&mut random, busy) else { continue };
        // The first one, Ada, is reserved for people who try the demo.
        let customer = random.random_range(1..emails.len().max(2)).min(emails.len().saturating_sub(1));
        let order_task = SimulatedOrder {
            shop: Arc::clone(shop),
            customer: simulation.city.people.customers[customer].clone(),
            email: emails[customer].clone(),
            note: random.random_bool(0.15).then(|| simulation.city.people.notes.choose(&mut random).cloned()).flatten(),
            random: chance::of(&format!("simulator/order_task/{}", random.random::<u64>())),
        };
        let dinner = Arc::clone(&simulation);
        simulation.spawn(async move {
            if let Err(error) = order_task.order(&dinner).await {
                super::note("ordering", &error);
            }
        });
    }
}

/// An order to be placed.
struct SimulatedOrder {
    shop: Arc<ListedRestaurant>,
    customer: CustomerDocument,
    email: String,
    note: Option<String>,
    random: StdRng,
}

impl SimulatedOrder {
    /// Reads the menu and places the order; some customers cancel it.
    async fn order(mut self, simulation: &Simulation) -> Result<(), CallError> {
        let session = simulation.actors.session(&self.email).await?;
        let menu = simulation.client.menu(&self.shop.restaurant.id).await?;
        let dishes: Vec<_> =
            menu.categories.into_iter().flat_map(|category| category.items).filter(MenuItem::is_available).collect();
        let lines = self.choose(&dishes);
        if lines.is_empty() {
            return Ok(());
        }
        let cart = session.put_cart(&self.shop.restaurant.id, &lines).await?;
        let order = session.place_order(&self.details(cart.id), &uuid::Uuid::new_v4().to_string()).await?;
        if self.random.random_bool(0.03) {
            simulation.speed.wait(self.random.random_range(0.5..2.0)).await;
            let reason = "We have found something in the fridge after all.";
            session.advance(&order.id, OrderStatus::Cancelled, Some(reason)).await?;
        }
        Ok(())
    }

    /// One to three items, and more until the minimum order is reached.
    fn choose(&mut self, dishes: &[MenuItem]) -> Vec<CartLine> {
        let mut left: Vec<&MenuItem> = dishes.iter().collect();
        let (mut lines, mut sum) = (Vec::new(), 0);
        let count = self.random.random_range(1..=3);
        while !left.is_empty() && lines.len() < 12 && (lines.len() < count || sum < self.shop.document.minimum_order) {
            let item = left.swap_remove(self.random.random_range(0..left.len()));
            let quantity = if self.random.random_bool(0.85) { 1 } else { 2 };
            sum += item.price.amount * i64::from(quantity);
            lines.push(CartLine { item_id: item.id.clone(), quantity });
        }
        lines
    }

    fn details(&mut self, cart_id: String) -> NewOrder {
        let fulfilment = match self.random.random_range(0..100) {
            0..65 => Fulfilment::Delivery,
            65..88 => Fulfilment::Pickup,
            _ => Fulfilment::DineIn,
        };
        let place = self.customer.place;
        let is_delivery = fulfilment == Fulfilment::Delivery;
        let tips = is_delivery && self.random.random_bool(0.3);
        NewOrder {
            cart_id,
            fulfilment,
            address: is_delivery.then(|| self.customer.address.clone()),
            place: is_delivery.then(|| Place { lat: place.lat(), lng: place.lng() }),
            table: (fulfilment == Fulfilment::DineIn).then(|| self.random.random_range(1..=18).to_string()),
            note: self.note.take(),
            tip: tips.then(|| Money { amount: 50 * self.random.random_range(2..=6), currency: "EUR".to_owned() }),
        }
    }
}
