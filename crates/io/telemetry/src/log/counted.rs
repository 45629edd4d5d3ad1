//! Lines that strangers cause, of which there may be any number: a handful of each kind is written, the rest is counted.

use std::convert::Infallible;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gatehouse_audit::tally::{Counted, Handful, Network, Origin, Room, Tally, Verdict};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// The fields that say where somebody comes from; a line with one of them is about a stranger, or may be.
const ORIGINS: [&str; 2] = ["source.ip", "peer.ip"];

/// How long lines are counted before they are told of.
const EVERY: Duration = Duration::from_secs(1);

/// Lines that were counted instead of written.
#[derive(Clone)]
pub struct CountedLines(Arc<Mutex<Tally<Line, Instant>>>);

/// Lines that say the same of somebody else.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Line {
    level: Level,
    message: String,
    reason: String,
}

/// What is read of a line.
#[derive(Default)]
struct Reading {
    message: String,
    reason: String,
    origin: Option<IpAddr>,
}

impl CountedLines {
    /// Writes a handful a second.
    pub(super) fn new(handful: Handful) -> Self {
        Self(Arc::new(Mutex::new(Tally::new(handful))))
    }

    /// Tells of them once a second.
    pub async fn keep_telling(self) -> Infallible {
        let mut turns = interval(EVERY);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            turns.tick().await;
            self.tell();
        }
    }

    /// Writes a line for each kind of line that was counted since it was called last, and lets the next handful through.
    pub fn tell(&self) {
        let counted = self.lock().take();
        counted.iter().for_each(tell);
    }

    fn lock(&self) -> MutexGuard<'_, Tally<Line, Instant>> {
        // Nothing inside the lock can panic half-way through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Subscriber> Layer<S> for CountedLines {
    fn event_enabled(&self, event: &Event<'_>, _context: Context<'_, S>) -> bool {
        let metadata = event.metadata();
        if metadata.fields().iter().all(|field| !ORIGINS.contains(&field.name())) {
            return true;
        }
        let mut reading = Reading::default();
        event.record(&mut reading);
        let Reading { message, reason, origin } = reading;
        let Some(origin) = origin else { return true };
        let line = Line { level: *metadata.level(), message, reason };
        let verdict = self.lock().note(&line, Network::of(origin), Instant::now(), Room::Ample);
        verdict == Verdict::Whole
    }
}

impl Visit for Reading {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "reason" {
            value.clone_into(&mut self.reason);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            "reason" => self.reason = format!("{value:?}"),
            name if ORIGINS.contains(&name) => {
                self.origin = format!("{value:?}").parse().ok().or(self.origin);
            }
            _ => {}
        }
    }
}

/// A level is part of a message's declaration, so each has its own.
fn tell(Counted { kind, origin, times }: &Counted<Line, Instant>) {
    let (network, networks) = match origin {
        Origin::One(network) => (Some(network.to_string()), None),
        Origin::Many(networks) => (None, Some(*networks)),
    };
    let (network, reason) = (network.as_deref(), Some(kind.reason.as_str()).filter(|code| !code.is_empty()));
    let (message, count) = (kind.message.as_str(), times.count);
    let within_ms = u64::try_from(times.last.duration_since(times.first).as_millis()).unwrap_or(u64::MAX);
    match kind.level {
        Level::ERROR => {
            tracing::error!(
                counted.message = message,
                reason,
                source.network = network,
                source.networks = networks,
                count,
                within_ms,
                "lines counted"
            );
        }
        Level::WARN => {
            tracing::warn!(
                counted.message = message,
                reason,
                source.network = network,
                source.networks = networks,
                count,
                within_ms,
                "lines counted"
            );
        }
        Level::INFO => {
            tracing::info!(
                counted.message = message,
                reason,
                source.network = network,
                source.networks = networks,
                count,
                within_ms,
                "lines counted"
            );
        }
        _ => {
            tracing::debug!(
                counted.message = message,
                reason,
                source.network = network,
                source.networks = networks,
                count,
                within_ms,
                "lines counted"
            );
        }
    }
}

#[cfg(test)]
mod tests;
