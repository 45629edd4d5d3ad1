//! What Gatehouse must not be worse than.

use super::Target;
use super::figures::{Crowd, Figures, Lone};
use super::scenario::Scenario;

/// One promise and what became of it.
pub(super) struct Floor {
    pub(super) promise: &'static str,
    pub(super) limit: Limit,
    /// `None` when it was not measured.
    pub(super) found: Option<f64>,
}

/// How a figure is judged.
#[derive(Clone, Copy)]
pub(super) enum Limit {
    AtMost(f64),
    AtLeast(f64),
}

impl Floor {
    /// Whether the promise is kept; a figure that is not there keeps none.
    pub(super) fn holds(&self) -> bool {
        match (self.found, self.limit) {
            (Some(found), Limit::AtMost(limit)) => found <= limit,
            (Some(found), Limit::AtLeast(limit)) => found >= limit,
            (None, _) => false,
        }
    }
}

/// Every floor, in the order of the page.
pub(super) fn all(figures: &Figures) -> Vec<Floor> {
    let cpu = |scenario| ratio(|target| figures.crowd(scenario, target, |crowd: &Crowd| crowd.cpu_us));
    let added = |scenario| ratio(|target| figures.added(scenario, target, |lone: &Lone| lone.p50));
    let signed = figures.median(Scenario::TokenRs256, |round| {
        Some(round.crowds.get(&Target::Gatehouse)?.requests_per_second / round.signing?)
    });
    let at_most = |promise, limit, found| Floor { promise, limit: Limit::AtMost(limit), found };
    vec![
        at_most("llm-json: CPU a request, times nginx", 4.0, cpu(Scenario::LlmJson)),
        at_most("mcp-call: CPU a request, times nginx", 6.0, cpu(Scenario::McpCall)),
        at_most("llm-sse: CPU an event, times nginx", 4.0, cpu(Scenario::LlmSse)),
        at_most("llm-json: p50 added at one connection, times nginx", 2.5, added(Scenario::LlmJson)),
        at_most("mcp-call: p50 added at one connection, times nginx", 2.5, added(Scenario::McpCall)),
        at_most("llm-ttft: time to first token added, times nginx", 2.5, added(Scenario::LlmTtft)),
        Floor {
            promise: "token-rs256: tokens a second, times raw signing",
            limit: Limit::AtLeast(0.75),
            found: signed,
        },
        at_most("idle memory, MB", 40.0, figures.memory(Target::Gatehouse).map(|resident| resident.idle)),
    ]
}

/// Gatehouse over nginx.
pub(super) fn ratio(of: impl Fn(Target) -> Option<f64>) -> Option<f64> {
    Some(of(Target::Gatehouse)? / of(Target::Nginx)?)
}
