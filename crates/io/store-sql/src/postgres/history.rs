//! Whether the store went back to an earlier state: a standby was promoted that had not received everything, or a copy
//! was put back under running nodes.
//!
//! A server keeps a prefix of what was committed. So it is enough to look for what was acknowledged last: the position
//! of the feed, which moves twice a second on every node that writes, and the writes of this node since then. They are
//! looked for as soon as a connection leads to another server, before any request gets to use it; and since another
//! node may be the one that misses something, what relies on the store waits until all have had time to look.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gatehouse_store::error::StoreError;
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;
use tokio::time::Instant;

use super::PostgresStore;

/// How many acknowledged writes are remembered: more than are under way at the same time, whose order is not known.
const REMEMBERED: usize = 128;

/// How long other nodes have to look, which they do twice a second.
const HEARING: Duration = Duration::from_secs(1);

const LOOK: &str = "SELECT last_seq, went_back_at, pg_postmaster_start_time()::text,
        pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on'
    FROM revocation_feed";
const MOVE_ON: &str = "UPDATE revocation_feed SET last_seq = last_seq + 1
    RETURNING last_seq - 1, went_back_at, pg_postmaster_start_time()::text, FALSE";
/// What is revoked from now on must come after every position that was seen.
const MARK: &str = "UPDATE revocation_feed SET last_seq = greatest(last_seq, $1) + 1,
    went_back_at = coalesce(went_back_at, (extract(epoch FROM clock_timestamp()) * 1000000000)::bigint)";

/// What this node has seen of the store.
#[derive(Default)]
pub(super) struct History(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    /// Which server it was; `None` before the first.
    server: Option<String>,
    /// The highest position of the feed.
    position: i64,
    /// What was acknowledged since that position was seen, oldest first.
    acknowledged: VecDeque<Evidence>,
    /// How many writes were acknowledged in all.
    writes: u64,
    trust: Trust,
    /// Until when other nodes are heard.
    hearing: Option<Instant>,
}

/// Whether the store is what it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Trust {
    #[default]
    Sound,
    /// It went back, and the store does not say so yet.
    Noticed,
    /// It went back, and every node reads so in the store.
    Marked,
}

/// A write that was acknowledged, and how to find it: `sql` asks for `key` and `value`.
#[derive(Clone, Debug)]
pub(super) struct Evidence {
    pub(super) sql: &'static str,
    pub(super) key: String,
    pub(super) value: i64,
}

