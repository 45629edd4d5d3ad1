//! How much may be held for requests.

use gatehouse_config::snapshot::platform::BufferLimits;
use gatehouse_edge::limits::{Limit, Limits};
use gatehouse_edge::memory::MemoryLimits;

/// The most for one holder where nothing is configured.
const PER_HOLDER: usize = 256 * 1024 * 1024;

/// The limits of a process that may use `usable` bytes of memory. Of what is not configured there is at least enough
/// for one request of the largest size at a time.
pub(super) fn limits(written: &BufferLimits, usable: Option<u64>) -> MemoryLimits {
    let quarter = usable.and_then(|bytes| usize::try_from(bytes / 4).ok());
    let quarter = quarter.unwrap_or(MemoryLimits::default().total);
    // One holder alone gets half of all.
    let total = written.total.unwrap_or(quarter.max(2 * written.largest_request));
    let usual = (total / 4).min(PER_HOLDER).max(written.largest_request);
    MemoryLimits { total, per_holder: written.per_caller.unwrap_or(usual) }
}

/// Notes what is in force.
pub(super) fn note(met: &Limits, limits: MemoryLimits) {
    met.set(Limit::BufferedBytes, limits.total as u64);
    met.set(Limit::BufferedBytesPerCaller, limits.per_holder as u64);
}

#[cfg(test)]
mod tests;
