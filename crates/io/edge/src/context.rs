//! What a handler knows about the request it serves, built once at the door.

mod audit_row;
mod head;
mod trace;

use std::sync::Arc;

use gatehouse_audit::event::{Event, EventKind, Outcome};
use gatehouse_config::snapshot::Snapshot;
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::{GrantId, RequestId, SubjectId};
use gatehouse_identity::principal::{Attribution, PrincipalKind};
use gatehouse_oauth::grant::federated_subject;
use gatehouse_oauth::sign_in;

pub use self::audit_row::{AuditRow, Named};
pub use self::head::{Head, List, Single};
pub use self::trace::Trace;

use crate::authn::resource::Caller;
use crate::lane::policy::PolicyLane;
use crate::limits::Limits;
use crate::memory::{Account, Holder, Memory};
use crate::server::address::{ClientAddress, network};

/// One request's surroundings. `Who` says what is proven about the caller.
#[derive(Clone)]
pub struct Context<Who> {
    /// The caller: [`Public`] or [`Verified`].
    pub who: Who,
    /// Method, target and headers, as admitted.
    pub head: Head,
    /// The configuration that the request entered with; it does not change under way.
    pub snapshot: Arc<Snapshot>,
    /// When the request came in.
    pub now: Timestamp,
    /// Where it came from.
    pub source: ClientAddress,
    /// Its id in replies, logs and audit.
    pub request_id: RequestId,
    /// Where policies are asked that take long.
    pub policies: Arc<PolicyLane>,
    /// Its audit record in the making; `None` on routes that leave none.
    pub audit: Option<Arc<AuditRow>>,
    /// Its place in a distributed trace (W3C Trace Context).
    pub trace: Trace,
    /// The variable segment of the route's path, still percent-encoded.
    pub segment: Option<String>,
    /// Where it is counted that a limit was met.
    pub limits: Arc<Limits>,
    /// The budget of bytes that are held for requests.
    pub memory: Memory,
}

/// What is proven about a caller, and so for whom memory is held.
pub trait Proven {
    /// The caller if it is known, else the network of `source`.
    fn holder(&self, source: &ClientAddress) -> Holder;
}

/// Nothing is proven about the caller.
#[derive(Clone, Debug)]
pub struct Public(());

/// A caller whose credential was verified by the route's gate.
#[derive(Clone)]
pub struct Verified(pub(crate) Caller);

impl Public {
    pub(crate) const fn new() -> Self {
        Self(())
    }
}

impl Verified {
    /// The caller.
    pub fn caller(&self) -> &Caller {
        &self.0
    }
}

impl Proven for Public {
    fn holder(&self, source: &ClientAddress) -> Holder {
        Holder::Network(network(source.counted()))
    }
}

impl Proven for Verified {
    fn holder(&self, _source: &ClientAddress) -> Holder {
        Holder::caller(&self.0.principal)
    }
}

/// `event` with whoever sent the credential, and with the one name under which all records of a person are found: the
/// subject at the server where they signed in, whatever the subject of this token is. A Gatehouse says that name in its
/// tokens; of a token that comes straight from an identity provider it is made as for people who sign in through one.
pub(crate) fn of_party(event: Event, party: Attribution<'_>) -> Event {
    let event = event.with_party(party);
    let sign_in = party.sign_in();
    let event = match sign_in.and_then(sign_in::grant) {
        Some(grant) => event.with_grant(&GrantId::new(grant)),
        None => event,
    };
    match sign_in.and_then(|claims| sign_in::user(claims).zip(sign_in::read(claims))) {
        Some((user, (connector, _))) => event.with_user(&SubjectId::new(user)).with_connector(connector),
        None if party.kind() == PrincipalKind::User => {
            event.with_user(&federated_subject(party.issuer(), party.subject().as_str()))
        }
        None => event,
    }
}

impl<Who: Proven> Context<Who> {
    /// The account of whoever makes the request, for the bytes that are held for it.
    pub fn account(&self) -> Account {
        self.memory.account(&self.who.holder(&self.source))
    }
}

impl<Who> Context<Who> {
    /// The same surroundings with something else proven.
    pub(crate) fn with_who<Other>(self, who: Other) -> Context<Other> {
        Context {
            who,
            head: self.head,
            snapshot: self.snapshot,
            now: self.now,
            source: self.source,
            request_id: self.request_id,
            policies: self.policies,
            audit: self.audit,
            trace: self.trace,
            segment: self.segment,
            limits: self.limits,
            memory: self.memory,
        }
    }

    /// Adds to the audit record, on routes that leave one.
    pub fn note(&self, add: impl FnOnce(Event) -> Event) {
        if let Some(row) = &self.audit {
            row.note(add);
        }
    }

    /// Says in the record whose credential was sent.
    pub fn note_party(&self, party: Attribution<'_>) {
        self.note(|event| of_party(event, party));
    }

    /// Whom the request is about, as far as its record knows, for log lines.
    pub fn named(&self) -> Named {
        self.audit.as_ref().map(|row| row.named()).unwrap_or_default()
    }

    /// Begins the record of something else that the same request does, on routes that leave records.
    pub fn beside(&self, kind: EventKind) -> Option<Arc<AuditRow>> {
        let row = self.audit.as_ref()?;
        let event = Event::new(kind, Outcome::Allow, self.now)
            .with_revision(&self.snapshot.revision)
            .with_request_id(&self.request_id)
            .with_source(self.source.ip, self.source.peer_ip, None);
        Some(row.beside(event))
    }
}
