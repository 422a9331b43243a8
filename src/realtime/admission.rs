//! Who may join which room: whoever may GET what the room is about, decided by the same functions.

use super::room::Room;
use crate::accounts::Caller;
use crate::app::App;
use crate::delivery::party::DeliveryParty;
use crate::ids::RestaurantId;
use crate::orders::party::OrderParty;
use crate::permission::{self, Operation};
use crate::problem::Problem;
use crate::restaurants::staff;
use crate::tenancy::{RestaurantScope, Who};

/// Somebody who may see a room.
#[derive(Clone, Copy)]
pub struct Admitted {
    /// Whose room it is, where it belongs to a restaurant.
    pub restaurant: Option<RestaurantId>,
    /// On whose behalf its events are read.
    pub who: Who,
}

impl From<RestaurantScope> for Admitted {
    fn from(scope: RestaurantScope) -> Self {
        Self { restaurant: Some(scope.restaurant()), who: scope.into() }
    }
}

/// Asks whether the caller may see the room.
///
/// # Errors
/// 404 for what is not there and for what is none of the caller's, 403 for an administrator who has to set up a second
/// factor first.
pub async fn admit(app: &App, caller: &Caller, room: Room) -> Result<Admitted, Problem> {
    caller.unlocked()?;
    match room {
        Room::Restaurant(id) => {
            let access = staff::relations(app, caller, id).await?;
            Ok(access.scope(Operation::JoinRestaurantRoom)?.into())
        }
        Room::Order(id) => Ok(OrderParty::of(app, caller, id, Operation::GetOrder).await?.scope.into()),
        Room::Delivery(id) => Ok(DeliveryParty::of(app, caller, id, Operation::GetDelivery).await?.scope.into()),
        Room::Driver(id) => {
            permission::decide(Operation::JoinDriverRoom, &caller.relations())?;
            own(caller.driver == Some(id), caller)
        }
        Room::User(id) => {
            permission::decide(Operation::JoinUserRoom, &caller.relations())?;
            own(caller.user == id, caller)
        }
    }
}

/// A room of the caller's own.
fn own(is_own: bool, caller: &Caller) -> Result<Admitted, Problem> {
    let who = Who { driver: caller.driver, ..Who::user(caller.user) };
    is_own.then_some(Admitted { restaurant: None, who }).ok_or_else(Problem::not_found)
}
