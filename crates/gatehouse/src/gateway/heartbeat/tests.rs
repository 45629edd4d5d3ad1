use std::sync::{Arc, Mutex};

use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use std::time::Duration;

use gatehouse_config::snapshot::platform::LogLevel;
use tokio_util::sync::CancellationToken;

use super::run;

/// Notes the level of every line, and stops the beat at the second.
struct Ears(Arc<Mutex<Vec<Level>>>, CancellationToken);

impl Subscriber for Ears {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut heard = self.0.lock().unwrap();
        heard.push(*event.metadata().level());
        if heard.len() == 2 {
            self.1.cancel();
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn it_beats_at_its_level_until_it_is_stopped() {
    let (heard, stop) = (Arc::new(Mutex::new(Vec::new())), CancellationToken::new());
    let _listening = tracing::subscriber::set_default(Ears(Arc::clone(&heard), stop.clone()));
    run(LogLevel::Warn, Duration::from_millis(5), stop).await;
    assert_eq!(*heard.lock().unwrap(), [Level::WARN, Level::WARN]);
}
