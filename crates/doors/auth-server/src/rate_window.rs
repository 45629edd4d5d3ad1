//! Counts per key in a window of time, in bounded memory.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::time::Duration;

use gatehouse_identity::clock::Timestamp;

/// Counts of each key. A window begins with the first count of its key and ends after `span`.
pub(crate) struct RateWindows<K> {
    span: Duration,
    limit: u32,
    most: usize,
    counts: HashMap<K, Window>,
    /// When windows began, oldest first, so that none is searched for. Some are forgotten by now.
    begun: VecDeque<(Timestamp, K)>,
}

struct Window {
    began: Timestamp,
    counted: u32,
}

/// The limit of a key is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full {
    /// When its window ends.
    pub(crate) wait: Duration,
}

impl<K: Clone + Eq + Hash> RateWindows<K> {
    /// At most `limit` per key in `span`, of at most `most` keys: beyond them the oldest window is forgotten.
    pub(crate) fn new(span: Duration, limit: u32, most: usize) -> Self {
        Self { span, limit, most, counts: HashMap::new(), begun: VecDeque::new() }
    }

    /// Counts one, unless the limit is reached.
    pub(crate) fn count(&mut self, key: &K, now: Timestamp) -> Result<(), Full> {
        self.forget_ended(now);
        if let Some(window) = self.counts.get_mut(key) {
            if window.counted >= self.limit {
                return Err(Full { wait: self.span.saturating_sub(now.since(window.began)) });
            }
            window.counted += 1;
            return Ok(());
        }
        while self.counts.len() >= self.most && self.forget_oldest() {}
        self.counts.insert(key.clone(), Window { began: now, counted: 1 });
        self.begun.push_back((now, key.clone()));
        Ok(())
    }

    /// Takes one count back.
    pub(crate) fn take_back(&mut self, key: &K) {
        if let Some(window) = self.counts.get_mut(key) {
            window.counted = window.counted.saturating_sub(1);
        }
    }

    /// Forgets the counts of a key.
    pub(crate) fn forget(&mut self, key: &K) {
        self.counts.remove(key);
    }

    fn forget_ended(&mut self, now: Timestamp) {
        while self.begun.front().is_some_and(|(began, _)| now.since(*began) >= self.span) {
            self.forget_oldest();
        }
    }

    /// Forgets the window that began first; false when there is none.
    fn forget_oldest(&mut self) -> bool {
        let Some((began, key)) = self.begun.pop_front() else { return false };
        if self.counts.get(&key).is_some_and(|window| window.began == began) {
            self.counts.remove(&key);
        }
        true
    }
}

#[cfg(test)]
mod tests;
