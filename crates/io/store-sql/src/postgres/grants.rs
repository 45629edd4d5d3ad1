//! Grants in PostgreSQL.

use async_trait::async_trait;
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::{ClientId, GrantId, SubjectId};
use gatehouse_oauth::grant::{Active, CodeHash, Grant, Pending, Stage};
use gatehouse_oauth::refresh::RefreshFamily;
use gatehouse_store::error::StoreError;
use gatehouse_store::grant::GrantRepository;
use gatehouse_store::transition::Transition;

use super::PostgresStore;
use super::history::Evidence;
use super::refresh_families::insert_family;
use crate::row::{self, FamilyRow, GrantRow};

const REDEEMED: &str =
    "SELECT EXISTS (SELECT FROM grants WHERE id = $1 AND stage = 'active' AND expires_at >= $2)";

#[async_trait]
impl GrantRepository for PostgresStore {
    async fn insert(&self, grant: &Pending) -> Result<Transition, StoreError> {
        const SQL: &str =
            "INSERT INTO grants (id, stage, client, expires_at, body) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (id) DO NOTHING";
        let row = GrantRow::of(&Grant::Pending(grant.clone()))?;
        let insert = || {
            let insert = sqlx::query(SQL).bind(&row.id).bind(row.stage).bind(&row.client);
            insert.bind(row.expires_at).bind(&row.body)
        };
        self.relying().execute(insert).await.map(Transition::from_rows)
    }

    async fn find(&self, id: &GrantId, now: Timestamp) -> Result<Option<Grant>, StoreError> {
        const SQL: &str = "SELECT id, body, revoked_at FROM grants WHERE id = $1 AND expires_at > $2";
        self.find_where(SQL, id.as_str(), now).await
    }

    async fn find_by_code(&self, code: &CodeHash, now: Timestamp) -> Result<Option<Grant>, StoreError> {
        const SQL: &str = "SELECT id, body, revoked_at FROM grants WHERE code_hash = $1 AND expires_at > $2";
        self.find_where(SQL, code.as_str(), now).await
    }

    async fn advance(&self, from: Stage, to: &Grant, now: Timestamp) -> Result<Transition, StoreError> {
        const SQL: &str =
            "UPDATE grants SET stage = $1, subject = $2, code_hash = $3, expires_at = $4, body = $5
             WHERE id = $6 AND stage = $7 AND expires_at > $8 AND revoked_at IS NULL";
        let row = GrantRow::of(to)?;
        let update = || {
            let update = sqlx::query(SQL).bind(row.stage).bind(&row.subject).bind(&row.code_hash);
            let update = update.bind(row.expires_at).bind(&row.body).bind(&row.id);
            update.bind(from.as_str()).bind(now.unix_nanos())
        };
        self.relying().execute(update).await.map(Transition::from_rows)
    }

    async fn abandon(&self, id: &GrantId) -> Result<Transition, StoreError> {
        const SQL: &str = "DELETE FROM grants WHERE id = $1 AND stage IN ($2, $3)";
        let delete = || {
            let delete = sqlx::query(SQL).bind(id.as_str());
            delete.bind(Stage::Pending.as_str()).bind(Stage::Authenticated.as_str())
        };
        self.relying().execute(delete).await.map(Transition::from_rows)
    }

    async fn redeem(
        &self,
        grant: &Active,
        family: Option<&RefreshFamily>,
        now: Timestamp,
    ) -> Result<Transition, StoreError> {
        const SQL: &str = "UPDATE grants SET stage = $1, expires_at = $2, body = $3
             WHERE id = $4 AND stage = $5 AND code_hash = $6 AND expires_at > $7 AND revoked_at IS NULL";
        let row = GrantRow::of(&Grant::Active(grant.clone()))?;
        let family = family.map(FamilyRow::of).transpose()?;
        let operations = self.relying();
        let work = || async {
            let mut transaction = operations.begin().await?;
            let update = sqlx::query(SQL).bind(row.stage).bind(row.expires_at).bind(&row.body);
            let update = update.bind(&row.id).bind(Stage::Consented.as_str());
            let update = operations.stamp(update.bind(&row.code_hash).bind(now.unix_nanos()));
            let done = update.execute(&mut *transaction).await?;
            let transition = Transition::from_rows(done.rows_affected());
            if let (Transition::Won, Some(family)) = (transition, &family) {
                operations.stamp(insert_family(family)).execute(&mut *transaction).await?;
            }
            transaction.commit().await?;
            Ok(transition)
        };
        let redeemed = self.bounded(work).await?;
        if redeemed.is_won() {
            self.history.note(Evidence { sql: REDEEMED, key: row.id, value: row.expires_at });
        }
        Ok(redeemed)
    }

