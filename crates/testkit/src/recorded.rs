//! What a gateway that runs inside a test recorded.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

use gatehouse_audit::event::Event;
use gatehouse_audit::sink::{AuditError, AuditSink};

use crate::eventually::eventually;

/// Audit records in memory, and what an audit log can suffer from.
#[derive(Default)]
pub struct Records {
    written: Mutex<Vec<Value>>,
    full: AtomicBool,
    stuck: AtomicBool,
    closed: AtomicBool,
}

impl Records {
    /// The records so far.
    pub fn all(&self) -> Vec<Value> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The records so far, once there are `count` of them.
    pub async fn at_least(&self, count: usize) -> Vec<Value> {
        let enough = || Some(self.all()).filter(|records| records.len() >= count);
        eventually(enough, || format!("{count} audit records: {:#?}", self.all())).await
    }

    /// The one record that there is, a little after it could have become two.
    pub async fn only(&self) -> Value {
        self.at_least(1).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        let mut records = self.all();
        assert_eq!(records.len(), 1, "{records:#?}");
        records.remove(0)
    }

    /// The first record with `reason`, once there is one.
    pub async fn with_reason(&self, reason: &str) -> Value {
        let found = || self.all().into_iter().find(|record| record["reason"] == reason);
        eventually(found, || format!("an audit record with reason {reason:?}: {:#?}", self.all())).await
    }

    /// Whether the spool has no room from now on.
    pub fn fill(&self, full: bool) {
        self.full.store(full, Ordering::SeqCst);
    }

    /// Whether the medium from now on never says that a record is durable.
    pub fn stick(&self, stuck: bool) {
        self.stuck.store(stuck, Ordering::SeqCst);
    }

    /// Whether writing fails from now on.
    pub fn close(&self, closed: bool) {
        self.closed.store(closed, Ordering::SeqCst);
    }
}

#[async_trait]
impl AuditSink for Records {
    async fn append(&self, event: Event) -> Result<(), AuditError> {
        if self.stuck.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        self.submit(event)
    }

    fn submit(&self, event: Event) -> Result<(), AuditError> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(AuditError::Closed);
        }
        let record = serde_json::to_value(&event).unwrap();
        self.written.lock().unwrap_or_else(PoisonError::into_inner).push(record);
        Ok(())
    }

    fn has_room(&self) -> bool {
        !self.full.load(Ordering::SeqCst)
    }
}
