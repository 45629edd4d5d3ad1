//! One thing worth recording, built from verified values and written as one JSON object.

mod actor;
mod facts;
mod kind;

use std::net::IpAddr;
use std::time::Duration;

use gatehouse_identity::address::ClientIp;
use gatehouse_identity::assurance::Assurance;
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::{ClientId, GrantId, Issuer, RequestId, SubjectId};
use gatehouse_identity::principal::Attribution;
use serde::{Serialize, Serializer};

pub use self::actor::ClientKind;
pub use self::facts::{
    Attempt, Change, Checkpoint, Exchange, HiddenItems, OtherParty, Policy, Recovery, Remembered,
    RequestFacts, Target, TokenUsage,
};
pub use self::kind::{EventKind, Family, Outcome};

use self::actor::Actor;
use self::facts::{Counts, Response, Source, bounded};
use crate::head::Head;
use crate::tally::{Counted, Network};

/// What happened, to be given to an [`crate::sink::AuditSink`].
///
/// Every text that a client had a say in is cut at 512 bytes when it enters.
#[derive(Clone, Debug, Serialize)]
pub struct Event {
    #[serde(serialize_with = "rfc3339")]
    time: Timestamp,
    #[serde(rename = "event")]
    kind: EventKind,
    outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(rename = "rev", skip_serializing_if = "Option::is_none")]
    revision: Option<String>,
    #[serde(skip_serializing_if = "RequestFacts::is_empty")]
    request: RequestFacts,
    #[serde(skip_serializing_if = "Actor::is_empty")]
    actor: Actor,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<Source>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<Target>,
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<Change>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<Policy>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hidden: Vec<HiddenItems>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exchange: Option<Exchange>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attempts: Vec<Attempt>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens: Option<TokenUsage>,
    #[serde(rename = "result", skip_serializing_if = "Response::is_empty")]
    response: Response,
    #[serde(skip_serializing_if = "Option::is_none")]
    recovery: Option<Recovery>,
    #[serde(skip_serializing_if = "Option::is_none")]
    counted: Option<Counts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remembered: Option<Remembered>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checkpoint: Option<Checkpoint>,
}

/// What kind of refusal it is that a stranger got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Refused {
    kind: EventKind,
    outcome: Outcome,
    reason: &'static str,
}

impl Event {
    /// An event of which nothing more is known yet.
    pub fn new(kind: EventKind, outcome: Outcome, time: Timestamp) -> Self {
        Self {
            time,
            kind,
            outcome,
            reason: None,
            revision: None,
            request: RequestFacts::default(),
            actor: Actor::default(),
            source: None,
            target: None,
            change: None,
            policy: None,
            hidden: Vec::new(),
            exchange: None,
            attempts: Vec::new(),
            tokens: None,
            response: Response::default(),
            recovery: None,
            counted: None,
            remembered: None,
            checkpoint: None,
        }
    }

    /// What stands for the refusals of one kind that were only counted. Its time is that of the last.
    pub fn counting(counted: &Counted<Refused>) -> Self {
        let Refused { kind, outcome, reason } = counted.kind;
        let event = Self::new(kind, outcome, counted.times.last).with_reason(reason);
        Self { counted: Some(Counts::new(counted.origin, counted.times)), ..event }
    }

    /// What kind of event this is.
    pub fn kind(&self) -> EventKind {
        self.kind
    }

    /// How it went.
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// When it happened.
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// Where it came from: the client behind trusted proxies.
    pub fn source_ip(&self) -> Option<ClientIp> {
        self.source.as_ref().map(|source| source.ip)
    }

    /// The client, as far as it is known.
    pub fn client_id(&self) -> Option<&str> {
        self.actor.client_id()
    }

    /// The person, or whoever else is the subject.
    pub fn user(&self) -> Option<&str> {
        self.actor.user()
    }

    /// The grant.
    pub fn grant(&self) -> Option<&str> {
        self.actor.grant()
    }

    /// What was to be reached.
    pub fn target(&self) -> Option<&Target> {
        self.target.as_ref()
    }

    /// What was refused to whom, if whoever asked has proven nothing: of such refusals there may be any number, so they
    /// may be counted instead of written one by one. A wrong password is none of them: it names the person who is
    /// attacked, and checking it costs more than writing it. A stolen token is none either: it was a good one once.
    pub fn refused_stranger(&self) -> Option<(Refused, Network)> {
        let is_own = self.kind == EventKind::TokenTheft || self.reason == Some("password_wrong");
        if self.outcome == Outcome::Allow || is_own || self.actor.is_proven() {
            return None;
        }
        let refused = Refused { kind: self.kind, outcome: self.outcome, reason: self.reason? };
        // A client that nobody knows is counted for the proxy that it came through.
        let source = self.source.as_ref()?;
        Some((refused, Network::of(source.ip.known().unwrap_or(source.peer_ip))))
    }

    /// Changes what it is, for doors that find out only from the request's content.
    #[must_use]
    pub fn with_kind(mut self, kind: EventKind) -> Self {
        self.kind = kind;
        self
    }

    /// Changes how it went, for events that are begun before the end is known.
    #[must_use]
    pub fn with_outcome(mut self, outcome: Outcome) -> Self {
        self.outcome = outcome;
        self
    }

