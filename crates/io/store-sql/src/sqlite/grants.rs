//! Grants in SQLite.

use async_trait::async_trait;
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::{ClientId, GrantId, SubjectId};
use gatehouse_oauth::grant::{Active, CodeHash, Grant, Pending, Stage};
use gatehouse_oauth::refresh::RefreshFamily;
use gatehouse_store::error::StoreError;
use gatehouse_store::grant::GrantRepository;
use gatehouse_store::transition::Transition;
use rusqlite::{Connection, Row, params};

use super::SqliteStore;
use super::refresh_families::insert_family;
use super::statement::{all, decide, execute, first};
use crate::row::{self, FamilyRow, GrantRow};

#[async_trait]
impl GrantRepository for SqliteStore {
    async fn insert(&self, grant: &Pending) -> Result<Transition, StoreError> {
        let row = GrantRow::of(&Grant::Pending(grant.clone()))?;
        self.writer
            .write(move |connection| {
                decide(
                    connection,
                    "INSERT INTO grants (id, stage, client, expires_at, body) VALUES (?1, ?2, ?3, ?4, ?5)
                     ON CONFLICT (id) DO NOTHING",
                    params![row.id, row.stage, row.client, row.expires_at, row.body],
                )
            })
            .await
    }

    async fn find(&self, id: &GrantId, now: Timestamp) -> Result<Option<Grant>, StoreError> {
        const SQL: &str = "SELECT id, body, revoked_at FROM grants WHERE id = ?1 AND expires_at > ?2";
        let id = id.to_string();
        let now = now.unix_nanos();
        self.readers.read(move |connection| read(first(connection, SQL, params![id, now], columns)?)).await
    }

    async fn find_by_code(&self, code: &CodeHash, now: Timestamp) -> Result<Option<Grant>, StoreError> {
        const SQL: &str = "SELECT id, body, revoked_at FROM grants WHERE code_hash = ?1 AND expires_at > ?2";
        let code = code.to_string();
        let now = now.unix_nanos();
        self.readers.read(move |connection| read(first(connection, SQL, params![code, now], columns)?)).await
    }

    async fn advance(&self, from: Stage, to: &Grant, now: Timestamp) -> Result<Transition, StoreError> {
        let row = GrantRow::of(to)?;
        self.writer
            .write(move |connection| {
                decide(
                    connection,
                    "UPDATE grants SET stage = ?1, subject = ?2, code_hash = ?3, expires_at = ?4, body = ?5
                     WHERE id = ?6 AND stage = ?7 AND expires_at > ?8 AND revoked_at IS NULL",
                    params![
                        row.stage,
                        row.subject,
                        row.code_hash,
                        row.expires_at,
                        row.body,
                        row.id,
                        from.as_str(),
                        now.unix_nanos()
                    ],
                )
            })
            .await
    }

    async fn abandon(&self, id: &GrantId) -> Result<Transition, StoreError> {
        const SQL: &str = "DELETE FROM grants WHERE id = ?1 AND stage IN (?2, ?3)";
        let id = id.to_string();
        let (pending, authenticated) = (Stage::Pending.as_str(), Stage::Authenticated.as_str());
        self.writer
            .write(move |connection| decide(connection, SQL, params![id, pending, authenticated]))
            .await
    }

    async fn redeem(
        &self,
        grant: &Active,
        family: Option<&RefreshFamily>,
        now: Timestamp,
    ) -> Result<Transition, StoreError> {
        let row = GrantRow::of(&Grant::Active(grant.clone()))?;
        let family = family.map(FamilyRow::of).transpose()?;
        self.writer
            .write(move |connection| {
                let transition = decide(
                    connection,
                    "UPDATE grants SET stage = ?1, expires_at = ?2, body = ?3
                     WHERE id = ?4 AND stage = ?5 AND code_hash = ?6 AND expires_at > ?7 AND revoked_at IS NULL",
                    params![
                        row.stage,
                        row.expires_at,
                        row.body,
                        row.id,
                        Stage::Consented.as_str(),
                        row.code_hash,
                        now.unix_nanos()
                    ],
                )?;
                if let (Transition::Won, Some(family)) = (transition, family) {
                    insert_family(connection, &family)?;
                }
                Ok(transition)
            })
            .await
    }

    async fn revoke(&self, id: &GrantId, at: Timestamp) -> Result<Transition, StoreError> {
        const GRANT: &str = "UPDATE grants SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL";
        const FAMILIES: &str =
            "UPDATE refresh_families SET revoked_at = ?2 WHERE grant_id = ?1 AND revoked_at IS NULL";
        self.revoke_where(id.to_string(), at, (GRANT, FAMILIES)).await.map(Transition::from_rows)
    }

    async fn all_of(&self, user: &SubjectId, now: Timestamp) -> Result<Vec<GrantId>, StoreError> {
        const SQL: &str = "SELECT id FROM grants WHERE subject = ?1 AND expires_at > ?2 ORDER BY id";
        let row = (user.to_string(), now.unix_nanos());
        self.readers
            .read(move |connection| {
                all(connection, SQL, row, |row| Ok(GrantId::new(row.get::<_, String>(0)?)))
            })
            .await
    }

    async fn revoke_all_of_user(&self, user: &SubjectId, at: Timestamp) -> Result<u64, StoreError> {
        const GRANTS: &str = "UPDATE grants SET revoked_at = ?2 WHERE subject = ?1 AND revoked_at IS NULL";
        const FAMILIES: &str = "UPDATE refresh_families SET revoked_at = ?2 WHERE revoked_at IS NULL
             AND grant_id IN (SELECT id FROM grants WHERE subject = ?1)";
        self.revoke_where(user.to_string(), at, (GRANTS, FAMILIES)).await
    }

    async fn revoke_all_of_client(&self, client: &ClientId, at: Timestamp) -> Result<u64, StoreError> {
        const GRANTS: &str = "UPDATE grants SET revoked_at = ?2 WHERE client = ?1 AND revoked_at IS NULL";
        const FAMILIES: &str = "UPDATE refresh_families SET revoked_at = ?2 WHERE revoked_at IS NULL
             AND grant_id IN (SELECT id FROM grants WHERE client = ?1)";
        self.revoke_where(client.to_string(), at, (GRANTS, FAMILIES)).await
    }
}

impl SqliteStore {
    /// Grants first, then their families, in one commit; returns how many grants there were.
    async fn revoke_where(
        &self,
        key: String,
        at: Timestamp,
        (grants, families): (&'static str, &'static str),
    ) -> Result<u64, StoreError> {
        let at = at.unix_nanos();
        self.writer
            .write(move |connection: &Connection| {
                let revoked = execute(connection, grants, params![key, at])?;
                execute(connection, families, params![key, at])?;
                Ok(revoked)
            })
            .await
    }
}

type Columns = (String, String, Option<i64>);

fn columns(row: &Row<'_>) -> rusqlite::Result<Columns> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
}

fn read(columns: Option<Columns>) -> Result<Option<Grant>, StoreError> {
    columns.map_or(Ok(None), |(id, body, revoked_at)| row::grant(&id, &body, revoked_at))
}
