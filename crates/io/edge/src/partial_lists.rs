//! Apps whose lists of tools were not read to their end, for whoever watches the node.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gatehouse_identity::clock::Timestamp;

/// How long it is told of a list that nobody has asked for again: lists are kept for half as long.
const TOLD: Duration = Duration::from_mins(2);
/// How many readers of one app are told apart.
const MOST_READERS: usize = 256;

/// Whom a list was read for: issuer and subject, or nobody where everybody has the same list.
pub type Reader<'a> = Option<(&'a str, &'a str)>;

/// What is known of lists that are not whole. An app may answer one person whole and another one not: its list is not
/// whole while that of anybody is not.
#[derive(Debug, Default)]
pub struct PartialLists {
    hasher: RandomState,
    apps: Mutex<BTreeMap<String, HashMap<u64, Noted>>>,
}

#[derive(Clone, Copy, Debug)]
struct Noted {
    reason: &'static str,
    until: Timestamp,
}

impl PartialLists {
    /// The list of `app` broke off for `reader`, or goes in a circle, for `reason`.
    pub fn note(&self, app: &str, reader: Reader<'_>, reason: &'static str, now: Timestamp) {
        let noted = Noted { reason, until: now.plus(TOLD) };
        let reader = self.hasher.hash_one(reader);
        let mut apps = self.apps.lock().unwrap_or_else(PoisonError::into_inner);
        let readers = apps.entry(app.to_owned()).or_default();
        if readers.len() >= MOST_READERS {
            // Nobody may have asked for a while: what is no longer told of makes room.
            readers.retain(|_, noted| noted.until > now);
        }
        if readers.len() < MOST_READERS || readers.contains_key(&reader) {
            readers.insert(reader, noted);
        }
    }

    /// The list of `app` was read to its end for `reader`.
    pub fn clear(&self, app: &str, reader: Reader<'_>) {
        let reader = self.hasher.hash_one(reader);
        let mut apps = self.apps.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(readers) = apps.get_mut(app) {
            readers.remove(&reader);
        }
    }

    /// The apps whose lists are not whole, in order, and why, as it was last said.
    pub fn at(&self, now: Timestamp) -> Vec<(String, &'static str)> {
        let mut apps = self.apps.lock().unwrap_or_else(PoisonError::into_inner);
        apps.retain(|_, readers| {
            readers.retain(|_, noted| noted.until > now);
            !readers.is_empty()
        });
        let latest = |readers: &HashMap<u64, Noted>| {
            readers.values().max_by_key(|noted| noted.until).map(|noted| noted.reason)
        };
        apps.iter().filter_map(|(app, readers)| Some((app.clone(), latest(readers)?))).collect()
    }
}

#[cfg(test)]
mod tests;
