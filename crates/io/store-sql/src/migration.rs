//! Numbered schema migrations, embedded, applied in order, never edited once released.

use gatehouse_store::error::MigrationError;
use gatehouse_store::fingerprint::Fingerprint;

/// One migration of one dialect.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Migration {
    pub(crate) number: i64,
    pub(crate) name: &'static str,
    pub(crate) sql: &'static str,
}

/// A migration as the database remembers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Applied {
    pub(crate) number: i64,
    pub(crate) name: String,
    pub(crate) checksum: String,
}

/// SQLite's migrations.
pub(crate) const SQLITE: &[Migration] = &[
    Migration {
        number: 1,
        name: "foundation",
        sql: include_str!("../migrations/sqlite/0001_foundation.sql"),
    },
    Migration { number: 2, name: "epochs", sql: include_str!("../migrations/sqlite/0002_epochs.sql") },
];

/// PostgreSQL's migrations.
pub(crate) const POSTGRES: &[Migration] = &[
    Migration {
        number: 1,
        name: "foundation",
        sql: include_str!("../migrations/postgres/0001_foundation.sql"),
    },
    Migration { number: 2, name: "epochs", sql: include_str!("../migrations/postgres/0002_epochs.sql") },
];

impl Migration {
    /// A fingerprint of the SQL.
    pub(crate) fn checksum(&self) -> String {
        Fingerprint::of([self.sql]).to_string()
    }

    /// The failure of this migration.
    pub(crate) fn failed(&self, reason: &impl ToString) -> MigrationError {
        MigrationError::Failed { number: self.number, name: self.name.to_owned(), reason: reason.to_string() }
    }
}

/// The migrations that `applied` still lacks; refuses a database that this program did not make.
pub(crate) fn pending<'a>(
    known: &'a [Migration],
    applied: &[Applied],
) -> Result<Vec<&'a Migration>, MigrationError> {
    if let Some(foreign) = applied.iter().find(|row| known.iter().all(|own| own.number != row.number)) {
        return Err(MigrationError::Newer {
            number: foreign.number,
            name: foreign.name.clone(),
            known: known.last().map_or(0, |own| own.number),
        });
    }
    let last = applied.iter().map(|row| row.number).max().unwrap_or(0);
    let mut missing = Vec::new();
    for own in known {
        match applied.iter().find(|row| row.number == own.number) {
            Some(row) => same(own, row)?,
            None if own.number < last => {
                return Err(MigrationError::Gap { number: own.number, name: own.name.to_owned() });
            }
            None => missing.push(own),
        }
    }
    Ok(missing)
}

fn same(own: &Migration, row: &Applied) -> Result<(), MigrationError> {
    let expected = own.checksum();
    if row.checksum == expected && row.name == own.name {
        return Ok(());
    }
    Err(MigrationError::Changed {
        number: own.number,
        name: own.name.to_owned(),
        found_name: row.name.clone(),
        expected,
        found: row.checksum.clone(),
    })
}

#[cfg(test)]
mod tests;
