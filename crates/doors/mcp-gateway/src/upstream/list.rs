//! The list of tools of an MCP server, page by page.
//!
//! A list has no natural end, so it is bounded in tools, bytes and pages. What was read before a bound is kept, in the
//! server's own order, and only what comes after it is left out. The same holds for a page that cannot be had, and for
//! a server that never comes to an end.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use gatehouse_config::snapshot::mcp::{ListLimits, McpApp, ProxyUpstream};
use gatehouse_config::snapshot::outbound::Outbound as OutboundRule;
use gatehouse_edge::context::{Context, Verified};
use gatehouse_edge::limits::Limit;
use gatehouse_edge::memory::Held;
use gatehouse_edge::permit::Listing;
use gatehouse_edge::rejection::Rejection;
use gatehouse_mcp::listing::{Room, UpstreamPage};
use gatehouse_mcp::message::{Id, Message, Outcome};
use gatehouse_mcp::tool::Tool;
use gatehouse_mcp::upstream::Peer;

use super::Upstreams;
use super::answer_reader::{Lane, TOO_LARGE, over_budget};
use super::cancel_on_drop::CancelOnDrop;
use super::peer::Conversation;
use super::reach::{Reach, is_renewable, peer_key};
use super::unusable;
use super::wire::{Deadline, Wire};
use crate::app_catalog::LeftOut;

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
    /// Why not all of it is known, if so.
    pub(crate) incomplete: Option<Incomplete>,
    /// What the upstream's account has for it.
    pub(crate) held: Held,
}

/// Why a list has more pages than were read.
#[derive(Clone, Debug)]
pub(crate) enum Incomplete {
    /// The server leads back to pages that it has given already.
    Circle,
    /// A page after the first could not be had, or not be asked for.
    Broken(Rejection),
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
    hasher: RandomState,
    /// Digests of the definitions that are held: what is listed twice in the same words is one tool.
    known: HashSet<u64>,
}

/// What one page said.
struct Read {
    /// The cursor of the next one.
    next: Option<String>,
    /// Whether there is one that cannot be asked for.
    cursor_is_unusable: bool,
    /// Whether there is anything on it that no page before it had.
    is_new: bool,
}

/// Reads the list of tools of an app. A definition that cannot be offered is left out and logged. A server that
/// refuses the token is shown another one, once. Large lists of the app take turns in `slots`.
pub(crate) async fn list(
    upstreams: &Upstreams,
    app: &McpApp,
    proxy: &ProxyUpstream,
    slots: &Arc<Semaphore>,
    context: &Context<Verified>,
) -> Result<Offered, Rejection> {
    let deadline = Deadline::of_listing(upstreams.timeouts);
    let delegation = &upstreams.parts.delegation;
    let listing = Listing::of_tools(proxy, &app.outbound);
    let reach = Reach { app, proxy, to: listing.destination()?, largest: proxy.list.bytes };
    let credential = delegation.listing_credential(&listing, context).await?;
    let line = reach.line(credential, upstreams, context)?;
    let mut wire = Wire { line: Arc::new(line), deadline };
    let mut offered = Reading::begin(&reach, slots, upstreams)?.pages(&wire, upstreams, context).await;
    let is_whole = offered.as_ref().is_ok_and(|offered| offered.broken().is_none());
    if !is_whole && is_renewable(&wire.line, upstreams, context).await {
        let renewed = delegation.listing_credential(&listing, context).await?;
        wire.line = Arc::new(reach.line(renewed, upstreams, context)?);
        let again = Reading::begin(&reach, slots, upstreams)?.pages(&wire, upstreams, context).await;
        if again.is_ok() || offered.is_err() {
            offered = again;
        }
    }
    if let Ok(offered) = &offered {
        offered.tell(app, upstreams, context);
    }
    offered
}

impl Offered {
    /// Why the rest of the list could not be had.
    pub(crate) fn broken(&self) -> Option<&Rejection> {
        match &self.incomplete {
            Some(Incomplete::Broken(rejection)) => Some(rejection),
            Some(Incomplete::Circle) | None => None,
        }
    }

    fn tell(&self, app: &McpApp, upstreams: &Upstreams, context: &Context<Verified>) {
        let (name, tools) = (&app.name, self.tools.len());
        let LeftOut { tools: left_out, unread } = self.left_out;
        let lists = &upstreams.parts.lists;
        // Where the gateway asks with a credential of its own, everybody has the same list.
        let is_personal = matches!(app.outbound, OutboundRule::TokenExchange(_));
        let reader = is_personal.then_some(&context.who.caller().principal);
        let reader = reader.map(|principal| (principal.issuer().as_str(), principal.subject().as_str()));
        match &self.incomplete {
            Some(Incomplete::Circle) => {
                lists.note(name.as_str(), reader, "list_in_a_circle", context.now);
                tracing::warn!(app = %name, tools, "an upstream repeats pages of its list of tools");
            }
            Some(Incomplete::Broken(rejection)) => {
                let (reason, detail) = (rejection.reason, &*rejection.detail());
                lists.note(name.as_str(), reader, reason, context.now);
                tracing::warn!(app = %name, tools, reason, detail, "a list of tools broke off; what was read is kept");
            }
            None => {
                lists.clear(name.as_str(), reader);
                if !self.left_out.is_none() {
                    tracing::warn!(app = %name, tools, left_out, unread, "an app has more tools than its limits allow");
                }
            }
        }
    }
}

