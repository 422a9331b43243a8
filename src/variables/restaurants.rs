//! Variables of the limits on one restaurant.

use super::{Variable, plain};

const RESTAURANTS: &str = "Restaurants";

pub(super) const TABLE: &[Variable] = &[
    plain(
        RESTAURANTS,
        "COUPON_MAX",
        "500",
        "Maximum number of coupons of one restaurant, deleted ones excluded (1 to 100000).",
    ),
    plain(RESTAURANTS, "MEMBER_MAX", "200", "Maximum number of members of one restaurant (1 to 10000)."),
    plain(RESTAURANTS, "INVITATION_MAX", "100", "Maximum number of open invitations of one restaurant (1 to 200)."),
];
