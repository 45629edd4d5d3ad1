//! The token deny-list in SQLite. With one writer, positions become visible in their order.

use async_trait::async_trait;
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::TokenId;
use gatehouse_store::error::StoreError;
use gatehouse_store::revocation::{FEED_PAGE, RevocationRepository, RevokedToken};
use rusqlite::params;

use super::SqliteStore;
use super::statement::{all, execute, first};
use crate::row::{column, counter};

#[async_trait]
impl RevocationRepository for SqliteStore {
    async fn revoke_token(&self, token: &TokenId, expires_at: Timestamp) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO revoked_tokens (token, expires_at) VALUES (?1, ?2)
             ON CONFLICT (token) DO NOTHING";
        let row = (token.to_string(), expires_at.unix_nanos());
        self.writer.write(move |connection| execute(connection, SQL, row).map(|_| ())).await
    }

    async fn is_revoked(&self, token: &TokenId, now: Timestamp) -> Result<bool, StoreError> {
        const SQL: &str = "SELECT 1 FROM revoked_tokens WHERE token = ?1 AND expires_at > ?2";
        let key = (token.to_string(), now.unix_nanos());
        self.readers.read(move |connection| Ok(first(connection, SQL, key, |_| Ok(()))?.is_some())).await
    }

    async fn revoked_since(&self, seq: u64, now: Timestamp) -> Result<Vec<RevokedToken>, StoreError> {
        const SQL: &str = "SELECT seq, token, expires_at FROM revoked_tokens
             WHERE seq > ?1 AND expires_at > ?2 ORDER BY seq LIMIT ?3";
        let key = (column(seq)?, now.unix_nanos(), column(FEED_PAGE as u64)?);
        self.readers
            .read(move |connection| {
                let rows: Vec<(i64, String, i64)> =
                    all(connection, SQL, params![key.0, key.1, key.2], |row| {
                        Ok((row.get(0)?, row.get(1)?, row.get(2)?))
                    })?;
                rows.into_iter()
                    .map(|(seq, token, expires_at)| {
                        Ok(RevokedToken {
                            seq: counter("revoked token", &token, seq)?,
                            token: TokenId::new(token),
                            expires_at: Timestamp::from_unix_nanos(expires_at),
                        })
                    })
                    .collect()
            })
            .await
    }
}
