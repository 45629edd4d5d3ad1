use std::net::{IpAddr, SocketAddr};

use super::{AddressGuard, Blocked, SPECIAL_PURPOSE};

#[test]
fn every_registry_row_is_read_and_blocks_its_first_and_last_address() {
    let guard = AddressGuard::new();
    let rows: Vec<_> = SPECIAL_PURPOSE.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(guard.special.len(), rows.len());
    for (block, name) in &guard.special {
        for address in [block.network(), block.broadcast()] {
            assert!(guard.check(address).is_err(), "{address} in {block} ({name})");
        }
    }
}

#[test]
fn neighbours_of_special_blocks_are_public() {
    let guard = AddressGuard::new();
    for public in [
        "1.0.0.0",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2001:200::",
        "2003::",
        "2606:4700::1111",
    ] {
        assert_eq!(guard.check(public.parse().unwrap()), Ok(()), "{public}");
    }
}

#[test]
fn embedded_and_unassigned_forms_are_blocked() {
    let guard = AddressGuard::new();
    for hidden in [
        "::ffff:10.0.0.1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "2002:7f00:1::",
        "::7f00:1",
        "4000::1",
        "fec0::1",
        "255.255.255.255",
    ] {
        assert!(guard.check(hidden.parse::<IpAddr>().unwrap()).is_err(), "{hidden}");
    }
}

#[test]
fn one_internal_address_spoils_the_answer() {
    let guard = AddressGuard::new();
    let public: SocketAddr = "93.184.216.34:443".parse().unwrap();
    let internal: SocketAddr = "10.0.0.1:443".parse().unwrap();
    assert_eq!(guard.check_all(&[public]), Ok(()));
    assert!(matches!(guard.check_all(&[public, internal]), Err(Blocked::Special { .. })));
    assert!(matches!(guard.check_all(&[internal, public]), Err(Blocked::Special { .. })));
}

#[test]
fn local_names_are_blocked_as_whole_labels() {
    let guard = AddressGuard::new();
    for local in ["localhost", "LOCALHOST.", "db.internal", "x.localhost", "printer.local", "a.home.arpa"] {
        assert!(guard.check_name(local).is_err(), "{local}");
    }
    for public in ["notlocalhost", "mylocal", "internal.example.com"] {
        assert_eq!(guard.check_name(public), Ok(()), "{public}");
    }
}
