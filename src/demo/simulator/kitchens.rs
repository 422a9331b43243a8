//! The staff of a restaurant: listens to its room and takes every open order in hand, whoever placed it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::guests::Shop;
use super::{World, care, pantry};
use crate::demo::chance;
use comanda_client::{CallError, News, Order, OrderStatus, Session, Socket};

/// From one look at all open orders to the next: a net under the live events.
const LOOK_AGAIN: Duration = Duration::from_mins(1);
/// Every status of an order that has not come to its end.
const OPEN: [OrderStatus; 5] =
    [OrderStatus::Pending, OrderStatus::Confirmed, OrderStatus::Preparing, OrderStatus::Ready, OrderStatus::OnTheWay];

/// A restaurant and somebody who works there.
pub struct Kitchen {
    /// The restaurant.
    pub shop: Shop,
    /// Who works there.
    pub staff: Arc<Session>,
}

/// Lets the staff of a restaurant begin to work.
pub fn begin(world: &Arc<World>, shop: Shop) {
    world.spawn(work(Arc::clone(world), shop));
}

async fn work(world: Arc<World>, shop: Shop) {
    let email = format!("staff.{}@{}", shop.document.slug, crate::demo::city::DOMAIN);
    let staff = loop {
        match world.cast.session(&email).await {
            Ok(staff) => break staff,
            Err(error) => super::note("signing in to work", &error),
        }
        world.pace.wait(2.0).await;
    };
    let kitchen = Arc::new(Kitchen { shop, staff });
    world.spawn(pantry::mind(world.pace, Arc::clone(&kitchen), chance::of(&format!("simulator/pantry/{email}"))));
    let (sender, mut news) = mpsc::channel(256);
    let room = format!("restaurant:{}", kitchen.shop.restaurant.id);
    let _socket = Socket::open(Arc::clone(&kitchen.staff), vec![room], 0, sender);
    let mut look = tokio::time::interval(LOOK_AGAIN);
    loop {
        tokio::select! {
            _ = look.tick() => {
                if let Err(error) = look_around(&world, &kitchen).await {
                    super::note("looking at the open orders", &error);
                }
            }
            Some((_, heard)) = news.recv() => hear(&world, &kitchen, heard),
        }
    }
}

/// Takes every open order in hand that nobody sees to.
async fn look_around(world: &Arc<World>, kitchen: &Arc<Kitchen>) -> Result<(), CallError> {
    for status in OPEN {
        let page = kitchen.staff.orders_of(&kitchen.shop.restaurant.id, status).await?;
        page.data.into_iter().for_each(|order| care::take(world, kitchen, order));
    }
    Ok(())
}

fn hear(world: &Arc<World>, kitchen: &Arc<Kitchen>, news: News) {
    match news {
        News::Event { name, body, .. } if name.starts_with("order:") => {
            if let Ok(order) = serde_json::from_value::<Order>(body["order"].clone()) {
                care::take(world, kitchen, order);
            }
        }
        News::Refused { room, reason } => tracing::warn!("simulator: {room} is refused: {reason}"),
        News::Event { .. } | News::Joined { .. } | News::Broken { .. } => {}
    }
}
