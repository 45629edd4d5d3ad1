//! `tools/list`: the tools of all apps of an endpoint that the caller may see.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use futures_util::future::join_all;
use serde_json::Value;

use gatehouse_audit::event::{EventKind, HiddenItems, Target};
use gatehouse_config::snapshot::mcp::McpApp;
use gatehouse_edge::authorize::{Hidden, Slices, may_see, user_of};
use gatehouse_edge::limits::Limit;
use gatehouse_mcp::discover::CacheHints;
use gatehouse_mcp::error::{ErrorCode, RpcError};
use gatehouse_mcp::listing::{ListedTool, PageRules, page};
use gatehouse_mcp::message::Request;
use gatehouse_policy::Policy;
use gatehouse_policy::input::{Target as PolicyTarget, ToolCall};

use crate::listing::{Listing, Offer};
use crate::reply::Message;
use crate::silent::Silent;
use crate::turn::Turn;

/// Tools per page.
const PAGE: usize = 250;
/// Bytes of definitions per page; one tool is on it at least.
const PAGE_BYTES: usize = 1024 * 1024;
/// How many names a line of the log repeats.
const TOLD: usize = 8;
/// How long a modern client may keep a page. What it may call is decided anew for every call.
const PAGE_CACHE: CacheHints = CacheHints { ttl_ms: 30_000 };

/// An app and what it offers.
type Shelf<'a> = (&'a Arc<McpApp>, Listing);

/// One page. An app that cannot be asked leaves the others listed, and its name in log and audit record.
pub(crate) async fn list(turn: &Turn<'_>, request: &Request<'_>) -> Message {
    turn.note_request(EventKind::ToolList, request, None);
    let cursor = match request.text_param("cursor") {
        Ok(cursor) => cursor,
        Err(error) => return turn.error(request.id(), error),
    };
    let asked = turn
        .apps()
        .map(|app| async move { (app, turn.door.listings.of(turn.door, app, turn.context).await) });
    let (mut listings, mut silent): (Vec<Shelf<'_>>, Vec<Silent<'_>>) = (Vec::new(), Vec::new());
    for (app, listed) in join_all(asked).await {
        match listed {
            Ok(listing) => listings.push((app, listing)),
            Err(rejection) => silent.push(turn.door.remembered.silent(app, rejection, turn.context).await),
        }
    }
    note_target(turn, &listings, &silent);
    for (app, listing) in &listings {
        if let Some(broken) = listing.broken() {
            silent.push(turn.door.remembered.silent(app, broken.clone(), turn.context).await);
        }
    }
    let visible = visible(turn, &listings, &silent).await;
    let rules = PageRules {
        version: turn.version,
        size: PAGE,
        bytes: PAGE_BYTES,
        cache: PAGE_CACHE,
        server: &turn.door.server,
    };
    let message = match page(visible, cursor.as_deref(), rules) {
        Ok(result) => Turn::result(request.id(), &result),
        Err(error) => return turn.error(request.id(), error),
    };
    message.counted(turn.context).unwrap_or_else(|rejection| {
        turn.error(request.id(), RpcError::new(ErrorCode::Internal, rejection.public))
    })
}

/// What `policies` may read of a tool's annotations; without policies nobody does.
pub(crate) fn hints(policies: &[Policy], offer: &Offer) -> Option<Value> {
    let annotations = (!policies.is_empty()).then(|| offer.tool.annotations());
    annotations.filter(Value::is_object)
}

/// Whether the caller may know of a tool: every listing policy of its app agrees.
pub(crate) async fn may_list(
    turn: &Turn<'_>,
    app: &McpApp,
    offer: &Offer,
    slices: &mut Slices,
) -> Result<(), Hidden> {
    let annotations = hints(&app.listing, offer);
    let facts = ToolCall {
        principal: &turn.context.who.caller().principal,
        method: "tools/list",
        app: app.name.as_str(),
        protocol_version: turn.version.as_str(),
        client_info: turn.client_info.value(),
        target: PolicyTarget::Tool {
            name: offer.tool.name(),
            qualified_name: &offer.qualified,
            arguments: None,
            annotations: annotations.as_ref(),
        },
    };
    may_see(&facts, &app.listing, turn.context, Some(user_of(turn.context)), slices).await
}

