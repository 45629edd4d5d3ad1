//! A server that is known to be down is not waited for: requests hear it at once while one task looks for its return.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gatehouse_store::error::StoreError;
use sqlx::postgres::PgPool;
use tokio::time;

use super::PostgresStore;
use super::failure::{bounded, speaks_of_outage};

/// How long the task rests between two looks.
const REST: Duration = Duration::from_millis(200);

/// Whether the server is known to be down.
#[derive(Clone, Debug, Default)]
pub(super) struct Outage(Arc<AtomicBool>);

impl PostgresStore {
    /// Runs one operation within the time limit, unless the server is known to be down.
    pub(super) async fn bounded<T>(
        &self,
        work: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, StoreError> {
        if self.outage.0.load(Ordering::Acquire) {
            return Err(StoreError::Unavailable {
                reason: "the server is down since a moment ago".to_owned(),
            });
        }
        let mut lost = true;
        // On the heap, because the futures of transactions are large and every caller would carry them.
        let work = Box::pin(work);
        let watched = async {
            let result = work.await;
            lost = result.as_ref().is_err_and(|error| speaks_of_outage(error, self.has_room()));
            result
        };
        let result = bounded(watched).await;
        // An operation that was cut at the time limit did not get to say otherwise.
        if lost {
            self.outage.begin(&self.pool);
        }
        result
    }

    /// Whether the pool may open another connection: then waiting in vain for one says something about the server.
    fn has_room(&self) -> bool {
        self.pool.size() < self.pool.options().get_max_connections()
    }
}

impl Outage {
    /// Ends by itself when the server answers again, or the pool is closed.
    fn begin(&self, pool: &PgPool) {
        if self.0.swap(true, Ordering::AcqRel) {
            return;
        }
        tracing::warn!("the PostgreSQL server is down");
        let (outage, pool) = (self.clone(), pool.clone());
        let look = async move {
            while !pool.is_closed() {
                if bounded(sqlx::query("SELECT 1").execute(&pool)).await.is_ok() {
                    tracing::info!("the PostgreSQL server is back");
                    break;
                }
                time::sleep(REST).await;
            }
            outage.0.store(false, Ordering::Release);
        };
        #[expect(clippy::disallowed_methods, reason = "it ends with the outage or with the pool")]
        drop(tokio::spawn(look));
    }
}
