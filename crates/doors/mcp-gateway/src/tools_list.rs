//! `tools/list`: the tools of all apps of an endpoint that the caller may see.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use futures_util::future::join_all;
use serde_json::Value;

use gatehouse_audit::event::{EventKind, HiddenItems, Target};
use gatehouse_config::snapshot::mcp::McpApp;
use gatehouse_edge::authorize::{Facts, Hidden, Slices, may_see, user_of};
use gatehouse_edge::limits::Limit;
use gatehouse_mcp::discover::CacheHints;
use gatehouse_mcp::error::{ErrorCode, RpcError};
use gatehouse_mcp::listing::{ListedTool, PageRules, page};
use gatehouse_mcp::message::Request;
use gatehouse_policy::Policy;
use gatehouse_policy::input::{Target as PolicyTarget, ToolCall};

use crate::answer::Message;
use crate::app_catalog::{AppCatalog, ExportedTool};
use crate::request_scope::RequestScope;
use crate::unreachable::UnreachableApp;

/// Tools per page.
const PAGE: usize = 250;
/// Bytes of definitions per page; one tool is on it at least.
const PAGE_BYTES: usize = 1024 * 1024;
/// How many names a line of the log repeats.
const TOLD: usize = 8;
/// How long a modern client may keep a page. What it may call is decided anew for every call.
const PAGE_CACHE: CacheHints = CacheHints { ttl_ms: 30_000 };

/// An app and what it offers.
type AppAndCatalog<'a> = (&'a Arc<McpApp>, AppCatalog);

/// One page. An app that cannot be asked leaves the others listed, and its name in log and audit record.
pub(crate) async fn list(scope: &RequestScope<'_>, request: &Request<'_>) -> Message {
    scope.note_request(EventKind::ToolList, request, None);
    let cursor = match request.text_param("cursor") {
        Ok(cursor) => cursor,
        Err(error) => return scope.error(request.id(), error),
    };
    let asked = scope.apps().map(|app| async move {
        (app, scope.door.catalogs.of(&scope.door.upstreams, app, scope.context).await)
    });
    let (mut catalogs, mut unreachable): (Vec<AppAndCatalog<'_>>, Vec<UnreachableApp<'_>>) =
        (Vec::new(), Vec::new());
    for (app, listed) in join_all(asked).await {
        match listed {
            Ok(catalog) => catalogs.push((app, catalog)),
            Err(rejection) => {
                unreachable
                    .push(scope.door.catalogs.known_names.unreachable(app, rejection, scope.context).await);
            }
        }
    }
    note_target(scope, &catalogs, &unreachable);
    for (app, catalog) in &catalogs {
        if let Some(broken) = catalog.broken() {
            unreachable
                .push(scope.door.catalogs.known_names.unreachable(app, broken.clone(), scope.context).await);
        }
    }
    let visible = visible(scope, &catalogs, &unreachable).await;
    let rules = PageRules {
        version: scope.version,
        size: PAGE,
        bytes: PAGE_BYTES,
        cache: PAGE_CACHE,
        server: &scope.door.upstreams.server,
    };
    let message = match page(visible, cursor.as_deref(), rules) {
        Ok(result) => RequestScope::result(request.id(), &result),
        Err(error) => return scope.error(request.id(), error),
    };
    message.counted(scope.context).unwrap_or_else(|rejection| {
        scope.error(request.id(), RpcError::new(ErrorCode::Internal, rejection.public))
    })
}

/// What `policies` may read of a tool's annotations; without policies nobody does.
pub(crate) fn hints(policies: &[Policy], exported_tool: &ExportedTool) -> Option<Value> {
    let annotations = (!policies.is_empty()).then(|| exported_tool.tool.annotations());
    annotations.filter(Value::is_object)
}

/// Whether the caller may know of a tool: every listing policy of its app agrees.
pub(crate) async fn may_list(
    scope: &RequestScope<'_>,
    app: &McpApp,
    exported_tool: &ExportedTool,
    slices: &mut Slices,
) -> Result<(), Hidden> {
    let annotations = hints(&app.listing, exported_tool);
    let facts = Facts::Tool(ToolCall {
        principal: &scope.context.who.caller().principal,
        method: "tools/list",
        app: app.name.as_str(),
        protocol_version: scope.version.as_str(),
        client_info: scope.client_info.value(),
        target: PolicyTarget::Tool {
            name: exported_tool.tool.name(),
            qualified_name: &exported_tool.qualified,
            arguments: None,
            annotations: annotations.as_ref(),
        },
    });
    may_see(&facts, &app.listing, scope.context, Some(user_of(scope.context)), slices).await
}