/// The tools that the caller may see, without names that two apps claim or may claim, and no more than a view may
/// hold.
async fn visible<'l>(
    turn: &Turn<'_>,
    listings: &'l [Shelf<'_>],
    silent: &[Silent<'_>],
) -> Vec<ListedTool<'l>> {
    let mut claims: HashMap<&str, u32> = HashMap::new();
    for offer in listings.iter().flat_map(|(_, listing)| listing.offers()) {
        *claims.entry(offer.exported(turn.endpoint)).or_default() += 1;
    }
    let is_contested = |name: &str| {
        claims.get(name).is_some_and(|count| *count > 1)
            || listings.iter().any(|(_, listing)| listing.contests(turn.endpoint, name))
    };
    let (mut tools, mut held_back, mut contested) = (Vec::new(), 0_usize, Vec::new());
    let mut hidden = BTreeMap::new();
    let mut slices = Slices::begin();
    for (app, listing) in listings {
        for offer in listing.offers() {
            let exported = offer.exported(turn.endpoint);
            if is_contested(exported) {
                contested.push(exported);
            } else if silent.iter().any(|silent| silent.rivals(app, turn.endpoint, exported)) {
                held_back += 1;
            } else {
                match may_list(turn, app, offer, &mut slices).await {
                    Ok(()) => tools.push(ListedTool { exported, tool: &offer.tool }),
                    Err(why) => *hidden.entry((why.policy().to_owned(), why.code())).or_default() += 1,
                }
            }
        }
    }
    let hidden = hidden.into_iter().map(|((policy, verdict), count)| HiddenItems { policy, verdict, count });
    turn.context.note(|event| event.with_hidden(hidden.collect()));
    if !contested.is_empty() {
        let names = contested.get(..TOLD).unwrap_or(&contested);
        tracing::warn!(?names, count = contested.len(), "several apps claim these names, so none gets them");
    }
    if held_back > 0 {
        let apps: Vec<&str> = silent.iter().map(|silent| silent.app.name.as_str()).collect();
        tracing::warn!(
            ?apps,
            tools = held_back,
            "tools are not listed, as apps that are down may have their names"
        );
    }
    let most = turn.settings.limits.tools;
    if tools.len() > most {
        turn.context.limits.hit(Limit::Tools);
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
fn note_target(turn: &Turn<'_>, listings: &[Shelf<'_>], silent: &[Silent<'_>]) {
    let named = |silent: &Silent<'_>| format!("{}: {}", silent.app.name, silent.rejection.reason);
    let silent: Vec<String> = silent.iter().map(named).collect();
    let cut = listings.iter().filter(|(_, listing)| !listing.left_out().is_none());
    let counted = |(app, listing): &Shelf<'_>| {
        let left_out = listing.left_out();
        let more = if left_out.unread { " or more" } else { "" };
        format!("{}: {}{more}", app.name, left_out.tools)
    };
    let cut: Vec<String> = cut.map(counted).collect();
    let said = [("not listed", &silent), ("left out", &cut)];
    let object: Vec<String> = said
        .into_iter()
        .filter(|(_, apps)| !apps.is_empty())
        .map(|(what, apps)| format!("{what}: {}", apps.join(", ")))
        .collect();
    turn.note_target(Target {
        method: Some("tools/list".to_owned()),
        app: turn.endpoint.app.as_ref().map(ToString::to_string),
        object: (!object.is_empty()).then(|| object.join("; ")),
        ..Target::default()
    });
    let reason = match (silent.is_empty(), cut.is_empty()) {
        (false, _) => "apps_not_listed",
        (true, false) => "tools_left_out",
        (true, true) => return,
    };
    turn.context.note(|event| event.with_reason(reason));
}
