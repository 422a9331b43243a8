//! Images: [`prepare()`] converts uploaded files; a [`StoreImage`] stores them and returns their URLs.

use std::future::Future;
use std::pin::Pin;

mod chunks;
pub mod cloudinary;
pub mod local;
pub mod prepare;
mod webp;

pub use cloudinary::Cloudinary;
pub use local::LocalDisk;
pub use prepare::{Bounds, PreparedImage, Refusal, prepare};

/// The sizes in which every image is available.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// 160 × 160, cropped: for lists.
    Thumb,
    /// 400 × 300, cropped: for cards.
    Card,
    /// At most 800 × 800, not cropped: for pages.
    Detail,
    /// At most 1600 × 1600, not cropped: the largest size.
    Hero,
}

impl Variant {
    /// All variants, smallest first.
    pub const ALL: [Self; 4] = [Self::Thumb, Self::Card, Self::Detail, Self::Hero];

    /// The variant's name in URLs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Thumb => "thumb",
            Self::Card => "card",
            Self::Detail => "detail",
            Self::Hero => "hero",
        }
    }
}

/// The URLs of a stored image, by variant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// 160 × 160.
    pub thumb: String,
    /// 400 × 300.
    pub card: String,
    /// At most 800 × 800.
    pub detail: String,
    /// At most 1600 × 1600.
    pub hero: String,
}

impl Addresses {
    /// The URLs in the order of the variants.
    pub fn of(mut address: impl FnMut(Variant) -> String) -> Self {
        Self {
            thumb: address(Variant::Thumb),
            card: address(Variant::Card),
            detail: address(Variant::Detail),
            hero: address(Variant::Hero),
        }
    }
}

/// Why an image could not be stored or deleted.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Permanent: the image, or the request, is not acceptable.
    #[error("refused: {0}")]
    Refused(String),
    /// The credentials are refused: the settings must be corrected.
    #[error("the account was not accepted: {0}")]
    Account(String),
    /// The account's limit on calls is used up; an immediate repetition would fail too.
    #[error("asked too often: {0}")]
    TooOften(String),
    /// Temporary: too many concurrent calls, or the provider is unreachable or has an error.
    #[error("not available: {0}")]
    Unavailable(String),
    /// The response is invalid.
    #[error("an answer that makes no sense: {0}")]
    Garbage(String),
}

/// The result of a call to a store.
pub type Outcome<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Stores images under keys. All calls are idempotent, so that they may be repeated.
pub trait StoreImage: Send + Sync + std::fmt::Debug {
    /// The name of the store, which is saved with every image.
    fn provider(&self) -> &'static str;

    /// Stores an image under a key of `a–z`, `0–9`, `-` and `/`.
    fn put<'a>(&'a self, key: &'a str, image: &'a PreparedImage) -> Outcome<'a, Addresses>;

    /// Deletes the image with a key; succeeds if there is none.
    fn remove<'a>(&'a self, key: &'a str) -> Outcome<'a, ()>;
}
