//! Reads: a few read-only connections, used on blocking threads so that no reactor waits for a disk.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gatehouse_store::error::StoreError;
use rusqlite::Connection;
use tokio::sync::Semaphore;
use tokio::{task, time};

/// How many reads run at the same time.
pub(super) const CONNECTIONS: usize = 4;

/// How long a read waits for its turn.
const PATIENCE: Duration = Duration::from_secs(2);

/// The read-only connections.
pub(super) struct Readers {
    idle: Arc<Mutex<Vec<Connection>>>,
    turns: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn new(connections: Vec<Connection>) -> Self {
        let turns = Arc::new(Semaphore::new(connections.len()));
        Self { idle: Arc::new(Mutex::new(connections)), turns }
    }

    /// Runs `query` on one of the connections.
    pub(super) async fn read<T, F>(&self, query: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let turn = time::timeout(PATIENCE, Arc::clone(&self.turns).acquire_owned())
            .await
            .map_err(|_| unavailable("all readers are busy"))?
            .map_err(|_| unavailable("the store is closed"))?;
        let idle = Arc::clone(&self.idle);
        let work = task::spawn_blocking(move || {
            let connection = idle
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop()
                .ok_or_else(|| unavailable("a reader was lost"))?;
            let answer = query(&connection);
            idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            drop(turn);
            answer
        });
        work.await.map_err(|_| unavailable("the read was cut short"))?
    }
}

fn unavailable(reason: &str) -> StoreError {
    StoreError::Unavailable { reason: reason.to_owned() }
}
