//! Who comes first, and who is sent away, when more is asked for than can be done.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;

/// For how long what was asked counts at least; at most for twice as long.
const REMEMBERED: Duration = Duration::from_secs(30);
/// Most networks that are counted before the older half of them is forgotten.
const WATCHED: usize = 50_000;

/// How often each network asked lately, in two halves so that forgetting takes no search.
pub(super) struct Asked {
    now: HashMap<IpAddr, u32>,
    before: HashMap<IpAddr, u32>,
    since: Instant,
}

impl Asked {
    pub(super) fn nothing(now: Instant) -> Self {
        Self { now: HashMap::new(), before: HashMap::new(), since: now }
    }

    /// Counts one more.
    pub(super) fn count(&mut self, network: IpAddr, now: Instant) {
        let age = now.saturating_duration_since(self.since);
        if age >= REMEMBERED || self.now.len() >= WATCHED {
            self.before = std::mem::take(&mut self.now);
            if age >= REMEMBERED * 2 {
                self.before.clear();
            }
            self.since = now;
        }
        let count = self.now.entry(network).or_default();
        *count = count.saturating_add(1);
    }

    /// How often `network` asked lately.
    fn lately(&self, network: IpAddr) -> u32 {
        let count = |half: &HashMap<IpAddr, u32>| half.get(&network).copied().unwrap_or(0);
        count(&self.now).saturating_add(count(&self.before))
    }
}

/// What waits. The queue is short, so it is searched.
pub(super) struct FairQueue<J> {
    waiting: Vec<Waiting<J>>,
    next: u64,
}

struct Waiting<J> {
    network: IpAddr,
    /// Its place among all that came.
    number: u64,
    job: J,
}

impl<J> FairQueue<J> {
    pub(super) const fn empty() -> Self {
        Self { waiting: Vec::new(), next: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Drops what `is_wanted` says nothing good about.
    pub(super) fn retain(&mut self, is_wanted: impl Fn(&J) -> bool) {
        self.waiting.retain(|waiting| is_wanted(&waiting.job));
    }

    /// Adds a job from `network`, of which at most `most` wait. `Ok` holds the one that gave way, `Err` the new one when
    /// no other network asked for more.
    pub(super) fn push(
        &mut self,
        most: usize,
        network: IpAddr,
        asked: &Asked,
        job: J,
    ) -> Result<Option<J>, J> {
        let mut gave_way = None;
        if self.waiting.len() >= most {
            let counts = self.waiting.iter().map(|one| (asked.lately(one.network), one.number));
            match counts.enumerate().max_by_key(|(_, count)| *count) {
                Some((index, (most_asked, _))) if asked.lately(network) < most_asked => {
                    gave_way = Some(self.waiting.swap_remove(index).job);
                }
                _ => return Err(job),
            }
        }
        self.waiting.push(Waiting { network, number: self.next, job });
        self.next += 1;
        Ok(gave_way)
    }

    /// The oldest job of those whose networks asked least.
    pub(super) fn pop(&mut self, asked: &Asked) -> Option<J> {
        let counts = self.waiting.iter().map(|one| (asked.lately(one.network), one.number));
        let index = counts.enumerate().min_by_key(|(_, count)| *count).map(|(index, _)| index)?;
        Some(self.waiting.swap_remove(index).job)
    }
}

#[cfg(test)]
mod tests;
