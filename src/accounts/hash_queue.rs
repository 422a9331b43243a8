//! The queue of those who want a password hashed: few at once, and some wait. In a flood of sign-ins nobody takes all
//! of it: a network, an IPv6 /48 and an account have shares; strangers leave a quarter of the places to people on
//! devices that have signed in before, or who are signed in, and the other way round; and of the two kinds one waits
//! for as many hashes of the other as there are at once, and no more.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::Email;
use crate::ids::UserId;
use crate::network::{AddressBlock, Network};
use crate::problem::Problem;
use crate::shares::Shares;

/// An account has one of so many places of a network.
const ACCOUNTS_OF_A_NETWORK: usize = 3;
/// One of so many places is left to each kind of claimant.
const RESERVED_PART: usize = 4;
/// The seconds after which whoever is turned away may come again.
const RETRY_AFTER: u32 = 2;

/// Who wants a password hashed.
#[derive(Debug, Clone)]
pub enum Claimant {
    /// Somebody of whom nothing is known but the network.
    Stranger(Network),
    /// Somebody on a device that has signed in with this address before.
    Device(Email),
    /// A user who is signed in, or has proved in another way who they are.
    User(UserId),
    /// The operator of this server.
    Operator,
}

/// Who has a share of the places.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum PlaceOwner {
    Block(AddressBlock),
    Device(Email),
    User(UserId),
}

/// Those who wait, and those whose turn it is.
#[derive(Debug)]
pub struct HashQueue {
    /// Of those who wait and those whose turn it is.
    places: Arc<Semaphore>,
    turns: Arc<Semaphore>,
    strangers: ClaimantKind,
    known: ClaimantKind,
    shares: Shares<PlaceOwner, Semaphore>,
    /// Places of one network, and of all strangers.
    per_network: usize,
    of_strangers: usize,
    longest_wait: Duration,
}

/// What claimants of one kind have together.
#[derive(Debug)]
struct ClaimantKind {
    places: Arc<Semaphore>,
    /// As many as there are turns: who has one waits only for those of the other kind who have one.
    next: Arc<Semaphore>,
}

impl HashQueue {
    /// So many at once, so many more that wait, and so many of all these of one network (a third of that of one
    /// account).
    pub fn new(at_once: usize, waiting: usize, per_network: usize, longest_wait: Duration) -> Self {
        let all = at_once + waiting;
        let of_kind = (all - all / RESERVED_PART).max(1);
        let kind =
            || ClaimantKind { places: Arc::new(Semaphore::new(of_kind)), next: Arc::new(Semaphore::new(at_once)) };
        Self {
            places: Arc::new(Semaphore::new(all)),
            turns: Arc::new(Semaphore::new(at_once)),
            strangers: kind(),
            known: kind(),
            shares: Shares::new(),
            per_network: per_network.clamp(1, of_kind),
            of_strangers: of_kind,
            longest_wait,
        }
    }

    /// A place in the queue.
    ///
    /// # Errors
    /// `busy` when there is none, or none for this claimant.
    pub fn enter(&self, claimant: Claimant) -> Result<HashPlace<'_>, Problem> {
        let kind = match claimant {
            Claimant::Stranger(_) => &self.strangers,
            Claimant::Device(_) | Claimant::User(_) | Claimant::Operator => &self.known,
        };
        let mut held = Vec::with_capacity(4);
        let shares = claimant.owners().into_iter().map(|owner| self.share_of(owner));
        for places in shares.chain([Arc::clone(&kind.places), Arc::clone(&self.places)]) {
            held.push(places.try_acquire_owned().map_err(|_| Problem::busy(RETRY_AFTER))?);
        }
        Ok(HashPlace { queue: self, kind, until: Instant::now() + self.longest_wait, _held: held })
    }

    fn share_of(&self, owner: PlaceOwner) -> Arc<Semaphore> {
        let places = match owner {
            PlaceOwner::Block(block) => block.share(self.per_network, self.of_strangers),
            PlaceOwner::Device(_) | PlaceOwner::User(_) => self.per_network.div_ceil(ACCOUNTS_OF_A_NETWORK),
        };
        self.shares.of(owner, || Semaphore::new(places))
    }
}

impl Claimant {
    fn owners(self) -> Vec<PlaceOwner> {
        match self {
            Self::Stranger(network) => network.blocks().map(PlaceOwner::Block).collect(),
            Self::Device(email) => vec![PlaceOwner::Device(email)],
            Self::User(user) => vec![PlaceOwner::User(user)],
            Self::Operator => Vec::new(),
        }
    }
}

/// A place in the queue, given up when dropped.
pub struct HashPlace<'a> {
    queue: &'a HashQueue,
    kind: &'a ClaimantKind,
    /// What is done for somebody before the password is looked at is part of their waiting.
    until: Instant,
    _held: Vec<OwnedSemaphorePermit>,
}

/// A turn, given up when dropped.
pub struct HashTurn {
    _turn: OwnedSemaphorePermit,
    _next: OwnedSemaphorePermit,
}

impl HashPlace<'_> {
    /// Waits for the turn.
    ///
    /// # Errors
    /// `busy` when it takes too long.
    pub async fn turn(&self) -> Result<HashTurn, Problem> {
        let wait = async {
            let next = Arc::clone(&self.kind.next).acquire_owned().await?;
            let turn = Arc::clone(&self.queue.turns).acquire_owned().await?;
            Ok::<_, tokio::sync::AcquireError>(HashTurn { _turn: turn, _next: next })
        };
        timeout_at(self.until, wait).await.ok().and_then(Result::ok).ok_or_else(|| Problem::busy(RETRY_AFTER))
    }
}
