//! How far audit logs had come, in PostgreSQL.

use async_trait::async_trait;
use gatehouse_audit::head::Head;
use gatehouse_identity::clock::Timestamp;
use gatehouse_store::audit_head::{AuditHeadRepository, AuditLog};
use gatehouse_store::error::StoreError;

use super::PostgresStore;
use crate::row;

#[async_trait]
impl AuditHeadRepository for PostgresStore {
    async fn remember(&self, log: &AuditLog, head: Head, at: Timestamp) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO audit_heads (node, log, seq, hash, remembered_at)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (node, log) DO UPDATE
             SET seq = excluded.seq, hash = excluded.hash, remembered_at = excluded.remembered_at";
        let (seq, hash) = row::head_columns(head);
        let insert = || {
            let insert = sqlx::query(SQL).bind(&log.node).bind(&log.log).bind(seq);
            insert.bind(&hash).bind(at.unix_nanos())
        };
        self.regardless().execute(insert).await.map(|_| ())
    }

    async fn remembered(&self, log: &AuditLog) -> Result<Option<Head>, StoreError> {
        const SQL: &str = "SELECT seq, hash FROM audit_heads WHERE node = $1 AND log = $2";
        let query = || sqlx::query_as(SQL).bind(&log.node).bind(&log.log);
        let found: Option<(i64, String)> = self.regardless().optional(query).await?;
        found.map(row::head).transpose()
    }
}
