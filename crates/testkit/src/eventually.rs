//! Waiting for what must come about, as long as a busy machine may need.

use std::time::Duration;

/// How often is looked, and how many times.
const PAUSE: Duration = Duration::from_millis(5);
const LOOKS: usize = 6000;

/// Waits until `probe` gives something; `what` names it, for those who waited in vain.
pub async fn eventually<T>(probe: impl Fn() -> Option<T>, what: impl Fn() -> String) -> T {
    for _ in 0..LOOKS {
        if let Some(found) = probe() {
            return found;
        }
        tokio::time::sleep(PAUSE).await;
    }
    panic!("waited in vain for {}", what());
}

/// Waits until `condition` is true.
pub async fn until(condition: impl Fn() -> bool, what: impl Fn() -> String) {
    eventually(|| condition().then_some(()), what).await;
}
