//! Decisions that were made before.
//!
//! A policy without a clock is a function of what it sees, so the same sight has the same answer. Entries are found
//! by the digest of that sight: nothing of a request stays in memory. Reading and writing take no lock.

use std::sync::Arc;

use arc_swap::ArcSwapOption;

use crate::decision::Decision;
use crate::input::InputDigest;

/// How many decisions one policy remembers; a newer one takes the place of an older with the same remainder.
const SLOTS: usize = 1024;
/// Longest messages, in bytes together, of a decision that is remembered.
const MAX_MESSAGES: usize = 1024;

/// The memory of one policy.
#[derive(Debug)]
pub(crate) struct Memory {
    slots: Box<[ArcSwapOption<Known>]>,
}

#[derive(Debug)]
struct Known {
    sight: InputDigest,
    decision: Decision,
}

impl Memory {
    pub(crate) fn new() -> Self {
        Self { slots: (0..SLOTS).map(|_| ArcSwapOption::empty()).collect() }
    }

    /// The decision on `sight`, when it is still known.
    pub(crate) fn recall(&self, sight: &InputDigest) -> Option<Decision> {
        let known = self.slot(sight)?.load();
        known.as_ref().filter(|known| known.sight == *sight).map(|known| known.decision.clone())
    }

    /// Keeps `decision`, unless it is a failure that might not happen again or has much to say.
    pub(crate) fn keep(&self, sight: InputDigest, decision: &Decision) {
        let messages = [&decision.internal_message, &decision.external_message];
        let length: usize = messages.into_iter().flatten().map(String::len).sum();
        if !decision.is_repeatable() || length > MAX_MESSAGES {
            return;
        }
        if let Some(slot) = self.slot(&sight) {
            slot.store(Some(Arc::new(Known { sight, decision: decision.clone() })));
        }
    }

    fn slot(&self, sight: &InputDigest) -> Option<&ArcSwapOption<Known>> {
        self.slots.get(sight.remainder(SLOTS))
    }
}

#[cfg(test)]
mod tests;
