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

use crate::cancellation::Cancellation;
use crate::listing::{Listing, Offer};
use crate::listings::could_export;
use crate::reply::{Message, Reply};
use crate::talk::{Ending, Said};
use crate::tools_list::{hints, may_list};
use crate::turn::{Turn, cancelled_call, failed_call};
use crate::upstream;

/// A tool, found by its exported name.
struct Found<'a> {
    app: &'a Arc<McpApp>,
    listing: Listing,
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
pub(crate) async fn call(turn: &Turn<'_>, request: &Request<'_>) -> Reply {
    let hash = request.param("arguments").map(|raw| turn.door.fingerprints.fingerprint(raw.get().as_bytes()));
    turn.note_request(EventKind::ToolCall, request, hash);
    let begin = |session| turn.door.cancellations.begin(session, request.id()).map(Arc::new);
    let Some(cancellation) = turn.session.and_then(begin) else {
        return answer(turn, request, None).await;
    };
    tokio::select! {
        biased;
        () = cancellation.requested() => {
            Reply::Message(cancelled_call(turn.door, turn.context, turn.version, request.id()))
        }
        reply = answer(turn, request, Some(Arc::clone(&cancellation))) => reply,
    }
}

async fn answer(turn: &Turn<'_>, request: &Request<'_>, cancellation: Option<Arc<Cancellation>>) -> Reply {
    let failed = |rejection| {
        Reply::Message(failed_call(turn.door, turn.context, turn.version, request.id(), &rejection))
    };
    let call = match read(turn, request).await {
        Ok(call) => call,
        Err(Stop::Error(error)) => return Reply::Message(turn.error(request.id(), error)),
        Err(Stop::Failed(rejection)) => return failed(rejection),
        Err(Stop::Hidden(why)) => return Reply::Message(turn.hidden(request, &why)),
    };
    let values = match held_values(turn, &call) {
        Ok(held) => held,
        Err(over) => return Reply::Refused(over.into()),
    };
    match permit(turn, &call).await {
        Ok(permit) => {
            let ending =
                Ending::begin(turn, (call.found.app, &call.found.listing), request.id(), cancellation);
            forward(turn, request, Ready { call, values }, permit, ending).await.unwrap_or_else(failed)
        }
        Err(denial) => failed(denial),
    }
}

async fn read<'a>(turn: &Turn<'a>, request: &'a Request<'_>) -> Result<Call<'a>, Stop> {
    let missing = || RpcError::new(ErrorCode::InvalidParams, "`params.name` is missing from `tools/call`");
    let name = request.text_param("name")?.ok_or_else(missing)?;
    note_target(turn, &name, None);
    let arguments = Arguments::read(request.param("arguments"))?;
    // No tool here ever asks for input first, so no state can be ours. Answers without one are not looked at.
    if request.param("requestState").is_some() {
        let message = "`params.requestState` was not given out by this server";
        return Err(RpcError::new(ErrorCode::InvalidParams, message).into());
    }
    let found = find(turn, &name).await?;
    let offer = found.offer().ok_or_else(|| RpcError::unknown_tool(&name))?;
    note_target(turn, &offer.qualified, Some(found.app));
    if turn.version.era() == gatehouse_mcp::version::Era::Modern {
        mirror::check_params(turn.facts, offer.tool.bindings(), &arguments)?;
    }
    Ok(Call { found, arguments })
}

/// The one tool that is exported as `name` and that the caller may see. Apps that could not have it are not asked.
/// While one that could have it is silent, the call goes to no other.
async fn find<'a>(turn: &Turn<'a>, name: &str) -> Result<Found<'a>, Stop> {
    let candidates = turn.apps().filter(|app| could_export(app, turn.endpoint, name));
    let asked =
        candidates.map(|app| async move { (app, turn.door.listings.of(turn.door, app, turn.context).await) });
    let (mut found, mut silent, mut contested) = (Vec::new(), Vec::new(), false);
    for (app, listed) in join_all(asked).await {
        match listed {
            Ok(listing) => {
                contested |= listing.contests(turn.endpoint, name);
                if let Some(broken) = listing.broken() {
                    let rejection = broken.clone();
                    silent.push(turn.door.remembered.silent(app, rejection, turn.context).await);
                }
                if let Some((index, _)) = listing.find(turn.endpoint, name) {
                    found.push(Found { app, listing, index });
                }
            }
            Err(rejection) => silent.push(turn.door.remembered.silent(app, rejection, turn.context).await),
        }
    }
    // Where several claim it none is picked, and one that the caller may not see is as good as none.
    let only = found.pop().filter(|_| found.is_empty() && !contested);
    let mut hidden = None;
    let only = match only {
        Some(found) => {
            match may_list(turn, found.app, found.offer().ok_or_else(gone)?, &mut Slices::begin()).await {
                Ok(()) => Some(found),
                Err(why) => {
                    hidden = Some(why);
                    None
                }
            }
        }
        None => None,
    };
    let rival = |found: &Found<'_>| silent.iter().position(|one| one.rivals(found.app, turn.endpoint, name));
    let stopped_by = match &only {
        Some(found) => rival(found),
        None => (!silent.is_empty()).then_some(0),
    };
    match (only, stopped_by) {
        (Some(found), None) => Ok(found),
        (_, Some(index)) => Err(Stop::Failed(silent.swap_remove(index).into_rejection())),
        (None, None) => Err(hidden.map_or_else(|| RpcError::unknown_tool(name).into(), Stop::Hidden)),
    }
}

