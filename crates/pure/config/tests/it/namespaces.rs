//! Apps that may hold each other's tool names.

use crate::fixture::{GATEWAY, loaded};

/// The warnings about a gateway whose bridge and proxy have the given namespaces.
fn warnings(bridge: &str, proxy: &str) -> Vec<String> {
    let (old_bridge, old_proxy) = ("      disabled: false\n      name: employee_\n", "      name: ledger_\n");
    assert!(GATEWAY.contains(old_bridge) && GATEWAY.contains(old_proxy));
    let text = GATEWAY.replace(old_bridge, &format!("      {bridge}\n"));
    let text = text.replace(old_proxy, &format!("      {proxy}\n"));
    loaded(&text).warnings.iter().map(ToString::to_string).collect()
}

#[test]
fn names_that_may_be_of_two_apps_are_a_warning() {
    let changes = [
        (
            "name: a_",
            "name: a_x_",
            r#"apps[1].name: the prefix "a_x_" starts with that of the app `employee-directory`, "a_""#,
        ),
        (
            "name: a_x_",
            "name: a_",
            r#"apps[0].name: the prefix "a_x_" starts with that of the app `ledger`, "a_""#,
        ),
        (
            "disabled: true",
            "disabled: true",
            "apps[1].name: the tools of the app `employee-directory` keep their bare names too",
        ),
    ];
    for (bridge, proxy, expected) in changes {
        let found = warnings(bridge, proxy);
        assert!(found.len() == 1 && found[0].contains(expected), "{bridge} {proxy}: {found:?}");
    }
}

#[test]
fn one_app_with_bare_names_is_none() {
    for (bridge, proxy) in
        [("name: a_", "name: b_"), ("disabled: true", "name: b_"), ("name: a_", "disabled: true")]
    {
        assert_eq!(warnings(bridge, proxy), [""; 0], "{bridge} {proxy}");
    }
}
