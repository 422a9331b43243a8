//! Who may join which room: whoever may GET what the room is about, decided by the same functions.

use super::room::{Audience, Room};
use crate::accounts::Caller;
use crate::app::App;
use crate::delivery::access::DeliveryAccess;
use crate::ids::RestaurantId;
use crate::orders::access::OrderAccess;
use crate::permission::{self, Operation};
use crate::problem::Problem;
use crate::restaurants::staff;
use crate::tenancy::{RestaurantScope, TenancyContext};

/// Somebody who may see a room.
#[derive(Clone, Copy)]
pub struct Admitted {
    /// Whose room it is, where it belongs to a restaurant.
    pub restaurant: Option<RestaurantId>,
    /// On whose behalf its events are read.
    pub who: TenancyContext,
    /// In which capacity, and so which view of its events they get.
    pub audience: Audience,
    /// Events numbered below this had happened when it was decided; a later one may undo it.
    pub as_of: i64,
}

impl Admitted {
    /// By what somebody is to the thing that the room is about.
    fn by(scope: RestaurantScope, as_of: i64) -> Self {
        let audience = scope.driver_id().map_or(Audience::Full, Audience::Driver);
        Self { restaurant: Some(scope.restaurant()), who: scope.into(), audience, as_of }
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
            Ok(Admitted::by(access.scope(Operation::JoinRestaurantRoom)?, 0))
        }
        Room::Order(id) => {
            let party = OrderAccess::of(app, caller, id, Operation::GetOrder).await?;
            Ok(Admitted::by(party.scope, party.as_of))
        }
        Room::Delivery(id) => {
            let party = DeliveryAccess::of(app, caller, id, Operation::GetDelivery).await?;
            // Their own record of it can be read; nothing more happens to it that concerns them.
            if party.is_closed && party.scope.driver_id().is_some() {
                return Err(Problem::not_found());
            }
            Ok(Admitted::by(party.scope, party.as_of))
        }
        Room::Driver(id) => {
            permission::decide(Operation::JoinDriverRoom, &caller.relations())?;
            own(caller.driver == Some(id), caller, Audience::Driver(id))
        }
        Room::User(id) => {
            permission::decide(Operation::JoinUserRoom, &caller.relations())?;
            own(caller.user == id, caller, Audience::Full)
        }
    }
}

/// A room of the caller's own.
fn own(is_own: bool, caller: &Caller, audience: Audience) -> Result<Admitted, Problem> {
    let who = TenancyContext { driver: caller.driver, ..TenancyContext::user(caller.user) };
    is_own.then_some(Admitted { restaurant: None, who, audience, as_of: 0 }).ok_or_else(Problem::not_found)
}