    async fn revoke(&self, id: &GrantId, at: Timestamp) -> Result<Transition, StoreError> {
        const GRANT: &str = "UPDATE grants SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL";
        const FAMILIES: &str =
            "UPDATE refresh_families SET revoked_at = $2 WHERE grant_id = $1 AND revoked_at IS NULL";
        self.revoke_where(id.as_str(), at, (GRANT, FAMILIES)).await.map(Transition::from_rows)
    }

    async fn all_of(&self, user: &SubjectId, now: Timestamp) -> Result<Vec<GrantId>, StoreError> {
        const SQL: &str = "SELECT id FROM grants WHERE subject = $1 AND expires_at > $2 ORDER BY id";
        let query = || sqlx::query_as(SQL).bind(user.as_str()).bind(now.unix_nanos());
        let rows: Vec<(String,)> = self.relying().all(query).await?;
        Ok(rows.into_iter().map(|(id,)| GrantId::new(id)).collect())
    }

    async fn revoke_all_of_user(&self, user: &SubjectId, at: Timestamp) -> Result<u64, StoreError> {
        const GRANTS: &str = "UPDATE grants SET revoked_at = $2 WHERE subject = $1 AND revoked_at IS NULL";
        const FAMILIES: &str = "UPDATE refresh_families SET revoked_at = $2 WHERE revoked_at IS NULL
             AND grant_id IN (SELECT id FROM grants WHERE subject = $1)";
        self.revoke_where(user.as_str(), at, (GRANTS, FAMILIES)).await
    }

    async fn revoke_all_of_client(&self, client: &ClientId, at: Timestamp) -> Result<u64, StoreError> {
        const GRANTS: &str = "UPDATE grants SET revoked_at = $2 WHERE client = $1 AND revoked_at IS NULL";
        const FAMILIES: &str = "UPDATE refresh_families SET revoked_at = $2 WHERE revoked_at IS NULL
             AND grant_id IN (SELECT id FROM grants WHERE client = $1)";
        self.revoke_where(client.as_str(), at, (GRANTS, FAMILIES)).await
    }
}

impl PostgresStore {
    async fn find_where(
        &self,
        sql: &'static str,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<Grant>, StoreError> {
        let query = || sqlx::query_as(sql).bind(key).bind(now.unix_nanos());
        let columns: Option<(String, String, Option<i64>)> = self.relying().optional(query).await?;
        columns.map_or(Ok(None), |(id, body, revoked_at)| row::grant(&id, &body, revoked_at))
    }

    /// Grants first, then their families, in one commit; returns how many grants there were.
    ///
    /// The order matters: a redemption in progress holds its grant's row, so the first statement waits for it and
    /// the second one sees the family that it began.
    async fn revoke_where(
        &self,
        key: &str,
        at: Timestamp,
        (grants, families): (&'static str, &'static str),
    ) -> Result<u64, StoreError> {
        let at = at.unix_nanos();
        let operations = self.relying();
        let work = || async {
            let mut transaction = operations.begin().await?;
            let grants = operations.stamp(sqlx::query(grants).bind(key).bind(at));
            let revoked = grants.execute(&mut *transaction).await?;
            let families = operations.stamp(sqlx::query(families).bind(key).bind(at));
            families.execute(&mut *transaction).await?;
            transaction.commit().await?;
            Ok(revoked.rows_affected())
        };
        self.bounded(work).await
    }
}
