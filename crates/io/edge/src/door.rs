//! The door: every request passes here, once. Admission, route, origin, caller, handler, answer, evidence.

mod cors;
mod reply;

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use arc_swap::ArcSwap;
use futures_util::FutureExt as _;
use http::header::{ALLOW, EXPECT, HeaderValue, RETRY_AFTER, STRICT_TRANSPORT_SECURITY, USER_AGENT};
use http::request::Parts;
use http::{Method, Request, Response};
use hyper::body::Incoming;

use gatehouse_audit::event::{Event, EventKind, Outcome, RequestFacts};
use gatehouse_audit::sink::AuditSink;
use gatehouse_config::snapshot::Snapshot;
use gatehouse_identity::address::ClientIp;
use gatehouse_identity::clock::Clock;
use gatehouse_identity::id::RequestId;
use gatehouse_identity::rng::Rng;

pub use self::cors::OriginRules;
use self::reply::AuditedBody;
use crate::authn::resource::ResourceServer;
use crate::context::{AuditRow, Context, Named, Public, Single, Trace, Verified, of_party};
use crate::lane::policy::PolicyLane;
use crate::limits::Limits;
use crate::memory::Memory;
use crate::rejection::{Rejection, RejectionKind, excerpt};
use crate::server::abort_reason::AbortReason;
use crate::server::address::{ClientAddress, IgnoredForwarding, TrustedProxies};
use crate::server::admission::{self, HostRules};
use crate::server::body::{Body, discard};
use crate::server::routes::{self, Entry, Found, Refused, Render, Route, RouteTable};
use crate::server::write_timeout::stream::Delivery;
use crate::server::{Answer, Arrival};

/// Other names of the domain are not ours to speak for, so there is no `includeSubDomains`.
const A_YEAR: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// What runs now: one snapshot and everything built from it. Swapped whole.
pub struct ActiveConfig {
    /// The configuration.
    pub snapshot: Arc<Snapshot>,
    /// What is served.
    pub routes: RouteTable,
    /// Under which hosts.
    pub hosts: HostRules,
    /// To which web pages.
    pub origins: OriginRules,
    /// Whose forwarding headers count.
    pub proxies: TrustedProxies,
}

/// What the door itself needs, besides what runs.
#[derive(Clone)]
pub struct DoorDeps {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness for ids.
    pub rng: Arc<dyn Rng>,
    /// Where evidence goes.
    pub audit: Arc<dyn AuditSink>,
    /// The limits of the process.
    pub limits: Arc<Limits>,
    /// How many bytes may be held for requests, and are.
    pub memory: Memory,
    /// Where policies are asked that take long.
    pub policies: Arc<PolicyLane>,
}

/// One listener's door.
pub struct Door {
    running: ArcSwap<ActiveConfig>,
    deps: DoorDeps,
    ignored_forwarding: IgnoredForwarding,
}

impl Door {
    /// A door into `running`.
    pub fn new(running: ActiveConfig, deps: DoorDeps) -> Self {
        Self {
            running: ArcSwap::from_pointee(running),
            deps,
            ignored_forwarding: IgnoredForwarding::default(),
        }
    }

    /// Puts another configuration in force for the requests that come from now on.
    pub fn replace(&self, running: ActiveConfig) {
        self.running.store(Arc::new(running));
    }

    /// What runs now.
    pub fn running(&self) -> Arc<ActiveConfig> {
        self.running.load_full()
    }

