//! `health.heartbeat`: a regular log line that says the process lives.

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use gatehouse_config::snapshot::platform::LogLevel;

/// How often.
pub(super) const EVERY: Duration = Duration::from_secs(60);

/// Writes the line at `level`, once in `every`, until `stop` is cancelled.
pub(super) async fn run(level: LogLevel, every: Duration, stop: CancellationToken) {
    let started = Instant::now();
    let mut beats = interval_at(started + every, every);
    beats.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            now = beats.tick() => beat(level, now.duration_since(started).as_secs()),
        }
    }
}

/// A level is part of a message's declaration, so each has its own.
fn beat(level: LogLevel, seconds: u64) {
    match level {
        LogLevel::Trace => tracing::trace!(uptime_seconds = seconds, "heartbeat"),
        LogLevel::Debug => tracing::debug!(uptime_seconds = seconds, "heartbeat"),
        LogLevel::Info => tracing::info!(uptime_seconds = seconds, "heartbeat"),
        LogLevel::Warn => tracing::warn!(uptime_seconds = seconds, "heartbeat"),
        LogLevel::Error => tracing::error!(uptime_seconds = seconds, "heartbeat"),
    }
}

#[cfg(test)]
mod tests;
