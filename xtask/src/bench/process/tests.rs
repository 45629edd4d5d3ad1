use super::{megabytes, ticks};

#[test]
fn processor_time_is_found_behind_a_name_with_spaces_and_parentheses() {
    let stat = "4711 (a (b) c) S 1 4711 4711 0 -1 4194304 1 2 3 4 250 50 7 8 20 0 1 0 99 0 0";
    assert!((ticks(stat) - 300.0).abs() < f64::EPSILON);
}

#[test]
fn memory_is_read_in_megabytes() {
    let status = "Name:\tx\nVmHWM:\t   20480 kB\nVmRSS:\t   10240 kB\n";
    assert!((megabytes(status, "VmRSS:") - 10.0).abs() < f64::EPSILON);
    assert!((megabytes(status, "VmHWM:") - 20.0).abs() < f64::EPSILON);
}
