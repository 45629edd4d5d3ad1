//! The log lines that a test causes on its own thread.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Metadata, Subscriber};

/// Listens from when it is made until it is dropped.
pub struct LogCapture {
    lines: Arc<Mutex<Vec<Line>>>,
    _listening: DefaultGuard,
}

/// One line of our own code.
#[derive(Clone, Debug)]
pub struct Line {
    /// Its level in capitals.
    pub level: &'static str,
    /// Its fields as text; `message` is one of them.
    pub fields: BTreeMap<&'static str, String>,
}

struct Ears(Arc<Mutex<Vec<Line>>>);

impl LogCapture {
    /// Listens to the present thread: that of the whole test, unless it asked for more.
    pub fn here() -> Self {
        let lines = Arc::<Mutex<Vec<Line>>>::default();
        let listening = tracing::subscriber::set_default(Ears(Arc::clone(&lines)));
        Self { lines, _listening: listening }
    }

    /// The lines until now, without those for developers.
    pub fn from_info_up(&self) -> Vec<Line> {
        let lines = self.lines.lock().unwrap();
        lines.iter().filter(|line| matches!(line.level, "INFO" | "WARN" | "ERROR")).cloned().collect()
    }
}

impl Line {
    /// The text of a field, empty where there is none.
    pub fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.fields.insert(field.name(), format!("{value:?}"));
    }
}

impl Subscriber for Ears {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("gatehouse")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line { level: event.metadata().level().as_str(), fields: BTreeMap::new() };
        event.record(&mut line);
        self.0.lock().unwrap().push(line);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
