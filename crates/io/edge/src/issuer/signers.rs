//! Threads for signatures that take long.

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
    /// Starts the threads when one of `keys` needs them.
    pub(super) fn start(keys: &Arc<LocalKeys>) -> Self {
        let (queue, jobs) = unbounded();
        let threads = if keys.algorithms().into_iter().any(is_slow) {
            thread::available_parallelism().map_or(1, usize::from)
        } else {
            0
        };
        for _ in 0..threads {
            let (keys, jobs) = (Arc::clone(keys), jobs.clone());
            let started = thread::Builder::new().name("signer".into()).spawn(move || work(&keys, &jobs));
            if let Err(error) = started {
                // The others do its work; without any, signing says so.
                tracing::warn!(%error, "signer thread not started");
            }
        }
        Self { queue }
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

fn work(keys: &LocalKeys, jobs: &Receiver<Job>) {
    for Job { algorithm, typ, claims, done } in jobs {
        // Whoever asked may have gone away while the job waited.
        if done.is_closed() {
            continue;
        }
        let key = keys.signing_key(Some(algorithm)).ok_or_else(|| format!("no key for {algorithm:?}"));
        let _ = done.send(key.and_then(|key| key.sign(typ, &claims).map_err(|error| error.to_string())));
    }
}

#[cfg(test)]
mod tests;
