//! The pump: passes a provider's reply through, byte for byte, and counts what it used.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::time::Instant;

use gatehouse_audit::event::{Outcome, TokenUsage};
use gatehouse_config::snapshot::llm::{Account, Timeouts};
use gatehouse_edge::context::{AuditRow, Context, Verified};
use gatehouse_edge::outbound::coalesced_body::CoalescedBody;
use gatehouse_edge::outbound::coding::Received;
use gatehouse_edge::rejection::excerpt;
use gatehouse_edge::server::body::{Body, BodyError};
use gatehouse_edge::timer::Timer;
use gatehouse_identity::id::RequestId;
use gatehouse_llm::anthropic::error::ErrorType;
use gatehouse_llm::anthropic::reply::{ReplyFacts, ReplyScanner};
use gatehouse_llm::anthropic::stream::{PING, StreamEnd, UsageScanner};
use gatehouse_llm::price::PriceList;

/// A reply on its way to the client. Dropping it cancels the provider's work.
pub(crate) struct Metered {
    upstream: CoalescedBody<Received>,
    scanner: Scanner,
    watch: Watch,
    meter: Meter,
    done: bool,
}

enum Scanner {
    Stream(UsageScanner),
    Whole(ReplyScanner),
}

/// What the facts of a reply become.
pub(crate) struct Meter {
    price: Option<PriceList>,
    account: Arc<Account>,
    request_id: RequestId,
    audit: Option<Arc<AuditRow>>,
    settled: bool,
}

/// How a reply ended that did not end well.
#[derive(Clone, Copy)]
enum Broken {
    /// The provider failed, or what is between us.
    Provider(&'static str),
    /// Whoever asked does not listen any more.
    Client(&'static str),
}

/// Notices silence. The timer is not touched per event: it wakes up now and then and looks at the time. A reply that is
/// there as soon as somebody asks for it needs none.
struct Watch {
    timeouts: Timeouts,
    started: Instant,
    heard: Instant,
    /// When to look first.
    first: Duration,
    timer: Option<Timer>,
}

impl Metered {
    /// A stream of server-sent events.
    pub(crate) fn stream(upstream: Received, meter: Meter, timeouts: Timeouts) -> Body {
        Self::body(upstream, Scanner::Stream(UsageScanner::new()), Watch::new(timeouts, timeouts.ping), meter)
    }

    /// A JSON reply.
    pub(crate) fn whole(upstream: Received, meter: Meter, timeouts: Timeouts) -> Body {
        Self::body(upstream, Scanner::Whole(ReplyScanner::new()), Watch::new(timeouts, timeouts.idle), meter)
    }

    fn body(upstream: Received, scanner: Scanner, watch: Watch, meter: Meter) -> Body {
        Self { upstream: CoalescedBody::new(upstream), scanner, watch, meter, done: false }.boxed_unsync()
    }

    /// The provider is through, or will not go on. Returns what the client still has to be told.
    fn end(&mut self, broken: Option<&'static str>) -> Option<Bytes> {
        self.done = true;
        match &mut self.scanner {
            Scanner::Whole(scanner) => {
                let facts = std::mem::take(scanner).finish();
                self.meter.settle(&facts, broken.map(Broken::Provider));
                None
            }
            Scanner::Stream(scanner) => {
                let scanner = std::mem::take(scanner);
                let message = match broken {
                    Some("stream_idle") => "The model provider stopped answering.",
                    Some("stream_too_long") => "The reply took longer than this gateway allows.",
                    _ => "The model provider's reply broke off.",
                };
                let closing = scanner.error_event(ErrorType::Api, message, self.meter.request_id.as_str());
                let summary = scanner.finish();
                let verdict = match (broken, summary.end) {
                    (_, StreamEnd::Complete) => None,
                    (_, StreamEnd::Error) => Some("provider_error_event"),
                    (Some(reason), StreamEnd::Truncated) => Some(reason),
                    (None, StreamEnd::Truncated) => Some("stream_truncated"),
                };
                self.meter.settle(&summary.facts, verdict.map(Broken::Provider));
                (summary.end == StreamEnd::Truncated).then_some(closing)
            }
        }
    }

    /// Pings the client of a stream while the provider is silent; ends a reply that is silent for too long. Cutting the
    /// connection is the only way to say that a sized body will not come whole.
    fn watch(&mut self, task: &mut TaskContext<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        while self.watch.poll(task).is_ready() {
            let now = Instant::now();
            if let Some(reason) = self.watch.is_over(now) {
                let closing = self.end(Some(reason));
                return Poll::Ready(match self.scanner {
                    Scanner::Stream(_) => closing.map(Ok),
                    Scanner::Whole(_) => Some(Err(io::Error::from(io::ErrorKind::TimedOut).into())),
                });
            }
            match &self.scanner {
                Scanner::Whole(_) => self.watch.look_again(self.watch.end()),
                Scanner::Stream(scanner) => {
                    if self.watch.ping_is_due(now) && scanner.at_event_boundary() {
                        return Poll::Ready(Some(Ok(PING)));
                    }
                }
            }
        }
        Poll::Pending
    }
}

impl Watch {
    fn new(timeouts: Timeouts, first: Duration) -> Self {
        let now = Instant::now();
        Self { timeouts, started: now, heard: now, first, timer: None }
    }

    /// Ready when it is time to look.
    fn poll(&mut self, task: &TaskContext<'_>) -> Poll<()> {
        let first = self.started + self.first;
        self.timer.get_or_insert_with(|| Timer::new(first)).poll(task)
    }

    fn look_again(&mut self, at: Instant) {
        if let Some(timer) = &mut self.timer {
            timer.reset(at);
        }
    }

    /// Why the reply is given up, if it is.
    fn is_over(&self, now: Instant) -> Option<&'static str> {
        if now.duration_since(self.started) >= self.timeouts.total {
            return Some("stream_too_long");
        }
        (now.duration_since(self.heard) >= self.timeouts.idle).then_some("stream_idle")
    }

    /// When it is given up at the earliest.
    fn end(&self) -> Instant {
        (self.heard + self.timeouts.idle).min(self.started + self.timeouts.total)
    }

    /// Whether the client should hear something; sets the timer for the next time.
    fn ping_is_due(&mut self, now: Instant) -> bool {
        let ping = self.timeouts.ping;
        let overdue = now.duration_since(self.heard) >= ping;
        let next = if overdue { now + ping } else { self.heard + ping };
        self.look_again(next.min(self.heard + self.timeouts.idle));
        overdue
    }
}

impl HttpBody for Metered {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if this.done {
            return Poll::Ready(None);
        }
        match Pin::new(&mut this.upstream).poll_frame(task) {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(data) = frame.data_ref() {
                    this.watch.heard = Instant::now();
                    match &mut this.scanner {
                        Scanner::Stream(scanner) => scanner.push(data),
                        Scanner::Whole(scanner) => scanner.push(data),
                    }
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => match (this.end(Some("stream_broken")), &this.scanner) {
                (Some(closing), _) => Poll::Ready(Some(Ok(Frame::data(closing)))),
                (None, Scanner::Stream(_)) => Poll::Ready(None),
                // Cutting the connection is the only way to say that a sized body will not come whole.
                (None, Scanner::Whole(_)) => Poll::Ready(Some(Err(error.into()))),
            },
            Poll::Ready(None) => Poll::Ready(this.end(None).map(|closing| Ok(Frame::data(closing)))),
            Poll::Pending => this.watch(task).map_ok(Frame::data),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self.scanner {
            Scanner::Whole(_) => self.done || self.upstream.is_end_stream(),
            Scanner::Stream(_) => self.done,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self.scanner {
            Scanner::Whole(_) => self.upstream.size_hint(),
            Scanner::Stream(_) => SizeHint::default(),
        }
    }
}

/// A client that goes away, or is cut off, is charged for what the provider had reported until then.
impl Drop for Metered {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        let why = self.meter.audit.as_ref().map(|row| Broken::Client(row.why_dropped()));
        let gone = |complete: bool| why.filter(|_| !complete);
        let ended = self.upstream.is_end_stream();
        let (facts, verdict) = match &mut self.scanner {
            // Some clients close as soon as they have read the last event.
            Scanner::Stream(scanner) => {
                let summary = std::mem::take(scanner).finish();
                (summary.facts, gone(summary.end == StreamEnd::Complete))
            }
            Scanner::Whole(scanner) => (std::mem::take(scanner).finish(), gone(ended)),
        };
        self.meter.settle(&facts, verdict);
    }
}

impl Meter {
    /// For a reply of `account` to the request of `context`.
    pub(crate) fn new(price: Option<PriceList>, account: &Arc<Account>, context: &Context<Verified>) -> Self {
        let (request_id, audit) = (context.request_id.clone(), context.audit.clone());
        Self { price, account: Arc::clone(account), request_id, audit, settled: false }
    }

