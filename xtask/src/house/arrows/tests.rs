use semver::Version;

use super::super::metadata::Dependency;
use super::{ALLOWED, Package, problems_of, reachable};

fn package(name: &str, dependencies: &[(&str, Option<&str>)]) -> Package {
    let dependencies = dependencies
        .iter()
        .map(|(name, kind)| Dependency { name: (*name).into(), kind: kind.map(Into::into), registry: None })
        .collect();
    Package {
        name: name.into(),
        version: Version::new(0, 1, 0),
        source: None,
        license: None,
        manifest_path: "/x/crates/pure/y/Cargo.toml".into(),
        dependencies,
    }
}

#[test]
fn the_table_has_no_cycle() {
    for (room, _) in ALLOWED {
        assert!(!reachable(room).contains(room), "{room} reaches itself");
    }
}

#[test]
fn an_arrow_that_is_not_in_the_table_is_named() {
    let problems =
        problems_of(&package("gatehouse-oauth", &[("gatehouse-identity", None), ("gatehouse-audit", None)]));
    assert_eq!(problems, ["oauth -> audit in [dependencies] is not an arrow of this house"]);
}

#[test]
fn testkit_is_for_tests_only() {
    assert_eq!(problems_of(&package("gatehouse-audit", &[("gatehouse-testkit", Some("dev"))])), [""; 0]);
    assert_eq!(problems_of(&package("gatehouse", &[("gatehouse-testkit", None)])).len(), 1);
}

#[test]
fn tests_may_name_what_lies_below() {
    assert_eq!(problems_of(&package("gatehouse-telemetry", &[("gatehouse-identity", Some("dev"))])), [""; 0]);
    assert_eq!(problems_of(&package("gatehouse-audit", &[("gatehouse-oauth", Some("dev"))])).len(), 1);
}

#[test]
fn pure_crates_take_no_io_crates() {
    assert_eq!(problems_of(&package("gatehouse-mcp", &[("tokio", None)])).len(), 1);
    assert_eq!(problems_of(&package("gatehouse-mcp", &[("tokio", Some("dev"))])), [""; 0]);
}

#[test]
fn a_new_crate_needs_a_row() {
    assert_eq!(problems_of(&package("gatehouse-lobby", &[])).len(), 1);
}