    async fn pass(&self, request: Request<Incoming>, arrival: Arrival) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let parts = Arc::new(parts);
        let Answered { response, unread } = self.answered(&parts, body, arrival).await;
        // Only after the whole of this request can its connection carry another. Nobody needs its head any more.
        let invited = !parts.headers.contains_key(EXPECT);
        drop(parts);
        if let Some(body) = unread {
            discard(invited, body).await;
        }
        response
    }

    async fn answered(
        &self,
        parts: &Arc<Parts>,
        body: Incoming,
        Arrival { peer, framing, delivery, abort_reason }: Arrival,
    ) -> Answered {
        let running = self.running.load_full();
        let located = running.proxies.locate(peer, &parts.headers);
        self.ignored_forwarding.note(&running.proxies, peer, &parts.headers, self.deps.clock.as_ref());
        let peer_ip = peer.to_canonical();
        let request_info = RequestInfo {
            source: located
                .as_ref()
                .map_or(ClientAddress { ip: ClientIp::Unknown, peer_ip }, |located| *located),
            id: RequestId::random(self.deps.rng.as_ref()),
            path: parts.uri.path(),
            head_only: parts.method == Method::HEAD,
            secure: running.hosts.are_secure(),
            delivery,
            abort_reason,
        };
        let head = match located
            .and_then(|_| admission::admit(parts, framing, &running.hosts, running.routes.open_ends()))
        {
            Ok(head) => head,
            Err(rejection) => {
                self.record_refusal(parts, &rejection, &request_info, &running);
                let response =
                    request_info.turn_away(&rejection, running.routes.render_for(request_info.path));
                return Answered::without(body, response);
            }
        };
        let (route, segment) = match running.routes.find(&head.method, request_info.path) {
            Found::Route(route, segment) => (route, segment),
            Found::OtherMethods(methods) => {
                if let Some(preflight) = running.origins.preflight(&head, methods) {
                    return Answered::without(body, request_info.sign(preflight));
                }
                let rejection = routes::other_methods(methods);
                let render = running.routes.render_for(request_info.path);
                let mut response = request_info.turn_away(&rejection, render);
                running.origins.at_path(&head, methods).apply(response.headers_mut());
                return Answered::without(body, response);
            }
            Found::Nothing => {
                let render = running.routes.render_for(request_info.path);
                let asked = Asked { is_routine: is_looked_for(request_info.path), ..Asked::default() };
                let mut response =
                    request_info.sign(request_info.refuse(&routes::nothing_here(), render, &asked));
                running.origins.listed(&head).apply(response.headers_mut());
                return Answered::without(body, response);
            }
        };
        let context = Context {
            who: Public::new(),
            snapshot: Arc::clone(&running.snapshot),
            now: self.deps.clock.now(),
            source: request_info.source,
            request_id: request_info.id.clone(),
            policies: Arc::clone(&self.deps.policies),
            audit: None,
            trace: Trace::join(head.single(Single::Traceparent), self.deps.rng.as_ref()),
            segment,
            head,
            limits: Arc::clone(&self.deps.limits),
            memory: self.deps.memory.clone(),
        };
        let origin = running.origins.check(route, &context.head);
        let mut answered = match &origin {
            Ok(_) => self.enter(route, body, context, &request_info).await,
            Err(rejection) => {
                Answered::without(body, self.refuse_page(route, rejection, &context, &request_info))
            }
        };
        if let Ok(allowed) = origin {
            allowed.apply(answered.response.headers_mut());
        }
        Answered { response: request_info.sign(answered.response), ..answered }
    }

    /// Finds out who is calling, as far as the route needs to know, and lets the handler work.
    async fn enter(
        &self,
        route: &Route,
        body: Incoming,
        mut context: Context<Public>,
        request_info: &RequestInfo<'_>,
    ) -> Answered {
        if route.leaves_record() && !self.deps.audit.has_room() {
            let rejection = Rejection::unavailable("audit_unavailable", "the audit spool is full or closed");
            return Answered::without(body, request_info.turn_away(&rejection, route.render));
        }
        let handled = match &route.entry {
            Entry::Public(handler) => {
                context.audit = route.audit.map(|kind| self.begin_row(kind, &context, request_info));
                let row = context.audit.clone();
                (row, AssertUnwindSafe(handler(body, context)).catch_unwind().await)
            }
            Entry::Protected { gate, handler } => {
                match gate.authenticate(&context.head, &context.snapshot, context.now).await {
                    Ok(caller) => {
                        let kind = route.audit.unwrap_or(EventKind::CredentialRefused);
                        let row = self.begin_row(kind, &context, request_info);
                        row.note(|event| of_party(event, caller.principal.attribution()));
                        context.audit = Some(Arc::clone(&row));
                        let context = context.with_who(Verified(caller));
                        (Some(row), AssertUnwindSafe(handler(body, context)).catch_unwind().await)
                    }
                    Err(rejection) => {
                        let sent = rejection.reason != "credential_missing";
                        // With a challenge that says where to sign in, this is how every sign-in begins.
                        let is_routine = !sent && gate.resource_metadata.is_some();
                        let row = self.begin_row(EventKind::CredentialRefused, &context, request_info);
                        if let Some(refused) = &rejection.refused {
                            row.note(|event| of_party(event, refused.attribution()));
                        }
                        row.conclude(Outcome::Deny, rejection.reason);
                        row.answered(rejection.kind.status().as_u16());
                        let named = row.named();
                        let asked = Asked { gate: Some(gate), credential_sent: sent, is_routine, named };
                        let response = request_info.refuse(&rejection, route.render, &asked);
                        return Answered::without(body, response);
                    }
                }
            }
        };
        let (row, outcome) = handled;
        let gate = match &route.entry {
            Entry::Protected { gate, .. } => Some(gate.as_ref()),
            Entry::Public(_) => None,
        };
        let outcome = outcome
            .unwrap_or_else(|_panic| Err(Rejection::internal("handler_panicked", "the handler panicked")));
        let (response, rejection) = match outcome {
            Ok(response) => (response, None),
            Err(rejection) => {
                let named = row.as_ref().map(|row| row.named()).unwrap_or_default();
                // What a protocol lets clients try that is not offered here.
                let is_routine = matches!(rejection.kind, RejectionKind::MethodNotAllowed(_));
                let asked = Asked { gate, credential_sent: true, is_routine, named };
                (request_info.refuse(&rejection, route.render, &asked), Some(rejection))
            }
        };
        let Some(row) = row else { return Answered { response, unread: None } };
        row.answered(response.status().as_u16());
        if let Some(rejection) = rejection {
            let outcome = if rejection.kind.is_failure() { Outcome::Error } else { Outcome::Deny };
            row.conclude(outcome, rejection.reason);
        }
        Answered {
            response: response.map(|body| AuditedBody::wrap(body, row, request_info.delivery.clone())),
            unread: None,
        }
    }

    /// Leaves a record of a request that was not admitted: two parties might have read it differently, which is how
    /// attacks begin. An unknown path is none of that and only logged.
    fn record_refusal(
        &self,
        parts: &Parts,
        rejection: &Rejection,
        request_info: &RequestInfo<'_>,
        running: &ActiveConfig,
    ) {
        let ClientAddress { ip, peer_ip } = request_info.source;
        let request = RequestFacts {
            method: Some(parts.method.to_string()),
            path: Some(request_info.path.to_owned()),
            ..RequestFacts::default()
        };
        // Of several, each may be the one that another party goes by.
        let mut agents = parts.headers.get_all(USER_AGENT).iter();
        let user_agent = agents.next().filter(|_| agents.next().is_none());
        let user_agent = user_agent.and_then(|value| value.to_str().ok());
        let event = Event::new(EventKind::RequestRefused, Outcome::Deny, self.deps.clock.now())
            .with_reason(rejection.reason)
            .with_revision(&running.snapshot.revision)
            .with_request_id(&request_info.id)
            .with_request(request)
            .with_source(ip, peer_ip, user_agent);
        let timeout = running.snapshot.audit.timeout;
        let row = AuditRow::begin(
            event,
            Arc::clone(&self.deps.audit),
            timeout,
            Arc::clone(&request_info.abort_reason),
        );
        row.answered(rejection.kind.status().as_u16());
    }

    /// Refuses a page of another origin; on routes that leave records, so does this.
    fn refuse_page(
        &self,
        route: &Route,
        rejection: &Rejection,
        context: &Context<Public>,
        request_info: &RequestInfo<'_>,
    ) -> Response<Body> {
        if route.leaves_record() {
            let row = self.begin_row(EventKind::CredentialRefused, context, request_info);
            row.conclude(Outcome::Deny, rejection.reason);
            row.answered(rejection.kind.status().as_u16());
        }
        request_info.refuse(rejection, route.render, &Asked::default())
    }

    fn begin_row(
        &self,
        kind: EventKind,
        context: &Context<Public>,
        request_info: &RequestInfo<'_>,
    ) -> Arc<AuditRow> {
        let ClientAddress { ip, peer_ip } = context.source;
        let request = RequestFacts {
            method: Some(context.head.method.to_string()),
            path: Some(context.head.uri.path().to_owned()),
            trace_id: Some(context.trace.trace_id()),
            span_id: Some(context.trace.span_id()),
            ..RequestFacts::default()
        };
        let event = Event::new(kind, Outcome::Allow, context.now)
            .with_revision(&context.snapshot.revision)
            .with_request_id(&context.request_id)
            .with_request(request)
            .with_source(ip, peer_ip, context.head.single(Single::UserAgent));
        let timeout = context.snapshot.audit.timeout;
        AuditRow::begin(event, Arc::clone(&self.deps.audit), timeout, Arc::clone(&request_info.abort_reason))
    }
}

