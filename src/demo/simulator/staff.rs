//! The staff of a restaurant: listen to its room and process every open order, whoever placed it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::customers::ListedRestaurant;
use super::{Simulation, order_tasks, stock};
use crate::demo::chance;
use comanda_client::{CallError, News, Order, OrderStatus, Session, Socket};

/// The time between two checks of all open orders, in case an event was missed.
const LOOK_AGAIN: Duration = Duration::from_mins(1);
/// Every status of an open order.
const OPEN: [OrderStatus; 5] =
    [OrderStatus::Pending, OrderStatus::Confirmed, OrderStatus::Preparing, OrderStatus::Ready, OrderStatus::OnTheWay];

/// A restaurant and the session of a member of its staff.
pub struct StaffedRestaurant {
    /// The restaurant as the server lists it.
    pub shop: ListedRestaurant,
    /// The session of a member.
    pub staff: Arc<Session>,
}

/// Starts the staff of a restaurant.
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
    simulation.spawn(stock::run(
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
                if let Err(error) = start_tasks(&simulation, &kitchen).await {
                    super::note("looking at the open orders", &error);
                }
            }
            Some((_, event)) = news.recv() => handle_news(&simulation, &kitchen, event),
        }
    }
}

/// Starts a task for every open order without one.
async fn start_tasks(simulation: &Arc<Simulation>, kitchen: &Arc<StaffedRestaurant>) -> Result<(), CallError> {
    for status in OPEN {
        let page = kitchen.staff.orders_of(&kitchen.shop.restaurant.id, status).await?;
        page.data.into_iter().for_each(|order| order_tasks::take(simulation, kitchen, order));
    }
    Ok(())
}

fn handle_news(simulation: &Arc<Simulation>, kitchen: &Arc<StaffedRestaurant>, news: News) {
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
