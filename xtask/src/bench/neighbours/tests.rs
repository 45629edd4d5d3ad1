use super::{busy, ticks};

#[test]
fn waiting_for_disks_is_idle_and_stolen_time_is_not() {
    let ticks = ticks("cpu  10 1 9 70 5 1 2 2 4 0\ncpu0 5 0 5 35 2 0 1 1 2 0\n");
    assert!((ticks.total - 100.0).abs() < f64::EPSILON);
    assert!((ticks.idle - 75.0).abs() < f64::EPSILON);
}

#[test]
fn this_machine_can_be_looked_at() {
    assert!((0.0..=100.0).contains(&busy().unwrap()));
}