/// The tools that the caller may see, without names that two apps claim or may claim, and no more than a view may
/// hold.
async fn visible<'l>(
    scope: &RequestScope<'_>,
    catalogs: &'l [AppAndCatalog<'_>],
    unreachable: &[UnreachableApp<'_>],
) -> Vec<ListedTool<'l>> {
    let mut claims: HashMap<&str, u32> = HashMap::new();
    for exported_tool in catalogs.iter().flat_map(|(_, catalog)| catalog.exported_tools()) {
        *claims.entry(exported_tool.exported(scope.endpoint)).or_default() += 1;
    }
    let is_contested = |name: &str| {
        claims.get(name).is_some_and(|count| *count > 1)
            || catalogs.iter().any(|(_, catalog)| catalog.contests(scope.endpoint, name))
    };
    let (mut tools, mut held_back, mut contested) = (Vec::new(), 0_usize, Vec::new());
    let mut hidden = BTreeMap::new();
    let mut slices = Slices::begin();
    for (app, catalog) in catalogs {
        for exported_tool in catalog.exported_tools() {
            let exported = exported_tool.exported(scope.endpoint);
            if is_contested(exported) {
                contested.push(exported);
            } else if unreachable.iter().any(|one| one.rivals(app, scope.endpoint, exported)) {
                held_back += 1;
            } else {
                match may_list(scope, app, exported_tool, &mut slices).await {
                    Ok(()) => tools.push(ListedTool { exported, tool: &exported_tool.tool }),
                    Err(why) => *hidden.entry((why.policy().to_owned(), why.code())).or_default() += 1,
                }
            }
        }
    }
    let hidden = hidden.into_iter().map(|((policy, verdict), count)| HiddenItems { policy, verdict, count });
    scope.context.note(|event| event.with_hidden(hidden.collect()));
    if !contested.is_empty() {
        let names = contested.get(..TOLD).unwrap_or(&contested);
        tracing::warn!(?names, count = contested.len(), "several apps claim these names, so none gets them");
    }
    if held_back > 0 {
        let apps: Vec<&str> = unreachable.iter().map(|one| one.app.name.as_str()).collect();
        tracing::warn!(
            ?apps,
            tools = held_back,
            "tools are not listed, as apps that are down may have their names"
        );
    }
    let most = scope.settings.limits.tools;
    if tools.len() > most {
        scope.context.limits.hit(Limit::Tools);
        tracing::warn!(
            tools = tools.len(),
            limit = most,
            "more tools than one view may hold; the last are left out"
        );
        tools.sort_unstable_by_key(|listed| listed.exported);
        tools.truncate(most);
    }
    tools
}

/// Says in the audit record which apps are not in the list, and of which some tools are not.
fn note_target(scope: &RequestScope<'_>, catalogs: &[AppAndCatalog<'_>], unreachable: &[UnreachableApp<'_>]) {
    let named = |unreachable: &UnreachableApp<'_>| {
        format!("{}: {}", unreachable.app.name, unreachable.rejection.reason)
    };
    let unreachable: Vec<String> = unreachable.iter().map(named).collect();
    let cut = catalogs.iter().filter(|(_, catalog)| !catalog.left_out().is_none());
    let counted = |(app, catalog): &AppAndCatalog<'_>| {
        let left_out = catalog.left_out();
        let more = if left_out.unread { " or more" } else { "" };
        format!("{}: {}{more}", app.name, left_out.tools)
    };
    let cut: Vec<String> = cut.map(counted).collect();
    let said = [("not listed", &unreachable), ("left out", &cut)];
    let object: Vec<String> = said
        .into_iter()
        .filter(|(_, apps)| !apps.is_empty())
        .map(|(what, apps)| format!("{what}: {}", apps.join(", ")))
        .collect();
    scope.note_target(Target {
        method: Some("tools/list".to_owned()),
        app: scope.endpoint.app.as_ref().map(ToString::to_string),
        object: (!object.is_empty()).then(|| object.join("; ")),
        ..Target::default()
    });
    let reason = match (unreachable.is_empty(), cut.is_empty()) {
        (false, _) => "apps_not_listed",
        (true, false) => "tools_left_out",
        (true, true) => return,
    };
    scope.context.note(|event| event.with_reason(reason));
}