impl History {
    /// Why nobody should rely on the store now, if so.
    pub(super) fn objection(&self) -> Option<&'static str> {
        let seen = self.seen();
        if seen.trust != Trust::Sound {
            return Some("the store went back to an earlier state; run `gatehouse restore --epoch-only`");
        }
        let is_hearing = seen.hearing.is_some_and(|until| Instant::now() < until);
        is_hearing
            .then_some("another server has taken over; first all nodes look whether something is missing")
    }

    /// A write was acknowledged.
    pub(super) fn note(&self, evidence: Evidence) {
        let mut seen = self.seen();
        seen.writes += 1;
        if seen.acknowledged.len() == REMEMBERED {
            seen.acknowledged.pop_front();
        }
        seen.acknowledged.push_back(evidence);
    }

    /// A connection has led to the server that started at `server`. When that is another one than before, what is
    /// remembered has to be there.
    pub(super) async fn meet(&self, connection: &mut PgConnection, server: &str) -> Result<(), sqlx::Error> {
        let (position, acknowledged) = {
            let mut seen = self.seen();
            match &seen.server {
                None => {
                    seen.server = Some(server.to_owned());
                    return Ok(());
                }
                Some(known) if known == server => return Ok(()),
                Some(_) => (seen.position, seen.acknowledged.clone()),
            }
        };
        // One transaction, so that a pooler keeps us at one server.
        let mut transaction = connection.begin().await?;
        let found = sqlx::query_as("SELECT last_seq, went_back_at FROM revocation_feed").persistent(false);
        let (found, went_back_at): (i64, Option<i64>) = found.fetch_one(&mut *transaction).await?;
        let mut is_lost = found < position || went_back_at.is_some();
        for evidence in acknowledged {
            let asked = sqlx::query_scalar(evidence.sql).persistent(false);
            let is_there: bool =
                asked.bind(evidence.key).bind(evidence.value).fetch_one(&mut *transaction).await?;
            is_lost |= !is_there;
        }
        if is_lost {
            sqlx::query(MARK).persistent(false).bind(position).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        let mut seen = self.seen();
        seen.server = Some(server.to_owned());
        seen.hearing = Some(Instant::now() + HEARING);
        if is_lost {
            if seen.trust == Trust::Sound {
                tell();
            }
            seen.trust = Trust::Marked;
        }
        Ok(())
    }

    fn knows(&self, server: &str) -> bool {
        self.seen().server.as_deref() == Some(server)
    }

    /// The store is at `position`, and says whether it went back.
    fn look_at(&self, position: i64, is_marked: bool) {
        let mut seen = self.seen();
        seen.trust = match (seen.trust, is_marked) {
            (Trust::Sound, false) if position < seen.position => {
                tell();
                Trust::Noticed
            }
            (Trust::Sound, true) => {
                tell();
                Trust::Marked
            }
            (_, true) => Trust::Marked,
            (Trust::Marked, false) => {
                tracing::info!("an epoch has begun since the store went back; it is relied on again");
                seen.position = position;
                seen.acknowledged.clear();
                Trust::Sound
            }
            (trust, false) => trust,
        };
        seen.position = seen.position.max(position);
    }

    /// The position that was seen, when the store has to be told that it went back.
    fn to_be_told(&self) -> Option<i64> {
        let seen = self.seen();
        (seen.trust == Trust::Noticed).then_some(seen.position)
    }

    fn told(&self) {
        self.seen().trust = Trust::Marked;
    }

    fn writes(&self) -> u64 {
        self.seen().writes
    }

    fn is_unproven(&self) -> bool {
        !self.seen().acknowledged.is_empty()
    }

    /// The feed has moved on after the first `writes` writes, which it stands for from now on.
    fn forget(&self, writes: u64) {
        let mut seen = self.seen();
        let later = usize::try_from(seen.writes.saturating_sub(writes)).unwrap_or(usize::MAX);
        let settled = seen.acknowledged.len().saturating_sub(later);
        seen.acknowledged.drain(..settled);
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tell() {
    tracing::error!(
        reason = "store_went_back",
        "the store went back to an earlier state; nothing is issued or redeemed until an epoch begins"
    );
}

impl PostgresStore {
    /// Compares the store with what this node has seen of it, and moves the feed on when this node has written.
    pub(super) async fn look_back(&self) -> Result<(), StoreError> {
        let writes = self.history.writes();
        let is_unproven = self.history.is_unproven();
        let sql = if is_unproven { MOVE_ON } else { LOOK };
        let (position, went_back_at, server, only_reads): (i64, Option<i64>, String, bool) =
            self.regardless().one(|| sqlx::query_as(sql)).await?;
        if only_reads {
            self.outage.begin(&self.pool, &self.servers);
            return Err(StoreError::Unavailable { reason: "the server only reads".to_owned() });
        }
        self.meet_behind_pooler(&server).await?;
        self.history.look_at(position, went_back_at.is_some());
        if is_unproven {
            self.history.forget(writes);
            self.history.look_at(position.saturating_add(1), went_back_at.is_some());
        }
        self.mark().await
    }

    /// Tells every node, and those that start later, that the store went back.
    async fn mark(&self) -> Result<(), StoreError> {
        if let Some(position) = self.history.to_be_told() {
            self.regardless().execute(|| sqlx::query(MARK).bind(position)).await?;
            self.history.told();
        }
        Ok(())
    }

    /// A pooler may lead to another server on a connection that stays.
    async fn meet_behind_pooler(&self, server: &str) -> Result<(), StoreError> {
        if self.history.knows(server) {
            return Ok(());
        }
        self.bounded(|| async {
            let mut connection = self.pool.acquire().await?;
            self.history.meet(&mut connection, server).await
        })
        .await
    }
}

#[cfg(test)]
mod tests;
