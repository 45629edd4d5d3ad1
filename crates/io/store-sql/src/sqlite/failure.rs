//! SQLite's errors in the words of the store.

use gatehouse_store::error::StoreError;
use rusqlite::{Error, ErrorCode, ffi};

/// Sorts an error: trouble that may pass is [`StoreError::Unavailable`].
pub(super) fn store_error(error: &Error) -> StoreError {
    let reason = error.to_string();
    match error.sqlite_error_code() {
        Some(
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::DiskFull
            | ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen
            | ErrorCode::ReadOnly
            | ErrorCode::PermissionDenied
            | ErrorCode::OutOfMemory
            | ErrorCode::FileLockingProtocolFailed,
        ) => StoreError::Unavailable { reason },
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            StoreError::Corrupt { what: "database", id: "file".to_owned(), reason }
        }
        _ => StoreError::Refused { reason },
    }
}

/// Whether the error leaves unknown what is on disk: the kernel reports a failed sync once and may then call the
/// lost pages clean.
pub(super) fn lost_a_sync(error: &Error) -> bool {
    error.sqlite_error().is_some_and(|failure| {
        matches!(failure.extended_code, ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC)
    })
}
