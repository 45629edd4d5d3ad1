//! Calls and lists of an MCP server.

use std::sync::Arc;
use std::time::Duration;

use gatehouse_config::snapshot::mcp::{McpApp, ProxyUpstream};
use gatehouse_edge::authorize::{Discovery, Permit, ToolUse};
use gatehouse_edge::context::{Context, Verified};
use gatehouse_edge::outbound::delegate::OutboundCredential;
use gatehouse_edge::rejection::Rejection;
use gatehouse_mcp::arguments::Arguments;
use gatehouse_mcp::listing::{MOST_TOOLS, UpstreamPage};
use gatehouse_mcp::message::{Id, Message, Outcome, Request, compose};
use gatehouse_mcp::tool::Tool;
use gatehouse_mcp::upstream::{Peer, Retarget};
use gatehouse_mcp::version::meta;

use super::aside::Aside;
use super::peer::{Conversation, PeerKey};
use super::unusable;
use super::wire::{Deadline, Line, Refusal, Wire};
use crate::McpGateway;
use crate::session::Party;
use crate::talk::{Ending, Progress, Talk};
use crate::turn::Turn;

/// The most pages of one list.
const MOST_PAGES: usize = 100;

/// What an MCP server offers.
pub(crate) struct Offered {
    pub(crate) tools: Vec<Tool>,
    /// How long it lets that be kept.
    pub(crate) ttl: Option<Duration>,
}

/// What is asked of an MCP server.
pub(crate) struct Ask<'a> {
    pub(crate) app: &'a McpApp,
    pub(crate) proxy: &'a ProxyUpstream,
    pub(crate) tool: &'a Tool,
    pub(crate) arguments: Arguments<'a>,
}

/// Sends a client's call, in the server's words. A server that refuses the token is shown another one, once.
pub(crate) async fn call(
    ask: &Ask<'_>,
    permit: Permit<ToolUse>,
    credential: OutboundCredential,
    request: &Request<'_>,
    turn: &Turn<'_>,
    ending: Ending,
) -> Result<Talk, Rejection> {
    let (permit, deadline) = (Arc::new(permit), Deadline::of_call(turn.door.patience));
    let line = line(ask.proxy, Arc::clone(&permit), credential, turn.door, turn.context);
    let mut wire = Wire { line: Arc::new(line), deadline };
    let mut conversation = ask.converse(&wire, request, turn).await;
    if conversation.is_err() && is_renewable(&wire.line, turn.door, turn.context).await {
        let (delegation, tool) = (&turn.door.parts.delegation, ask.tool.name());
        let renewed = delegation.credential(&permit, &ask.app.outbound, tool, turn.context).await;
        let renewed = ending.or_settle(renewed)?;
        wire.line = Arc::new(self::line(ask.proxy, permit, renewed, turn.door, turn.context));
        conversation = ask.converse(&wire, request, turn).await;
    }
    let Conversation { id, hearing, aside } = ending.or_settle(conversation)?;
    let token = request.meta().and_then(|meta| meta.get(meta::PROGRESS_TOKEN));
    let progress = token.map(|token| Progress { sent: compose::to_raw(&id), original: token.to_owned() });
    Ok(Talk { hearing, sent: Id::number(id), progress, deadline: wire.deadline, aside, ending })
}

impl Ask<'_> {
    async fn converse(
        &self,
        wire: &Wire<ToolUse>,
        request: &Request<'_>,
        turn: &Turn<'_>,
    ) -> Result<Conversation<ToolUse>, Rejection> {
        let key = peer_key(self.app, turn.context);
        let compose = |peer: &Peer<'_>, id| {
            let to = Retarget {
                id: &Id::number(id),
                tool: self.tool,
                arguments: self.arguments,
                received: turn.facts,
                progress_token: Some(&compose::to_raw(&id)),
                traceparent: Some(&wire.line.traceparent),
            };
            peer.call_tool(request, to)
        };
        turn.door.peers.converse(wire, &key, turn.door, compose).await
    }
}