/// Counts what the arguments take as values, for those who look at them so: policies, and the schema of an API.
fn held_values(turn: &Turn<'_>, call: &Call<'_>) -> Result<Option<Held>, OverBudget> {
    let app = call.found.app;
    let is_read = !app.inbound.is_empty() || matches!(app.upstream, Upstream::Bridge { .. });
    if !is_read || call.arguments.raw().get().len() <= SMALL {
        return Ok(None);
    }
    turn.context.account().hold(call.arguments.weight()).map(Some)
}

async fn permit(turn: &Turn<'_>, call: &Call<'_>) -> Result<Permit<ToolUse>, Rejection> {
    let offer = call.found.offer().ok_or_else(gone)?;
    let policies = &call.found.app.inbound;
    let annotations = hints(policies, offer);
    let facts = ToolCall {
        principal: &turn.context.who.caller().principal,
        method: "tools/call",
        app: call.found.app.name.as_str(),
        protocol_version: turn.version.as_str(),
        client_info: turn.client_info.value(),
        target: PolicyTarget::Tool {
            name: offer.tool.name(),
            qualified_name: &offer.qualified,
            arguments: Some(call.arguments.raw()),
            annotations: annotations.as_ref(),
        },
    };
    authorize(&facts, policies, turn.context, Some(user_of(turn.context))).await
}

async fn forward(
    turn: &Turn<'_>,
    request: &Request<'_>,
    Ready { call, values }: Ready<'_>,
    permit: Permit<ToolUse>,
    ending: Ending,
) -> Result<Reply, Rejection> {
    let app = call.found.app;
    let offer = call.found.offer().ok_or_else(gone)?;
    match &app.upstream {
        Upstream::Bridge { bridge, tls } => {
            // The order of a bridge's list is that of its tools; the name makes sure.
            let tool =
                bridge.tools.get(call.found.index).filter(|tool| tool.tool().name() == offer.tool.name());
            let tool = tool.ok_or_else(gone)?;
            // Arguments that make no request are refused before anything is sent anywhere.
            let parts = match upstream::bridge::prepare(tool, request) {
                Ok(parts) => parts,
                Err(error) => {
                    ending.settle();
                    return Ok(Reply::Message(turn.arguments_error(request.id(), error)));
                }
            };
            drop(values);
            let credential = credential(turn, app, offer, &permit).await;
            let credential = ending.or_settle(credential)?;
            let api = upstream::bridge::Api { app, tool, tls: tls.as_ref() };
            let mut answer = api.send(&permit, parts.clone(), &credential, turn).await;
            // Refused, so nothing was done. Perhaps the token was only revoked there.
            if answer.as_ref().is_ok_and(|answer| answer.status == 401)
                && turn.door.parts.delegation.forget(&credential, turn.context.now).await
            {
                let renewed = self::credential(turn, app, offer, &permit).await;
                answer = api.send(&permit, parts, &ending.or_settle(renewed)?, turn).await;
            }
            Ok(Reply::Message(ending.bridge(answer)))
        }
        Upstream::Proxy(proxy) => {
            drop(values);
            let credential = credential(turn, app, offer, &permit).await;
            let credential = ending.or_settle(credential)?;
            let ask = upstream::proxy::Ask { app, proxy, tool: &offer.tool, arguments: call.arguments };
            let mut talk = upstream::proxy::call(&ask, permit, credential, request, turn, ending).await?;
            loop {
                match talk.next().await {
                    Said::Answer(message) => return Ok(Reply::Message(message)),
                    Said::Progress(first) if turn.may_stream => {
                        return Ok(Reply::Stream { first, talk: Box::new(talk) });
                    }
                    Said::Progress(_) => {}
                }
            }
        }
    }
}

async fn credential(
    turn: &Turn<'_>,
    app: &McpApp,
    offer: &Offer,
    permit: &Permit<ToolUse>,
) -> Result<gatehouse_edge::outbound::delegate::OutboundCredential, Rejection> {
    turn.door.parts.delegation.credential(permit, &app.outbound, offer.tool.name(), turn.context).await
}

fn note_target(turn: &Turn<'_>, tool: &str, app: Option<&McpApp>) {
    turn.note_target(Target {
        method: Some("tools/call".to_owned()),
        tool: Some(tool.to_owned()),
        app: app.map(|app| app.name.to_string()),
        upstream: app.map(|app| app.origin.clone()),
        ..Target::default()
    });
}

impl Found<'_> {
    fn offer(&self) -> Option<&Offer> {
        self.listing.offers().get(self.index)
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
