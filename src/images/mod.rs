//! Images of restaurants and items: uploaded within bounds, encoded again, stored, served, and deleted when they are
//! not in use. Which restaurant or item uses an image is stored by those features.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub mod actions;
pub mod http;
pub mod sql;
pub mod storage;

pub use storage::ImageStores;

/// The URLs of an image, by size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Image {
    /// 160 × 160 pixels, cropped: for lists.
    #[schema(example = "/images/rst_01jd3k9y5xfmt8zq2v7c4n6b0e/img_01jd3k9y5xfmt8zq2v7c4n6b0e/thumb.jpg")]
    pub thumb: String,
    /// 400 × 300 pixels, cropped: for cards.
    pub card: String,
    /// At most 800 × 800 pixels, not cropped: for a page of its own.
    pub detail: String,
    /// At most 1600 × 1600 pixels, not cropped: the largest variant.
    pub hero: String,
    /// The width of the largest variant, in pixels.
    pub width: u32,
    /// The height of the largest variant, in pixels.
    pub height: u32,
    /// A blurred placeholder of about 25 bytes (`ThumbHash`, Base64); null for images that were uploaded before
    /// placeholders were made.
    #[serde(default)]
    #[schema(example = "3OcRJYB4d3h/iIeHeEh3eIhw+j2w")]
    pub thumbhash: Option<String>,
}
