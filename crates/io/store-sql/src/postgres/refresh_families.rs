//! Refresh families in PostgreSQL.

use async_trait::async_trait;
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::GrantId;
use gatehouse_oauth::refresh::{FamilyId, RefreshFamily};
use gatehouse_store::error::StoreError;
use gatehouse_store::refresh::RefreshRepository;
use gatehouse_store::transition::Transition;
use sqlx::postgres::{PgArguments, Postgres};
use sqlx::query::Query;

use super::PostgresStore;
use super::history::Evidence;
use crate::row::{FamilyColumns, FamilyRow, column};

const ROTATED: &str = "SELECT EXISTS (SELECT FROM refresh_families WHERE id = $1 AND generation >= $2)";
const REVOKED: &str = "SELECT EXISTS (SELECT FROM refresh_families WHERE id = $1 AND revoked_at <= $2)";

#[async_trait]
impl RefreshRepository for PostgresStore {
    async fn find(&self, id: &FamilyId, now: Timestamp) -> Result<Option<RefreshFamily>, StoreError> {
        const SQL: &str = "SELECT body, successor_used, stale_hits, revoked_at FROM refresh_families
             WHERE id = $1 AND expires_at > $2";
        let query = || sqlx::query_as(SQL).bind(id.as_str()).bind(now.unix_nanos());
        read(id, self.relying().optional(query).await?)
    }

    async fn find_ended(&self, id: &FamilyId) -> Result<Option<RefreshFamily>, StoreError> {
        const SQL: &str =
            "SELECT body, successor_used, stale_hits, revoked_at FROM refresh_families WHERE id = $1";
        let query = || sqlx::query_as(SQL).bind(id.as_str());
        read(id, self.relying().optional(query).await?)
    }

    async fn rotate(
        &self,
        next: &RefreshFamily,
        expected_generation: u64,
        now: Timestamp,
    ) -> Result<Transition, StoreError> {
        const SQL: &str = "UPDATE refresh_families
             SET generation = $1, successor_used = $2, stale_hits = $3, expires_at = $4, body = $5
             WHERE id = $6 AND generation = $7 AND expires_at > $8 AND revoked_at IS NULL";
        let (row, expected) = (FamilyRow::of(next)?, column(expected_generation)?);
        let update = || {
            let update = sqlx::query(SQL).bind(row.generation).bind(row.successor_used).bind(row.stale_hits);
            let update = update.bind(row.expires_at).bind(&row.body).bind(&row.id);
            update.bind(expected).bind(now.unix_nanos())
        };
        let rotated = self.relying().execute(update).await.map(Transition::from_rows)?;
        if rotated.is_won() {
            self.history.note(Evidence { sql: ROTATED, key: row.id, value: row.generation });
        }
        Ok(rotated)
    }

    async fn mark_generation_used(
        &self,
        grant: &GrantId,
        generation: u64,
        now: Timestamp,
    ) -> Result<Transition, StoreError> {
        const SQL: &str = "UPDATE refresh_families SET successor_used = TRUE
             WHERE grant_id = $1 AND generation = $2 AND NOT successor_used AND expires_at > $3
               AND revoked_at IS NULL";
        let generation = column(generation)?;
        let update = || sqlx::query(SQL).bind(grant.as_str()).bind(generation).bind(now.unix_nanos());
        self.relying().execute(update).await.map(Transition::from_rows)
    }

    async fn count_stale_hit(
        &self,
        id: &FamilyId,
        generation: u64,
        seen: u32,
        now: Timestamp,
    ) -> Result<Transition, StoreError> {
        const SQL: &str = "UPDATE refresh_families SET stale_hits = stale_hits + 1
             WHERE id = $1 AND generation = $2 AND stale_hits = $3 AND expires_at > $4 AND revoked_at IS NULL";
        let generation = column(generation)?;
        let update = || {
            let update = sqlx::query(SQL).bind(id.as_str()).bind(generation);
            update.bind(i64::from(seen)).bind(now.unix_nanos())
        };
        self.relying().execute(update).await.map(Transition::from_rows)
    }

    async fn revoke(&self, id: &FamilyId, at: Timestamp) -> Result<Transition, StoreError> {
        const SQL: &str = "UPDATE refresh_families SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL";
        let at = at.unix_nanos();
        let update = || sqlx::query(SQL).bind(id.as_str()).bind(at);
        let revoked = self.relying().execute(update).await.map(Transition::from_rows)?;
        if revoked.is_won() {
            self.history.note(Evidence { sql: REVOKED, key: id.as_str().to_owned(), value: at });
        }
        Ok(revoked)
    }
}

/// Begins a family; part of the commit that redeems its code.
pub(super) fn insert_family(row: &FamilyRow) -> Query<'_, Postgres, PgArguments> {
    let insert = sqlx::query(
        "INSERT INTO refresh_families
             (id, grant_id, generation, successor_used, stale_hits, expires_at, revoked_at, body)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    );
    let insert = insert.bind(&row.id).bind(&row.grant).bind(row.generation).bind(row.successor_used);
    insert.bind(row.stale_hits).bind(row.expires_at).bind(row.revoked_at).bind(&row.body)
}

/// A family as its row has it.
fn read(
    id: &FamilyId,
    row: Option<(String, bool, i64, Option<i64>)>,
) -> Result<Option<RefreshFamily>, StoreError> {
    row.map(|(body, successor_used, stale_hits, revoked_at)| {
        FamilyColumns { body, successor_used, stale_hits, revoked_at }.read(id.as_str())
    })
    .transpose()
}
