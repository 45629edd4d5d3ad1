//! How often documents of clients may be fetched: strangers choose the URLs.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Most fetches per second, over all hosts; as many again for documents that were good before.
const PER_SECOND: usize = 10;
/// Most fetches per minute from one host of documents that nobody has seen yet.
const PER_HOST_AND_MINUTE: usize = 6;
/// How long a document that could not be used is not asked for again.
const AFTER_FAILURE: Duration = Duration::from_secs(30);
/// Most failed documents that are remembered; with more, all are treated as failed.
const FAILURES: usize = 10_000;

/// What is known about a document before it is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nobody has seen it: the URL may be made up.
    Unknown,
    /// It was good before. Made-up URLs of its host never use up its fetches.
    Proven,
}

/// Counts fetches and remembers failures.
#[derive(Default)]
pub(super) struct Budget(Mutex<Spent>);

#[derive(Default)]
struct Spent {
    unknown: VecDeque<Instant>,
    proven: VecDeque<Instant>,
    by_host: HashMap<String, VecDeque<Instant>>,
    failed: HashMap<String, Instant>,
}

impl Budget {
    /// Whether `url` on `host` may be fetched now; if so, that counts as a fetch.
    pub(super) fn admit(
        &self,
        standing: Standing,
        host: &str,
        url: &str,
        now: Instant,
    ) -> Result<(), &'static str> {
        let mut spent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let spent = &mut *spent;
        spent.failed.retain(|_, at| now.duration_since(*at) < AFTER_FAILURE);
        if spent.failed.contains_key(url) || spent.failed.len() >= FAILURES {
            return Err("it could not be had less than 30 s ago");
        }
        let lately = match standing {
            Standing::Unknown => &mut spent.unknown,
            Standing::Proven => &mut spent.proven,
        };
        forget(lately, now, Duration::from_secs(1));
        if lately.len() >= PER_SECOND {
            return Err("too many documents are fetched already");
        }
        if standing == Standing::Unknown {
            spent.by_host.retain(|_, fetches| {
                forget(fetches, now, Duration::from_secs(60));
                !fetches.is_empty()
            });
            let of_host = spent.by_host.entry(host.to_owned()).or_default();
            if of_host.len() >= PER_HOST_AND_MINUTE {
                return Err("too many documents of this host were fetched within a minute");
            }
            of_host.push_back(now);
        }
        lately.push_back(now);
        Ok(())
    }

    /// Remembers that `url` gave nothing that can be used.
    pub(super) fn failed(&self, url: &str, now: Instant) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).failed.insert(url.to_owned(), now);
    }
}

fn forget(fetches: &mut VecDeque<Instant>, now: Instant, after: Duration) {
    while fetches.front().is_some_and(|at| now.duration_since(*at) >= after) {
        fetches.pop_front();
    }
}

#[cfg(test)]
mod tests;
