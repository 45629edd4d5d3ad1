//! A timer of a task that is woken often, and nearly always by something else.

use std::future::Future as _;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};

use tokio::task::unconstrained;
use tokio::time::{Instant, Sleep, sleep_until};

/// Ends at a time. Tokio's timers wake whoever asked last, so asking once is enough as long as that is the same: every
/// later look is at one flag.
pub struct Timer {
    sleep: Pin<Box<Sleep>>,
    /// Whom it wakes.
    asker: Option<Waker>,
}

impl Timer {
    /// Ends at `end`.
    #[must_use]
    pub fn new(end: Instant) -> Self {
        Self { sleep: Box::pin(sleep_until(end)), asker: None }
    }

    /// Ready from its end on.
    pub fn poll(&mut self, task: &Context<'_>) -> Poll<()> {
        if self.sleep.is_elapsed() {
            return Poll::Ready(());
        }
        if !self.asker.as_ref().is_some_and(|asker| asker.will_wake(task.waker())) {
            // However much this task has done already: a wake-up that is not arranged for now never comes.
            ready!(pin!(unconstrained(self.sleep.as_mut())).poll(&mut Context::from_waker(task.waker())));
            self.asker = Some(task.waker().clone());
        }
        Poll::Pending
    }

    /// Ends at `end` instead.
    pub fn reset(&mut self, end: Instant) {
        self.sleep.as_mut().reset(end);
        self.asker = None;
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;
    use std::time::Duration;

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn it_ends_at_its_time_and_again_after_a_reset() {
        let start = Instant::now();
        let mut timer = Timer::new(start + SECOND);
        poll_fn(|task| timer.poll(task)).await;
        assert_eq!(start.elapsed().as_secs(), 1);
        timer.reset(start + 5 * SECOND);
        poll_fn(|task| timer.poll(task)).await;
        assert_eq!(start.elapsed().as_secs(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_asked_last_is_woken() {
        let mut timer = Timer::new(Instant::now() + SECOND);
        let askers = [Arc::new(Woken::default()), Arc::new(Woken::default())];
        for asker in [0, 1, 0] {
            let waker = Waker::from(Arc::clone(&askers[asker]));
            for _ in 0..3 {
                assert!(timer.poll(&Context::from_waker(&waker)).is_pending());
            }
        }
        tokio::time::sleep(2 * SECOND).await;
        assert_eq!(askers.each_ref().map(|asker| asker.0.load(Ordering::SeqCst)), [1, 0]);
        assert!(timer.poll(&Context::from_waker(Waker::noop())).is_ready());
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_has_done_much_is_woken_all_the_same() {
        let asker = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&asker));
        let mut timer = Timer::new(Instant::now() + SECOND);
        // A task may do so much in one go before it is told to wait.
        while tokio::task::coop::has_budget_remaining() {
            tokio::task::coop::consume_budget().await;
        }
        assert!(timer.poll(&Context::from_waker(&waker)).is_pending());
        tokio::time::sleep(SECOND / 2).await;
        assert_eq!(asker.0.load(Ordering::SeqCst), 0);
        tokio::time::sleep(SECOND).await;
        assert_eq!(asker.0.load(Ordering::SeqCst), 1);
    }
}
