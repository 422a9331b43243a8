//! Changes of stock by the simulated staff: items are sold out and available again.

use std::sync::Arc;

use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

use super::speed::SimulationSpeed;
use super::staff::StaffedRestaurant;
use crate::demo::city::ItemDocument;
use comanda_client::{CallError, MenuItem};

/// The most items of a restaurant that are switched off at once.
const MAX_SWITCHED_OFF: usize = 2;

/// Changes the stock now and then, until the simulation stops.
pub async fn run(speed: SimulationSpeed, kitchen: Arc<StaffedRestaurant>, mut random: StdRng) {
    loop {
        speed.wait(random.random_range(8.0..30.0)).await;
        if let Err(error) = change_stock(&kitchen, &mut random).await {
            super::note("minding the stock", &error);
        }
    }
}

/// Refills an item that is sold out, switches an item on again, or switches one off.
async fn change_stock(kitchen: &StaffedRestaurant, random: &mut StdRng) -> Result<(), CallError> {
    let restaurant = &kitchen.shop.restaurant.id;
    let menu = kitchen.staff.client().menu(restaurant).await?;
    let items: Vec<MenuItem> = menu.categories.into_iter().flat_map(|category| category.items).collect();
    let sold_out = items.iter().find_map(|item| Some((item, dish(kitchen, item)?.stock.filter(|_| item.sold_out)?)));
    if let Some((item, portions)) = sold_out {
        return kitchen.staff.restock(restaurant, &item.id, portions).await;
    }
    let usual = |item: &&MenuItem| dish(kitchen, item).is_some_and(|dish| dish.available);
    let (there, off): (Vec<_>, Vec<_>) = items.iter().filter(usual).partition(|item| item.available);
    let comes_back = !off.is_empty() && (off.len() >= MAX_SWITCHED_OFF || random.random_bool(0.5));
    if comes_back {
        if let Some(item) = off.choose(random) {
            kitchen.staff.set_available(restaurant, &item.id, true).await?;
        }
    } else if random.random_bool(0.2)
        && let Some(item) = there.choose(random)
    {
        kitchen.staff.set_available(restaurant, &item.id, false).await?;
    }
    Ok(())
}

fn dish<'k>(kitchen: &'k StaffedRestaurant, item: &MenuItem) -> Option<&'k ItemDocument> {
    let mut dishes = kitchen.shop.document.menu.iter().flat_map(|category| &category.items);
    dishes.find(|dish| dish.name == item.name)
}
