//! The token deny-list in PostgreSQL.

use async_trait::async_trait;
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::TokenId;
use gatehouse_store::error::StoreError;
use gatehouse_store::revocation::{FEED_PAGE, RevocationRepository, RevokedToken};

use super::PostgresStore;
use super::history::Evidence;
use crate::row::{column, counter};

const REVOKED: &str = "SELECT EXISTS (SELECT FROM revoked_tokens WHERE token = $1 AND expires_at <= $2)";

#[async_trait]
impl RevocationRepository for PostgresStore {
    async fn revoke_token(&self, token: &TokenId, expires_at: Timestamp) -> Result<(), StoreError> {
        // The feed's row stays locked until commit, so positions become visible in their order.
        const SQL: &str =
            "WITH next AS (UPDATE revocation_feed SET last_seq = last_seq + 1 RETURNING last_seq)
             INSERT INTO revoked_tokens (seq, token, expires_at) SELECT last_seq, $1, $2 FROM next
             ON CONFLICT (token) DO NOTHING";
        let insert = || sqlx::query(SQL).bind(token.as_str()).bind(expires_at.unix_nanos());
        self.regardless().execute(insert).await?;
        self.history.note(Evidence {
            sql: REVOKED,
            key: token.as_str().to_owned(),
            value: expires_at.unix_nanos(),
        });
        Ok(())
    }

    async fn is_revoked(&self, token: &TokenId, now: Timestamp) -> Result<bool, StoreError> {
        const SQL: &str = "SELECT EXISTS (SELECT FROM revoked_tokens WHERE token = $1 AND expires_at > $2)";
        let query = || sqlx::query_as(SQL).bind(token.as_str()).bind(now.unix_nanos());
        self.regardless().one(query).await.map(|(is_revoked,)| is_revoked)
    }

    async fn revoked_since(&self, seq: u64, now: Timestamp) -> Result<Vec<RevokedToken>, StoreError> {
        const SQL: &str = "SELECT seq, token, expires_at FROM revoked_tokens
             WHERE seq > $1 AND expires_at > $2 ORDER BY seq LIMIT $3";
        let (seq, page) = (column(seq)?, column(FEED_PAGE as u64)?);
        let query = || sqlx::query_as(SQL).bind(seq).bind(now.unix_nanos()).bind(page);
        let rows: Vec<(i64, String, i64)> = self.regardless().all(query).await?;
        rows.into_iter()
            .map(|(seq, token, expires_at)| {
                Ok(RevokedToken {
                    seq: counter("revoked token", &token, seq)?,
                    token: TokenId::new(token),
                    expires_at: Timestamp::from_unix_nanos(expires_at),
                })
            })
            .collect()
    }
}
