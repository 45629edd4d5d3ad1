use gatehouse_config::snapshot::platform::HttpLimits;

use super::{admin, public};

const UNWRITTEN: HttpLimits =
    HttpLimits { connections: None, per_address: None, per_trusted_proxy: None, header_bytes: 1_000 };

#[test]
fn connections_follow_the_files_that_may_be_open() {
    for (files, connections, per_address) in [
        (u64::MAX, 10_000, 2_500),
        (1_048_576, 10_000, 2_500),
        (20_128, 10_000, 2_500),
        (4_096, 1_984, 496),
        (1_024, 448, 112),
        (64, 16, 4),
    ] {
        let limits = public(&UNWRITTEN, files);
        assert_eq!((limits.in_all, limits.per_address), (connections, per_address), "{files} files");
        assert_eq!(limits.per_trusted_proxy, connections);
    }
}

#[test]
fn what_is_configured_holds() {
    let written = HttpLimits { connections: Some(50), per_address: Some(5), ..UNWRITTEN };
    let limits = public(&written, 1_024);
    assert_eq!((limits.in_all, limits.per_address, limits.per_trusted_proxy), (50, 5, 50));
    assert_eq!(limits.header_bytes, 1_000);
    let limits = public(&HttpLimits { per_trusted_proxy: Some(7), ..written }, 64);
    assert_eq!((limits.in_all, limits.per_trusted_proxy), (50, 7), "even where files are few");
}

#[test]
fn operators_get_a_tenth() {
    let limits = admin(public(&UNWRITTEN, u64::MAX));
    assert_eq!((limits.in_all, limits.per_address, limits.header_bytes), (1_000, 250, 100));
    assert_eq!(admin(public(&UNWRITTEN, 64)).in_all, 16);
}
