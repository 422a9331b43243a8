//! The queue for password hashing: few hashes are computed at once, and a bounded number of requests waits. A network,
//! an IPv6 /48 and an account each have a share, so that none of them can fill the queue alone. There are two kinds of
//! claimants: unknown ones, and known ones (a device that has signed in before, or a signed-in user). Each kind can
//! fill three quarters of the queue at most, and waits at most for the hashes of the other kind that are being
//! computed.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::Email;
use crate::ids::UserId;
use crate::network::{AddressBlock, Network};
use crate::problem::Problem;
use crate::shares::Shares;

/// An account may use one third of the share of a network.
const ACCOUNTS_OF_A_NETWORK: usize = 3;
/// A quarter of the queue is reserved for each kind of claimant.
const RESERVED_PART: usize = 4;
/// `Retry-After` of a refusal, in seconds.
const RETRY_AFTER: u32 = 2;

/// The user or device for which a password is hashed.
#[derive(Debug, Clone)]
pub enum Claimant {
    /// An unknown device, identified by its network.
    Stranger(Network),
    /// A device that has signed in with this address before.
    Device(Email),
    /// A user who is signed in, or was verified in another way.
    User(UserId),
    /// The operator of this server.
    Operator,
}

/// The owner of a share of the queue.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum ShareOwner {
    Block(AddressBlock),
    Device(Email),
    User(UserId),
}

/// The requests that wait for a hash or compute one.
#[derive(Debug)]
pub struct HashQueue {
    /// One permit for each request that waits or computes.
    permits: Arc<Semaphore>,
    computing: Arc<Semaphore>,
    strangers: ClaimantKind,
    known: ClaimantKind,
    shares: Shares<ShareOwner, Semaphore>,
    /// The permits of one network, and of all unknown claimants.
    per_network: usize,
    of_strangers: usize,
    longest_wait: Duration,
}

/// The share of all claimants of one kind.
#[derive(Debug)]
struct ClaimantKind {
    permits: Arc<Semaphore>,
    /// One permit for each hash that can be computed at once. A claimant who holds one waits only for claimants of the
    /// other kind who hold one.
    next: Arc<Semaphore>,
}

impl HashQueue {
    /// A queue in which `at_once` hashes are computed at the same time and `waiting` more claimants wait. One network
    /// may be `per_network` of these claimants, one account a third of that.
    pub fn new(at_once: usize, waiting: usize, per_network: usize, longest_wait: Duration) -> Self {
        let all = at_once + waiting;
        let of_kind = (all - all / RESERVED_PART).max(1);
        let kind =
            || ClaimantKind { permits: Arc::new(Semaphore::new(of_kind)), next: Arc::new(Semaphore::new(at_once)) };
        Self {
            permits: Arc::new(Semaphore::new(all)),
            computing: Arc::new(Semaphore::new(at_once)),
            strangers: kind(),
            known: kind(),
            shares: Shares::new(),
            per_network: per_network.clamp(1, of_kind),
            of_strangers: of_kind,
            longest_wait,
        }
    }

    /// Joins the queue.
    ///
    /// # Errors
    /// `busy` when the queue, or the share of this claimant, is full.
    pub fn join(&self, claimant: Claimant) -> Result<QueueEntry<'_>, Problem> {
        let kind = match claimant {
            Claimant::Stranger(_) => &self.strangers,
            Claimant::Device(_) | Claimant::User(_) | Claimant::Operator => &self.known,
        };
        let mut held = Vec::with_capacity(4);
        let shares = claimant.owners().into_iter().map(|owner| self.share_of(owner));
        for permits in shares.chain([Arc::clone(&kind.permits), Arc::clone(&self.permits)]) {
            held.push(permits.try_acquire_owned().map_err(|_| Problem::busy(RETRY_AFTER))?);
        }
        Ok(QueueEntry { queue: self, kind, until: Instant::now() + self.longest_wait, _held: held })
    }

    fn share_of(&self, owner: ShareOwner) -> Arc<Semaphore> {
        let permits = match owner {
            ShareOwner::Block(block) => block.share(self.per_network, self.of_strangers),
            ShareOwner::Device(_) | ShareOwner::User(_) => self.per_network.div_ceil(ACCOUNTS_OF_A_NETWORK),
        };
        self.shares.of(owner, || Semaphore::new(permits))
    }
}

impl Claimant {
    fn owners(self) -> Vec<ShareOwner> {
        match self {
            Self::Stranger(network) => network.blocks().map(ShareOwner::Block).collect(),
            Self::Device(email) => vec![ShareOwner::Device(email)],
            Self::User(user) => vec![ShareOwner::User(user)],
            Self::Operator => Vec::new(),
        }
    }
}

/// An entry of the queue, which leaves it when dropped.
pub struct QueueEntry<'a> {
    queue: &'a HashQueue,
    kind: &'a ClaimantKind,
    /// The time at which the claimant is refused; the work before the hash counts as waiting.
    until: Instant,
    _held: Vec<OwnedSemaphorePermit>,
}

/// The permit to compute a hash, released when dropped.
pub struct HashPermit {
    _permit: OwnedSemaphorePermit,
    _next: OwnedSemaphorePermit,
}

impl QueueEntry<'_> {
    /// Waits until the hash may be computed.
    ///
    /// # Errors
    /// `busy` when it takes too long.
    pub async fn permit(&self) -> Result<HashPermit, Problem> {
        let wait = async {
            let next = Arc::clone(&self.kind.next).acquire_owned().await?;
            let permit = Arc::clone(&self.queue.computing).acquire_owned().await?;
            Ok::<_, tokio::sync::AcquireError>(HashPermit { _permit: permit, _next: next })
        };
        timeout_at(self.until, wait).await.ok().and_then(Result::ok).ok_or_else(|| Problem::busy(RETRY_AFTER))
    }
}
