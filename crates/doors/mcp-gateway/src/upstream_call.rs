//! The rest of a call: what the upstream says until it has answered, in the client's words.

use std::sync::Arc;

use futures_util::stream;
use serde_json::value::RawValue;
use tokio::time::Instant;

use gatehouse_audit::event::Outcome as Verdict;
use gatehouse_config::snapshot::mcp::McpApp;
use gatehouse_edge::context::{AuditRow, Context, Verified};
use gatehouse_edge::limits::Limit;
use gatehouse_edge::rejection::Rejection;
use gatehouse_mcp::message::{Id, Message as Rpc, Outcome, RawObject, compose};
use gatehouse_mcp::rewrite::{ErrorAnswer, ResultKind, append_text, call_error, dressing, progress_for};
use gatehouse_mcp::version::Version;

use crate::answer::{Message, cancelled_call, dressed, failed_call, failed_upstream, with_request_id};
use crate::app_catalog::AppCatalog;
use crate::cancellation::Cancellation;
use crate::reply::{CallEvent, Events};
use crate::request_scope::RequestScope;
use crate::upstream::answer_reader::{AnswerReader, TOO_LARGE};
use crate::upstream::bridge::Answer;
use crate::upstream::cancel_on_drop::CancelOnDrop;
use crate::upstream::wire::Deadline;
use crate::upstream::{Upstreams, failed, unusable};

/// The largest progress notification that is relayed.
const LARGEST_PROGRESS: usize = 64 * 1024;

/// A call that an MCP server is working on. Dropping it cancels the call.
pub(crate) struct UpstreamCall {
    pub(crate) reader: AnswerReader,
    /// The call's id in the gateway's own id space.
    pub(crate) sent: Id,
    /// Where progress goes, if the client wants any.
    pub(crate) progress: Option<Progress>,
    pub(crate) deadline: Deadline,
    /// Cancels the call at servers that have to be told.
    pub(crate) cancel: Option<CancelOnDrop>,
    pub(crate) completion: Completion,
}

/// The two names of one progress stream.
pub(crate) struct Progress {
    /// The token that the upstream got.
    pub(crate) sent: Box<RawValue>,
    /// The client's own.
    pub(crate) original: Box<RawValue>,
}

/// How the call ends for the client and in the audit record.
pub(crate) struct Completion {
    upstreams: Arc<Upstreams>,
    app: Arc<McpApp>,
    catalog: AppCatalog,
    context: Context<Verified>,
    version: Version,
    id: Id,
    cancellation: Option<Arc<Cancellation>>,
    watch: Watch,
}

/// Notes a call whose connection went away before it was answered.
struct Watch {
    started: Instant,
    row: std::sync::Mutex<Option<Arc<AuditRow>>>,
}

impl UpstreamCall {
    /// Waits for the next thing to tell. Giving up waiting loses nothing: it can be called again.
    pub(crate) async fn next(&mut self) -> CallEvent {
        let cancellation = self.completion.cancellation.clone();
        let cancelled = async {
            match &cancellation {
                Some(cancellation) => cancellation.requested().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = cancelled => CallEvent::Answer(self.completion.cancelled()),
            said = self.listen() => said,
        }
    }

    /// The same as a stream, up to the answer.
    pub(crate) fn into_events(self) -> Events {
        Box::pin(stream::unfold(Some(self), |call| async {
            let mut call = call?;
            Some(match call.next().await {
                answer @ CallEvent::Answer(_) => (answer, None),
                progress @ CallEvent::Progress(_) => (progress, Some(call)),
            })
        }))
    }

    async fn listen(&mut self) -> CallEvent {
        loop {
            let heard = match self.reader.next(self.deadline.next()).await {
                Ok(Some(message)) => self.interpret(&message),
                Ok(None) => {
                    CancelOnDrop::settle(&mut self.cancel);
                    Err(self.reader.silence())
                }
                Err(rejection) => Err(rejection),
            };
            match heard {
                Ok(None) => {}
                Ok(Some(said)) => return said,
                Err(rejection) => return CallEvent::Answer(self.completion.failed(&rejection)),
            }
        }
    }

    fn interpret(&mut self, message: &[u8]) -> Result<Option<CallEvent>, Rejection> {
        let broken = |error: gatehouse_mcp::message::ParseError| {
            unusable("upstream_garbage", "sent something that is not MCP").because(error.to_string())
        };
        match Rpc::parse_upstream(message).map_err(broken)? {
            Rpc::Notification(note) => {
                let Some(Progress { sent, original }) = &self.progress else { return Ok(None) };
                let progress = progress_for(&note, sent, original);
                if progress.is_some() {
                    self.deadline.heard();
                }
                Ok(progress.filter(|progress| progress.len() <= LARGEST_PROGRESS).map(CallEvent::Progress))
            }
            Rpc::Request(request) if request.method() == "ping" => {
                if let Some(cancel) = &self.cancel {
                    cancel.pong(request.id());
                }
                Ok(None)
            }
            Rpc::Request(request) => {
                let shown: String = request.method().chars().take(64).collect();
                let public = format!(
                    "The tool's server asks its client for {shown:?} before it answers; this gateway does not relay that."
                );
                Err(failed("upstream_asks_client", public))
            }
            Rpc::Response(response) => {
                let error = matches!(response.outcome(), Outcome::Error(_));
                if response.id() != Some(&self.sent) && !(error && response.id().is_none()) {
                    return Err(unusable(
                        "upstream_wrong_id",
                        "answered another request than the one it was sent",
                    ));
                }
                CancelOnDrop::settle(&mut self.cancel);
                let json = std::str::from_utf8(message).unwrap_or_default();
                self.reader.count_besides(dressing(json, self.completion.version))?;
                Ok(Some(CallEvent::Answer(self.completion.outcome(response.into_outcome()))))
            }
        }
    }
}

impl Completion {
    pub(crate) fn begin(
        scope: &RequestScope<'_>,
        (app, catalog): (&Arc<McpApp>, &AppCatalog),
        id: &Id,
        cancellation: Option<Arc<Cancellation>>,
    ) -> Self {
        Self {
            upstreams: Arc::clone(&scope.door.upstreams),
            catalog: catalog.clone(),
            app: Arc::clone(app),
            context: scope.context.clone(),
            version: scope.version,
            id: id.clone(),
            cancellation,
            watch: Watch { started: Instant::now(), row: std::sync::Mutex::new(scope.context.audit.clone()) },
        }
    }

