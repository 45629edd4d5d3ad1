//! The time and the randomness of a gateway that runs inside a test.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gatehouse_edge::door::DoorDeps;
use gatehouse_edge::lane::policy::PolicyLane;
use gatehouse_edge::memory::Memory;
use gatehouse_identity::clock::{Clock, Timestamp};
use gatehouse_identity::rng::Rng;

use crate::recorded::Records;

/// A clock that stands still until a test winds it.
pub struct HandClock(Mutex<Timestamp>);

/// Randomness of the system.
pub struct SystemRng;

impl HandClock {
    /// A clock in January 2027.
    pub fn new() -> Self {
        Self(Mutex::new(Timestamp::from_unix_seconds(1_800_000_000)))
    }

    /// A clock that shows `time`.
    pub fn at(time: Timestamp) -> Self {
        Self(Mutex::new(time))
    }

    /// Winds the clock on.
    pub fn advance(&self, by: Duration) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now = now.plus(by);
    }
}

impl Default for HandClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rng for SystemRng {
    fn fill(&self, bytes: &mut [u8]) {
        aws_lc_rs::rand::fill(bytes).unwrap();
    }
}

/// What a door needs of its surroundings.
pub fn deps(clock: &Arc<HandClock>, records: &Arc<Records>) -> DoorDeps {
    DoorDeps {
        clock: Arc::clone(clock) as _,
        rng: Arc::new(SystemRng),
        audit: Arc::clone(records) as _,
        limits: Arc::default(),
        memory: Memory::default(),
        policies: Arc::new(PolicyLane::start().unwrap()),
    }
}
