//! The time, randomness and audit records of tests.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

use gatehouse_audit::event::Event;
use gatehouse_audit::sink::{AuditError, AuditSink};
use gatehouse_identity::clock::{Clock, Timestamp};
use gatehouse_identity::rng::Rng;

/// Audit records in memory.
#[derive(Default)]
pub(crate) struct Records {
    written: Mutex<Vec<Value>>,
    /// The spool has no room.
    pub(crate) full: AtomicBool,
    /// The medium never says that a record is durable.
    pub(crate) stuck: AtomicBool,
}

/// A clock that tests wind.
pub(crate) struct HandClock(Mutex<Timestamp>);

pub(crate) struct SystemRng;

impl Records {
    pub(crate) fn now(&self) -> Vec<Value> {
        self.written.lock().unwrap().clone()
    }

    /// The records so far, once there are `count` of them.
    pub(crate) async fn at_least(&self, count: usize) -> Vec<Value> {
        eventually(|| (self.now().len() >= count).then(|| self.now()), || format!("{count} records")).await
    }

    /// The one record that there is, a little after it could have become two.
    pub(crate) async fn only(&self) -> Value {
        self.at_least(1).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        let mut records = self.now();
        assert_eq!(records.len(), 1, "{records:#?}");
        records.remove(0)
    }
}

impl HandClock {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Timestamp::from_unix_seconds(1_800_000_000)))
    }

    pub(crate) fn advance(&self, seconds: u64) {
        let mut now = self.0.lock().unwrap();
        *now = now.plus(Duration::from_secs(seconds));
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

impl Rng for SystemRng {
    fn fill(&self, bytes: &mut [u8]) {
        aws_lc_rs::rand::fill(bytes).unwrap();
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
        self.written.lock().unwrap().push(serde_json::to_value(&event).unwrap());
        Ok(())
    }

    fn has_room(&self) -> bool {
        !self.full.load(Ordering::SeqCst)
    }
}

/// Waits until `probe` gives something, with the patience that a busy machine needs.
pub(crate) async fn eventually<T>(probe: impl Fn() -> Option<T>, what: impl Fn() -> String) -> T {
    for _ in 0..2000 {
        if let Some(found) = probe() {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("waited in vain for {}", what());
}
