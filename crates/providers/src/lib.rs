//! What Comanda asks of others over HTTP, and the local stand-ins in their place. Nothing here knows of restaurants.

/// Pictures: checked, made anew in a few sizes, kept on disk or at Cloudinary.
pub mod images;
