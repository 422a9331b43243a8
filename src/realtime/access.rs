//! Access to rooms: a caller may join the room of an object that they may GET, decided by the same functions.

use std::collections::HashMap;

use super::room::{Audience, Room};
use crate::accounts::Caller;
use crate::app::App;
use crate::delivery;
use crate::delivery::access::DeliveryAccess;
use crate::delivery::sql::DeliveryRelations;
use crate::ids::{DeliveryId, OrderId, RestaurantId};
use crate::orders;
use crate::orders::access::scope_for;
use crate::orders::sql::OrderRelations;
use crate::permission::{self, Operation};
use crate::problem::Problem;
use crate::restaurants;
use crate::restaurants::access::StaffAccess;
use crate::restaurants::sql::MemberAccess;
use crate::tenancy::{RestaurantScope, TenancyContext};
use crate::uow::Tx;

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

/// The relations of a caller to restaurants, orders and deliveries.
#[derive(Default)]
struct Relations {
    restaurants: HashMap<RestaurantId, MemberAccess>,
    orders: HashMap<OrderId, OrderRelations>,
    deliveries: HashMap<DeliveryId, DeliveryRelations>,
}

impl Relations {
    /// Reads the relations to the objects of these rooms, with one statement for each kind.
    async fn read(tx: &mut Tx, caller: &Caller, rooms: &[Room]) -> Result<Self, Problem> {
        let (mut restaurants, mut orders, mut deliveries) = (Vec::new(), Vec::new(), Vec::new());
        for room in rooms {
            match *room {
                Room::Restaurant(id) => restaurants.push(id),
                Room::Order(id) => orders.push(id),
                Room::Delivery(id) => deliveries.push(id),
                Room::Driver(_) | Room::User(_) => {}
            }
        }
        let (user, driver) = (caller.user, caller.driver);
        let mut found = Self::default();
        if !restaurants.is_empty() {
            let found_at = restaurants::sql::member_access_at(tx.connection(), None, &restaurants, user).await?;
            found.restaurants.extend(found_at.into_iter().map(|access| (access.restaurant, access)));
        }
        if !orders.is_empty() {
            let relations = orders::sql::relations_to_all(tx.connection(), None, &orders, user, driver).await?;
            found.orders.extend(relations.into_iter().map(|relations| (relations.order, relations)));
        }
        if !deliveries.is_empty() {
            let relations = delivery::sql::relations_to_all(tx.connection(), None, &deliveries, user, driver).await?;
            found.deliveries.extend(relations.into_iter().map(|relations| (relations.delivery, relations)));
        }
        Ok(found)
    }

    /// The access that the relations give to a room.
    fn access(&self, caller: &Caller, room: Room) -> Result<RoomAccess, Problem> {
        match room {
            Room::Restaurant(id) => {
                let member = self.restaurants.get(&id).ok_or_else(Problem::not_found)?;
                Ok(RoomAccess::by(StaffAccess::by(member, caller).scope(Operation::JoinRestaurantRoom)?, 0))
            }
            Room::Order(id) => {
                let found = self.orders.get(&id).ok_or_else(Problem::not_found)?;
                Ok(RoomAccess::by(scope_for(found, caller, Operation::GetOrder)?, found.as_of))
            }
            Room::Delivery(id) => {
                let found = self.deliveries.get(&id).ok_or_else(Problem::not_found)?;
                let access = DeliveryAccess::by(found, caller, Operation::GetDelivery)?;
                // A driver may still read a closed delivery, but no more events of it.
                if access.is_closed && access.scope.driver_id().is_some() {
                    return Err(Problem::not_found());
                }
                Ok(RoomAccess::by(access.scope, access.as_of))
            }
            Room::Driver(id) => {
                permission::decide(Operation::JoinDriverRoom, &caller.relations())?;
                own_room_access(caller.driver == Some(id), caller, Audience::Driver(id))
            }
            Room::User(id) => {
                permission::decide(Operation::JoinUserRoom, &caller.relations())?;
                own_room_access(caller.user == id, caller, Audience::Full)
            }
        }
    }
}

/// Checks which of several rooms the caller may see, in one transaction.
///
/// # Errors
/// When the relations cannot be read. The refusal of each room is in the list.
pub async fn access_to_all(
    app: &App,
    caller: &Caller,
    rooms: &[Room],
) -> Result<Vec<(Room, Result<RoomAccess, Problem>)>, Problem> {
    let is_own = |room: &Room| matches!(room, Room::Driver(_) | Room::User(_));
    let found = if rooms.iter().all(is_own) {
        Relations::default()
    } else {
        let (reader, rooms) = (*caller, rooms.to_vec());
        app.db
            .read(caller.tenancy(), move |tx| Box::pin(async move { Relations::read(tx, &reader, &rooms).await }))
            .await?
    };
    let access = |room: &Room| caller.unlocked().and_then(|()| found.access(caller, *room));
    Ok(rooms.iter().map(|room| (*room, access(room))).collect())
}

/// Checks whether the caller may see the room.
///
/// # Errors
/// 404 for an object that does not exist or that the caller may not see, 403 for an administrator who has to set up a
/// second factor first.
pub async fn room_access(app: &App, caller: &Caller, room: Room) -> Result<RoomAccess, Problem> {
    caller.unlocked()?;
    let only = access_to_all(app, caller, &[room]).await?.pop();
    only.map_or_else(|| Err(Problem::not_found()), |(_, access)| access)
}

/// A room of the caller's own.
fn own_room_access(is_own: bool, caller: &Caller, audience: Audience) -> Result<RoomAccess, Problem> {
    let tenancy = TenancyContext { driver: caller.driver, ..TenancyContext::user(caller.user) };
    is_own.then_some(RoomAccess { restaurant: None, tenancy, audience, as_of: 0 }).ok_or_else(Problem::not_found)
}
