//! Settings of the limits on the rows of one restaurant, read and checked. Defaults and descriptions:
//! `variables/restaurants.rs`.

use super::source::Reader;

/// Limits on the rows of one restaurant; those of its menu are in [`super::Menus`].
#[derive(Debug, Clone, Copy)]
pub struct RestaurantLimits {
    /// `COUPON_MAX`: maximum number of coupons of one restaurant, deleted ones excluded (1 to 100000).
    pub max_coupons: i64,
    /// `MEMBER_MAX`: maximum number of members of one restaurant (1 to 10000).
    pub max_members: i64,
    /// `INVITATION_MAX`: maximum number of open invitations of one restaurant (1 to 200).
    pub max_invitations: i64,
}

impl RestaurantLimits {
    pub(super) fn gather(reader: &mut Reader<'_>) -> Self {
        Self {
            max_coupons: reader.number("COUPON_MAX", 1, 100_000),
            max_members: reader.number("MEMBER_MAX", 1, 10_000),
            max_invitations: reader.number("INVITATION_MAX", 1, 200),
        }
    }
}
