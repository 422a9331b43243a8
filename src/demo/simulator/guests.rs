//! The guests: one of them orders every few seconds, at a restaurant that is open.

use std::sync::Arc;

use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use tokio::time::Instant;

use super::World;
use super::pace::{self, MOST_AT_ONCE};
use crate::demo::chance;
use crate::demo::city::{DemoRestaurant, Guest};
use comanda_client::{CallError, CartLine, Fulfilment, MenuItem, Money, NewOrder, OrderStatus, Place, Restaurant};

/// How long what is known of opening hours is good for.
const LOOK_AGAIN: std::time::Duration = std::time::Duration::from_mins(1);

/// A restaurant of the city as the server shows it.
pub struct Shop {
    /// As it is written down.
    pub document: DemoRestaurant,
    /// As the server shows it.
    pub restaurant: Restaurant,
}

/// The city's restaurants; whatever else is on the server is none of ours.
pub async fn restaurants(world: &World) -> Result<Vec<Shop>, CallError> {
    let (mut shops, mut cursor) = (Vec::new(), None);
    loop {
        let page = world.client.restaurants(cursor.as_deref()).await?;
        shops.extend(page.data.into_iter().filter_map(|restaurant| {
            let document = world.city.restaurants.iter().find(|document| document.slug == restaurant.slug)?;
            Some(Shop { document: document.clone(), restaurant })
        }));
        cursor = page.next_cursor;
        if cursor.is_none() || shops.len() == world.city.restaurants.len() {
            return Ok(shops);
        }
    }
}

/// Orders, one guest after the other.
pub async fn order(world: Arc<World>) {
    let mut random = chance::of("simulator/guests");
    let emails = world.city.guest_emails();
    let (mut shops, mut known): (Vec<Arc<Shop>>, Option<Instant>) = (Vec::new(), None);
    loop {
        world.pace.wait(pace::until_next_order(&world.clock, &mut random)).await;
        if world.bustle() >= MOST_AT_ONCE {
            continue;
        }
        if known.is_none_or(|since| since.elapsed() > LOOK_AGAIN) {
            match restaurants(&world).await {
                Ok(found) => (shops, known) = (found.into_iter().map(Arc::new).collect(), Some(Instant::now())),
                Err(error) => super::note("looking who is open", &error),
            }
        }
        let open: Vec<_> = shops.iter().filter(|shop| shop.restaurant.open_now).collect();
        let busy = |shop: &&Arc<Shop>| shop.document.orders_per_day;
        let Ok(shop) = open.choose_weighted(&mut random, busy) else { continue };
        // The first one is Ada, who is left to whoever tries the demo.
        let guest = random.random_range(1..emails.len().max(2)).min(emails.len().saturating_sub(1));
        let meal = Meal {
            shop: Arc::clone(shop),
            guest: world.city.people.customers[guest].clone(),
            email: emails[guest].clone(),
            note: random.random_bool(0.15).then(|| world.city.people.notes.choose(&mut random).cloned()).flatten(),
            random: chance::of(&format!("simulator/meal/{}", random.random::<u64>())),
        };
        let dinner = Arc::clone(&world);
        world.spawn(async move {
            if let Err(error) = meal.order(&dinner).await {
                super::note("ordering", &error);
            }
        });
    }
}

/// Somebody wants to eat something.
struct Meal {
    shop: Arc<Shop>,
    guest: Guest,
    email: String,
    note: Option<String>,
    random: StdRng,
}

impl Meal {
    /// From the menu to the order; some think better of it.
    async fn order(mut self, world: &World) -> Result<(), CallError> {
        let who = world.cast.session(&self.email).await?;
        let menu = world.client.menu(&self.shop.restaurant.id).await?;
        let dishes: Vec<_> =
            menu.categories.into_iter().flat_map(|chapter| chapter.items).filter(MenuItem::to_be_had).collect();
        let lines = self.choose(&dishes);
        if lines.is_empty() {
            return Ok(());
        }
        let cart = who.put_cart(&self.shop.restaurant.id, &lines).await?;
        let order = who.place_order(&self.details(cart.id), &uuid::Uuid::new_v4().to_string()).await?;
        if self.random.random_bool(0.03) {
            world.pace.wait(self.random.random_range(0.5..2.0)).await;
            let reason = "We have found something in the fridge after all.";
            who.advance(&order.id, OrderStatus::Cancelled, Some(reason)).await?;
        }
        Ok(())
    }

    /// One to three dishes, and more until the restaurant's least amount is reached.
    fn choose(&mut self, dishes: &[MenuItem]) -> Vec<CartLine> {
        let mut left: Vec<&MenuItem> = dishes.iter().collect();
        let (mut lines, mut sum) = (Vec::new(), 0);
        let wanted = self.random.random_range(1..=3);
        while !left.is_empty() && lines.len() < 12 && (lines.len() < wanted || sum < self.shop.document.minimum_order) {
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
        let place = self.guest.place;
        let to_door = fulfilment == Fulfilment::Delivery;
        let tips = to_door && self.random.random_bool(0.3);
        NewOrder {
            cart_id,
            fulfilment,
            address: to_door.then(|| self.guest.address.clone()),
            place: to_door.then(|| Place { lat: place.lat(), lng: place.lng() }),
            table: (fulfilment == Fulfilment::DineIn).then(|| self.random.random_range(1..=18).to_string()),
            note: self.note.take(),
            tip: tips.then(|| Money { amount: 50 * self.random.random_range(2..=6), currency: "EUR".to_owned() }),
        }
    }
}
