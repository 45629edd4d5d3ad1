use std::io;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tracing_subscriber::fmt::MakeWriter;

use super::{LogError, subscriber};

#[derive(Clone, Default)]
pub(super) struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    pub(super) fn read(&self) -> Vec<Value> {
        let bytes = self.0.lock().unwrap();
        std::str::from_utf8(&bytes).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

fn logged(filter: &str) -> Vec<Value> {
    let lines = Lines::default();
    tracing::subscriber::with_default(subscriber(filter, lines.clone()).unwrap(), || {
        tracing::info!(target: "gatehouse_edge::door", { request.id = "req_1", response.status = 200 }, "request served");
        tracing::trace!(target: "gatehouse_edge::door", "own detail");
        tracing::info!(target: "hyper::proto", "foreign detail");
        tracing::warn!(target: "hyper::proto", "foreign warning");
    });
    lines.read()
}

#[test]
fn a_line_is_an_object_with_time_level_message_and_fields() {
    let lines = logged("info");
    let line = lines[0].as_object().unwrap();
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["message"], "request served");
    assert_eq!(line["target"], "gatehouse_edge::door");
    assert_eq!(line["request.id"], "req_1");
    assert_eq!(line["response.status"], 200);
    assert!(line["timestamp"].as_str().unwrap().ends_with('Z'));
}

#[test]
fn a_level_holds_for_our_own_code_only() {
    let messages = |filter| -> Vec<String> {
        logged(filter).iter().map(|line| line["message"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(messages("info"), ["request served", "foreign warning"]);
    assert_eq!(messages("trace"), ["request served", "own detail", "foreign warning"]);
    assert_eq!(messages("error"), [""; 0]);
    assert_eq!(messages("hyper=info"), ["foreign detail", "foreign warning"]);
}

#[test]
fn a_filter_that_cannot_be_read_is_refused() {
    assert!(matches!(subscriber("gatehouse=loud", io::sink), Err(LogError::Filter { .. })));
}
