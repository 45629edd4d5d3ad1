use rustix::process::{Resource, getrlimit};

use super::keep_memory_private;

#[test]
fn memory_is_in_no_core_dump_and_open_to_no_other_process() {
    keep_memory_private().unwrap();
    let limit = getrlimit(Resource::Core);
    assert_eq!((limit.current, limit.maximum), (Some(0), Some(0)));
    #[cfg(target_os = "linux")]
    assert_eq!(rustix::process::dumpable_behavior().unwrap(), rustix::process::DumpableBehavior::NotDumpable);
}
