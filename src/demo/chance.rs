//! Chance with a memory: everything random about the demo city follows from one seed and a name, so that every demo
//! city is the same city.

use chrono::{DateTime, Utc};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// Seed of everything random in the demo: the same city each time.
pub const SEED: &str = "comanda demo city, 1";

/// The day from which the ids of people and restaurants are counted; with it they are the same in every demo city.
const FOUNDED_MILLISECONDS: u64 = 1_767_225_600_000;

/// What chance brings to whatever has this name.
pub fn of(name: &str) -> StdRng {
    let digest = Sha256::new().chain_update(SEED).chain_update([0]).chain_update(name).finalize();
    StdRng::from_seed(digest.into())
}

fn uuid(random: &mut StdRng, milliseconds: u64) -> Uuid {
    uuid::Builder::from_unix_timestamp_millis(milliseconds, &random.random()).into_uuid()
}

/// The id of something that has been there from the beginning.
pub fn founding_id(name: &str) -> Uuid {
    uuid(&mut of(name), FOUNDED_MILLISECONDS)
}

/// The id of something that was made at that time.
pub fn id_at(random: &mut StdRng, at: DateTime<Utc>) -> Uuid {
    uuid(random, u64::try_from(at.timestamp_millis()).unwrap_or_default())
}
