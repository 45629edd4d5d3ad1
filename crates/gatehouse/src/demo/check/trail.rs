//! The audit trail: read from the file, verified, and searched for what must and must not be there.

use std::path::Path;

use gatehouse_audit::chain::{self, Summary};
use serde_json::Value;
use tokio::time::{Duration, Instant, sleep};

use super::story::Mismatch;

/// How long records may take to reach the file.
const PATIENCE: Duration = Duration::from_secs(3);
/// Between two looks at the file.
const PAUSE: Duration = Duration::from_millis(20);

/// A whole log.
#[derive(Debug)]
pub(super) struct Trail {
    text: String,
    records: Vec<Value>,
}

/// What a record must say: values by JSON pointer.
pub(super) type Expected<'a> = &'a [(&'a str, &'a str)];

impl Trail {
    /// Reads the log at `path`, as soon as every expected record is in it.
    pub(super) async fn read(path: &Path, expected: &[Expected<'_>]) -> Result<Self, Mismatch> {
        let end = Instant::now() + PATIENCE;
        loop {
            let text = std::fs::read_to_string(path).map_err(|error| Mismatch::new(path.display(), error))?;
            let trail = Self::parse(text);
            match expected.iter().find(|expected| trail.find(expected).is_none()) {
                None => return Ok(trail),
                Some(missing) if Instant::now() >= end => {
                    let wanted: Vec<String> =
                        missing.iter().map(|(pointer, value)| format!("{pointer} = {value}")).collect();
                    return Err(Mismatch::new(
                        format!("a record with {}", wanted.join(", ")),
                        trail.outline(),
                    ));
                }
                Some(_) => sleep(PAUSE).await,
            }
        }
    }

    fn parse(text: String) -> Self {
        let records = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        Self { text, records }
    }

    /// The first record that says all of `expected`.
    pub(super) fn find(&self, expected: Expected<'_>) -> Option<&Value> {
        let says = |record: &Value, pointer: &str, value: &str| match record.pointer(pointer) {
            Some(Value::String(text)) => text == value,
            Some(other) => {
                let written = other.to_string();
                written == value
            }
            None => false,
        };
        self.records
            .iter()
            .find(|record| expected.iter().all(|(pointer, value)| says(record, pointer, value)))
    }

    /// Verifies the chain.
    pub(super) fn verify(&self) -> Result<Summary, Mismatch> {
        chain::verify(self.text.lines()).map_err(|broken| Mismatch::new("an unbroken hash chain", broken))
    }

    /// Whether `text` is anywhere in the log.
    pub(super) fn holds(&self, text: &str) -> bool {
        self.text.contains(text)
    }

    /// One line for every record.
    pub(super) fn lines(&self) -> Vec<String> {
        self.records.iter().map(line).collect()
    }

    fn outline(&self) -> String {
        let kinds: Vec<&str> =
            self.records.iter().filter_map(|record| record.get("event").and_then(Value::as_str)).collect();
        format!("{} records: {}", kinds.len(), kinds.join(" "))
    }
}

/// A record as one line: number, event, outcome, who through which client, what, and why not.
fn line(record: &Value) -> String {
    let text = |pointer: &str| record.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let first = |pointers: &[&'static str]| {
        pointers.iter().map(|pointer| text(pointer)).find(|found| !found.is_empty()).unwrap_or_default()
    };
    let seq = record.get("seq").and_then(Value::as_u64).unwrap_or_default();
    let who = first(&["/actor/sub", "/actor/claimed_user"]);
    let client = text("/actor/client_id");
    let through = if client.is_empty() || client == who { String::new() } else { format!(" via {client}") };
    let what =
        first(&["/target/tool", "/target/model", "/target/method", "/target/audience", "/exchange/aud/0"]);
    let why = first(&["/policy/internal_message", "/reason"]);
    let why =
        if text("/outcome") == "allow" || why.is_empty() { String::new() } else { format!("  ({why})") };
    let line = format!(
        "{seq:>3}  {:<22} {:<6} {:<34} {what}{why}",
        text("/event"),
        text("/outcome"),
        format!("{who}{through}")
    );
    line.trim_end().to_owned()
}

#[cfg(test)]
mod tests;
