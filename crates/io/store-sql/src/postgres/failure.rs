//! sqlx's errors in the words of the store, and the time limit of every operation.

use std::time::Duration;

use gatehouse_store::error::StoreError;
use tokio::time;

/// The longest that one operation may take, waiting for a connection included; longer than what the server allows
/// a statement, for servers that do not answer at all.
const DEADLINE: Duration = Duration::from_secs(6);

/// Runs one operation within the time limit.
pub(super) async fn bounded<T>(work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, StoreError> {
    match time::timeout(DEADLINE, work).await {
        Ok(result) => result.map_err(|error| store_error(&error)),
        Err(_) => {
            Err(StoreError::Unavailable { reason: format!("no answer within {} s", DEADLINE.as_secs()) })
        }
    }
}

/// Sorts an error: trouble that may pass is [`StoreError::Unavailable`].
pub(super) fn store_error(error: &sqlx::Error) -> StoreError {
    let reason = error.to_string();
    let passing = match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(answer) => answer.code().is_some_and(|state| may_pass(&state)),
        _ => false,
    };
    if passing { StoreError::Unavailable { reason } } else { StoreError::Refused { reason } }
}

/// Whether an error says that the server is gone, rather than busy or unwilling. Waiting in vain for a connection says
/// so only when the pool `has_room` for one more.
pub(super) fn speaks_of_outage(error: &sqlx::Error, has_room: bool) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::PoolTimedOut => has_room,
        // Connection exceptions; shutdown, crash and start of the server.
        sqlx::Error::Database(answer) => {
            answer.code().is_some_and(|state| state.starts_with("08") || state.starts_with("57P0"))
        }
        _ => false,
    }
}

/// SQLSTATEs of trouble with the server rather than with the statement (PostgreSQL manual, appendix A).
fn may_pass(state: &str) -> bool {
    // Connection, transaction rollback, resources, operator intervention, system error; read-only standby;
    // a lock that was not to be had in time.
    ["08", "40", "53", "57", "58"].iter().any(|class| state.starts_with(class))
        || matches!(state, "25006" | "55P03")
}

#[cfg(test)]
mod tests;
