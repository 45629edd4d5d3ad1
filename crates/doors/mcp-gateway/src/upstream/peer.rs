//! Which revision an MCP server speaks, and the sessions that its older kind wants.
//!
//! The revision is found once per server and kept until the server contradicts it. Sessions are kept per app and
//! principal, so that what a server remembers in a session stays with one of them.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use serde_json::json;
use serde_json::value::RawValue;
use url::Url;

use gatehouse_edge::rejection::{Rejection, RejectionKind};
use gatehouse_mcp::detect::{self, Failure, Step};
use gatehouse_mcp::discover::ServerFacts;
use gatehouse_mcp::lost_session;
use gatehouse_mcp::message::{Id, Message, Outcome, json_text};
use gatehouse_mcp::upstream::{self, ClientFacts, Peer, UpstreamRequest};
use gatehouse_mcp::version::{Era, Version};

use super::answer_reader::AnswerReader;
use super::cancel_on_drop::CancelOnDrop;
use super::negotiated::Negotiated;
use super::wire::Wire;
use super::{Upstreams, refused_credential, unusable};
use crate::session::Party;

/// How long a revision is taken for granted.
const KNOWN: Duration = Duration::from_hours(1);
/// After how long without use a session is not continued.
const SESSION_IDLE: Duration = Duration::from_mins(30);
/// Room for sessions with upstreams, in bytes: some eighty thousand.
const ROOM_FOR_SESSIONS: u64 = 32 * 1024 * 1024;
/// Messages that may precede the answer to a handshake.
const CHATTER: usize = 16;

/// What is known of MCP servers.
pub(crate) struct Peers {
    introduction: Introduction,
    revisions: Cache<Url, Version>,
    open: Cache<PeerKey, Arc<Negotiated>>,
}

/// Everything that a session with an upstream depends on.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct PeerKey {
    pub(crate) revision: String,
    pub(crate) app: String,
    pub(crate) party: Party,
}

/// A request that a server is answering.
pub(crate) struct Conversation {
    pub(crate) id: u64,
    pub(crate) reader: AnswerReader,
    /// For servers whose sessions survive their connections.
    pub(crate) cancel: Option<CancelOnDrop>,
}

/// What a contradiction leaves behind: the revision that was contradicted, and how.
struct Contradicted {
    version: Version,
    id: u64,
    reader: AnswerReader,
}

/// What the head and first message of an answer mean for what is known of the server.
enum Verdict {
    /// An answer.
    Answers,
    /// Our session is gone, or so it seems; the request was not processed.
    SessionGone,
    /// It seems not to speak what it spoke before; if so, the request was not processed.
    Contradicts,
    /// No answer.
    Fails(Rejection),
}

impl PeerKey {
    fn weigh(&self) -> u32 {
        let bytes = size_of::<Self>() + self.revision.len() + self.app.len() + self.party.held_bytes();
        u32::try_from(bytes).unwrap_or(u32::MAX / 2)
    }
}

impl Peers {
    /// Nothing known yet; servers are told that they talk to `server`.
    pub(crate) fn new(server: &ServerFacts) -> Self {
        Self {
            introduction: Introduction::of(server),
            revisions: Cache::builder().max_capacity(10_000).time_to_live(KNOWN).build(),
            open: Cache::builder()
                .max_capacity(ROOM_FOR_SESSIONS)
                .weigher(|key: &PeerKey, negotiated: &Arc<Negotiated>| key.weigh() + negotiated.weigh())
                .time_to_idle(SESSION_IDLE)
                .build(),
        }
    }

    /// Lets go of what is over.
    pub(crate) async fn sweep(&self) {
        self.revisions.run_pending_tasks().await;
        self.open.run_pending_tasks().await;
    }
}

