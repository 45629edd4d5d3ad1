//! What becomes of a database's schema when it is opened, and what an operator is told of it beforehand.

use gatehouse_store::error::MigrationError;

use crate::migration::{self, Applied, Migration};

/// What to do about migrations that a database lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Migrate {
    /// Apply them.
    Auto,
    /// Refuse the database: an operator applies them.
    Manual,
}

/// Where a database stands, compared with this program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What this program would apply, in this order.
    pub missing: Vec<Step>,
    /// What newer programs have applied and this one can work beside: number and name.
    pub ahead: Vec<(i64, String)>,
}

/// One migration that a database lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its number.
    pub number: i64,
    /// Its name.
    pub name: &'static str,
    /// The last migration that a program has to know so that it can go on beside this one.
    pub min_reader: i64,
    /// What it does.
    pub sql: &'static str,
}

impl Plan {
    /// The plan for a database in which `applied` has happened; refuses one that this program cannot use.
    pub(crate) fn of(known: &[Migration], applied: &[Applied]) -> Result<Self, MigrationError> {
        let missing = migration::pending(known, applied)?;
        let ahead = migration::newer(known, applied).map(|row| (row.number, row.name.clone()));
        Ok(Self { missing: missing.into_iter().map(Step::of).collect(), ahead: ahead.collect() })
    }

    /// Whether nothing was ever applied.
    pub(crate) fn is_of_a_new_database(&self) -> bool {
        self.missing.first().is_some_and(|step| step.number == 1)
    }

    /// Whether there is nothing to do. Says in the log what was found, refuses what may not be applied.
    pub(crate) fn is_done(&self, migrate: Migrate) -> Result<bool, MigrationError> {
        for (number, name) in &self.ahead {
            tracing::info!(migration.number = *number, migration.name = %name, "a newer program has migrated the store");
        }
        match (self.missing.first(), migrate) {
            (None, _) => Ok(true),
            (Some(_), Migrate::Auto) => Ok(false),
            (Some(step), Migrate::Manual) => {
                Err(MigrationError::Pending { number: step.number, name: step.name.to_owned() })
            }
        }
    }
}

impl Step {
    fn of(migration: &Migration) -> Self {
        let Migration { number, name, min_reader, sql } = *migration;
        Self { number, name, min_reader, sql }
    }
}
