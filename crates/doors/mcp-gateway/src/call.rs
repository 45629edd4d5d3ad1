//! `tools/call`.

use std::sync::Arc;

use futures_util::future::join_all;
use gatehouse_audit::event::{EventKind, Target};
use gatehouse_config::snapshot::mcp::{McpApp, Upstream};
use gatehouse_edge::authorize::{Hidden, Permit, Slices, ToolUse, authorize, user_of};
use gatehouse_edge::memory::{Held, OverBudget};
use gatehouse_edge::rejection::Rejection;
use gatehouse_mcp::arguments::Arguments;
use gatehouse_mcp::error::{ErrorCode, RpcError};
use gatehouse_mcp::message::Request;
use gatehouse_mcp::mirror;
use gatehouse_policy::input::{Target as PolicyTarget, ToolCall};

use crate::answer::{Message, cancelled_call, failed_call};
use crate::app_catalog::{AppCatalog, ExportedTool};
use crate::cancellation::Cancellation;
use crate::reply::{CallEvent, Reply};
use crate::request_scope::RequestScope;
use crate::tools_list::{hints, may_list};
use crate::upstream;
use crate::upstream_call::Completion;

/// A tool, found by its exported name.
struct Found<'a> {
    app: &'a Arc<McpApp>,
    catalog: AppCatalog,
    index: usize,
}

/// A call that has been read.
struct Call<'a> {
    found: Found<'a>,
    arguments: Arguments<'a>,
}

/// Arguments of this much text are counted while somebody looks at them as values, which may take fifty times as much.
/// Smaller ones are gone before another request is looked at.
const SMALL: usize = 16 * 1024;

/// A call that policy was asked about.
struct Ready<'a> {
    call: Call<'a>,
    /// Room for the arguments as values.
    values: Option<Held>,
}

/// Why a call ends before policy is asked.
enum Stop {
    /// The request is wrong.
    Error(RpcError),
    /// The app cannot say what it offers.
    Failed(Rejection),
    /// The tool is there, and the caller may not know: the answer is that of a tool which is not.
    Hidden(Hidden),
}

/// Finds the tool among those that the caller may see, asks policy, gets a credential, and asks the upstream; all
/// of it until the client cancels the call.
pub(crate) async fn call(scope: &RequestScope<'_>, request: &Request<'_>) -> Reply {
    let hash =
        request.param("arguments").map(|raw| scope.door.fingerprints.fingerprint(raw.get().as_bytes()));
    scope.note_request(EventKind::ToolCall, request, hash);
    let begin = |session| scope.door.cancellations.begin(session, request.id()).map(Arc::new);
    let Some(cancellation) = scope.session.and_then(begin) else {
        return answer(scope, request, None).await;
    };
    tokio::select! {
        biased;
        () = cancellation.requested() => {
            Reply::Message(cancelled_call(&scope.door.upstreams.server, scope.context, scope.version, request.id()))
        }
        reply = answer(scope, request, Some(Arc::clone(&cancellation))) => reply,
    }
}

async fn answer(
    scope: &RequestScope<'_>,
    request: &Request<'_>,
    cancellation: Option<Arc<Cancellation>>,
) -> Reply {
    let failed = |rejection| {
        Reply::Message(failed_call(
            &scope.door.upstreams.server,
            scope.context,
            scope.version,
            request.id(),
            &rejection,
        ))
    };
    let call = match read(scope, request).await {
        Ok(call) => call,
        Err(Stop::Error(error)) => return Reply::Message(scope.error(request.id(), error)),
        Err(Stop::Failed(rejection)) => return failed(rejection),
        Err(Stop::Hidden(why)) => return Reply::Message(scope.hidden(request, &why)),
    };
    let values = match held_values(scope, &call) {
        Ok(held) => held,
        Err(over) => return Reply::Refused(over.into()),
    };
    match permit(scope, &call).await {
        Ok(permit) => {
            let completion =
                Completion::begin(scope, (call.found.app, &call.found.catalog), request.id(), cancellation);
            forward(scope, request, Ready { call, values }, permit, completion).await.unwrap_or_else(failed)
        }
        Err(denial) => failed(denial),
    }
}

