//! sqlx's errors in the words of the store.

use std::time::Duration;

use gatehouse_store::error::StoreError;

/// The failure of an operation that was cut at its time limit.
pub(super) fn late(limit: Duration) -> StoreError {
    StoreError::Unavailable { reason: format!("no answer within {} s", limit.as_secs()) }
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

/// Whether an error says that the server is gone or cannot write any more, rather than busy or unwilling. Waiting in
/// vain for a connection says so only when the pool `has_room` for one more.
pub(super) fn speaks_of_outage(error: &sqlx::Error, has_room: bool) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::PoolTimedOut => has_room,
        sqlx::Error::Database(answer) => answer.code().is_some_and(|state| is_of_another_server(&state)),
        _ => false,
    }
}

/// SQLSTATEs after which the primary may be another server: connection exceptions; shutdown, crash and start of the
/// server; a transaction that may only read.
fn is_of_another_server(state: &str) -> bool {
    state.starts_with("08") || state.starts_with("57P0") || state == "25006"
}

/// Whether the schema has changed under a prepared statement ("cached plan must not change result type").
pub(super) fn is_stale_plan(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(answer) if answer.code().is_some_and(|state| state == "0A000"))
}

/// Whether a lock was not to be had in time.
pub(super) fn is_lock_timeout(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(answer) if answer.code().is_some_and(|state| state == "55P03"))
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
