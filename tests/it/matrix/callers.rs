//! The callers, the objects that they can ask about, and their relations to them.

use comanda::actor::MemberRole;
use comanda::permission::Relation;

use super::exercise::path_parameters;
use crate::reply::Reply;

/// The canary in every private text of restaurant A.
pub const CANARY: &str = "canarya";

/// The parameters that a path, a query or a body can contain.
pub const PARAMETERS: [&str; 17] = [
    "restaurantId",
    "itemId",
    "categoryId",
    "groupId",
    "modifierId",
    "invitationId",
    "userId",
    "orderId",
    "deliveryId",
    "addressId",
    "deviceId",
    "sessionId",
    "cartId",
    "quoteId",
    "couponId",
    "driverId",
    "accountId",
];

/// All kinds of callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Caller {
    Anonymous,
    Expired,
    Revoked,
    Forged,
    /// A guest with her own carts.
    Nina,
    /// A guest who owns another cart.
    Otto,
    Ada,
    Bob,
    Carl,
    StaffA,
    ManagerA,
    OwnerA,
    StaffB,
    OwnerB,
    Mario,
    Luca,
    Admin,
}

/// Everyone who calls the operations.
pub const CALLERS: [Caller; 17] = [
    Caller::Anonymous,
    Caller::Expired,
    Caller::Revoked,
    Caller::Forged,
    Caller::Nina,
    Caller::Otto,
    Caller::Ada,
    Caller::Bob,
    Caller::Carl,
    Caller::StaffA,
    Caller::ManagerA,
    Caller::OwnerA,
    Caller::StaffB,
    Caller::OwnerB,
    Caller::Mario,
    Caller::Luca,
    Caller::Admin,
];

/// The objects of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// Restaurant A with the objects of Ada; Mario delivers her order.
    A,
    /// Restaurant A with the objects of Bob.
    OtherCustomer,
    /// Restaurant B with the objects of Carl.
    B,
    /// Restaurant A with objects of B.
    Crossed,
    /// Restaurant A with objects that do not exist.
    Missing,
    /// Neither restaurant nor objects exist.
    Nowhere,
}

impl Target {
    /// All kinds of objects.
    pub const ALL: [Self; 6] = [Self::A, Self::OtherCustomer, Self::B, Self::Crossed, Self::Missing, Self::Nowhere];

    /// Those that differ for a path.
    pub fn of(path: &str) -> Vec<Self> {
        match path_parameters(path).as_slice() {
            [] => vec![Self::A],
            ["restaurantId"] => vec![Self::A, Self::B, Self::Nowhere],
            ["restaurantId", ..] => vec![Self::A, Self::B, Self::Crossed, Self::Missing, Self::Nowhere],
            _ => vec![Self::A, Self::OtherCustomer, Self::B, Self::Missing],
        }
    }

    /// Whether all objects of the path exist and belong together.
    pub fn has(self, path: &str) -> bool {
        let names_more = path_parameters(path).iter().any(|parameter| *parameter != "restaurantId");
        match self {
            Self::A | Self::OtherCustomer | Self::B => true,
            Self::Crossed => !names_more || path_parameters(path).len() == 1,
            Self::Missing => !names_more,
            Self::Nowhere => path_parameters(path).is_empty(),
        }
    }

    fn owner(self, parameter: &str) -> Option<Caller> {
        match (self, parameter) {
            (Self::A, "driverId") => Some(Caller::Mario),
            (Self::B | Self::Crossed, "driverId") => Some(Caller::Luca),
            (Self::A, _) => Some(Caller::Ada),
            (Self::OtherCustomer, "addressId" | "deviceId" | "sessionId" | "cartId" | "invitationId" | "accountId") => {
                Some(Caller::Bob)
            }
            (Self::B | Self::Crossed, _) => Some(Caller::Carl),
            _ => None,
        }
    }
}

impl Caller {
    pub fn is_signed_in(self) -> bool {
        !self.is_guest() && !matches!(self, Self::Anonymous | Self::Expired | Self::Revoked | Self::Forged)
    }

    /// Has carts, but no account.
    pub fn is_guest(self) -> bool {
        matches!(self, Self::Nina | Self::Otto)
    }

    /// Whether they may receive texts of restaurant A.
    pub fn may_know_of_a(self) -> bool {
        let people_of_a = [Self::StaffA, Self::ManagerA, Self::OwnerA, Self::Mario];
        people_of_a.contains(&self) || matches!(self, Self::Nina | Self::Ada | Self::Bob | Self::Admin)
    }

    /// Their relations that do not depend on the object.
    pub fn relations(self) -> Vec<Relation> {
        match self {
            Self::Admin => vec![Relation::Anyone, Relation::SignedIn, Relation::Admin],
            Self::Nina | Self::Otto => vec![Relation::Anyone, Relation::Guest],
            Self::Mario | Self::Luca => vec![Relation::Anyone, Relation::SignedIn, Relation::Driver],
            _ => vec![Relation::Anyone, Relation::SignedIn],
        }
    }

    fn rank(self, is_at_a: bool) -> Option<MemberRole> {
        match (self, is_at_a) {
            (Self::StaffA, true) | (Self::StaffB, false) => Some(MemberRole::Staff),
            (Self::ManagerA, true) => Some(MemberRole::Manager),
            (Self::OwnerA, true) | (Self::OwnerB, false) => Some(MemberRole::Owner),
            _ => None,
        }
    }

    /// Their relations to the object of the path.
    pub fn relations_to(self, path: &str, target: Target) -> Vec<Relation> {
        let path_parameters = path_parameters(path);
        let is_restaurants = path_parameters.contains(&"restaurantId") && target != Target::Nowhere;
        let is_ordered = path_parameters.contains(&"orderId") || path_parameters.contains(&"deliveryId");
        let is_there = is_ordered && !matches!(target, Target::Missing | Target::Nowhere);
        // An order of B belongs to B, with every restaurant in the path.
        let is_at_a = target != Target::B && !(is_ordered && target == Target::Crossed);
        let mut held = Vec::new();
        if is_restaurants || is_there {
            held.extend(self.rank(is_at_a).map_or(&[][..], MemberRole::relations));
        }
        if is_there {
            let customer = match target {
                Target::A => Self::Ada,
                Target::OtherCustomer => Self::Bob,
                _ => Self::Carl,
            };
            held.extend((self == customer).then_some(Relation::Customer));
            held.extend((self == Self::Mario && target == Target::A).then_some(Relation::Carrier));
        }
        held
    }

    /// Whether a personal object belongs to this caller.
    pub fn owns(self, path: &str, target: Target) -> bool {
        let is_own = |parameter: &&str| {
            matches!(
                *parameter,
                "addressId" | "deviceId" | "sessionId" | "cartId" | "quoteId" | "driverId" | "accountId"
            ) || (*parameter == "invitationId" && path.starts_with("/api/me"))
        };
        path_parameters(path)
            .iter()
            .filter(|parameter| is_own(parameter))
            .all(|parameter| target.owner(parameter) == Some(self))
    }
}

/// Checks that a response to a member of B contains no private text of A.
#[track_caller]
pub fn assert_no_canary(caller: Caller, reply: &Reply) {
    let is_in_headers = reply.headers.values().any(|value| value.contains(CANARY));
    assert!(caller.may_know_of_a() || !(is_in_headers || reply.text().contains(CANARY)), "{caller:?} got {reply:?}");
}