async fn read<'a>(scope: &RequestScope<'a>, request: &'a Request<'_>) -> Result<Call<'a>, Stop> {
    let missing = || RpcError::new(ErrorCode::InvalidParams, "`params.name` is missing from `tools/call`");
    let name = request.text_param("name")?.ok_or_else(missing)?;
    note_target(scope, &name, None);
    let arguments = Arguments::read(request.param("arguments"))?;
    // No tool here ever asks for input first, so no state can be ours. Answers without one are not looked at.
    if request.param("requestState").is_some() {
        let message = "`params.requestState` was not given out by this server";
        return Err(RpcError::new(ErrorCode::InvalidParams, message).into());
    }
    let found = find(scope, &name).await?;
    let exported_tool = found.exported_tool().ok_or_else(|| RpcError::unknown_tool(&name))?;
    note_target(scope, &exported_tool.qualified, Some(found.app));
    if scope.version.era() == gatehouse_mcp::version::Era::Modern {
        mirror::check_params(scope.facts, exported_tool.tool.bindings(), &arguments)?;
    }
    Ok(Call { found, arguments })
}

/// The one tool that is exported as `name` and that the caller may see. Apps that could not have it are not asked.
/// While one that could have it is unreachable, the call goes to no other.
async fn find<'a>(scope: &RequestScope<'a>, name: &str) -> Result<Found<'a>, Stop> {
    let candidates = scope.apps().filter(|app| scope.endpoint.may_export(app, name));
    let asked = candidates.map(|app| async move {
        (app, scope.door.catalogs.of(&scope.door.upstreams, app, scope.context).await)
    });
    let (mut found, mut unreachable, mut contested) = (Vec::new(), Vec::new(), false);
    for (app, listed) in join_all(asked).await {
        match listed {
            Ok(catalog) => {
                contested |= catalog.contests(scope.endpoint, name);
                if let Some(broken) = catalog.broken() {
                    let rejection = broken.clone();
                    unreachable.push(
                        scope.door.catalogs.known_names.unreachable(app, rejection, scope.context).await,
                    );
                }
                if let Some((index, _)) = catalog.find(scope.endpoint, name) {
                    found.push(Found { app, catalog, index });
                }
            }
            Err(rejection) => {
                unreachable
                    .push(scope.door.catalogs.known_names.unreachable(app, rejection, scope.context).await);
            }
        }
    }
    // Where several claim it none is picked, and one that the caller may not see is as good as none.
    let only = found.pop().filter(|_| found.is_empty() && !contested);
    let mut hidden = None;
    let only = match only {
        Some(found) => {
            match may_list(scope, found.app, found.exported_tool().ok_or_else(gone)?, &mut Slices::begin())
                .await
            {
                Ok(()) => Some(found),
                Err(why) => {
                    hidden = Some(why);
                    None
                }
            }
        }
        None => None,
    };
    let rival =
        |found: &Found<'_>| unreachable.iter().position(|one| one.rivals(found.app, scope.endpoint, name));
    let stopped_by = match &only {
        Some(found) => rival(found),
        None => (!unreachable.is_empty()).then_some(0),
    };
    match (only, stopped_by) {
        (Some(found), None) => Ok(found),
        (_, Some(index)) => Err(Stop::Failed(unreachable.swap_remove(index).into_rejection())),
        (None, None) => Err(hidden.map_or_else(|| RpcError::unknown_tool(name).into(), Stop::Hidden)),
    }
}

/// Counts what the arguments take as values, for those who look at them so: policies, and the schema of an API.
fn held_values(scope: &RequestScope<'_>, call: &Call<'_>) -> Result<Option<Held>, OverBudget> {
    let app = call.found.app;
    let is_read = !app.inbound.is_empty() || matches!(app.upstream, Upstream::Bridge { .. });
    if !is_read || call.arguments.raw().get().len() <= SMALL {
        return Ok(None);
    }
    scope.context.account().hold(call.arguments.weight()).map(Some)
}

async fn permit(scope: &RequestScope<'_>, call: &Call<'_>) -> Result<Permit<ToolUse>, Rejection> {
    let exported_tool = call.found.exported_tool().ok_or_else(gone)?;
    let policies = &call.found.app.inbound;
    let annotations = hints(policies, exported_tool);
    let facts = ToolCall {
        principal: &scope.context.who.caller().principal,
        method: "tools/call",
        app: call.found.app.name.as_str(),
        protocol_version: scope.version.as_str(),
        client_info: scope.client_info.value(),
        target: PolicyTarget::Tool {
            name: exported_tool.tool.name(),
            qualified_name: &exported_tool.qualified,
            arguments: Some(call.arguments.raw()),
            annotations: annotations.as_ref(),
        },
    };
    authorize(&facts, policies, scope.context, Some(user_of(scope.context))).await
}