impl Upstreams {
    /// Sends what `compose` writes for the server's revision and an id of ours. A server that has lost the session,
    /// or that turns out to speak another revision by now, is asked once more: it has not processed anything.
    pub(crate) async fn converse(
        &self,
        wire: &Wire,
        key: &PeerKey,
        compose: impl Fn(&Peer<'_>, u64) -> UpstreamRequest,
    ) -> Result<Conversation, Rejection> {
        let (mut again, mut contradicted) = (true, None::<Contradicted>);
        loop {
            let negotiated = self.greet(wire, key).await?;
            if let Some(Contradicted { id, reader, .. }) =
                contradicted.take_if(|before| before.version == negotiated.version)
            {
                // It is what it was, so its answer stands. To send the same again could do the same twice.
                if reader.is_heard() {
                    return Ok(Conversation { id, reader, cancel: None });
                }
                return Err(status_failure(reader.status));
            }
            let id = self.next_id();
            let client = self.peers.introduction.facts();
            let message = compose(&Peer { version: negotiated.version, client }, id);
            let mut cancel = CancelOnDrop::of(&wire.line, &negotiated, id, &self.tasks);
            let mut reader = match wire.post(message, negotiated.session.as_deref()).await {
                Ok(reader) => reader,
                Err(rejection) => {
                    if rejection.kind != RejectionKind::UpstreamTimeout {
                        CancelOnDrop::settle(&mut cancel);
                    }
                    return Err(rejection);
                }
            };
            let verdict = judge(&negotiated, &mut reader, wire).await?;
            if matches!(verdict, Verdict::Answers) {
                return Ok(Conversation { id, reader, cancel });
            }
            CancelOnDrop::settle(&mut cancel);
            match verdict {
                Verdict::Fails(rejection) => return Err(rejection),
                // Said of a session that was opened for it, it is about something else.
                Verdict::SessionGone if !again && reader.is_heard() => {
                    return Ok(Conversation { id, reader, cancel: None });
                }
                _ if !std::mem::take(&mut again) => return Err(status_failure(reader.status)),
                Verdict::Contradicts => {
                    wire.line.refusal.doubt();
                    self.peers.open.invalidate(key).await;
                    self.peers.revisions.invalidate(&wire.line.url).await;
                    contradicted = Some(Contradicted { version: negotiated.version, id, reader });
                }
                Verdict::SessionGone | Verdict::Answers => {
                    wire.line.refusal.withdraw();
                    self.peers.open.invalidate(key).await;
                }
            }
        }
    }

    async fn greet(&self, wire: &Wire, key: &PeerKey) -> Result<Arc<Negotiated>, Rejection> {
        let known = self.peers.revisions.get(&wire.line.url).await;
        if let Some(version) = known.filter(|version| version.era() == Era::Modern) {
            return Ok(Arc::new(Negotiated { version, session: None }));
        }
        let open = self
            .peers
            .open
            .try_get_with(key.clone(), async { self.handshake(wire, known.is_some()).await.map(Arc::new) });
        open.await.map_err(|shared: Arc<Rejection>| Rejection::clone(&shared))
    }

    async fn handshake(&self, wire: &Wire, known_legacy: bool) -> Result<Negotiated, Rejection> {
        let mut step = Step::Initialize(Version::NEWEST_LEGACY);
        if !known_legacy {
            let id = self.message_id();
            let (reader, answer) =
                ask(wire, &id, upstream::discover(&id, self.peers.introduction.facts())).await?;
            step = detect::after_discover(reader.status, &answer);
        }
        let mut session = None;
        if let Step::Initialize(version) = step {
            let id = self.message_id();
            let peer = Peer { version, client: self.peers.introduction.facts() };
            let (reader, answer) = ask(wire, &id, upstream::initialize(&id, peer)).await?;
            step = detect::after_initialize(reader.status, &answer);
            session = reader.session;
        }
        match step {
            Step::Modern(version) => {
                self.peers.revisions.insert(wire.line.url.clone(), version).await;
                Ok(Negotiated { version, session: None })
            }
            Step::Legacy(version) => {
                let reader = wire.post(upstream::initialized(version), session.as_deref()).await?;
                if !(200..300).contains(&reader.status) {
                    return Err(status_failure(reader.status));
                }
                self.peers.revisions.insert(wire.line.url.clone(), version).await;
                Ok(Negotiated { version, session })
            }
            Step::Stop(failure) => {
                self.peers.revisions.invalidate(&wire.line.url).await;
                Err(stopped(&failure))
            }
            Step::Initialize(_) => Err(unusable("upstream_handshake", "does not finish its handshake")),
        }
    }
}

/// What upstreams are told about us.
struct Introduction {
    capabilities: Box<RawValue>,
    info: Box<RawValue>,
}

impl Introduction {
    fn of(server: &ServerFacts) -> Self {
        // No capability: what a server asks of its client cannot be relayed yet.
        Self {
            capabilities: json_text::to_raw(&json!({})),
            info: server.implementation(Version::NEWEST_MODERN),
        }
    }

