use gatehouse_config::snapshot::platform::BufferLimits;

use super::limits;

const MIB: usize = 1024 * 1024;
const NOTHING: BufferLimits = BufferLimits { total: None, per_caller: None, largest_request: 33 * MIB };

/// In MiB, for a process that may use so many.
fn of(written: BufferLimits, usable: u64) -> (usize, usize) {
    let limits = limits(&written, Some(usable * 1024 * 1024));
    (limits.total / MIB, limits.per_holder / MIB)
}

#[test]
fn shares_follow_from_what_there_is() {
    assert_eq!(of(NOTHING, 24 * 1024), (6144, 256));
    assert_eq!(of(NOTHING, 2048), (512, 128));
    assert_eq!(of(NOTHING, 400), (100, 33), "the largest request is served");
    assert_eq!(of(NOTHING, 64), (66, 33), "also where there is little");
    assert!(limits(&NOTHING, None).total >= 66 * MIB, "and where nobody knows");
}

#[test]
fn what_is_written_counts() {
    assert_eq!(of(BufferLimits { total: Some(80 * MIB), ..NOTHING }, 24 * 1024), (80, 33));
    assert_eq!(of(BufferLimits { per_caller: Some(900 * MIB), ..NOTHING }, 24 * 1024), (6144, 900));
}
