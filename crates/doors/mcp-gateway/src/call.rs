//! `tools/call`.

use std::sync::Arc;

use futures_util::future::join_all;
use gatehouse_audit::event::{EventKind, Target};
use gatehouse_config::snapshot::mcp::McpApp;
use gatehouse_edge::authorize::{Hidden, Slices, authorize, user_of};
use gatehouse_edge::memory::{Held, OverBudget};
use gatehouse_edge::permit::Permitted;
use gatehouse_edge::rejection::Rejection;
use gatehouse_mcp::arguments::Arguments;
use gatehouse_mcp::error::{ErrorCode, RpcError};
use gatehouse_mcp::message::Request;
use gatehouse_mcp::mirror;
use gatehouse_mcp::openapi::request;

use crate::answer::{Message, cancelled_call, failed_call};
use crate::app_catalog::{AppCatalog, ExportedTool};
use crate::cancellation::Cancellation;
use crate::reply::{CallEvent, Reply};
use crate::request_scope::RequestScope;
use crate::tool_call::{Target as CallTarget, ToolCall};
use crate::tools_list::{hints, may_list};
use crate::upstream;
use crate::upstream_call::Completion;

/// A tool, found by its exported name.
struct Found<'a> {
    app: &'a Arc<McpApp>,
    catalog: AppCatalog,
    exported_tool: Arc<ExportedTool>,
    index: usize,
}

/// A call that has been read.
struct Call<'a> {
    act: ToolCall<'a>,
    /// The list that the tool is in.
    catalog: AppCatalog,
}

/// Arguments of this much text are counted while somebody looks at them as values, which may take fifty times as much.
/// Smaller ones are gone before another request is looked at.
const SMALL: usize = 16 * 1024;

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
    let Call { act, catalog } = match read(scope, request).await {
        Ok(call) => call,
        Err(Stop::Error(error)) => return Reply::Message(scope.error(request.id(), error)),
        Err(Stop::Failed(rejection)) => return failed(rejection),
        Err(Stop::Hidden(why)) => return Reply::Message(scope.hidden(request, &why)),
    };
    let values = match held_values(scope, &act) {
        Ok(held) => held,
        Err(over) => return Reply::Refused(over.into()),
    };
    let app = act.app;
    match authorize(act, &app.inbound, scope.context, Some(user_of(scope.context))).await {
        Ok(permitted) => {
            let completion = Completion::begin(scope, (app, &catalog), request.id(), cancellation);
            forward(scope, request, (permitted, values), completion).await.unwrap_or_else(failed)
        }
        Err(denial) => failed(denial),
    }
}

async fn read<'a>(scope: &'a RequestScope<'_>, request: &'a Request<'_>) -> Result<Call<'a>, Stop> {
    let missing = || RpcError::new(ErrorCode::InvalidParams, "`params.name` is missing from `tools/call`");
    let name = request.text_param("name")?.ok_or_else(missing)?;
    note_target(scope, &name, None);
    let arguments = Arguments::read(request.param("arguments"))?;
    // No tool here ever asks for input first, so no state can be ours. Answers without one are not looked at.
    if request.param("requestState").is_some() {
        let message = "`params.requestState` was not given out by this server";
        return Err(RpcError::new(ErrorCode::InvalidParams, message).into());
    }
    let Found { app, catalog, exported_tool, index } = find(scope, &name).await?;
    note_target(scope, &exported_tool.qualified, Some(app));
    if scope.version.era() == gatehouse_mcp::version::Era::Modern {
        mirror::check_params(scope.facts, exported_tool.tool.bindings(), &arguments)?;
    }
    let act = ToolCall {
        principal: &scope.context.who.caller().principal,
        target: CallTarget::of(app, index, &exported_tool).ok_or_else(gone)?,
        version: scope.version,
        client_info: scope.client_info.value(),
        annotations: hints(&app.inbound, &exported_tool),
        app,
        exported_tool,
        arguments,
    };
    Ok(Call { act, catalog })
}

/// The one tool that is exported as `name` and that the caller may see. Apps that could not have it are not asked.
/// While one that could have it is unreachable, the call goes to no other.
async fn find<'a>(scope: &'a RequestScope<'_>, name: &str) -> Result<Found<'a>, Stop> {
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
                if let Some((index, exported_tool)) = catalog.find(scope.endpoint, name) {
                    let exported_tool = Arc::clone(exported_tool);
                    found.push(Found { app, catalog, exported_tool, index });
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
        Some(found) => match may_list(scope, found.app, &found.exported_tool, &mut Slices::begin()).await {
            Ok(()) => Some(found),
            Err(why) => {
                hidden = Some(why);
                None
            }
        },
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
fn held_values(scope: &RequestScope<'_>, act: &ToolCall<'_>) -> Result<Option<Held>, OverBudget> {
    let is_read = !act.app.inbound.is_empty() || matches!(act.target, CallTarget::Bridge { .. });
    if !is_read || act.arguments.raw().get().len() <= SMALL {
        return Ok(None);
    }
    let request = match act.target {
        CallTarget::Bridge { tool, .. } => request::weight(tool, act.arguments.raw()),
        CallTarget::Proxy(_) => 0,
    };
    scope.context.account().hold(act.arguments.weight() + request).map(Some)
}

/// Sends the call to what answers it; `values` is room for its arguments as values.
async fn forward(
    scope: &RequestScope<'_>,
    request: &Request<'_>,
    (permitted, values): (Permitted<ToolCall<'_>>, Option<Held>),
    completion: Completion,
) -> Result<Reply, Rejection> {
    match permitted.act().target {
        CallTarget::Bridge { tool, tls } => {
            let api = upstream::bridge::Api::new(&permitted, tool, tls);
            // Arguments that make no request are refused before anything is sent anywhere.
            let parts = match api.prepare() {
                Ok(parts) => parts,
                Err(error) => {
                    completion.settle();
                    return Ok(Reply::Message(scope.arguments_error(request.id(), error)));
                }
            };
            drop(values);
            // The text of a form may be many times what the client sent.
            let _parts = match parts.held_bytes() {
                small if small <= SMALL => None,
                large => {
                    Some(completion.or_settle(scope.context.account().hold(large).map_err(Rejection::from))?)
                }
            };
            let delegation = &scope.door.upstreams.parts.delegation;
            let credential = delegation.credential(&permitted, scope.context).await;
            let credential = completion.or_settle(credential)?;
            let mut answer = api.send(parts.clone(), &credential, scope).await;
            // Refused, so nothing was done. Perhaps the token was only revoked there.
            if answer.as_ref().is_ok_and(|answer| answer.status == 401)
                && delegation.forget(&credential, scope.context.now).await
            {
                let renewed = delegation.credential(&permitted, scope.context).await;
                answer = api.send(parts, &completion.or_settle(renewed)?, scope).await;
            }
            Ok(Reply::Message(completion.bridge(answer)))
        }
        CallTarget::Proxy(proxy) => {
            drop(values);
            let mut upstream_call =
                upstream::proxy::call(&permitted, proxy, request, scope, completion).await?;
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

fn note_target(scope: &RequestScope<'_>, tool: &str, app: Option<&McpApp>) {
    scope.note_target(Target {
        method: Some("tools/call".to_owned()),
        tool: Some(tool.to_owned()),
        app: app.map(|app| app.name.to_string()),
        upstream: app.map(|app| app.origin.clone()),
        ..Target::default()
    });
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
