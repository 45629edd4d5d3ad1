//! How the apps behind a gateway do, as far as it was seen: for operators who ask.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use gatehouse_identity::clock::Timestamp;

/// What was last seen of each app, by name. Of one that nobody has asked for, nothing.
#[derive(Debug, Default)]
pub struct Apps {
    seen: Mutex<BTreeMap<String, Seen>>,
    failing: AtomicUsize,
}

/// What was last seen of one app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// How it does.
    pub state: State,
    /// Since when it does so.
    pub since: Timestamp,
}

/// How an app does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It answers; so many tools are known of it.
    Works {
        /// How many.
        tools: usize,
    },
    /// It does not, for the reason with this code.
    Fails(&'static str),
}

impl Apps {
    /// The app has said what it offers.
    pub fn lists(&self, app: &str, tools: usize, now: Timestamp) {
        self.note(app, State::Works { tools }, now);
    }

    /// The app could not be asked, or failed.
    pub fn fails(&self, app: &str, reason: &'static str, now: Timestamp) {
        self.note(app, State::Fails(reason), now);
    }

    /// The app has answered a call. How many tools it has is known from lists only, so one that failed is forgotten
    /// until it is asked again. Called for every answer: where nothing fails, it looks at one number.
    pub fn answers(&self, app: &str) {
        if self.failing.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.get(app).is_some_and(|seen| matches!(seen.state, State::Fails(_))) {
            seen.remove(app);
            self.count(&seen);
        }
    }

    /// What was last seen of `app`.
    pub fn of(&self, app: &str) -> Option<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).get(app).copied()
    }

    fn note(&self, app: &str, state: State, now: Timestamp) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match seen.get_mut(app) {
            Some(known) if std::mem::discriminant(&known.state) == std::mem::discriminant(&state) => {
                known.state = state;
            }
            _ => {
                seen.insert(app.to_owned(), Seen { state, since: now });
            }
        }
        self.count(&seen);
    }

    fn count(&self, seen: &BTreeMap<String, Seen>) {
        let failing = seen.values().filter(|seen| matches!(seen.state, State::Fails(_))).count();
        self.failing.store(failing, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
