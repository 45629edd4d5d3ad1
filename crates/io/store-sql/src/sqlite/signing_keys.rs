//! Signing keys in SQLite.

use async_trait::async_trait;
use gatehouse_identity::clock::Timestamp;
use gatehouse_store::error::StoreError;
use gatehouse_store::signing_key::{SigningKeyRepository, StoredSigningKey};
use gatehouse_store::transition::Transition;
use rusqlite::{Connection, Row, params};

use super::SqliteStore;
use super::statement::{all, decide, execute, first};
use crate::row::{self, SigningKeyColumns};

#[async_trait]
impl SigningKeyRepository for SqliteStore {
    async fn all(&self) -> Result<Vec<StoredSigningKey>, StoreError> {
        const SQL: &str = "SELECT kid, algorithm, private_key, created_at, retired_at FROM signing_keys
             ORDER BY created_at, kid";
        self.readers
            .read(|connection| all(connection, SQL, [], columns)?.into_iter().map(row::signing_key).collect())
            .await
    }

    async fn insert_if_none_of(&self, key: &StoredSigningKey) -> Result<StoredSigningKey, StoreError> {
        const STANDING: &str = "SELECT kid, algorithm, private_key, created_at, retired_at FROM signing_keys
             WHERE algorithm = ?1 AND retired_at IS NULL";
        let key = key.clone();
        self.writer
            .write(move |connection| {
                insert(connection, &key)?;
                first(connection, STANDING, params![key.algorithm.as_str()], columns)?
                    .map(row::signing_key)
                    .transpose()?
                    .ok_or_else(|| StoreError::Refused {
                        reason: format!("the key id `{}` belongs to a retired key", key.kid),
                    })
            })
            .await
    }

    async fn replace(
        &self,
        current: &str,
        next: &StoredSigningKey,
        at: Timestamp,
    ) -> Result<Transition, StoreError> {
        const RETIRE: &str = "UPDATE signing_keys SET retired_at = ?3
             WHERE kid = ?1 AND algorithm = ?2 AND retired_at IS NULL";
        let (current, next) = (current.to_owned(), next.clone());
        self.writer
            .write(move |connection| {
                let retired =
                    decide(connection, RETIRE, params![current, next.algorithm.as_str(), at.unix_nanos()])?;
                if retired.is_won() && insert(connection, &next)? == 0 {
                    return Err(StoreError::Refused {
                        reason: format!("the key id `{}` is taken", next.kid),
                    });
                }
                Ok(retired)
            })
            .await
    }

    async fn remove_retired(&self, kid: &str) -> Result<Transition, StoreError> {
        const SQL: &str = "DELETE FROM signing_keys WHERE kid = ?1 AND retired_at IS NOT NULL";
        let kid = kid.to_owned();
        self.writer.write(move |connection| decide(connection, SQL, params![kid])).await
    }
}

/// Inserts the key unless one of its algorithm signs already; returns how many rows that made.
fn insert(connection: &Connection, key: &StoredSigningKey) -> Result<u64, StoreError> {
    execute(
        connection,
        "INSERT INTO signing_keys (kid, algorithm, private_key, created_at) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO NOTHING",
        params![key.kid, key.algorithm.as_str(), key.private_key.expose(), key.created_at.unix_nanos()],
    )
}

fn columns(row: &Row<'_>) -> rusqlite::Result<SigningKeyColumns> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
}