    fn facts(&self) -> ClientFacts<'_> {
        ClientFacts { capabilities: &self.capabilities, info: &self.info }
    }
}

/// Sends one message of a handshake and reads the response to it; what is no response counts as none.
async fn ask(wire: &Wire, id: &Id, message: UpstreamRequest) -> Result<(AnswerReader, Vec<u8>), Rejection> {
    let mut reader = wire.post(message, None).await?;
    for _ in 0..CHATTER {
        let Some(text) = reader.next(wire.deadline.next()).await? else { break };
        match Message::parse_upstream(&text) {
            Ok(Message::Response(response)) if response.id().is_none_or(|answered| answered == id) => {
                return Ok((reader, text));
            }
            Ok(Message::Notification(_)) => {}
            _ => break,
        }
    }
    Ok((reader, Vec::new()))
}

async fn judge(
    negotiated: &Negotiated,
    reader: &mut AnswerReader,
    wire: &Wire,
) -> Result<Verdict, Rejection> {
    let status = reader.status;
    let in_session = negotiated.version.era() == Era::Legacy && negotiated.session.is_some();
    let is_refusal = matches!(status, 401 | 403);
    match status {
        200..=299 => return Ok(Verdict::Answers),
        401 | 403 if !in_session => return Ok(Verdict::Fails(status_failure(status))),
        408 | 425 | 429 | 500..=599 => return Ok(Verdict::Fails(status_failure(status))),
        _ => {}
    }
    let text = match reader.next(wire.deadline.next()).await {
        Ok(text) => text.unwrap_or_default(),
        // What was to be read more is not needed to know what it is.
        Err(_) if is_refusal => Vec::new(),
        Err(rejection) => return Err(rejection),
    };
    let code = match Message::parse_upstream(&text) {
        Ok(Message::Response(response)) => match response.outcome() {
            Outcome::Error(error) => Some(error.code),
            Outcome::Result(_) => None,
        },
        _ => None,
    };
    if in_session && lost_session::is_lost(status, &text) {
        if code.is_some() && !is_refusal {
            reader.put_back(text);
        }
        return Ok(Verdict::SessionGone);
    }
    if is_refusal {
        return Ok(Verdict::Fails(status_failure(status)));
    }
    let verdict = match (negotiated.version.era(), status, code) {
        (_, 400 | 404 | 405, None) => Verdict::Contradicts,
        // What the other era says to our envelope; from a server of the same era it is an answer.
        (Era::Legacy, _, Some(-32022..=-32020))
        | (Era::Modern, _, Some(-32022))
        | (Era::Modern, 400 | 404, Some(-32600 | -32019..=-32000)) => {
            reader.put_back(text);
            Verdict::Contradicts
        }
        (_, _, Some(_)) => {
            reader.put_back(text);
            Verdict::Answers
        }
        (_, _, None) => Verdict::Fails(status_failure(status)),
    };
    Ok(verdict)
}

fn status_failure(status: u16) -> Rejection {
    match status {
        401 | 403 => refused_credential(status),
        _ => unusable("upstream_status", &format!("answered HTTP {status}")),
    }
}

fn stopped(failure: &Failure) -> Rejection {
    match failure {
        Failure::Credential(status) | Failure::Unavailable(status) => status_failure(*status),
        Failure::RetiredTransport(_) | Failure::NoCommonVersion(_) | Failure::Handshake(_) => {
            unusable("upstream_handshake", "speaks no protocol version that this gateway speaks")
                .because(failure.to_string())
        }
    }
}