    /// The call is over, one way or another.
    pub(crate) fn settle(&self) {
        self.watch.row.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
    }

    /// Settles when `result` is a refusal.
    pub(crate) fn or_settle<T>(&self, result: Result<T, Rejection>) -> Result<T, Rejection> {
        if result.is_err() {
            self.settle();
        }
        result
    }

    /// The upstream did not answer, or not usably.
    pub(crate) fn failed(&self, rejection: &Rejection) -> Message {
        if rejection.reason == TOO_LARGE {
            self.context.limits.hit(Limit::Response);
        }
        self.close();
        if rejection.kind.is_failure() {
            self.upstreams.apps.fails(
                self.app.name.as_str(),
                rejection.reason,
                self.upstreams.parts.clock.now(),
            );
        }
        failed_call(&self.upstreams.server, &self.context, self.version, &self.id, rejection)
    }

    fn cancelled(&self) -> Message {
        self.close();
        cancelled_call(&self.upstreams.server, &self.context, self.version, &self.id)
    }

    /// The upstream answered; what it said is between it and the caller.
    fn answered(&self) {
        self.upstreams.apps.answers(self.app.name.as_str());
        self.close();
    }

    /// A REST API answered, or did not.
    pub(crate) fn bridge(&self, answer: Result<Answer, Rejection>) -> Message {
        match answer {
            Ok(Answer { status, mut result, held }) => {
                let reason = match status {
                    401 | 403 => Some("upstream_refused_credential"),
                    500.. => Some("upstream_error"),
                    _ => None,
                };
                if let Some(reason) = reason {
                    let detail = format!("the API answered HTTP {status}");
                    let note = failed_upstream(&self.context, reason, &detail);
                    append_text(&mut result, &note);
                    self.upstreams.apps.fails(
                        self.app.name.as_str(),
                        reason,
                        self.upstreams.parts.clock.now(),
                    );
                    self.close();
                } else {
                    self.answered();
                }
                let message = self.counted(dressed(&self.upstreams.server, self.version, &self.id, result));
                drop(held);
                message
            }
            Err(rejection) => self.failed(&rejection),
        }
    }

    fn outcome(&self, outcome: Outcome<'_>) -> Message {
        match outcome {
            Outcome::Result(result) => self.result(result),
            Outcome::Error(error) => {
                // Its words may repeat what the caller sent, which is logged nowhere.
                let detail = format!("the MCP server answered error {}", error.code);
                let note = failed_upstream(&self.context, "upstream_rpc_error", &detail);
                if matches!(error.code, -32602 | -32020) {
                    // Perhaps the tool is not what its list said any more.
                    self.catalog.doubt();
                }
                self.answered();
                self.counted(match call_error(&error, self.version) {
                    ErrorAnswer::Result(mut result) => {
                        append_text(&mut result, &note);
                        dressed(&self.upstreams.server, self.version, &self.id, result)
                    }
                    ErrorAnswer::Error(error) => {
                        let error = with_request_id(error, &self.context.request_id);
                        let status = error.http_status(self.version.era());
                        Message::with_status(compose::error(Some(&self.id), &error), status)
                    }
                })
            }
        }
    }

    fn result(&self, result: RawObject<'_>) -> Message {
        match ResultKind::of(&result) {
            ResultKind::InputRequired => {
                let public =
                    "The tool's server asks for input before it answers; this gateway does not relay that.";
                self.failed(&failed("upstream_asks_client", public))
            }
            ResultKind::Other(kind) => {
                let kind: String = kind.chars().take(64).collect();
                let what = format!("answered with the result type {kind:?}, which was not agreed on");
                self.failed(&unusable("upstream_result_type", &what))
            }
            ResultKind::Complete => {
                self.answered();
                self.counted(dressed(&self.upstreams.server, self.version, &self.id, result))
            }
        }
    }

    /// From here on the result is held for the caller, who takes it as slowly as it likes.
    fn counted(&self, message: Message) -> Message {
        message.counted(&self.context).unwrap_or_else(|rejection| self.failed(&rejection))
    }

    fn close(&self) {
        let took = self.watch.started.elapsed();
        self.context.note(|event| event.with_upstream_time(took));
        self.settle();
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(row) = self.row.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner).take() {
            row.conclude(Verdict::Error, row.why_dropped());
        }
    }
}