/// Reads the whole list of tools of an app. A definition that cannot be offered is left out and logged. A server that
/// refuses the token is shown another one, once.
pub(crate) async fn list(
    door: &McpGateway,
    app: &McpApp,
    proxy: &ProxyUpstream,
    context: &Context<Verified>,
) -> Result<Offered, Rejection> {
    let (permit, deadline) = (Arc::new(Permit::discovery()), Deadline::of_listing(door.patience));
    let (delegation, rule) = (&door.parts.delegation, &app.outbound);
    let credential = delegation.listing_credential(&permit, rule, context).await?;
    let line = line(proxy, Arc::clone(&permit), credential, door, context);
    let mut wire = Wire { line: Arc::new(line), deadline };
    let offered = read_pages(&wire, door, app, context).await;
    if offered.is_err() && is_renewable(&wire.line, door, context).await {
        let renewed = delegation.listing_credential(&permit, rule, context).await?;
        wire.line = Arc::new(self::line(proxy, permit, renewed, door, context));
        return read_pages(&wire, door, app, context).await;
    }
    offered
}

async fn read_pages(
    wire: &Wire<Discovery>,
    door: &McpGateway,
    app: &McpApp,
    context: &Context<Verified>,
) -> Result<Offered, Rejection> {
    let key = peer_key(app, context);
    let mut offered = Offered { tools: Vec::new(), ttl: None };
    let mut cursor: Option<String> = None;
    for _ in 0..MOST_PAGES {
        let conversation = door
            .peers
            .converse(wire, &key, door, |peer, id| peer.list_tools(&Id::number(id), cursor.as_deref()));
        let page = read_page(conversation.await?, wire.deadline).await?;
        for error in &page.rejected {
            tracing::warn!(app = %app.name, %error, "a tool definition is left out");
        }
        offered.tools.extend(page.tools);
        offered.ttl = match (offered.ttl, page.ttl_ms.map(Duration::from_millis)) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        if offered.tools.len() > MOST_TOOLS {
            let what = format!("offers more than {MOST_TOOLS} tools");
            return Err(unusable("upstream_too_many_tools", &what));
        }
        match page.next_cursor {
            Some(next) if cursor.as_ref() != Some(&next) => cursor = Some(next),
            Some(_) => return Err(unusable("upstream_endless_list", "lists its tools without an end")),
            None => return Ok(offered),
        }
    }
    Err(unusable("upstream_endless_list", "lists its tools without an end"))
}

async fn read_page<P: 'static>(
    conversation: Conversation<P>,
    deadline: Deadline,
) -> Result<UpstreamPage, Rejection> {
    let Conversation { id, mut hearing, mut aside } = conversation;
    let id = Id::number(id);
    let broken =
        |why: String| unusable("upstream_garbage", "did not answer with a list of tools").because(why);
    while let Some(text) = hearing.next(deadline.next()).await? {
        match Message::parse_upstream(&text).map_err(|error| broken(error.to_string()))? {
            Message::Response(response) => {
                Aside::settle(&mut aside);
                let own = response.id() == Some(&id);
                return match response.into_outcome() {
                    Outcome::Result(result) if own => {
                        UpstreamPage::parse(&result).map_err(|error| broken(error.to_string()))
                    }
                    Outcome::Result(_) => Err(broken("the response has another id".to_owned())),
                    Outcome::Error(error) => Err(unusable(
                        "upstream_rpc_error",
                        &format!("refused to list its tools ({})", error.code),
                    )
                    .because(error.message)),
                };
            }
            Message::Request(request) if request.method() == "ping" => {
                if let Some(aside) = &aside {
                    aside.pong(request.id());
                }
            }
            Message::Notification(_) | Message::Request(_) => {}
        }
    }
    Aside::settle(&mut aside);
    Err(broken("the answer ended without a response".to_owned()))
}

fn line<P>(
    proxy: &ProxyUpstream,
    permit: Arc<Permit<P>>,
    credential: OutboundCredential,
    door: &McpGateway,
    context: &Context<Verified>,
) -> Line<P> {
    Line {
        client: door.parts.outbound.upstreams(proxy.tls.as_ref(), proxy.connection).clone(),
        permit,
        url: proxy.url.clone(),
        credential,
        traceparent: context.trace.to_string(),
        refusal: Refusal::default(),
    }
}

/// Whether the server refused the token, and another one can be had.
async fn is_renewable<P>(line: &Line<P>, door: &McpGateway, context: &Context<Verified>) -> bool {
    line.refusal.is_all() && door.parts.delegation.forget(&line.credential, context.now).await
}

fn peer_key(app: &McpApp, context: &Context<Verified>) -> PeerKey {
    PeerKey {
        revision: context.snapshot.revision.clone(),
        app: app.name.to_string(),
        party: Party::of(&context.who.caller().principal),
    }
}
