//! Numbered schema migrations, embedded, applied in order, never edited once released.
//!
//! Programs of two versions share a database while nodes are upgraded one after the other, and when an upgrade is taken
//! back. So a migration first only adds to the schema, and says with `min_reader` which older programs can go on
//! beside it.

use gatehouse_store::error::MigrationError;
use gatehouse_store::fingerprint::Fingerprint;

/// One migration of one dialect.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Migration {
    pub(crate) number: i64,
    pub(crate) name: &'static str,
    /// The last migration that a program has to know so that it can use the store after this one: the number before
    /// it when it only adds what older programs need not know of, its own number when they would go wrong.
    pub(crate) min_reader: i64,
    pub(crate) sql: &'static str,
}

/// A migration as the database remembers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Applied {
    pub(crate) number: i64,
    pub(crate) name: String,
    pub(crate) checksum: String,
    /// `None` for what was applied before programs wrote it down.
    pub(crate) min_reader: Option<i64>,
}

/// SQLite's migrations.
pub(crate) const SQLITE: &[Migration] = &[
    Migration {
        number: 1,
        name: "foundation",
        min_reader: 1,
        sql: include_str!("../migrations/sqlite/0001_foundation.sql"),
    },
    // Without its epochs, a program would accept tokens from before a restore.
    Migration {
        number: 2,
        name: "epochs",
        min_reader: 2,
        sql: include_str!("../migrations/sqlite/0002_epochs.sql"),
    },
    Migration {
        number: 3,
        name: "went_back",
        min_reader: 2,
        sql: include_str!("../migrations/sqlite/0003_went_back.sql"),
    },
    Migration {
        number: 4,
        name: "audit_heads",
        min_reader: 2,
        sql: include_str!("../migrations/sqlite/0004_audit_heads.sql"),
    },
];

/// PostgreSQL's migrations.
pub(crate) const POSTGRES: &[Migration] = &[
    Migration {
        number: 1,
        name: "foundation",
        min_reader: 1,
        sql: include_str!("../migrations/postgres/0001_foundation.sql"),
    },
    // Without its epochs, a program would accept tokens from before a restore.
    Migration {
        number: 2,
        name: "epochs",
        min_reader: 2,
        sql: include_str!("../migrations/postgres/0002_epochs.sql"),
    },
    Migration {
        number: 3,
        name: "went_back",
        min_reader: 2,
        sql: include_str!("../migrations/postgres/0003_went_back.sql"),
    },
    Migration {
        number: 4,
        name: "audit_heads",
        min_reader: 2,
        sql: include_str!("../migrations/postgres/0004_audit_heads.sql"),
    },
];

impl Migration {
    /// A fingerprint of the SQL.
    pub(crate) fn checksum(&self) -> String {
        Fingerprint::of([self.sql]).to_string()
    }

    /// Tells the log that it was applied to a database that was in use before.
    pub(crate) fn log(&self) {
        tracing::info!(migration.number = self.number, migration.name = self.name, "the store was migrated");
    }

    /// The failure of this migration.
    pub(crate) fn failed(&self, reason: &impl ToString) -> MigrationError {
        MigrationError::Failed { number: self.number, name: self.name.to_owned(), reason: reason.to_string() }
    }
}

/// The migrations that `applied` still lacks; refuses a database that this program cannot use.
///
/// What newer programs have applied is no obstacle as long as each of it allows a reader that knows no more than this
/// program.
pub(crate) fn pending<'a>(
    known: &'a [Migration],
    applied: &[Applied],
) -> Result<Vec<&'a Migration>, MigrationError> {
    let newest = known.last().map_or(0, |own| own.number);
    let foreign = newer(known, applied).find(|row| row.min_reader.is_none_or(|reader| reader > newest));
    if let Some(foreign) = foreign {
        return Err(MigrationError::Newer {
            number: foreign.number,
            name: foreign.name.clone(),
            known: newest,
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

/// What programs newer than this one have applied.
pub(crate) fn newer<'a>(known: &'a [Migration], applied: &'a [Applied]) -> impl Iterator<Item = &'a Applied> {
    applied.iter().filter(|row| known.iter().all(|own| own.number != row.number))
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
