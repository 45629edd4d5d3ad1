//! Calls that their client may cancel with a notification, as clients from before 2026-07-28 do.
//!
//! A call is known by its session and its id there. Sessions belong to one principal, so nobody cancels the call of
//! somebody else.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use gatehouse_mcp::message::Id;

/// The calls under way in all sessions.
#[derive(Clone, Default)]
pub(crate) struct Cancellations(Arc<Mutex<HashMap<Key, CancellationToken>>>);

/// One call under way, for as long as this lives.
pub(crate) struct Cancellation {
    token: CancellationToken,
    key: Key,
    calls: Cancellations,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    session: String,
    /// As JSON text: `1` and `"1"` are different ids.
    id: String,
}

impl Cancellations {
    /// Lets the call be cancelled, unless another one with its id is under way.
    pub(crate) fn begin(&self, session: &str, id: &Id) -> Option<Cancellation> {
        let key = Key { session: session.to_owned(), id: id.as_json().to_owned() };
        let token = CancellationToken::new();
        match self.table().entry(key.clone()) {
            Entry::Occupied(_) => return None,
            Entry::Vacant(place) => place.insert(token.clone()),
        };
        Some(Cancellation { token, key, calls: self.clone() })
    }

    /// Cancels the call, if it is under way.
    pub(crate) fn cancel(&self, session: &str, id: &str) {
        let key = Key { session: session.to_owned(), id: id.to_owned() };
        if let Some(token) = self.table().get(&key) {
            token.cancel();
        }
    }

    fn table(&self) -> MutexGuard<'_, HashMap<Key, CancellationToken>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cancellation {
    /// Waits until the client cancels the call.
    pub(crate) async fn requested(&self) {
        self.token.cancelled().await;
    }
}

impl Drop for Cancellation {
    fn drop(&mut self) {
        self.calls.table().remove(&self.key);
    }
}

#[cfg(test)]
mod tests;
