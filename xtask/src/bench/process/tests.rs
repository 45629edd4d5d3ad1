use std::env::temp_dir;

use super::{Process, megabytes, pinned, ticks};

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

#[test]
fn a_server_that_does_not_start_is_an_error_with_what_it_said() {
    let folder = temp_dir().join(format!("xtask-process-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let mut command = pinned("0", "sh");
    command.args(["-c", "echo no such subcommand >&2; exit 2"]);
    let problem = Process::start("gatehouse", command, &folder, (1, "/readyz")).err().unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(problem.contains("no such subcommand"), "{problem}");
    assert!(problem.contains("exit status: 2"), "{problem}");
}
