//! Work that keeps a processor busy for long: threads of its own, a short queue for each kind of it, and networks that
//! share the queue fairly.
//!
//! Whoever waits for such work holds neither a thread that serves requests nor one that others wait for, and a network
//! that asks for most of it is the first to be refused.

mod fair;
pub mod policy;

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::io;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use tokio::time::Instant;

use self::fair::{Asked, FairQueue};
use crate::server::address::network;

/// One piece of work; whoever asked for it learns that it was refused when it is dropped.
pub trait Job: Send + 'static {
    /// Whether somebody still waits for it.
    fn is_wanted(&self) -> bool;

    /// Does it.
    fn run(self);
}

/// How much of the machine a lane takes.
#[derive(Clone, Copy, Debug)]
pub struct LaneSize {
    /// Its threads.
    pub threads: usize,
    /// Most jobs of one kind that run at the same time.
    pub at_once: usize,
    /// Most jobs of one kind that wait.
    pub waiting: usize,
    /// How much less than others its threads insist on a processor: 0 to 19, as `nice` has it.
    pub nice: i32,
}

/// Threads, and what waits for them. The threads end with the lane.
pub struct Lane<K, J> {
    shared: Arc<Shared<K, J>>,
}

/// The queue was full, and nobody in it had asked for more than this network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crowded;

struct Shared<K, J> {
    size: LaneSize,
    state: Mutex<State<K, J>>,
    wake: Condvar,
}

struct State<K, J> {
    asked: Asked,
    kinds: HashMap<K, Kind<J>>,
    /// The kinds of which a job could begin, each once: they take turns.
    ready: VecDeque<K>,
    closed: bool,
}

struct Kind<J> {
    queue: FairQueue<J>,
    running: usize,
    is_ready: bool,
}

impl<K: Copy + Eq + Hash + Send + 'static, J: Job> Lane<K, J> {
    /// Starts the threads, which are called `name`. Errors when the system refuses the first of them; fewer will do.
    pub fn start(name: &'static str, size: LaneSize) -> io::Result<Self> {
        let state = State {
            asked: Asked::nothing(Instant::now()),
            kinds: HashMap::new(),
            ready: VecDeque::new(),
            closed: false,
        };
        let shared = Arc::new(Shared { size, state: Mutex::new(state), wake: Condvar::new() });
        for number in 0..size.threads.max(1) {
            let work = Arc::clone(&shared);
            match thread::Builder::new().name(name.into()).spawn(move || work.work()) {
                Ok(_) => {}
                Err(error) if number == 0 => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, lane = name, started = number, "lane thread not started");
                }
            }
        }
        Ok(Self { shared })
    }

    /// Lets `job` wait for its turn among those of its kind. In a full queue the newest job of the network that asked
    /// for most lately gives way.
    pub fn push(&self, kind: K, from: IpAddr, job: J) -> Result<(), Crowded> {
        let network = network(from);
        let LaneSize { at_once, waiting, .. } = self.shared.size;
        let mut state = self.shared.lock();
        let State { asked, kinds, ready, .. } = &mut *state;
        asked.count(network, Instant::now());
        let entry = kinds.entry(kind).or_insert_with(Kind::idle);
        if entry.queue.len() >= waiting {
            entry.queue.retain(J::is_wanted);
        }
        let gave_way = entry.queue.push(waiting, network, asked, job);
        let begins = !entry.is_ready && entry.running < at_once && !entry.queue.is_empty();
        entry.is_ready |= begins;
        if begins {
            ready.push_back(kind);
        }
        drop(state);
        if begins {
            self.shared.wake.notify_one();
        }
        match gave_way {
            Ok(_older) => Ok(()),
            Err(_refused) => Err(Crowded),
        }
    }
}

impl<K, J> Drop for Lane<K, J> {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.wake.notify_all();
    }
}

impl<K, J> Shared<K, J> {
    fn lock(&self) -> MutexGuard<'_, State<K, J>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Copy + Eq + Hash, J: Job> Shared<K, J> {
    fn work(&self) {
        // On Linux this is the priority of the thread. Where it is refused, the work is done at the priority of all.
        if self.size.nice > 0
            && let Err(error) = rustix::process::nice(self.size.nice)
        {
            tracing::debug!(error = %error, "priority of a lane not lowered");
        }
        while let Some((kind, job)) = self.next() {
            if job.is_wanted() {
                // One job must not take the thread from those behind it.
                let _ended = catch_unwind(AssertUnwindSafe(|| job.run()));
            }
            self.ended(kind);
        }
    }

    /// The next job, or nothing when the lane was closed.
    fn next(&self) -> Option<(K, J)> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            let State { asked, kinds, ready, .. } = &mut *state;
            while let Some(kind) = ready.pop_front() {
                let Some(entry) = kinds.get_mut(&kind) else { continue };
                entry.is_ready = false;
                let Some(job) = entry.queue.pop(asked) else { continue };
                entry.running += 1;
                if entry.running < self.size.at_once && !entry.queue.is_empty() {
                    entry.is_ready = true;
                    ready.push_back(kind);
                    self.wake.notify_one();
                }
                return Some((kind, job));
            }
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn ended(&self, kind: K) {
        let mut state = self.lock();
        let Some(entry) = state.kinds.get_mut(&kind) else { return };
        entry.running = entry.running.saturating_sub(1);
        if !entry.queue.is_empty() {
            if !entry.is_ready {
                entry.is_ready = true;
                state.ready.push_back(kind);
                self.wake.notify_one();
            }
        } else if entry.running == 0 {
            state.kinds.remove(&kind);
        }
    }
}

impl<J> Kind<J> {
    fn idle() -> Self {
        Self { queue: FairQueue::empty(), running: 0, is_ready: false }
    }
}

#[cfg(test)]
mod tests;
