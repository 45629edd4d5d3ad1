use std::path::Path;

use super::{usable, usable_under};

const GIB: u64 = 1024 * 1024 * 1024;

/// A machine with 8 GiB and these files besides.
fn machine(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = root.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("proc/meminfo", "MemTotal:        8388608 kB\nMemFree:          123456 kB\n");
    for (name, text) in files {
        write(name, text);
    }
    root
}

fn seen(files: &[(&str, &str)]) -> Option<u64> {
    usable_under(machine(files).path())
}

#[test]
fn a_machine_without_groups_may_be_used_whole() {
    assert_eq!(seen(&[]), Some(8 * GIB));
    assert_eq!(usable_under(Path::new("/nowhere")), None);
}

#[test]
fn the_smallest_limit_along_the_path_counts() {
    let own = ("proc/self/cgroup", "0::/system.slice/gatehouse.service\n");
    let slice = ("sys/fs/cgroup/system.slice/memory.max", "1073741824\n");
    let service = ("sys/fs/cgroup/system.slice/gatehouse.service/memory.max", "max\n");
    assert_eq!(seen(&[own, service]), Some(8 * GIB));
    assert_eq!(seen(&[own, service, slice]), Some(GIB));
}

#[test]
fn a_container_finds_its_limit_at_the_root_of_what_it_sees() {
    let host = ("proc/self/cgroup", "12:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n0::/\n");
    let first = ("sys/fs/cgroup/memory/memory.limit_in_bytes", "268435456\n");
    assert_eq!(seen(&[host, first]), Some(GIB / 4));
    let second = ("sys/fs/cgroup/memory.max", "134217728\n");
    assert_eq!(seen(&[host, second]), Some(GIB / 8));
}

#[test]
fn a_limit_above_what_there_is_is_none() {
    let host = ("proc/self/cgroup", "5:memory:/\n");
    let unlimited = ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    assert_eq!(seen(&[host, unlimited]), Some(8 * GIB));
}

#[test]
fn this_machine_tells() {
    assert!(usable().is_some_and(|bytes| bytes > 64 * 1024 * 1024));
}