async fn forward(
    scope: &RequestScope<'_>,
    request: &Request<'_>,
    Ready { call, values }: Ready<'_>,
    permit: Permit<ToolUse>,
    completion: Completion,
) -> Result<Reply, Rejection> {
    let app = call.found.app;
    let exported_tool = call.found.exported_tool().ok_or_else(gone)?;
    match &app.upstream {
        Upstream::Bridge { bridge, tls } => {
            // The order of a bridge's list is that of its tools; the name makes sure.
            let tool = bridge
                .tools
                .get(call.found.index)
                .filter(|tool| tool.tool().name() == exported_tool.tool.name());
            let tool = tool.ok_or_else(gone)?;
            // Arguments that make no request are refused before anything is sent anywhere.
            let parts = match upstream::bridge::prepare(tool, request) {
                Ok(parts) => parts,
                Err(error) => {
                    completion.settle();
                    return Ok(Reply::Message(scope.arguments_error(request.id(), error)));
                }
            };
            drop(values);
            let credential = credential(scope, app, exported_tool, &permit).await;
            let credential = completion.or_settle(credential)?;
            let api = upstream::bridge::Api { app, tool, tls: tls.as_ref() };
            let mut answer = api.send(&permit, parts.clone(), &credential, scope).await;
            // Refused, so nothing was done. Perhaps the token was only revoked there.
            if answer.as_ref().is_ok_and(|answer| answer.status == 401)
                && scope.door.upstreams.parts.delegation.forget(&credential, scope.context.now).await
            {
                let renewed = self::credential(scope, app, exported_tool, &permit).await;
                answer = api.send(&permit, parts, &completion.or_settle(renewed)?, scope).await;
            }
            Ok(Reply::Message(completion.bridge(answer)))
        }
        Upstream::Proxy(proxy) => {
            drop(values);
            let credential = credential(scope, app, exported_tool, &permit).await;
            let credential = completion.or_settle(credential)?;
            let ask =
                upstream::proxy::Ask { app, proxy, tool: &exported_tool.tool, arguments: call.arguments };
            let mut upstream_call =
                upstream::proxy::call(&ask, permit, credential, request, scope, completion).await?;
            loop {
                match upstream_call.next().await {
                    CallEvent::Answer(message) => return Ok(Reply::Message(message)),
                    CallEvent::Progress(first) if scope.may_stream => {
                        return Ok(Reply::Stream { first, rest: upstream_call.into_events() });
                    }
                    CallEvent::Progress(_) => {}
                }
            }
        }
    }
}

async fn credential(
    scope: &RequestScope<'_>,
    app: &McpApp,
    exported_tool: &ExportedTool,
    permit: &Permit<ToolUse>,
) -> Result<gatehouse_edge::outbound::delegate::OutboundCredential, Rejection> {
    scope
        .door
        .upstreams
        .parts
        .delegation
        .credential(permit, &app.outbound, exported_tool.tool.name(), scope.context)
        .await
}

fn note_target(scope: &RequestScope<'_>, tool: &str, app: Option<&McpApp>) {
    scope.note_target(Target {
        method: Some("tools/call".to_owned()),
        tool: Some(tool.to_owned()),
        app: app.map(|app| app.name.to_string()),
        upstream: app.map(|app| app.origin.clone()),
        ..Target::default()
    });
}

impl Found<'_> {
    fn exported_tool(&self) -> Option<&ExportedTool> {
        self.catalog.exported_tools().get(self.index)
    }
}

impl From<RpcError> for Stop {
    fn from(error: RpcError) -> Self {
        Self::Error(error)
    }
}

impl From<Rejection> for Stop {
    fn from(rejection: Rejection) -> Self {
        Self::Failed(rejection)
    }
}

impl From<Message> for Reply {
    fn from(message: Message) -> Self {
        Self::Message(message)
    }
}

fn gone() -> Rejection {
    Rejection::internal("tool_gone", "a listed tool is not where its list says")
}
