//! Grants whose latest refresh token has arrived: it, or a token that was issued with it, was seen in use.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use serde_json::{Map, Value};

use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::GrantId;
use gatehouse_oauth::sign_in;
use gatehouse_store::Store;
use gatehouse_store::error::StoreError;

/// Most grants that wait to be written. Beyond it uses go unnoticed, and lost answers can be had again until their
/// time is over.
const WAITING: usize = 50_000;
/// The generation that begins with the grant: before it there is none whose answer could be lost.
const FIRST: u64 = 1;

/// The latest generation of each grant that was seen since the store was told.
#[derive(Default)]
pub struct TokenUse {
    seen: Mutex<HashMap<GrantId, u64>>,
}

impl TokenUse {
    /// Notes a verified token of ours, when it comes from a grant that was refreshed.
    pub fn note(&self, claims: &Map<String, Value>) {
        let grant = claims.get("grant_id").and_then(Value::as_str);
        if let Some((grant, generation)) = grant.zip(sign_in::generation(claims)) {
            self.note_generation(&GrantId::new(grant), generation);
        }
    }

    /// Notes that something of this generation was seen.
    pub fn note_generation(&self, grant: &GrantId, generation: u64) {
        if generation <= FIRST {
            return;
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        keep_latest(&mut seen, grant, generation);
    }

    /// Tells the store. What it could not be told waits for the next time.
    pub async fn flush(&self, store: &dyn Store, now: Timestamp) -> Result<(), StoreError> {
        let seen = std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner));
        let mut waiting = seen.into_iter();
        while let Some((grant, generation)) = waiting.next() {
            let told = store.refresh_families().mark_generation_used(&grant, generation, now).await;
            if let Err(error) = told {
                let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
                for (grant, generation) in std::iter::once((grant, generation)).chain(waiting) {
                    keep_latest(&mut seen, &grant, generation);
                }
                return Err(error);
            }
        }
        Ok(())
    }
}

fn keep_latest(seen: &mut HashMap<GrantId, u64>, grant: &GrantId, generation: u64) {
    if let Some(latest) = seen.get_mut(grant) {
        *latest = generation.max(*latest);
    } else if seen.len() < WAITING {
        seen.insert(grant.clone(), generation);
    }
}
