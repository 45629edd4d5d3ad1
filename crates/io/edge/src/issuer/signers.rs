//! Threads for signatures that take long.

use std::io;
use std::iter;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use crossbeam_channel::{Receiver, Sender, unbounded};
use serde_json::{Map, Value};
use tokio::sync::oneshot;

use gatehouse_identity::jose::algorithm::Algorithm;

use super::keys::LocalKeys;

/// Signs with RSA, which takes a few hundred microseconds, off the reactor.
///
/// There is a thread for each processor and one queue. A thread that finds the next token waiting takes it without
/// going to sleep, and no more threads than processors compete, which a pool for blocking calls would have. The
/// threads end with the last handle.
#[derive(Clone, Debug)]
pub(super) struct Signers {
    queue: Sender<Job>,
}

struct Job {
    algorithm: Algorithm,
    typ: &'static str,
    claims: Map<String, Value>,
    done: oneshot::Sender<Result<String, String>>,
}

impl Signers {
    /// Starts the threads when one of `keys` needs them. Errors when the system refuses the first of them; fewer
    /// than there are processors will do.
    pub(super) fn start(keys: &Arc<LocalKeys>) -> io::Result<Self> {
        let (queue, jobs) = unbounded();
        let threads = if keys.algorithms().into_iter().any(is_slow) {
            thread::available_parallelism().map_or(1, usize::from)
        } else {
            0
        };
        for number in 0..threads {
            let (keys, jobs) = (Arc::clone(keys), jobs.clone());
            let started = thread::Builder::new().name("signer".into()).spawn(move || work(&keys, &jobs));
            match started {
                Ok(_) => {}
                Err(error) if number == 0 => return Err(error),
                Err(error) => tracing::warn!(%error, started = number, "signer thread not started"),
            }
        }
        Ok(Self { queue })
    }

    /// Signs `claims` with the first key of `algorithm`.
    ///
    /// Errors, as sentences for the log: no such key, a key that fails, no thread left.
    pub(super) async fn sign(
        &self,
        algorithm: Algorithm,
        typ: &'static str,
        claims: Map<String, Value>,
    ) -> Result<String, String> {
        let (done, signed) = oneshot::channel();
        let gone = || "no signer thread is running".to_owned();
        self.queue.send(Job { algorithm, typ, claims, done }).map_err(|_| gone())?;
        signed.await.unwrap_or_else(|_| Err(gone()))
    }
}

/// Whether signing with `algorithm` takes so long that a reactor must not do it.
pub(super) const fn is_slow(algorithm: Algorithm) -> bool {
    matches!(algorithm, Algorithm::Rs256 | Algorithm::Ps256)
}

/// How many signed tokens wait for each other while more are to be signed: each group wakes the reactor once, and its
/// records go to disk together.
const GROUP: usize = 8;

fn work(keys: &LocalKeys, jobs: &Receiver<Job>) {
    let mut signed = Vec::with_capacity(GROUP);
    while let Ok(first) = jobs.recv() {
        // Whoever asked may have gone away while the job waited.
        let waiting = iter::once(first).chain(jobs.try_iter()).filter(|job| !job.done.is_closed());
        for Job { algorithm, typ, claims, done } in waiting.take(GROUP) {
            let sign = || {
                let key =
                    keys.signing_key(Some(algorithm)).ok_or_else(|| format!("no key for {algorithm:?}"))?;
                key.sign(typ, &claims).map_err(|error| error.to_string())
            };
            // One job must not take the thread from those behind it.
            let result = catch_unwind(AssertUnwindSafe(sign));
            signed.push((done, result.unwrap_or_else(|_| Err("signing panicked".to_owned()))));
        }
        for (done, result) in signed.drain(..) {
            let _ = done.send(result);
        }
    }
}

#[cfg(test)]
mod tests;
