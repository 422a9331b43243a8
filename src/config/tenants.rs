//! What one restaurant may keep.

use super::source::Reader;

/// Limits on the rows of one restaurant; those of its menu are in [`super::Menus`].
#[derive(Debug, Clone, Copy)]
pub struct Tenants {
    /// `COUPON_MAX`: coupons that have not been deleted.
    pub max_coupons: i64,
    /// `MEMBER_MAX`: people who work there.
    pub max_members: i64,
    /// `INVITATION_MAX`: invitations that can be accepted.
    pub max_invitations: i64,
}

impl Tenants {
    pub(super) fn gather(reader: &mut Reader<'_>) -> Self {
        Self {
            max_coupons: reader.number("COUPON_MAX", 1, 100_000),
            max_members: reader.number("MEMBER_MAX", 1, 10_000),
            max_invitations: reader.number("INVITATION_MAX", 1, 200),
        }
    }
}
