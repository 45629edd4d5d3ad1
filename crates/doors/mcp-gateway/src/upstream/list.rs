//! The list of tools of an MCP server, page by page.
//!
//! A list has no natural end, so it is bounded in tools, bytes and pages. What was read before a bound is kept, in the
//! server's own order, and only what comes after it is left out.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use gatehouse_config::snapshot::mcp::{ListLimits, McpApp, ProxyUpstream};
use gatehouse_edge::authorize::{Discovery, Permit};
use gatehouse_edge::context::{Context, Verified};
use gatehouse_edge::limits::Limit;
use gatehouse_edge::memory::Held;
use gatehouse_edge::rejection::Rejection;
use gatehouse_mcp::listing::{Room, UpstreamPage};
use gatehouse_mcp::message::{Id, Message, Outcome};
use gatehouse_mcp::tool::Tool;

use super::aside::Aside;
use super::hearing::{Lane, TOO_LARGE, over_budget};
use super::peer::Conversation;
use super::proxy::{Reach, is_renewable, peer_key};
use super::unusable;
use super::wire::{Deadline, Wire};
use crate::McpGateway;
use crate::listing::LeftOut;

/// A cursor beyond this is not asked with: it would go out in a request of its size.
const LONGEST_CURSOR: usize = 16 * 1024;
/// What a tool may take in memory for each byte of its definition, the smallest ones included.
const PER_BYTE: usize = 10;
/// The most characters of an error that the log repeats: names in it are as long as their senders want.
const LONGEST_DETAIL: usize = 200;

/// What an MCP server offers.
pub(crate) struct Offered {
    pub(crate) tools: Vec<Tool>,
    /// How long it lets that be kept.
    pub(crate) ttl: Option<Duration>,
    /// What there was no room for.
    pub(crate) left_out: LeftOut,
    /// What the upstream's account has for it.
    pub(crate) held: Held,
}

/// A list that is being read.
struct Reading<'a> {
    app: &'a McpApp,
    proxy: &'a ProxyUpstream,
    offered: Offered,
    /// What the tools take in memory.
    bytes: usize,
    /// What has arrived.
    received: usize,
    lane: Option<Lane>,
}

/// Reads the list of tools of an app. A definition that cannot be offered is left out and logged. A server that
/// refuses the token is shown another one, once. Large lists of the app take turns in `slots`.
pub(crate) async fn list(
    door: &McpGateway,
    app: &McpApp,
    proxy: &ProxyUpstream,
    slots: &Arc<Semaphore>,
    context: &Context<Verified>,
) -> Result<Offered, Rejection> {
    let (permit, deadline) = (Arc::new(Permit::discovery()), Deadline::of_listing(door.patience));
    let (delegation, rule) = (&door.parts.delegation, &app.outbound);
    let reach = Reach { app, proxy, largest: proxy.list.bytes };
    let credential = delegation.listing_credential(&permit, rule, context).await?;
    let line = reach.line(Arc::clone(&permit), credential, door, context);
    let mut wire = Wire { line: Arc::new(line), deadline };
    let offered = Reading::begin(&reach, slots, door)?.pages(&wire, door, context).await;
    if offered.is_err() && is_renewable(&wire.line, door, context).await {
        let renewed = delegation.listing_credential(&permit, rule, context).await?;
        wire.line = Arc::new(reach.line(permit, renewed, door, context));
        return Reading::begin(&reach, slots, door)?.pages(&wire, door, context).await;
    }
    offered
}

impl<'a> Reading<'a> {
    fn begin(reach: &Reach<'a>, slots: &Arc<Semaphore>, door: &McpGateway) -> Result<Self, Rejection> {
        let Reach { app, proxy, .. } = *reach;
        let account = door.parts.outbound.memory().account(&super::holder(&app.name));
        let held = account.hold(0).map_err(over_budget)?;
        let offered = Offered { tools: Vec::new(), ttl: None, left_out: LeftOut::default(), held };
        Ok(Self { app, proxy, offered, bytes: 0, received: 0, lane: Some(Lane::new(slots)) })
    }