    /// The stable code of the reason: the `code()` of the error or verdict that decided.
    #[must_use]
    pub fn with_reason(mut self, code: &'static str) -> Self {
        self.reason = Some(code);
        self
    }

    /// The configuration revision that was in force.
    #[must_use]
    pub fn with_revision(mut self, revision: &str) -> Self {
        self.revision = Some(bounded(revision));
        self
    }

    /// The id under which operators find this request.
    #[must_use]
    pub fn with_request_id(mut self, id: &RequestId) -> Self {
        self.request.id = Some(bounded(id.as_str()));
        self
    }

    /// The request as it came; what `facts` leave out stays as it was.
    #[must_use]
    pub fn with_request(mut self, facts: RequestFacts) -> Self {
        self.request = facts.bounded().or(self.request);
        self
    }

    /// Who asked, or whose credential was refused: subject, client, delegation chain and credential.
    #[must_use]
    pub fn with_party(mut self, party: Attribution<'_>) -> Self {
        self.actor.set_party(party);
        self
    }

    /// A user who has just signed in, or whose session or grant is acted on, without a credential of their own.
    #[must_use]
    pub fn with_subject(mut self, issuer: &Issuer, subject: &SubjectId) -> Self {
        self.actor.set_subject(issuer, subject);
        self
    }

    /// The one name of a person in all records, whatever the subject of their token is.
    #[must_use]
    pub fn with_user(mut self, user: &SubjectId) -> Self {
        self.actor.set_user(user);
        self
    }

    /// The grant under which all of this happens: one sign-in of one person for one client.
    #[must_use]
    pub fn with_grant(mut self, grant: &GrantId) -> Self {
        self.actor.set_grant(grant);
        self
    }

    /// The name under which somebody tried to sign in; nobody has proven it.
    #[must_use]
    pub fn with_claimed_user(mut self, username: &str) -> Self {
        self.actor.set_claimed_user(username);
        self
    }

    /// The OAuth client, and how sure we are that it is this one.
    #[must_use]
    pub fn with_client(mut self, id: &ClientId, kind: ClientKind, assurance: Option<Assurance>) -> Self {
        self.actor.set_client(id, kind, assurance);
        self
    }

    /// The connector through which the user signs in.
    #[must_use]
    pub fn with_connector(mut self, connector: &str) -> Self {
        self.actor.set_connector(connector);
        self
    }

    /// Where the request came from: `ip` is the client behind trusted proxies, `peer_ip` the socket.
    #[must_use]
    pub fn with_source(mut self, ip: ClientIp, peer_ip: IpAddr, user_agent: Option<&str>) -> Self {
        self.source = Some(Source { ip, peer_ip, user_agent: user_agent.map(bounded) });
        self
    }

    /// What was to be reached.
    #[must_use]
    pub fn with_target(mut self, target: Target) -> Self {
        self.target = Some(target.bounded());
        self
    }

    /// What became of the target.
    #[must_use]
    pub fn with_change(mut self, change: Change) -> Self {
        self.change = Some(change);
        self
    }

    /// What the policy said.
    #[must_use]
    pub fn with_policy(mut self, policy: Policy) -> Self {
        self.policy = Some(policy.bounded());
        self
    }

    /// What policies kept out of the list that the caller got.
    #[must_use]
    pub fn with_hidden(mut self, hidden: Vec<HiddenItems>) -> Self {
        self.hidden = hidden;
        self
    }

    /// One more try at a route of a model, after those before.
    #[must_use]
    pub fn with_attempt(mut self, attempt: Attempt) -> Self {
        self.attempts.push(attempt.bounded());
        self
    }

    /// What a model call used.
    #[must_use]
    pub fn with_tokens(mut self, usage: TokenUsage) -> Self {
        self.tokens = Some(usage);
        self
    }

    /// The token that was issued or exchanged.
    #[must_use]
    pub fn with_exchange(mut self, exchange: Exchange) -> Self {
        if let Some(grant) = &exchange.grant {
            self.actor.set_grant(grant);
        }
        self.exchange = Some(exchange.bounded());
        self
    }

    /// The answer that the client got: HTTP status, size of the body in bytes, time from door to last byte.
    #[must_use]
    pub fn with_result(mut self, status: u16, bytes: u64, duration: Duration) -> Self {
        self.response.status = Some(status);
        self.response.bytes = Some(bytes);
        self.response.duration = Some(duration);
        self
    }

    /// How much of the time the upstream took.
    #[must_use]
    pub fn with_upstream_time(mut self, duration: Duration) -> Self {
        self.response.upstream = Some(duration);
        self
    }

    /// What a writer had to mend before it could go on.
    #[must_use]
    pub fn with_recovery(mut self, recovery: Recovery) -> Self {
        self.recovery = Some(recovery);
        self
    }

    /// The record that another place remembers as the last of a log, with which the log was compared.
    #[must_use]
    pub fn with_remembered(mut self, head: Head) -> Self {
        self.remembered = Some(Remembered::new(head));
        self
    }

    /// A signature over the log up to the record before this one.
    #[must_use]
    pub fn with_checkpoint(mut self, checkpoint: Checkpoint) -> Self {
        self.checkpoint = Some(checkpoint);
        self
    }
}

/// RFC 3339 in UTC, as fine as the clock is.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn rfc3339<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

#[cfg(test)]
mod tests;
