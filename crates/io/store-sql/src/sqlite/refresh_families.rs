//! Refresh families in SQLite.

use async_trait::async_trait;
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::GrantId;
use gatehouse_oauth::refresh::{FamilyId, RefreshFamily};
use gatehouse_store::error::StoreError;
use gatehouse_store::refresh::RefreshRepository;
use gatehouse_store::transition::Transition;
use rusqlite::{Connection, Row, params};

use super::SqliteStore;
use super::statement::{decide, execute, first};
use crate::row::{FamilyColumns, FamilyRow, column};

#[async_trait]
impl RefreshRepository for SqliteStore {
    async fn find(&self, id: &FamilyId, now: Timestamp) -> Result<Option<RefreshFamily>, StoreError> {
        const SQL: &str = "SELECT body, successor_used, stale_hits, revoked_at FROM refresh_families
             WHERE id = ?1 AND expires_at > ?2";
        let id = id.to_string();
        self.readers
            .read(move |connection| {
                first(connection, SQL, params![id, now.unix_nanos()], columns)?
                    .map(|columns| columns.read(&id))
                    .transpose()
            })
            .await
    }

    async fn find_ended(&self, id: &FamilyId) -> Result<Option<RefreshFamily>, StoreError> {
        const SQL: &str =
            "SELECT body, successor_used, stale_hits, revoked_at FROM refresh_families WHERE id = ?1";
        let id = id.to_string();
        self.readers
            .read(move |connection| {
                first(connection, SQL, params![id], columns)?.map(|columns| columns.read(&id)).transpose()
            })
            .await
    }

    async fn rotate(
        &self,
        next: &RefreshFamily,
        expected_generation: u64,
        now: Timestamp,
    ) -> Result<Transition, StoreError> {
        let row = FamilyRow::of(next)?;
        let expected = column(expected_generation)?;
        self.writer
            .write(move |connection| {
                decide(
                    connection,
                    "UPDATE refresh_families
                     SET generation = ?1, successor_used = ?2, stale_hits = ?3, expires_at = ?4, body = ?5
                     WHERE id = ?6 AND generation = ?7 AND expires_at > ?8 AND revoked_at IS NULL",
                    params![
                        row.generation,
                        row.successor_used,
                        row.stale_hits,
                        row.expires_at,
                        row.body,
                        row.id,
                        expected,
                        now.unix_nanos()
                    ],
                )
            })
            .await
    }

    async fn mark_generation_used(
        &self,
        grant: &GrantId,
        generation: u64,
        now: Timestamp,
    ) -> Result<Transition, StoreError> {
        let grant = grant.to_string();
        let generation = column(generation)?;
        self.writer
            .write(move |connection| {
                decide(
                    connection,
                    "UPDATE refresh_families SET successor_used = 1
                     WHERE grant_id = ?1 AND generation = ?2 AND successor_used = 0 AND expires_at > ?3
                       AND revoked_at IS NULL",
                    params![grant, generation, now.unix_nanos()],
                )
            })
            .await
    }

    async fn count_stale_hit(
        &self,
        id: &FamilyId,
        generation: u64,
        seen: u32,
        now: Timestamp,
    ) -> Result<Transition, StoreError> {
        let id = id.to_string();
        let generation = column(generation)?;
        self.writer
            .write(move |connection| {
                decide(
                    connection,
                    "UPDATE refresh_families SET stale_hits = stale_hits + 1
                     WHERE id = ?1 AND generation = ?2 AND stale_hits = ?3 AND expires_at > ?4
                       AND revoked_at IS NULL",
                    params![id, generation, seen, now.unix_nanos()],
                )
            })
            .await
    }

    async fn revoke(&self, id: &FamilyId, at: Timestamp) -> Result<Transition, StoreError> {
        const SQL: &str = "UPDATE refresh_families SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL";
        let id = id.to_string();
        self.writer.write(move |connection| decide(connection, SQL, params![id, at.unix_nanos()])).await
    }
}

/// Begins a family; part of the commit that redeems its code.
pub(super) fn insert_family(connection: &Connection, row: &FamilyRow) -> Result<(), StoreError> {
    execute(
        connection,
        "INSERT INTO refresh_families
             (id, grant_id, generation, successor_used, stale_hits, expires_at, revoked_at, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            row.id,
            row.grant,
            row.generation,
            row.successor_used,
            row.stale_hits,
            row.expires_at,
            row.revoked_at,
            row.body
        ],
    )
    .map(|_| ())
}

fn columns(row: &Row<'_>) -> rusqlite::Result<FamilyColumns> {
    Ok(FamilyColumns {
        body: row.get(0)?,
        successor_used: row.get(1)?,
        stale_hits: row.get(2)?,
        revoked_at: row.get(3)?,
    })
}
