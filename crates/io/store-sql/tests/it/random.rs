//! Randomness and time for the tests.

use std::fs::File;
use std::io::Read as _;

use gatehouse_identity::clock::{Clock, Timestamp};
use gatehouse_identity::rng::Rng;

/// The kernel's randomness.
pub(crate) struct KernelRng;

impl Rng for KernelRng {
    fn fill(&self, bytes: &mut [u8]) {
        File::open("/dev/urandom").unwrap().read_exact(bytes).unwrap();
    }
}

/// A clock that stands still.
pub(crate) struct Still(pub(crate) Timestamp);

impl Clock for Still {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// The time at which every test plays.
pub(crate) const NOW: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);
