//! Clients of external providers over HTTP, and the local stand-ins for them. Nothing here depends on restaurants.

/// Images: checked, converted to several sizes, stored on disk or at Cloudinary.
pub mod images;
