//! Access tokens of ours that were seen in use: the answer that brought them has arrived.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use serde_json::{Map, Value};

use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::GrantId;
use gatehouse_store::Store;
use gatehouse_store::error::StoreError;

/// Most grants that wait to be written. Beyond it uses go unnoticed, and lost answers can be had again for longer.
const WAITING: usize = 50_000;

/// The latest token of each grant that was seen since the store was told.
#[derive(Default)]
pub struct Sightings {
    seen: Mutex<HashMap<GrantId, Timestamp>>,
}

impl Sightings {
    /// Notes a verified token of ours, when it comes from a grant.
    pub fn note(&self, claims: &Map<String, Value>) {
        let grant = claims.get("grant_id").and_then(Value::as_str);
        let Some((grant, issued_at)) = grant.zip(claims.get("iat").and_then(Value::as_i64)) else { return };
        let issued_at = Timestamp::from_unix_seconds(issued_at);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() < WAITING || seen.contains_key(&GrantId::new(grant)) {
            let latest = seen.entry(GrantId::new(grant)).or_insert(issued_at);
            *latest = issued_at.max(*latest);
        }
    }

    /// Tells the store. What it could not be told waits for the next time.
    pub async fn flush(&self, store: &dyn Store, now: Timestamp) -> Result<(), StoreError> {
        let seen = std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner));
        let mut waiting = seen.into_iter();
        while let Some((grant, issued_at)) = waiting.next() {
            let told = store.refresh_families().mark_successor_used(&grant, issued_at, now).await;
            if let Err(error) = told {
                let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
                for (grant, issued_at) in std::iter::once((grant, issued_at)).chain(waiting) {
                    let latest = seen.entry(grant).or_insert(issued_at);
                    *latest = issued_at.max(*latest);
                }
                return Err(error);
            }
        }
        Ok(())
    }
}
