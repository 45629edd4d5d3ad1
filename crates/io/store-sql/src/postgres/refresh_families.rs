//! Refresh families in PostgreSQL.

use std::time::Duration;

use async_trait::async_trait;
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::GrantId;
use gatehouse_oauth::refresh::{FamilyId, RefreshFamily};
use gatehouse_store::error::StoreError;
use gatehouse_store::refresh::RefreshRepository;
use gatehouse_store::transition::Transition;
use sqlx::postgres::PgConnection;

use super::PostgresStore;

use crate::row::{FamilyColumns, FamilyRow, column};

/// What `iat` leaves out.
const ONE_SECOND: Duration = Duration::from_secs(1);

#[async_trait]
impl RefreshRepository for PostgresStore {
    async fn find(&self, id: &FamilyId, now: Timestamp) -> Result<Option<RefreshFamily>, StoreError> {
        let query = sqlx::query_as(
            "SELECT body, successor_used, stale_hits, revoked_at FROM refresh_families
             WHERE id = $1 AND expires_at > $2",
        );
        let query = query.bind(id.as_str()).bind(now.unix_nanos());
        let row: Option<(String, bool, i64, Option<i64>)> =
            self.bounded(query.fetch_optional(&self.pool)).await?;
        row.map(|(body, successor_used, stale_hits, revoked_at)| {
            FamilyColumns { body, successor_used, stale_hits, revoked_at }.read(id.as_str())
        })
        .transpose()
    }

    async fn rotate(
        &self,
        next: &RefreshFamily,
        expected_generation: u64,
        now: Timestamp,
    ) -> Result<Transition, StoreError> {
        let row = FamilyRow::of(next)?;
        let update = sqlx::query(
            "UPDATE refresh_families
             SET generation = $1, successor_used = $2, stale_hits = $3, expires_at = $4, body = $5
             WHERE id = $6 AND generation = $7 AND expires_at > $8 AND revoked_at IS NULL",
        )
        .bind(row.generation)
        .bind(row.successor_used)
        .bind(row.stale_hits)
        .bind(row.expires_at)
        .bind(row.body)
        .bind(row.id)
        .bind(column(expected_generation)?)
        .bind(now.unix_nanos());
        let done = self.bounded(update.execute(&self.pool)).await?;
        Ok(Transition::from_rows(done.rows_affected()))
    }

    async fn mark_successor_used(
        &self,
        grant: &GrantId,
        issued_at: Timestamp,
        now: Timestamp,
    ) -> Result<Transition, StoreError> {
        let update = sqlx::query(
            "UPDATE refresh_families SET successor_used = TRUE
             WHERE grant_id = $1 AND (body::json ->> 'rotated_at')::bigint < $2 AND NOT successor_used
               AND expires_at > $3 AND revoked_at IS NULL",
        )
        .bind(grant.as_str())
        .bind(issued_at.plus(ONE_SECOND).unix_nanos())
        .bind(now.unix_nanos());
        let done = self.bounded(update.execute(&self.pool)).await?;
        Ok(Transition::from_rows(done.rows_affected()))
    }

    async fn count_stale_hit(
        &self,
        id: &FamilyId,
        generation: u64,
        seen: u32,
        now: Timestamp,
    ) -> Result<Transition, StoreError> {
        let update = sqlx::query(
            "UPDATE refresh_families SET stale_hits = stale_hits + 1
             WHERE id = $1 AND generation = $2 AND stale_hits = $3 AND expires_at > $4 AND revoked_at IS NULL",
        )
        .bind(id.as_str())
        .bind(column(generation)?)
        .bind(i64::from(seen))
        .bind(now.unix_nanos());
        let done = self.bounded(update.execute(&self.pool)).await?;
        Ok(Transition::from_rows(done.rows_affected()))
    }

    async fn revoke(&self, id: &FamilyId, at: Timestamp) -> Result<Transition, StoreError> {
        let update =
            sqlx::query("UPDATE refresh_families SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL");
        let update = update.bind(id.as_str()).bind(at.unix_nanos());
        let done = self.bounded(update.execute(&self.pool)).await?;
        Ok(Transition::from_rows(done.rows_affected()))
    }
}

/// Begins a family; part of the commit that redeems its code.
pub(super) async fn insert_family(connection: &mut PgConnection, row: FamilyRow) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO refresh_families
             (id, grant_id, generation, successor_used, stale_hits, expires_at, revoked_at, body)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(row.id)
    .bind(row.grant)
    .bind(row.generation)
    .bind(row.successor_used)
    .bind(row.stale_hits)
    .bind(row.expires_at)
    .bind(row.revoked_at)
    .bind(row.body)
    .execute(connection)
    .await
    .map(|_| ())
}