impl<'a> Reading<'a> {
    fn begin(reach: &Reach<'a>, slots: &Arc<Semaphore>, upstreams: &Upstreams) -> Result<Self, Rejection> {
        let Reach { app, proxy, .. } = reach;
        let account = upstreams.parts.outbound.memory().account(&super::holder(&app.name));
        let held = account.hold(0).map_err(over_budget)?;
        let left_out = LeftOut::default();
        let offered = Offered { tools: Vec::new(), ttl: None, left_out, incomplete: None, held };
        let (lane, hasher, known) = (Some(Lane::new(slots)), RandomState::new(), HashSet::new());
        Ok(Self { app, proxy, offered, bytes: 0, received: 0, lane, hasher, known })
    }

    async fn pages(
        mut self,
        wire: &Wire,
        upstreams: &Upstreams,
        context: &Context<Verified>,
    ) -> Result<Offered, Rejection> {
        let key = peer_key(self.app, context);
        let mut cursor: Option<String> = None;
        // Digests of the cursors that were asked with.
        let mut cursors = HashSet::new();
        for page in 1.. {
            let compose = |peer: &Peer<'_>, id| peer.list_tools(&Id::number(id), cursor.as_deref());
            let read = match upstreams.converse(wire, &key, compose).await {
                Ok(conversation) => self.page(conversation, wire.deadline).await,
                Err(rejection) => Err(rejection),
            };
            if read.as_ref().is_err_and(|rejection| rejection.reason == TOO_LARGE) {
                context.limits.hit(Limit::ListBytes);
            }
            let Read { next, cursor_is_unusable, is_new } = match read {
                Ok(read) => read,
                // What was said before is not unsaid.
                Err(rejection) if page > 1 => {
                    self.give_up(Incomplete::Broken(rejection));
                    break;
                }
                Err(rejection) => return Err(rejection),
            };
            let full = self.full(page);
            if let Some(limit) = full {
                context.limits.hit(limit);
            }
            if cursor_is_unusable {
                let why = unusable("upstream_garbage", "named the next page of its list with no cursor");
                self.give_up(Incomplete::Broken(why.because("`nextCursor` is no string")));
                break;
            }
            let Some(next) = next else { break };
            if full.is_some() || next.len() > LONGEST_CURSOR {
                self.offered.left_out.unread = true;
                break;
            }
            if !is_new || !cursors.insert(self.hasher.hash_one(&next)) {
                self.give_up(Incomplete::Circle);
                break;
            }
            cursor = Some(next);
        }
        Ok(self.offered)
    }

    fn give_up(&mut self, why: Incomplete) {
        // What a page would have taken that could not be had.
        self.offered.held.shrink_to(self.bytes);
        self.offered.left_out.unread = true;
        self.offered.incomplete = Some(why);
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

    /// Reads one page.
    async fn page(&mut self, conversation: Conversation, deadline: Deadline) -> Result<Read, Rejection> {
        let Conversation { id, mut reader, mut cancel } = conversation;
        let id = Id::number(id);
        reader.lane = self.lane.take();
        let broken =
            |why: String| unusable("upstream_garbage", "did not answer with a list of tools").because(why);
        while let Some(text) = reader.next(deadline.next()).await? {
            match Message::parse_upstream(&text).map_err(|error| broken(error.to_string()))? {
                Message::Response(response) => {
                    CancelOnDrop::settle(&mut cancel);
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
                    self.received += reader.received();
                    self.lane = reader.lane.take();
                    return Ok(self.take(page));
                }
                Message::Request(request) if request.method() == "ping" => {
                    if let Some(cancel) = &cancel {
                        cancel.pong(request.id());
                    }
                }
                Message::Notification(_) | Message::Request(_) => {}
            }
        }
        CancelOnDrop::settle(&mut cancel);
        Err(reader.silence())
    }

    fn take(&mut self, page: UpstreamPage) -> Read {
        for error in &page.rejected {
            let error: String = error.to_string().chars().take(LONGEST_DETAIL).collect();
            tracing::warn!(app = %self.app.name, %error, "a tool definition is left out");
        }
        if page.rejected_more > 0 {
            let more = page.rejected_more;
            tracing::warn!(app = %self.app.name, more, "further tool definitions are left out");
        }
        let is_empty = page.tools.is_empty();
        let before = self.offered.tools.len();
        for tool in page.tools {
            if self.known.insert(self.hasher.hash_one(tool.definition().get())) {
                self.bytes += tool.held_bytes();
                self.offered.tools.push(tool);
            }
        }
        self.offered.held.shrink_to(self.bytes);
        self.offered.left_out.tools += page.left_out;
        self.offered.ttl = match (self.offered.ttl, page.ttl_ms.map(Duration::from_millis)) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        Read {
            next: page.next_cursor,
            cursor_is_unusable: page.cursor_is_unusable,
            is_new: is_empty || self.offered.tools.len() > before,
        }
    }
}
