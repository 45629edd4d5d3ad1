//! Why a store cannot answer.

/// A failure of the store itself; a lost race is a [`crate::transition::Transition`], not an error.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store cannot be reached, is overloaded or could not make the write durable. Nothing was acknowledged;
    /// the caller answers "try again later".
    #[error("the store is unavailable: {reason}")]
    Unavailable {
        /// What failed, for the log.
        reason: String,
    },
    /// A stored row cannot be read back as what it should be.
    #[error("the stored {what} `{id}` is unreadable: {reason}")]
    Corrupt {
        /// The kind of row: `grant`, `refresh family`, ...
        what: &'static str,
        /// The row's key.
        id: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The statement was refused: the schema or a value is not what this program was built for.
    #[error("the store refused a statement: {reason}")]
    Refused {
        /// The database's own words.
        reason: String,
    },
    /// The store cannot be opened as configured.
    #[error("cannot open the store {store}: {reason}")]
    Open {
        /// A file path, or a host and database name; never a password.
        store: String,
        /// What is wrong and what to do.
        reason: String,
    },
    /// The schema cannot be brought to the version this program needs.
    #[error(transparent)]
    Migration(#[from] MigrationError),
}

/// Why a database schema was left as it is.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum MigrationError {
    /// A newer program has migrated this database to where this one cannot go on.
    #[error(
        "the database has migration {number} `{name}`, this program knows none after {known} and cannot work \
         beside that one: run the newer program, or restore the backup taken before the upgrade"
    )]
    Newer {
        /// The number found in the database.
        number: i64,
        /// Its name in the database.
        name: String,
        /// The last number this program knows.
        known: i64,
    },
    /// Migrations are missing, and the configuration says that programs do not apply them by themselves.
    #[error(
        "the database lacks migration {number} `{name}`, and `store.migrate` is manual: look at \
         `gatehouse migrate --plan`, then apply it with `gatehouse migrate --run`"
    )]
    Pending {
        /// The number of the first that is missing.
        number: i64,
        /// Its name.
        name: String,
    },
    /// An applied migration differs from the one in this program.
    #[error(
        "migration {number} was applied as `{found_name}` with checksum {found}, this program holds `{name}` \
         with checksum {expected}: the database was migrated by a different build"
    )]
    Changed {
        /// The migration's number.
        number: i64,
        /// The name this program knows it by.
        name: String,
        /// The name found in the database.
        found_name: String,
        /// The fingerprint of the SQL in this program.
        expected: String,
        /// The checksum found in the database.
        found: String,
    },
    /// A migration is recorded as applied while one before it is not.
    #[error(
        "the database has migrations after {number} `{name}`, but not that one: its history is incomplete"
    )]
    Gap {
        /// The missing number.
        number: i64,
        /// The missing migration's name.
        name: String,
    },
    /// The database refused a migration; it was rolled back as a whole.
    #[error("migration {number} `{name}` failed and was rolled back: {reason}")]
    Failed {
        /// The migration's number.
        number: i64,
        /// Its name.
        name: String,
        /// The database's own words.
        reason: String,
    },
}