impl Answer for Door {
    async fn answer(&self, request: Request<Incoming>, arrival: Arrival) -> Response<Body> {
        self.pass(request, arrival).await
    }

    fn carries_many(&self, peer: IpAddr) -> bool {
        self.running.load().proxies.contains(peer)
    }

    fn limits(&self) -> &Arc<Limits> {
        &self.deps.limits
    }
}

/// An answer, and the request's body if nobody was to read it.
struct Answered {
    response: Response<Body>,
    unread: Option<Incoming>,
}

impl Answered {
    fn without(body: Incoming, response: Response<Body>) -> Self {
        Self { response, unread: Some(body) }
    }
}

/// What a refusal and its log line say of the request, besides what it looks like.
#[derive(Default)]
struct Asked<'a> {
    gate: Option<&'a ResourceServer>,
    credential_sent: bool,
    /// Whether clients that do everything right run into it, so that nobody needs to read of it.
    is_routine: bool,
    named: Named,
}

/// Whether programs and browsers look for something at this path, whether it is there or not: well-known documents
/// (RFC 8615), of which OAuth clients try several places, and icons.
fn is_looked_for(path: &str) -> bool {
    path.starts_with("/.well-known/") || path == "/favicon.ico" || path.starts_with("/apple-touch-icon")
}

