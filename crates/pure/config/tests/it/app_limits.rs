//! How much apps may offer and answer.

use gatehouse_config::snapshot::mcp::{ListLimits, Upstream};

use crate::fixture::{WHOLE, loaded, refused};

const BRIDGE: &str = "      baseURL: https://employees.example.com\n";
const PROXY: &str = "    toolNamespace: { name: ledger_ }\n";

fn limited(app: &str, limits: &str) -> String {
    assert!(WHOLE.contains(app));
    WHOLE.replace(app, &format!("{app}    limits: {{ {limits} }}\n"))
}

#[test]
fn limits_have_defaults_that_large_apis_fit_in() {
    let snapshot = loaded(WHOLE);
    let apps = &snapshot.mcp.as_ref().unwrap().apps;
    assert!(apps.iter().all(|app| (app.most_tools, app.largest_response) == (5_000, 16 * 1024 * 1024)));
    let lists: Vec<ListLimits> = apps
        .iter()
        .filter_map(|app| match &app.upstream {
            Upstream::Proxy(proxy) => Some(proxy.list),
            Upstream::Bridge { .. } => None,
        })
        .collect();
    assert_eq!(lists, [ListLimits { bytes: 16 * 1024 * 1024, pages: 100 }]);
}

#[test]
fn an_api_of_more_operations_loses_the_last_of_them_and_says_so() {
    let snapshot = loaded(&limited(BRIDGE, "tools: 1, responseBytes: 2048"));
    let app = &snapshot.mcp.as_ref().unwrap().apps[0];
    let Upstream::Bridge { bridge, .. } = &app.upstream else { panic!("no bridge") };
    assert_eq!((bridge.tools.len(), app.most_tools, app.largest_response), (1, 1, 2048));
    assert!(bridge.left_out > 0);
    let warnings: Vec<String> = snapshot.warnings.iter().map(ToString::to_string).collect();
    let expected = format!("the last {} operations of the description are left out", bridge.left_out);
    assert!(warnings.iter().any(|warning| warning.contains(&expected)), "{warnings:?}");
    assert!(warnings.iter().any(|warning| warning.contains("limits.tools")), "{warnings:?}");
}

#[test]
fn limits_that_make_no_sense_are_refused() {
    for (app, limits, expected) in [
        (BRIDGE, "tools: 0", "limits.tools: expected 1 to 100000, found 0"),
        (BRIDGE, "responseBytes: 10", "limits.responseBytes: expected 1024 to 1073741824, found 10"),
        (BRIDGE, "listPages: 7", "unknown key `listPages`"),
        (PROXY, "listBytes: 1", "limits.listBytes: expected 65536 to 1073741824, found 1"),
        (PROXY, "listPages: 0", "limits.listPages: expected 1 to 10000, found 0"),
        (PROXY, "tools: 1e9", "limits.tools: expected a whole number"),
    ] {
        let problems = refused(&limited(app, limits));
        assert!(problems.contains(expected), "{limits}: {problems}");
    }
}
