//! How far audit logs had come, in SQLite.

use async_trait::async_trait;
use gatehouse_audit::head::Head;
use gatehouse_identity::clock::Timestamp;
use gatehouse_store::audit_head::{AuditHeadRepository, AuditLog};
use gatehouse_store::error::StoreError;
use rusqlite::params;

use super::SqliteStore;
use super::statement::{execute, first};
use crate::row;

#[async_trait]
impl AuditHeadRepository for SqliteStore {
    async fn remember(&self, log: &AuditLog, head: Head, at: Timestamp) -> Result<(), StoreError> {
        const SQL: &str =
            "INSERT INTO audit_heads (node, log, seq, hash, remembered_at) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (node, log) DO UPDATE
             SET seq = excluded.seq, hash = excluded.hash, remembered_at = excluded.remembered_at";
        let log = log.clone();
        let (seq, hash) = row::head_columns(head);
        self.writer
            .write(move |connection| {
                execute(connection, SQL, params![log.node, log.log, seq, hash, at.unix_nanos()]).map(|_| ())
            })
            .await
    }

    async fn remembered(&self, log: &AuditLog) -> Result<Option<Head>, StoreError> {
        const SQL: &str = "SELECT seq, hash FROM audit_heads WHERE node = ?1 AND log = ?2";
        let log = log.clone();
        self.readers
            .read(move |connection| {
                let found = first(connection, SQL, params![log.node, log.log], |row| {
                    Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
                })?;
                found.map(row::head).transpose()
            })
            .await
    }
}