    fn settle(&mut self, facts: &ReplyFacts, verdict: Option<Broken>) {
        if std::mem::replace(&mut self.settled, true) {
            return;
        }
        if let Some(Broken::Provider(reason)) = verdict {
            let (id, app) = (&self.request_id, self.account.name.as_str());
            // The type of an error is a word of the API; its message may quote the request.
            let detail = excerpt(facts.error_type.as_deref().unwrap_or_default());
            tracing::warn!(request.id = %id, app, reason, detail, "model reply broke off");
        }
        // What came to its end and says nothing of what it used is no reply as we know them.
        let is_silent = verdict.is_none() && facts.usage.is_none();
        if is_silent {
            let (id, app, reason) = (&self.request_id, self.account.name.as_str(), "usage_missing");
            tracing::warn!(request.id = %id, app, reason, "model reply says nothing of tokens");
        }
        let Some(audit) = &self.audit else { return };
        if let Some(usage) = facts.usage {
            let cost = self.price.as_ref().map(|price| price.cost(&usage).pico_usd() / 1_000_000);
            audit.note(|event| {
                event.with_tokens(TokenUsage {
                    input: usage.input,
                    output: usage.output,
                    cache_write: usage.cache_write + usage.cache_write_1h,
                    cache_read: usage.cache_read,
                    cost_micro_usd: cost.and_then(|micro| u64::try_from(micro).ok()),
                })
            });
        }
        match verdict {
            Some(Broken::Provider(reason) | Broken::Client(reason)) => audit.conclude(Outcome::Error, reason),
            None if is_silent => audit.conclude(Outcome::Error, "usage_missing"),
            None => {}
        }
    }
}
