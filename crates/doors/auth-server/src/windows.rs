//! Counts per key in a window of time, in bounded memory.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use gatehouse_identity::clock::Timestamp;

/// Counts of each key. A window begins with the first count of its key and ends after `span`.
pub(crate) struct Windows<K> {
    span: Duration,
    limit: u32,
    most: usize,
    counts: HashMap<K, Window>,
}

struct Window {
    began: Timestamp,
    counted: u32,
    refused: bool,
}

/// The limit of a key is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full {
    /// When its window ends.
    pub(crate) wait: Duration,
    /// Whether it is the first refusal in this window.
    pub(crate) first: bool,
}

impl<K: Clone + Eq + Hash> Windows<K> {
    /// At most `limit` per key in `span`, of at most `most` keys: beyond them the oldest window is forgotten.
    pub(crate) fn new(span: Duration, limit: u32, most: usize) -> Self {
        Self { span, limit, most, counts: HashMap::new() }
    }

    /// Counts one, unless the limit is reached.
    pub(crate) fn count(&mut self, key: &K, now: Timestamp) -> Result<(), Full> {
        if let Some(window) = self.counts.get_mut(key) {
            let age = now.since(window.began);
            if age >= self.span {
                *window = Window::new(now);
            } else if window.counted >= self.limit {
                let first = !std::mem::replace(&mut window.refused, true);
                return Err(Full { wait: self.span.saturating_sub(age), first });
            }
            window.counted += 1;
            return Ok(());
        }
        self.make_room(now);
        self.counts.insert(key.clone(), Window { counted: 1, ..Window::new(now) });
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

    fn make_room(&mut self, now: Timestamp) {
        if self.counts.len() < self.most {
            return;
        }
        self.counts.retain(|_, window| now.since(window.began) < self.span);
        if self.counts.len() >= self.most
            && let Some(oldest) =
                self.counts.iter().min_by_key(|(_, window)| window.began).map(|(key, _)| key.clone())
        {
            self.counts.remove(&oldest);
        }
    }
}

impl Window {
    const fn new(began: Timestamp) -> Self {
        Self { began, counted: 0, refused: false }
    }
}

#[cfg(test)]
mod tests;
