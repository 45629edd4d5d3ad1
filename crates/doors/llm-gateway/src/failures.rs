//! What went wrong on the way through the routes of a model: each attempt is recorded and logged once, and the client
//! is told one thing.

use std::time::Duration;

use tokio::time::Instant;

use gatehouse_audit::event::{Attempt as Recorded, Target};
use gatehouse_config::snapshot::llm::Timeouts;
use gatehouse_edge::context::{Context, Verified};
use gatehouse_edge::rejection::Rejection;
use gatehouse_edge::server::routes::Outcome;
use gatehouse_llm::anthropic::error::RetryAdvice;
use gatehouse_llm::anthropic::request::MessagesRequest;
use gatehouse_llm::model::UnknownModel;
use gatehouse_llm::route::{Attempt, Failure, Fault, most_telling};

use crate::failed::Failed;
use crate::providers::Provider;
use crate::serving::Serving;
use crate::upstream;

/// One route, tried or passed over, at its provider.
#[derive(Clone, Copy)]
pub(crate) struct Try<'a> {
    pub(crate) attempt: &'a Attempt<'a>,
    pub(crate) provider: &'a Provider,
    pub(crate) started: Instant,
}

/// What became of the routes so far.
pub(crate) struct Failures<'a> {
    request: &'a MessagesRequest,
    context: &'a Context<Verified>,
    denial: Option<Rejection>,
    failed: Vec<Failed>,
    denials: usize,
}

impl<'a> Failures<'a> {
    /// Nothing went wrong yet.
    pub(crate) fn none(request: &'a MessagesRequest, context: &'a Context<Verified>) -> Self {
        Self { request, context, denial: None, failed: Vec::new(), denials: 0 }
    }

    /// Policy closes a route, which is passed over.
    pub(crate) fn denied(&mut self, tried: Try<'_>, mut denial: Rejection) {
        let (app, model) = (tried.provider.account.name.as_str(), self.request.model());
        denial.internal = Some(format!("model {model}, app {app}: {}", denial.detail()));
        let recorded = recorded(tried, None, Some(denial.reason), Duration::ZERO);
        self.context.note(|event| {
            let event = event.with_attempt(recorded);
            if self.denials > 0 || !self.failed.is_empty() {
                return event;
            }
            // A call that is refused says which model it was for; an attempt that is made says more.
            event.with_target(Target {
                app: Some(app.to_owned()),
                model: Some(model.to_owned()),
                ..Target::default()
            })
        });
        self.denials += 1;
        self.denial.get_or_insert(denial);
    }

    /// A route gave no reply. Whether the next one is to be tried.
    pub(crate) fn failed(&mut self, tried: Try<'_>, failed: Failed) -> bool {
        let status = failed.failure.status();
        let recorded = recorded(tried, status, Some(reason(failed.failure)), tried.started.elapsed());
        self.context.note(|event| event.with_attempt(recorded));
        self.log(tried.provider, status, &failed);
        let goes_on = failed.failure.fails_over();
        self.failed.push(failed);
        goes_on
    }

    /// A route gave a reply. Where it was the first to be tried, the record's target says all there is to say.
    pub(crate) fn passed(&self, tried: Try<'_>, status: u16) {
        if self.denials > 0 || !self.failed.is_empty() {
            let recorded = recorded(tried, Some(status), None, tried.started.elapsed());
            self.context.note(|event| event.with_attempt(recorded));
        }
    }

    /// The most telling failure, in the provider's own words where the client's recovery depends on them.
    pub(crate) async fn into_outcome(mut self, serving: &Serving) -> Outcome {
        let seen: Vec<Failure> = self.failed.iter().map(|failed| failed.failure).collect();
        let Some(telling) = most_telling(&seen) else {
            return Err(self
                .denial
                .unwrap_or_else(|| Rejection::internal("no_attempt", "the model has no route")));
        };
        if telling == Failure::NoSuchModel {
            return Err(unknown(self.request.model()));
        }
        let advice = self.advice(telling, &seen, serving);
        let position = self.failed.iter().rposition(|failed| failed.failure == telling);
        let failed = match position {
            Some(position) => self.failed.swap_remove(position),
            None => Failed { failure: telling, response: None, detail: String::new() },
        };
        self.context.note(|event| {
            event.with_outcome(gatehouse_audit::event::Outcome::Error).with_reason(reason(telling))
        });
        upstream::show(failed, advice, self.context).await
    }

    /// What to say about trying again. What the provider finds wrong with a request is the provider's to advise on.
    fn advice(&self, telling: Failure, seen: &[Failure], serving: &Serving) -> RetryAdvice {
        if telling.fault() == Fault::Request && telling.lasts() {
            return RetryAdvice::ClientDecides;
        }
        if seen.iter().all(|failure| failure.lasts()) {
            return RetryAdvice::Pointless;
        }
        let principal = &self.context.who.caller().principal;
        let caller = (principal.issuer().as_str(), principal.subject().as_str());
        let path = self.context.head.uri.path();
        let request = serving.recurring.key(caller, path, self.request.body());
        let Timeouts { retries, rate_limited_retries, .. } = serving.timeouts;
        let bearable = if telling == Failure::Status(429) { rate_limited_retries } else { retries };
        if serving.recurring.has_lasted(request, bearable, Instant::now()) {
            RetryAdvice::Pointless
        } else {
            RetryAdvice::ClientDecides
        }
    }

    fn log(&self, provider: &Provider, status: Option<u16>, failed: &Failed) {
        let (id, model) = (&self.context.request_id, self.request.model());
        let (app, reason) = (provider.account.name.as_str(), reason(failed.failure));
        let detail = failed.detail.as_str();
        match failed.failure.fault() {
            Fault::Account => tracing::error!(
                request.id = %id, app, model, status, reason, detail,
                "model provider refused the gateway's account or route"
            ),
            Fault::Provider => tracing::warn!(
                request.id = %id, app, model, status, reason, detail, "model provider failed"
            ),
            Fault::Request => tracing::info!(
                request.id = %id, app, model, status, reason, detail, "model provider refused a request"
            ),
        }
    }
}

/// A model that nobody here has: the client's mistake (400), never 404.
pub(crate) fn unknown(id: &str) -> Rejection {
    let words = UnknownModel::new(id).to_string();
    Rejection::malformed("model_unknown", words.as_str()).because(words)
}

fn recorded(
    tried: Try<'_>,
    status: Option<u16>,
    reason: Option<&'static str>,
    duration: Duration,
) -> Recorded {
    let account = &tried.provider.account;
    Recorded {
        app: account.name.to_string(),
        provider: account.provider.as_str().to_owned(),
        upstream_model: tried.attempt.model.to_string(),
        upstream: tried.provider.origin.clone(),
        status,
        reason,
        duration,
    }
}

/// The stable code of a failure, in the record and in the log.
fn reason(failure: Failure) -> &'static str {
    match failure {
        Failure::Unreachable => "provider_unreachable",
        Failure::Unreadable => "provider_unreadable",
        Failure::TimedOut => "provider_timeout",
        Failure::NoSuchModel => "model_unknown",
        Failure::CannotCount(_) => "provider_cannot_count",
        Failure::Status(401 | 403 | 407) => "provider_refused_credential",
        Failure::Status(402) => "provider_unpaid",
        Failure::Status(404 | 405 | 410 | 421 | 426) => "provider_lacks_model",
        Failure::Status(300..=399) => "provider_redirects",
        Failure::Status(_) => "provider_error",
    }
}
