//! Apps whose lists of tools were not read to their end, for whoever watches the node.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gatehouse_identity::clock::Timestamp;

/// How long it is told of a list that nobody has asked for again: lists are kept for half as long.
const TOLD: Duration = Duration::from_mins(2);

/// What is known of lists that are not whole.
#[derive(Debug, Default)]
pub struct PartialLists {
    apps: Mutex<BTreeMap<String, Noted>>,
}

#[derive(Clone, Copy, Debug)]
struct Noted {
    reason: &'static str,
    until: Timestamp,
}

impl PartialLists {
    /// The list of `app` broke off, or goes in a circle, for `reason`.
    pub fn note(&self, app: &str, reason: &'static str, now: Timestamp) {
        let noted = Noted { reason, until: now.plus(TOLD) };
        self.apps.lock().unwrap_or_else(PoisonError::into_inner).insert(app.to_owned(), noted);
    }

    /// The list of `app` was read to its end.
    pub fn clear(&self, app: &str) {
        self.apps.lock().unwrap_or_else(PoisonError::into_inner).remove(app);
    }

    /// The apps whose lists are not whole, in order, and why.
    pub fn at(&self, now: Timestamp) -> Vec<(String, &'static str)> {
        let mut apps = self.apps.lock().unwrap_or_else(PoisonError::into_inner);
        apps.retain(|_, noted| noted.until > now);
        apps.iter().map(|(app, noted)| (app.clone(), noted.reason)).collect()
    }
}
