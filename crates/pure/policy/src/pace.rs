//! How a policy has fared: whether it may be asked in passing, and whether it is worth asking at all.
//!
//! A policy that answers within a millisecond is asked by whoever serves the request. One that nobody knows yet, or
//! that took longer lately, is asked elsewhere. One that runs into its limit again and again is not asked: it denies
//! at once, first those whose requests it cannot handle, then everybody, and is tried again after a pause.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The longest evaluation that counts as quick, in time of a processor.
const QUICK: Duration = Duration::from_millis(1);
/// How many quick evaluations in a row it takes after a slow one; twice as many after each further one.
const TRUST_AFTER: u32 = 16;
/// Beyond this it takes no longer.
const MOST_RELAPSES: u32 = 16;

/// Evaluations in a row that ran into the limit before the requests of one network are cut short.
const HITS_OF_ONE: u32 = 3;
/// Likewise of everybody.
const HITS_OF_ALL: u32 = 8;
/// How long nothing is evaluated then; twice as long each time the limit is hit again.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Most networks that are counted one by one.
const MOST_NETWORKS: usize = 1024;

/// The record of one policy. Times are of any clock that does not go back.
#[derive(Debug)]
pub(crate) struct Pace {
    /// How many quick evaluations it takes until the policy is asked in passing.
    distrust: AtomicU32,
    relapses: AtomicU32,
    /// Whether `trouble` holds anything.
    is_troubled: AtomicBool,
    trouble: Mutex<Trouble>,
}

/// Where the limit was hit lately.
#[derive(Debug, Default)]
struct Trouble {
    everybody: Breaker,
    networks: HashMap<IpAddr, Breaker>,
}

/// Counts hits in a row, and after so many of them lets one evaluation through at the end of each pause.
#[derive(Clone, Copy, Debug, Default)]
struct Breaker {
    hits: u32,
    pause: Duration,
    until: Duration,
}

/// How an evaluation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// With an answer, or because it failed by itself.
    Answered,
    /// At the limit of its time, work or memory.
    AtLimit,
}

/// For whom a policy is not evaluated for a while, or is again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The requests of one network are cut short.
    CutForNetwork {
        /// The network's address.
        network: IpAddr,
        /// For how long.
        pause: Duration,
    },
    /// All requests are cut short.
    CutForAll {
        /// For how long.
        pause: Duration,
    },
    /// The policy answered again.
    Restored,
}

impl Pace {
    pub(crate) fn unknown() -> Self {
        Self {
            distrust: AtomicU32::new(1),
            relapses: AtomicU32::new(0),
            is_troubled: AtomicBool::new(false),
            trouble: Mutex::default(),
        }
    }

    /// Whether the policy may be asked in passing.
    pub(crate) fn is_quick(&self) -> bool {
        self.distrust.load(Ordering::Relaxed) == 0
    }

    /// Whether a request of `network` is to be cut short.
    pub(crate) fn is_cut(&self, network: IpAddr, now: Duration) -> bool {
        self.is_troubled.load(Ordering::Relaxed) && !self.trouble().admits(network, now)
    }

    /// Takes the turn to evaluate a request of `network`; false when it is to be cut short.
    pub(crate) fn begin(&self, network: IpAddr, now: Duration) -> bool {
        if !self.is_troubled.load(Ordering::Relaxed) {
            return true;
        }
        let mut trouble = self.trouble();
        let admits = trouble.admits(network, now);
        if admits {
            trouble.claim(network, now);
        }
        admits
    }

    /// Takes note of an evaluation that took a processor for `spent`. A limit that is reached quickly costs nobody
    /// anything.
    pub(crate) fn ended(
        &self,
        network: IpAddr,
        spent: Duration,
        ended: Ended,
        now: Duration,
    ) -> Option<Turn> {
        let hit = ended == Ended::AtLimit && spent > QUICK;
        if spent > QUICK {
            let relapses = self.relapses.fetch_add(1, Ordering::Relaxed).min(MOST_RELAPSES);
            self.distrust.store(TRUST_AFTER << relapses, Ordering::Relaxed);
        } else {
            let less = |distrust: u32| distrust.checked_sub(1);
            let _none_left = self.distrust.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        }
        if hit {
            self.is_troubled.store(true, Ordering::Relaxed);
            return self.trouble().hit(network, now);
        }
        if !self.is_troubled.load(Ordering::Relaxed) {
            return None;
        }
        let mut trouble = self.trouble();
        let turn = trouble.answered(network);
        self.is_troubled.store(!trouble.networks.is_empty(), Ordering::Relaxed);
        turn
    }

    fn trouble(&self) -> MutexGuard<'_, Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Trouble {
    fn admits(&self, network: IpAddr, now: Duration) -> bool {
        let own = self.networks.get(&network);
        self.everybody.admits(HITS_OF_ALL, now) && own.is_none_or(|own| own.admits(HITS_OF_ONE, now))
    }

    fn claim(&mut self, network: IpAddr, now: Duration) {
        self.everybody.claim(HITS_OF_ALL, now);
        if let Some(own) = self.networks.get_mut(&network) {
            own.claim(HITS_OF_ONE, now);
        }
    }

    fn hit(&mut self, network: IpAddr, now: Duration) -> Option<Turn> {
        let all = self.everybody.hit(HITS_OF_ALL, now);
        if self.networks.len() >= MOST_NETWORKS && !self.networks.contains_key(&network) {
            self.networks.retain(|_, own| now < own.until + LONGEST_PAUSE);
        }
        let has_room = self.networks.len() < MOST_NETWORKS || self.networks.contains_key(&network);
        let one = has_room.then(|| self.networks.entry(network).or_default().hit(HITS_OF_ONE, now)).flatten();
        match (all, one) {
            (Some(pause), _) => Some(Turn::CutForAll { pause }),
            (None, Some(pause)) => Some(Turn::CutForNetwork { network, pause }),
            (None, None) => None,
        }
    }

    fn answered(&mut self, network: IpAddr) -> Option<Turn> {
        let all = std::mem::take(&mut self.everybody);
        let one = self.networks.remove(&network).unwrap_or_default();
        (all.hits >= HITS_OF_ALL || one.hits >= HITS_OF_ONE).then_some(Turn::Restored)
    }
}

impl Breaker {
    fn admits(&self, most: u32, now: Duration) -> bool {
        self.hits < most || now >= self.until
    }

    /// While one tries, others are cut short.
    fn claim(&mut self, most: u32, now: Duration) {
        if self.hits >= most {
            self.until = now + self.pause;
        }
    }

    /// The pause that begins with this hit, when it is the first one.
    fn hit(&mut self, most: u32, now: Duration) -> Option<Duration> {
        self.hits = self.hits.saturating_add(1);
        if self.hits < most {
            self.until = now;
            return None;
        }
        let first = self.hits == most;
        self.pause = if first { FIRST_PAUSE } else { (self.pause * 2).min(LONGEST_PAUSE) };
        self.until = now + self.pause;
        first.then_some(self.pause)
    }
}

#[cfg(test)]
mod tests;
