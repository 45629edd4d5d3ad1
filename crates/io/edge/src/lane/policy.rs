//! The lane for policies that take longer than a request may hold up others.

use std::io;
use std::net::IpAddr;
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use gatehouse_policy::input::Input;
use gatehouse_policy::{Answered, Asker, Consulted, Decision, DenyReason, Policy, Question, Turn};

use super::{Job, Lane, LaneSize};
use crate::server::address::network;

/// Most evaluations of one policy that wait: with those that run, they are over in well under a second.
const WAITING: usize = 32;

/// Threads for policies that nobody knows yet or that took longer than a millisecond, each policy on half of them at
/// most. Policies that are quick are asked without them.
pub struct PolicyLane {
    lane: Lane<usize, Evaluation>,
    began: Instant,
}

struct Evaluation {
    question: Box<Question>,
    began: Instant,
    done: oneshot::Sender<Answered>,
}

impl PolicyLane {
    /// Starts the threads, two or as many as there are processors.
    pub fn start() -> io::Result<Self> {
        let threads = thread::available_parallelism().map_or(1, usize::from).max(2);
        let size = LaneSize { threads, at_once: threads / 2, waiting: WAITING, nice: 0 };
        Ok(Self { lane: Lane::start("policy", size)?, began: Instant::now() })
    }

    /// What `policy` says about `input`, which came from `from`.
    pub(crate) async fn ask(&self, policy: &Policy, input: &Input<'_>, from: IpAddr) -> Decision {
        let network = network(from);
        let question = match policy.consult(input, Asker { network, now: self.began.elapsed() }) {
            Consulted::Decided(answered) => return told(policy, answered),
            Consulted::Open(question) => question,
        };
        let (done, answer) = oneshot::channel();
        let evaluation = Evaluation { question, began: self.began, done };
        let asked = self.lane.push(policy.identity(), network, evaluation);
        match (asked, answer.await) {
            (Ok(()), Ok(answered)) => told(policy, answered),
            _ => Decision::failed(policy.name(), DenyReason::Busy, "too many evaluations are waiting"),
        }
    }
}

impl Job for Evaluation {
    fn is_wanted(&self) -> bool {
        !self.done.is_closed()
    }

    fn run(self) {
        let began = self.began;
        let clock = move || -> Duration { began.elapsed() };
        // Whoever asked may have gone away meanwhile.
        let _ = self.done.send(self.question.answer(&clock));
    }
}

/// Tells operators when a policy begins to be cut short, and when it is asked again.
fn told(policy: &Policy, answered: Answered) -> Decision {
    let name = policy.name();
    match answered.turn {
        None => {}
        Some(Turn::CutForNetwork { network, pause }) => tracing::warn!(
            policy = name,
            source.network = %network,
            pause_ms = pause.as_millis(),
            "a policy keeps running into its limit and is cut short for a network"
        ),
        Some(Turn::CutForAll { pause }) => tracing::warn!(
            policy = name,
            pause_ms = pause.as_millis(),
            "a policy keeps running into its limit and is cut short"
        ),
        Some(Turn::Restored) => {
            tracing::info!(policy = name, "a policy that was cut short answers again");
        }
    }
    answered.decision
}

#[cfg(test)]
mod tests;
