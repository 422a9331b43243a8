//! Pictures: [`prepare`] makes clean ones out of what somebody sent; a [`StoreImage`] keeps them and says where.

use std::future::Future;
use std::pin::Pin;

mod chunks;
pub mod cloudinary;
pub mod local;
pub mod prepare;
mod webp;

pub use cloudinary::Cloudinary;
pub use local::LocalDisk;
pub use prepare::{Bounds, Picture, Refusal, prepare};

/// The sizes in which every picture can be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// 160 × 160, cut to fill: lists.
    Thumb,
    /// 400 × 300, cut to fill: cards.
    Card,
    /// At most 800 × 800, whole: a page of its own.
    Detail,
    /// At most 1600 × 1600, whole: as large as it is kept.
    Hero,
}

impl Variant {
    /// All of them.
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

/// Where a stored picture can be had, by variant.
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
    /// One for each variant.
    pub fn of(mut address: impl FnMut(Variant) -> String) -> Self {
        Self {
            thumb: address(Variant::Thumb),
            card: address(Variant::Card),
            detail: address(Variant::Detail),
            hero: address(Variant::Hero),
        }
    }
}

/// Why a picture could not be stored or removed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It will not work however often it is tried: the picture, or our request, is not acceptable.
    #[error("refused: {0}")]
    Refused(String),
    /// The account is not accepted: somebody has to look at the settings.
    #[error("the account was not accepted: {0}")]
    Account(String),
    /// The account's share of calls is used up; asking again at once would not help.
    #[error("asked too often: {0}")]
    TooOften(String),
    /// Too much was asked at once, or the other side is away or broken: it may work later.
    #[error("not available: {0}")]
    Unavailable(String),
    /// The answer makes no sense.
    #[error("an answer that makes no sense: {0}")]
    Garbage(String),
}

/// What a call to a store comes to.
pub type Outcome<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Keeps pictures under keys. Doing the same twice changes nothing, so that every call may be repeated.
pub trait StoreImage: Send + Sync + std::fmt::Debug {
    /// Its name, stored beside every picture.
    fn provider(&self) -> &'static str;

    /// Keeps a picture under a key of `a–z`, `0–9`, `-` and `/`.
    fn put<'a>(&'a self, key: &'a str, picture: &'a Picture) -> Outcome<'a, Addresses>;

    /// Removes what is kept under a key; nothing there is as good.
    fn remove<'a>(&'a self, key: &'a str) -> Outcome<'a, ()>;
}
