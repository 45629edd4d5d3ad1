//! How much memory the process may use: what the machine has, or less where a control group says so.

use std::fs::read_to_string;
use std::path::{Path, PathBuf};

/// In bytes; `None` where the system does not tell.
pub(crate) fn usable() -> Option<u64> {
    usable_under(Path::new("/"))
}

/// The same for a machine whose files stand under `root`.
fn usable_under(root: &Path) -> Option<u64> {
    let groups = read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let limits = groups.lines().flat_map(|line| limits_of(root, line));
    limits.chain(total(root)).min()
}

/// `MemTotal` of proc(5), which counts in KiB.
fn total(root: &Path) -> Option<u64> {
    let facts = read_to_string(root.join("proc/meminfo")).ok()?;
    let total = facts.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    total.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The limits of one line of cgroups(7), `hierarchy:controllers:path`: those of the group and of all around it. In a
/// container the path may be that of the host, of which only the innermost part is mounted: what is missing limits
/// nothing.
fn limits_of(root: &Path, line: &str) -> Vec<u64> {
    let mut parts = line.splitn(3, ':');
    let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else {
        return Vec::new();
    };
    let (mounted, file) = match controllers {
        "" => ("sys/fs/cgroup", "memory.max"),
        "memory" => ("sys/fs/cgroup/memory", "memory.limit_in_bytes"),
        _ => return Vec::new(),
    };
    let path: PathBuf = Path::new(path.trim_start_matches('/')).components().collect();
    let limit = |group: &Path| read_to_string(root.join(mounted).join(group).join(file)).ok();
    // `max` is no number, and no limit.
    path.ancestors().filter_map(limit).filter_map(|text| text.trim().parse().ok()).collect()
}

#[cfg(test)]
mod tests;
