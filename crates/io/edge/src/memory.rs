//! One budget for the bytes that this process holds for others: bodies of requests, answers of upstreams, what is
//! parsed from them, header fields that wait with their request.
//!
//! Bytes are counted before they are allocated. A holder may have as much as is still free, so one holder alone gets
//! half of the budget, three get a quarter each, and a newcomer always finds room: the excess is refused to whoever
//! holds most. (The rule is that of dynamic thresholds in shared-memory switches, Choudhury and Hahne 1998.)

mod buffer;
mod weight;

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, Hash, Hasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gatehouse_identity::principal::Principal;

pub use self::buffer::Buffer;
pub(crate) use self::weight::of_members;

use crate::limits::{Limit, Limits};
use crate::rejection::{Rejection, RejectionKind};

/// Parts of the table of accounts, so that requests seldom wait for one another.
const SHARDS: usize = 32;
/// How many accounts a part keeps at least, used or not.
const LEAST_ROOM: usize = 64;
/// When to come back after a refusal: what is held belongs to requests, most of which are short.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// For whom bytes are held. Each has one account, whichever connection or request it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Holder {
    /// Clients of one address, or of one /64 of IPv6, that have proven nothing.
    Network(IpAddr),
    /// A verified caller.
    Caller(Party),
    /// An upstream, by the name of its app or its host.
    Upstream(Arc<str>),
    /// Lists and documents that are kept for later callers, by what they are.
    Kept(&'static str),
}

/// Who a verified caller is, whichever client or agent acts for it: issuer and subject.
#[derive(Clone, Debug)]
pub struct Party(Arc<Principal>);

/// How much may be held, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryLimits {
    /// By all holders together.
    pub total: usize,
    /// By one holder, however much is free.
    pub per_holder: usize,
}

/// The budget of the process; clones share it.
#[derive(Clone)]
pub struct Memory(Arc<Budget>);

struct Budget {
    limits: MemoryLimits,
    held: AtomicUsize,
    refused: AtomicU64,
    /// Where it is counted that there was no room.
    met: Arc<Limits>,
    accounts: [Mutex<Accounts>; SHARDS],
    hasher: RandomState,
}

/// Accounts by the hash of their holder, under a key that nobody else knows: should two ever share one, they share a
/// share. They stay for a while after their last byte, since who asks once asks again.
#[derive(Default)]
struct Accounts {
    held: BTreeMap<u64, Arc<AtomicUsize>>,
    /// How many there may be before those that nobody uses are removed.
    room: usize,
}

/// What one holder has, while anybody counts for it.
pub struct Account {
    held: Arc<AtomicUsize>,
    budget: Arc<Budget>,
}

/// Counted bytes; dropping it gives them back.
pub struct Held {
    account: Account,
    bytes: usize,
}

/// There is no room for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OverBudget {
    /// The holder has its share.
    #[error("{held} bytes are held for it already, {limit} is its share now")]
    Share {
        /// What it holds.
        held: usize,
        /// What it may hold at the moment.
        limit: usize,
    },
    /// The process has no room, whoever asks.
    #[error("{held} of {limit} bytes are held for all")]
    Process {
        /// What all hold.
        held: usize,
        /// What all may hold.
        limit: usize,
    },
}

impl Holder {
    /// Whoever proved to be `principal`.
    pub fn caller(principal: &Arc<Principal>) -> Self {
        Self::Caller(Party(Arc::clone(principal)))
    }
}

impl Party {
    fn key(&self) -> (&str, &str) {
        (self.0.issuer().as_str(), self.0.subject().as_str())
    }
}

impl PartialEq for Party {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Party {}

impl Hash for Party {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl Default for MemoryLimits {
    /// For a machine of which nothing is known.
    fn default() -> Self {
        Self { total: 256 * 1024 * 1024, per_holder: 128 * 1024 * 1024 }
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new(MemoryLimits::default())
    }
}

impl Memory {
    /// A budget of which nothing is held.
    pub fn new(limits: MemoryLimits) -> Self {
        Self::counting(limits, Arc::default())
    }

    /// The same, which tells `met` each time that there was no room.
    pub fn counting(limits: MemoryLimits, met: Arc<Limits>) -> Self {
        Self(Arc::new(Budget {
            limits,
            held: AtomicUsize::new(0),
            refused: AtomicU64::new(0),
            met,
            accounts: std::array::from_fn(|_| Mutex::default()),
            hasher: RandomState::new(),
        }))
    }

    /// The account of `holder`.
    pub fn account(&self, holder: &Holder) -> Account {
        let hash = self.0.hasher.hash_one(holder);
        let held = self.0.shard(hash).of(hash);
        Account { held, budget: Arc::clone(&self.0) }
    }

