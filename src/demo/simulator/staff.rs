//! The staff of a restaurant: listens to its room and takes every open order in hand, whoever placed it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::customers::ListedRestaurant;
use super::{Simulation, order_tasks, stock};
use crate::demo::chance;
use comanda_client::{CallError, News, Order, OrderStatus, Session, Socket};

/// From one look at all open orders to the next: a net under the live events.
const LOOK_AGAIN: Duration = Duration::from_mins(1);
/// Every status of an order that has not come to its end.
const OPEN: [OrderStatus; 5] =
    [OrderStatus::Pending, OrderStatus::Confirmed, OrderStatus::Preparing, OrderStatus::Ready, OrderStatus::OnTheWay];

/// A restaurant and somebody who works there.
pub struct StaffedRestaurant {
    /// The restaurant as the server lists it.
    pub shop: ListedRestaurant,
    /// Who works there.
    pub staff: Arc<Session>,
}

/// Lets the staff of a restaurant begin to work.
pub fn begin(simulation: &Arc<Simulation>, shop: ListedRestaurant) {
    simulation.spawn(work(Arc::clone(simulation), shop));
}

async fn work(simulation: Arc<Simulation>, shop: ListedRestaurant) {
    let email = format!("staff.{}@{}", shop.document.slug, crate::demo::city::DOMAIN);
    let staff = loop {
        match simulation.actors.session(&email).await {
            Ok(staff) => break staff,
            Err(error) => super::note("signing in to work", &error),
        }
        simulation.speed.wait(2.0).await;
    };
    let kitchen = Arc::new(StaffedRestaurant { shop, staff });
    simulation.spawn(stock::mind(
        simulation.speed,
        Arc::clone(&kitchen),
        chance::of(&format!("simulator/stock/{email}")),
    ));
    let (sender, mut news) = mpsc::channel(256);
    let room = format!("restaurant:{}", kitchen.shop.restaurant.id);
    let _socket = Socket::open(Arc::clone(&kitchen.staff), vec![room], 0, sender);
    let mut look = tokio::time::interval(LOOK_AGAIN);
    loop {
        tokio::select! {
            _ = look.tick() => {
                if let Err(error) = look_around(&simulation, &kitchen).await {
                    super::note("looking at the open orders", &error);
                }
            }
            Some((_, heard)) = news.recv() => hear(&simulation, &kitchen, heard),
        }
    }
}

/// Takes every open order in hand that nobody sees to.
async fn look_around(simulation: &Arc<Simulation>, kitchen: &Arc<StaffedRestaurant>) -> Result<(), CallError> {
    for status in OPEN {
        let page = kitchen.staff.orders_of(&kitchen.shop.restaurant.id, status).await?;
        page.data.into_iter().for_each(|order| order_tasks::take(simulation, kitchen, order));
    }
    Ok(())
}

fn hear(simulation: &Arc<Simulation>, kitchen: &Arc<StaffedRestaurant>, news: News) {
    match news {
        News::Event { name, body, .. } if name.starts_with("order:") => {
            if let Ok(order) = serde_json::from_value::<Order>(body["order"].clone()) {
                order_tasks::take(simulation, kitchen, order);
            }
        }
        News::Refused { room, reason } => tracing::warn!("simulator: {room} is refused: {reason}"),
        News::Event { .. } | News::Joined { .. } | News::Broken { .. } => {}
    }
}
