//! Random numbers from one seed and a name, so that the demo data is the same each time.

use chrono::{DateTime, Utc};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// The seed of all random numbers of the demo.
pub const SEED: &str = "comanda demo city, 1";

/// The time in the ids of the demo's users and restaurants, in milliseconds since 1970, so that the ids are the same
/// each time.
const FOUNDED_MILLISECONDS: u64 = 1_767_225_600_000;

/// The random number generator for a name.
pub fn of(name: &str) -> StdRng {
    let digest = Sha256::new().chain_update(SEED).chain_update([0]).chain_update(name).finalize();
    StdRng::from_seed(digest.into())
}

fn uuid(random: &mut StdRng, milliseconds: u64) -> Uuid {
    uuid::Builder::from_unix_timestamp_millis(milliseconds, &random.random()).into_uuid()
}

/// The id of an object that exists from the beginning.
pub fn fixed_id(name: &str) -> Uuid {
    uuid(&mut of(name), FOUNDED_MILLISECONDS)
}

/// The id of an object that was created at that time.
pub fn id_at(random: &mut StdRng, at: DateTime<Utc>) -> Uuid {
    uuid(random, u64::try_from(at.timestamp_millis()).unwrap_or_default())
}