    async fn pages(
        mut self,
        wire: &Wire<Discovery>,
        door: &McpGateway,
        context: &Context<Verified>,
    ) -> Result<Offered, Rejection> {
        let key = peer_key(self.app, context);
        let mut cursor: Option<String> = None;
        for page in 1.. {
            let conversation = door
                .peers
                .converse(wire, &key, door, |peer, id| peer.list_tools(&Id::number(id), cursor.as_deref()));
            let read = self.page(conversation.await?, wire.deadline).await;
            if read.as_ref().is_err_and(|rejection| rejection.reason == TOO_LARGE) {
                context.limits.hit(Limit::ListBytes);
            }
            let next = read?;
            let full = self.full(page);
            if let Some(limit) = full {
                context.limits.hit(limit);
            }
            let Some(next) = next else { break };
            let circle = cursor.as_ref() == Some(&next) || next.len() > LONGEST_CURSOR;
            if circle || full.is_some() {
                self.offered.left_out.unread = true;
                break;
            }
            cursor = Some(next);
        }
        self.tell();
        Ok(self.offered)
    }

    /// The limit that is reached with `page` pages.
    fn full(&self, page: usize) -> Option<Limit> {
        let ListLimits { bytes, pages } = self.proxy.list;
        if self.offered.left_out.tools > 0 && self.offered.tools.len() >= self.app.most_tools {
            Some(Limit::AppTools)
        } else if self.offered.left_out.tools > 0 || self.received >= bytes {
            Some(Limit::ListBytes)
        } else {
            (page >= pages).then_some(Limit::ListPages)
        }
    }

    /// Reads one page; gives the cursor of the next.
    async fn page<P: 'static>(
        &mut self,
        conversation: Conversation<P>,
        deadline: Deadline,
    ) -> Result<Option<String>, Rejection> {
        let Conversation { id, mut hearing, mut aside } = conversation;
        let id = Id::number(id);
        hearing.lane = self.lane.take();
        let broken =
            |why: String| unusable("upstream_garbage", "did not answer with a list of tools").because(why);
        while let Some(text) = hearing.next(deadline.next()).await? {
            match Message::parse_upstream(&text).map_err(|error| broken(error.to_string()))? {
                Message::Response(response) => {
                    Aside::settle(&mut aside);
                    let own = response.id() == Some(&id);
                    let result = match response.into_outcome() {
                        Outcome::Result(result) if own => result,
                        Outcome::Result(_) => return Err(broken("the response has another id".to_owned())),
                        Outcome::Error(error) => {
                            let what = format!("refused to list its tools ({})", error.code);
                            return Err(unusable("upstream_rpc_error", &what).because(error.message));
                        }
                    };
                    let room = Room {
                        tools: self.app.most_tools - self.offered.tools.len(),
                        bytes: self.proxy.list.bytes - self.bytes,
                    };
                    let most = room.bytes.min(PER_BYTE * text.len());
                    self.offered.held.grow(most).map_err(over_budget)?;
                    let page =
                        UpstreamPage::parse(&result, room).map_err(|error| broken(error.to_string()))?;
                    self.received += hearing.received();
                    self.lane = hearing.lane.take();
                    return Ok(self.take(page));
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

    fn take(&mut self, page: UpstreamPage) -> Option<String> {
        for error in &page.rejected {
            let error: String = error.to_string().chars().take(LONGEST_DETAIL).collect();
            tracing::warn!(app = %self.app.name, %error, "a tool definition is left out");
        }
        if page.rejected_more > 0 {
            let more = page.rejected_more;
            tracing::warn!(app = %self.app.name, more, "further tool definitions are left out");
        }
        self.bytes += page.bytes;
        self.offered.held.shrink_to(self.bytes);
        self.offered.tools.extend(page.tools);
        self.offered.left_out.tools += page.left_out;
        self.offered.ttl = match (self.offered.ttl, page.ttl_ms.map(Duration::from_millis)) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        page.next_cursor
    }

    fn tell(&self) {
        let LeftOut { tools: left_out, unread } = self.offered.left_out;
        if !self.offered.left_out.is_none() {
            let (app, tools) = (&self.app.name, self.offered.tools.len());
            tracing::warn!(%app, tools, left_out, unread, "an app has more tools than its limits allow");
        }
    }
}
