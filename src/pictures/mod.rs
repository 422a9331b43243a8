//! Images of restaurants and items: uploaded within bounds, encoded again, stored, served, and deleted when nothing shows
//! them. Which restaurant or item shows which image is written by those features.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub mod collect;
pub mod http;
pub mod keep;
pub mod sql;
pub mod storage;

pub use storage::Pictures;

/// Where a picture can be had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Image {
    /// 160 × 160, cut to fill: for lists.
    #[schema(example = "/images/rst_01jd3k9y5xfmt8zq2v7c4n6b0e/img_01jd3k9y5xfmt8zq2v7c4n6b0e/thumb.jpg")]
    pub thumb: String,
    /// 400 × 300, cut to fill: for cards.
    pub card: String,
    /// At most 800 × 800, whole: for a page of its own.
    pub detail: String,
    /// At most 1600 × 1600, whole: as large as it is kept.
    pub hero: String,
    /// Width of the largest one.
    pub width: u32,
    /// Its height.
    pub height: u32,
    /// A blurred picture of some 25 bytes to show until the real one has come (`ThumbHash`, in Base64); null for pictures
    /// that were taken before it was made.
    #[serde(default)]
    #[schema(example = "3OcRJYB4d3h/iIeHeEh3eIhw+j2w")]
    pub thumbhash: Option<String>,
}
