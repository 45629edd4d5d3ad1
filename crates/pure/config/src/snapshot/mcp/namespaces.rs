//! Names of tools that two apps may have.

use std::sync::Arc;

use gatehouse_mcp::namespace::{AppTools, Namespace, ToolTable};

use super::{McpApp, Upstream};
use crate::document::Root;
use crate::document::app::App;
use crate::snapshot::compiler::Compiler;

/// No two tools, and no two apps with tools that are only known at run time, may share a name.
pub(super) fn check(root: &Root, apps: &[Arc<McpApp>], compiler: &mut Compiler<'_>) {
    let place = |name: &str| {
        root.apps.iter().map(App::name).find(|app| app.value == name).map(|app| app.place.clone())
    };
    let names: Vec<Vec<String>> = apps
        .iter()
        .map(|app| match &app.upstream {
            Upstream::Bridge { bridge, .. } => {
                bridge.tools.iter().map(|tool| tool.tool().name().to_owned()).collect()
            }
            Upstream::Proxy(_) => Vec::new(),
        })
        .collect();
    let tables: Vec<AppTools<'_>> = apps
        .iter()
        .zip(&names)
        .map(|(app, names)| AppTools { app: app.name.as_str(), namespace: &app.namespace, names })
        .collect();
    if let Err(collisions) = ToolTable::build(&tables) {
        for collision in collisions {
            if let Some(place) = place(&collision.second_app) {
                compiler.report.error(&place, collision.to_string());
            }
        }
    }
    for (index, app) in apps.iter().enumerate() {
        let same =
            |other: &&Arc<McpApp>| other.namespace == app.namespace && app.namespace != Namespace::Disabled;
        if let Some(first) = apps.iter().take(index).find(same)
            && let Some(place) = place(app.name.as_str())
        {
            let message = format!("the app `{}` has the same tool namespace", first.name);
            compiler.report.error_with(&place, message, "give one of them another `toolNamespace.name`");
        }
    }
    for (index, app) in apps.iter().enumerate() {
        let mut others = apps.iter().enumerate().filter(|(_, other)| app.is_proxy() || other.is_proxy());
        let overlap = others.find_map(|(earlier, other)| {
            let message = match (&other.namespace, &app.namespace) {
                (Namespace::Prefix(outer), Namespace::Prefix(inner))
                    if inner != outer && inner.starts_with(outer.as_str()) =>
                {
                    format!("the prefix {inner:?} starts with that of the app `{}`, {outer:?}", other.name)
                }
                (Namespace::Disabled, Namespace::Disabled) if earlier < index => {
                    format!("the tools of the app `{}` keep their bare names too", other.name)
                }
                _ => return None,
            };
            Some(message)
        });
        if let (Some(message), Some(place)) = (overlap, place(app.name.as_str())) {
            let hint = "a name that both offer is nobody's, and one app that is down hides tools of the other: give \
                        them prefixes that do not start with each other";
            compiler.report.warning(&place, message, hint);
        }
    }
}
