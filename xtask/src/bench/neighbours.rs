//! What else keeps the machine busy: figures of a busy machine are worth little.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

/// How long one look takes.
const LOOK: Duration = Duration::from_millis(200);

/// The percentage of all processors that was in use during one look, while the bench itself did nothing.
pub(super) fn busy() -> Result<f64, String> {
    let before = read()?;
    sleep(LOOK);
    let after = read()?;
    let total = after.total - before.total;
    Ok(if total > 0.0 { 100.0 * (1.0 - (after.idle - before.idle) / total) } else { 0.0 })
}

/// Ticks since the machine started.
struct Ticks {
    total: f64,
    idle: f64,
}

fn read() -> Result<Ticks, String> {
    let text = fs::read_to_string("/proc/stat").map_err(|error| format!("/proc/stat: {error}"))?;
    Ok(ticks(&text))
}

/// The line of all processors: user, nice, system, idle, iowait, irq, softirq, steal; guests are in user already.
fn ticks(stat: &str) -> Ticks {
    let line = stat.lines().next().unwrap_or_default();
    let ticks: Vec<f64> =
        line.split_whitespace().skip(1).take(8).map(|word| word.parse().unwrap_or_default()).collect();
    Ticks { total: ticks.iter().sum(), idle: ticks.iter().skip(3).take(2).sum() }
}

#[cfg(test)]
mod tests;