    /// How much may be held.
    pub fn limits(&self) -> MemoryLimits {
        self.0.limits
    }

    /// What all hold now.
    pub fn held(&self) -> usize {
        self.0.held.load(Ordering::Relaxed)
    }

    /// How often there was no room.
    pub fn refused(&self) -> u64 {
        self.0.refused.load(Ordering::Relaxed)
    }
}

impl Budget {
    fn shard(&self, hash: u64) -> MutexGuard<'_, Accounts> {
        let [first, others @ ..] = &self.accounts;
        let index = usize::try_from(hash % SHARDS as u64).unwrap_or(0);
        // The first one stands for index 0.
        let shard = index.checked_sub(1).and_then(|index| others.get(index)).unwrap_or(first);
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts `more` for the holder that has `own`.
    fn take(&self, own: &AtomicUsize, more: usize) -> Result<(), OverBudget> {
        let MemoryLimits { total, per_holder } = self.limits;
        let mut before = 0;
        let counted = self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
            before = held;
            held.checked_add(more).filter(|sum| *sum <= total)
        });
        if counted.is_err() {
            self.refuse(Limit::BufferedBytes);
            return Err(OverBudget::Process { held: before, limit: total });
        }
        let share = per_holder.min(total - before);
        let counted = own.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
            held.checked_add(more).filter(|sum| *sum <= share)
        });
        counted.map(drop).map_err(|held| {
            self.held.fetch_sub(more, Ordering::Relaxed);
            let full = share < per_holder;
            self.refuse(if full { Limit::BufferedBytes } else { Limit::BufferedBytesPerCaller });
            OverBudget::Share { held, limit: share }
        })
    }

    fn refuse(&self, limit: Limit) {
        self.refused.fetch_add(1, Ordering::Relaxed);
        self.met.hit(limit);
    }

    fn give_back(&self, own: &AtomicUsize, bytes: usize) {
        own.fetch_sub(bytes, Ordering::Relaxed);
        self.held.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Accounts {
    fn of(&mut self, hash: u64) -> Arc<AtomicUsize> {
        if let Some(held) = self.held.get(&hash) {
            return Arc::clone(held);
        }
        if self.held.len() >= self.room {
            // New ones are handed out by this table alone, which is locked.
            self.held.retain(|_, held| Arc::strong_count(held) > 1);
            self.room = (2 * self.held.len()).max(LEAST_ROOM);
        }
        Arc::clone(self.held.entry(hash).or_default())
    }
}

impl Account {
    /// Counts `bytes` that are about to be allocated.
    pub fn hold(self, bytes: usize) -> Result<Held, OverBudget> {
        self.budget.take(&self.held, bytes)?;
        Ok(Held { account: self, bytes })
    }
}

impl Held {
    /// Counts `more` bytes besides.
    pub fn grow(&mut self, more: usize) -> Result<(), OverBudget> {
        self.account.budget.take(&self.account.held, more)?;
        self.bytes += more;
        Ok(())
    }

    /// Gives back all but `bytes`.
    pub fn shrink_to(&mut self, bytes: usize) {
        let over = self.bytes.saturating_sub(bytes);
        self.account.budget.give_back(&self.account.held, over);
        self.bytes -= over;
    }

    /// How much is counted.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.account.budget.give_back(&self.account.held, self.bytes);
    }
}

impl OverBudget {
    /// What `upstream` answers is too much, which is not its caller's doing: the caller may have nothing in flight.
    pub fn of_upstream(self, upstream: &str) -> Rejection {
        let mut rejection = Rejection::from(self);
        if rejection.kind == RejectionKind::RateLimited {
            rejection.kind = RejectionKind::Unavailable;
            rejection.public =
                format!("Too much of what {upstream} answers is in flight at once; try again shortly.");
        }
        rejection
    }
}

impl From<OverBudget> for Rejection {
    /// 429 for a holder that has its share, 503 when there is no room for anybody.
    fn from(over: OverBudget) -> Self {
        let (kind, reason, public) = match over {
            OverBudget::Share { .. } => (
                RejectionKind::RateLimited,
                "memory_share",
                "Too much is in flight for you at once; try again when other requests have ended.",
            ),
            OverBudget::Process { .. } => (
                RejectionKind::Unavailable,
                "memory_full",
                "Too much is in flight at once; try again shortly.",
            ),
        };
        let mut rejection = Self::new(kind, reason, public).because(over.to_string());
        rejection.retry_after = Some(RETRY_AFTER);
        rejection
    }
}

#[cfg(test)]
mod tests;
