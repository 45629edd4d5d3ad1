//! Policy's word on one act.

use std::time::Duration;

use tokio::time::Instant;

use crate::context::{Context, Head, Verified};
use crate::permit::Permitted;
use crate::rejection::{Rejection, RejectionKind};
use gatehouse_audit::event::Policy as PolicyVerdict;
use gatehouse_identity::principal::Principal;
use gatehouse_policy::input::{self, HeaderFields, HttpFacts, Input, Request, User};
use gatehouse_policy::{Decision, DenyReason, Outcome, Policy};

/// When it makes sense to ask again after there was no room, or a policy was cut short.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// An act that needs permission.
pub trait Act {
    /// What policies are told of it.
    fn facts(&self) -> Facts<'_>;
}

/// What policies are told of an act, by decision point.
#[derive(Debug)]
pub enum Facts<'a> {
    /// Calling a tool, or seeing it in a list.
    Tool(input::ToolCall<'a>),
    /// Calling a model, or seeing it in a list.
    Model(input::ModelCall<'a>),
    /// Minting a token.
    Token(input::TokenMinting<'a>),
}

impl Facts<'_> {
    fn input<'a>(&'a self, request: &'a Request<'a>) -> Input<'a> {
        match self {
            Self::Tool(facts) => facts.input(request),
            Self::Model(facts) => facts.input(request),
            Self::Token(facts) => facts.input(request),
        }
    }
}

/// Asks `policies` whether the request of `context` may do `act`. `user` is who it is done for.
///
/// The verdict goes into the audit record. A denial's public sentence is the policy's `external_message`, or says
/// nothing; a policy that fails denies.
pub async fn authorize<A: Act, Who>(
    act: A,
    policies: &[Policy],
    context: &Context<Who>,
    user: Option<User<'_>>,
) -> Result<Permitted<A>, Rejection> {
    if policies.is_empty() {
        return Ok(Permitted::given(act));
    }
    let started = Instant::now();
    let decision = decide(&act.facts(), policies, context, user).await;
    note_decision(&decision, started.elapsed(), context);
    match decision.outcome {
        Outcome::Allow => Ok(Permitted::given(act)),
        Outcome::Deny(reason) => Err(denial(decision, reason)),
    }
}

/// Puts what was decided into the audit record.
fn note_decision<Who>(decision: &Decision, duration: Duration, context: &Context<Who>) {
    context.note(|event| {
        event.with_policy(PolicyVerdict {
            name: decision.policy.clone(),
            verdict: code(decision),
            internal_message: decision.internal_message.clone(),
            external_message: decision.external_message.clone(),
            duration,
        })
    });
}

/// The code of a decision for logs and records.
fn code(decision: &Decision) -> &'static str {
    match decision.outcome {
        Outcome::Allow => "allow",
        Outcome::Deny(reason) => reason.code(),
    }
}

/// Why an item of a list is hidden from the caller, who may not learn of it. It is for operators alone.
#[derive(Debug)]
pub struct Hidden(Decision);

impl Hidden {
    /// The policy that hides it.
    pub fn policy(&self) -> &str {
        &self.0.policy
    }

    /// The code of the reason.
    pub fn code(&self) -> &'static str {
        code(&self.0)
    }

    /// The story for the log.
    pub fn story(&self) -> String {
        story(&self.0)
    }

    /// Puts the decision into the record of a request that asked for the item all the same.
    pub fn note<Who>(&self, context: &Context<Who>) {
        note_decision(&self.0, Duration::ZERO, context);
    }
}

/// Shares the thread with others while a policy is asked about one item of a list after the other.
#[derive(Debug)]
pub struct Slices(Instant);

impl Slices {
    /// For how long one list goes on before others have their turn.
    const SLICE: Duration = Duration::from_millis(1);

    /// The first slice begins.
    pub fn begin() -> Self {
        Self(Instant::now())
    }

    async fn pause_when_over(&mut self) {
        if self.0.elapsed() >= Self::SLICE {
            tokio::task::yield_now().await;
            self.0 = Instant::now();
        }
    }
}

/// Whether the caller may see an item of a list, or what hides it. Nothing is recorded: a list leaves one record, not one
/// per item.
pub async fn may_see<Who>(
    facts: &Facts<'_>,
    policies: &[Policy],
    context: &Context<Who>,
    user: Option<User<'_>>,
    slices: &mut Slices,
) -> Result<(), Hidden> {
    if policies.is_empty() {
        return Ok(());
    }
    slices.pause_when_over().await;
    let decision = decide(facts, policies, context, user).await;
    if decision.is_allowed() { Ok(()) } else { Err(Hidden(decision)) }
}

/// The verdict of all `policies`: the first denial, else the last approval.
async fn decide<Who>(
    facts: &Facts<'_>,
    policies: &[Policy],
    context: &Context<Who>,
    user: Option<User<'_>>,
) -> Decision {
    let headers = Readable(&context.head);
    let request = Request {
        source_ip: context.source.ip,
        peer_ip: context.source.peer_ip,
        http: HttpFacts {
            method: context.head.method.as_str(),
            path: context.head.uri.path(),
            headers: &headers,
        },
        user,
        now: context.now,
        revision: &context.snapshot.revision,
    };
    let input = facts.input(&request);
    let mut verdict = Decision::unasked();
    for policy in policies {
        verdict = context.policies.ask(policy, &input, context.source.counted()).await;
        if !verdict.is_allowed() {
            break;
        }
    }
    verdict
}

/// The verified caller as policies see it: the token names the user.
pub fn user_of(context: &Context<Verified>) -> User<'_> {
    let principal: &Principal = &context.who.caller().principal;
    User {
        groups: principal.groups().iter().map(String::as_str).collect(),
        groups_complete: principal.groups_complete(),
        ..User::of_token(principal.subject().as_str(), principal.claims())
    }
}

/// The header fields as text: what is not UTF-8 in a value is U+FFFD. An upstream may be sent such a value as it is, so
/// a policy must at least see that it is there.
#[derive(Debug)]
struct Readable<'a>(&'a Head);

impl HeaderFields for Readable<'_> {
    fn each(&self, tell: &mut dyn FnMut(&str, &str)) {
        for (name, value) in self.0.fields() {
            tell(name.as_str(), &String::from_utf8_lossy(value.as_bytes()));
        }
    }
}

/// Which policy decided, and what it says about it to operators.
fn story(decision: &Decision) -> String {
    let policy = format!("policy {:?}", decision.policy);
    match &decision.internal_message {
        Some(internal) if !internal.is_empty() => format!("{policy}: {internal}"),
        _ => policy,
    }
}

fn denial(decision: Decision, reason: DenyReason) -> Rejection {
    let detail = story(&decision);
    let public = decision.external_message.unwrap_or_else(|| "Policy does not allow this.".to_owned());
    let kind = if reason == DenyReason::Busy { RejectionKind::RateLimited } else { RejectionKind::Forbidden };
    let mut rejection = Rejection::new(kind, reason.code(), public).because(detail);
    rejection.retry_after = matches!(reason, DenyReason::Busy | DenyReason::CutShort).then_some(RETRY_AFTER);
    rejection
}

#[cfg(test)]
mod tests;
