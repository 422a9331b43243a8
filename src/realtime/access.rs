//! Access to rooms: a caller may join the room of an object that they may GET, decided by the same functions.

use super::room::{Audience, Room};
use crate::accounts::Caller;
use crate::app::App;
use crate::delivery::access::DeliveryAccess;
use crate::ids::RestaurantId;
use crate::orders::access::OrderAccess;
use crate::permission::{self, Operation};
use crate::problem::Problem;
use crate::restaurants::access;
use crate::tenancy::{RestaurantScope, TenancyContext};

/// The access of a caller to a room.
#[derive(Clone, Copy)]
pub struct RoomAccess {
    /// The restaurant that the room belongs to; `None`: the room of a driver or of a user.
    pub restaurant: Option<RestaurantId>,
    /// The scope in which its events are read.
    pub tenancy: TenancyContext,
    /// The audience of the caller, which determines the view of the events.
    pub audience: Audience,
    /// Events numbered below this had happened when access was checked; a later one may end it.
    pub as_of: i64,
}

impl RoomAccess {
    /// The access that a scope gives.
    fn by(scope: RestaurantScope, as_of: i64) -> Self {
        let audience = scope.driver_id().map_or(Audience::Full, Audience::Driver);
        Self { restaurant: Some(scope.restaurant()), tenancy: scope.into(), audience, as_of }
    }
}

/// Checks whether the caller may see the room.
///
/// # Errors
/// 404 for an object that does not exist or that the caller may not see, 403 for an administrator who has to set up a
/// second factor first.
pub async fn room_access(app: &App, caller: &Caller, room: Room) -> Result<RoomAccess, Problem> {
    caller.unlocked()?;
    match room {
        Room::Restaurant(id) => {
            let access = access::relations(app, caller, id).await?;
            Ok(RoomAccess::by(access.scope(Operation::JoinRestaurantRoom)?, 0))
        }
        Room::Order(id) => {
            let access = OrderAccess::of(app, caller, id, Operation::GetOrder).await?;
            Ok(RoomAccess::by(access.scope, access.as_of))
        }
        Room::Delivery(id) => {
            let access = DeliveryAccess::of(app, caller, id, Operation::GetDelivery).await?;
            // A driver may still read a closed delivery, but no more events of it.
            if access.is_closed && access.scope.driver_id().is_some() {
                return Err(Problem::not_found());
            }
            Ok(RoomAccess::by(access.scope, access.as_of))
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
fn own(is_own: bool, caller: &Caller, audience: Audience) -> Result<RoomAccess, Problem> {
    let tenancy = TenancyContext { driver: caller.driver, ..TenancyContext::user(caller.user) };
    is_own.then_some(RoomAccess { restaurant: None, tenancy, audience, as_of: 0 }).ok_or_else(Problem::not_found)
}