/// What is known of a request before anything about it is decided.
struct RequestInfo<'a> {
    source: ClientAddress,
    id: RequestId,
    path: &'a str,
    head_only: bool,
    secure: bool,
    delivery: Option<Arc<Delivery>>,
    abort_reason: Arc<AbortReason>,
}

impl RequestInfo<'_> {
    fn refuse(&self, rejection: &Rejection, render: Render, asked: &Asked<'_>) -> Response<Body> {
        let Asked { gate, credential_sent, is_routine, named: Named { client, user, grant, .. } } = asked;
        let (client, user, grant) = (client.as_deref(), user.as_deref(), grant.as_deref());
        let (ip, id, path, detail) = (self.source.ip, &self.id, excerpt(self.path), rejection.detail());
        let status = rejection.kind.status().as_u16();
        let (reason, detail) = (rejection.reason, &*detail);
        if rejection.kind.is_failure() {
            tracing::error!(request.id = %id, source.ip = %ip, path, status, client.id = client, user, grant, reason, detail, "request failed");
        } else if *is_routine {
            tracing::debug!(request.id = %id, source.ip = %ip, path, status, reason, detail, "request answered with a refusal");
        } else {
            tracing::info!(request.id = %id, source.ip = %ip, path, status, client.id = client, user, grant, reason, detail, "request refused");
        }
        let refused = Refused {
            request_id: self.id.as_str(),
            path: self.path,
            resource_metadata: gate.and_then(|gate| gate.resource_metadata.as_deref()),
            scopes: gate.and_then(|gate| gate.challenge_scopes.as_deref()),
            credential_sent: *credential_sent,
        };
        let mut response = render(rejection, &refused);
        if let Some(wait) = rejection.retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        }
        if let RejectionKind::MethodNotAllowed(allow) = &rejection.kind
            && let Ok(allow) = HeaderValue::from_str(allow)
        {
            response.headers_mut().insert(ALLOW, allow);
        }
        response
    }

    /// Refuses a request that no route is asked about.
    fn turn_away(&self, rejection: &Rejection, render: Render) -> Response<Body> {
        self.sign(self.refuse(rejection, render, &Asked::default()))
    }

    /// Puts on the answer what every answer has, and drops the body of one to `HEAD`.
    fn sign(&self, mut response: Response<Body>) -> Response<Body> {
        if let Ok(id) = HeaderValue::from_str(self.id.as_str()) {
            response.headers_mut().insert("request-id", id);
        }
        if self.secure {
            response.headers_mut().insert(STRICT_TRANSPORT_SECURITY, A_YEAR);
        }
        if self.head_only { response.map(|_| crate::server::body::empty()) } else { response }
    }
}
