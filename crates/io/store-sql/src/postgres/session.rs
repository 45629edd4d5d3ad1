//! How an operation gets a connection, and what its failure means for the others.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use gatehouse_store::error::StoreError;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgConnection, PgRow, Postgres};
use sqlx::query::{Query, QueryAs};
use sqlx::{FromRow, Transaction};
use tokio::time;

use super::failure::{is_stale_plan, late, speaks_of_outage, store_error};
use super::{Pooler, PostgresStore};

/// The longest that one operation may take, waiting for a connection included; longer than what the server allows
/// a statement, for servers that do not answer at all.
const DEADLINE: Duration = Duration::from_secs(6);

/// Begins a transaction that a pooler carries to some server, with the limits that a session of ours would have there.
const BEGIN_WITH_LIMITS: &str = "BEGIN; SET LOCAL statement_timeout = '4s'; SET LOCAL lock_timeout = '3s'; \
    SET LOCAL idle_in_transaction_session_timeout = '10s'";

/// What an operation does to a store that went back to an earlier state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reliance {
    /// It relies on what the store remembers, and is refused.
    Full,
    /// It harms nobody, or is needed to mend the store.
    None,
}

/// The statements of one operation. What is not ended is undone.
pub(super) enum Session {
    /// On a session of ours, each statement commits by itself.
    Own(PoolConnection<Postgres>),
    /// A pooler may take each transaction to another server, and a statement is two messages: prepare, then execute.
    Lent(Transaction<'static, Postgres>),
}

/// Operations that rely on the store in one way.
pub(super) struct Operations<'a> {
    store: &'a PostgresStore,
    reliance: Reliance,
}

/// How an attempt failed.
enum Failed {
    Late,
    Said(sqlx::Error),
}

impl PostgresStore {
    /// Operations that rely on what the store remembers.
    pub(super) fn relying(&self) -> Operations<'_> {
        Operations { store: self, reliance: Reliance::Full }
    }

    /// Operations that harm nobody if the store went back to an earlier state.
    pub(super) fn regardless(&self) -> Operations<'_> {
        Operations { store: self, reliance: Reliance::None }
    }

    /// Runs one operation within the time limit, unless the server is known to be down. One that fails because the
    /// schema has changed under its statements has done nothing, and is run again on a connection without them.
    pub(super) async fn bounded<T, F>(&self, work: impl Fn() -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, sqlx::Error>>,
    {
        if self.outage.is_on() {
            return Err(StoreError::Unavailable {
                reason: "the server is down since a moment ago".to_owned(),
            });
        }
        let mut result = self.attempt(&work).await;
        if let Err(Failed::Said(error)) = &result
            && is_stale_plan(error)
        {
            self.outage.suspect();
            result = self.attempt(&work).await;
        }
        result.map_err(|failed| match failed {
            Failed::Late => late(DEADLINE),
            Failed::Said(error) => store_error(&error),
        })
    }

    async fn attempt<T, F>(&self, work: impl Fn() -> F) -> Result<T, Failed>
    where
        F: Future<Output = Result<T, sqlx::Error>>,
    {
        // On the heap, because the futures of transactions are large and every caller would carry them.
        let result = time::timeout(DEADLINE, Box::pin(work())).await;
        let result = match result {
            Ok(result) => result.map_err(Failed::Said),
            Err(_) => Err(Failed::Late),
        };
        let lost = match &result {
            Ok(_) => false,
            // What was cut at the time limit did not get to say why.
            Err(Failed::Late) => true,
            Err(Failed::Said(error)) => speaks_of_outage(error, self.has_room()),
        };
        if lost {
            self.outage.begin(&self.pool, &self.servers);
        }
        result
    }

    /// Whether the pool may open another connection: then waiting in vain for one says something about the server.
    fn has_room(&self) -> bool {
        self.pool.size() < self.pool.options().get_max_connections()
    }

    /// Whether statements stay prepared at the server for the next time.
    fn keeps_statements(&self) -> bool {
        self.pooler == Pooler::None
    }

    /// What a connection that was just acquired says about the store.
    fn admit(&self, reliance: Reliance) -> Result<(), sqlx::Error> {
        if let Some(reason) = self.outage.refusal() {
            return Err(sqlx::Error::Io(std::io::Error::other(reason)));
        }
        match self.history.objection() {
            Some(objection) if reliance == Reliance::Full => Err(sqlx::Error::Protocol(objection.to_owned())),
            _ => Ok(()),
        }
    }
}

impl Operations<'_> {
    /// Runs one statement and returns how many rows it changed.
    pub(super) async fn execute<'q>(
        &self,
        query: impl Fn() -> Query<'q, Postgres, PgArguments>,
    ) -> Result<u64, StoreError> {
        let work = || async {
            let mut session = self.session().await?;
            let done = self.stamp(query()).execute(&mut *session).await?;
            session.end().await?;
            Ok(done.rows_affected())
        };
        self.store.bounded(work).await
    }

    /// The one row of a statement.
    pub(super) async fn one<'q, T>(
        &self,
        query: impl Fn() -> QueryAs<'q, Postgres, T, PgArguments>,
    ) -> Result<T, StoreError>
    where
        T: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        let work = || async {
            let mut session = self.session().await?;
            let row = query().persistent(self.store.keeps_statements()).fetch_one(&mut *session).await?;
            session.end().await?;
            Ok(row)
        };
        self.store.bounded(work).await
    }

    /// The row of a statement, if there is one.
    pub(super) async fn optional<'q, T>(
        &self,
        query: impl Fn() -> QueryAs<'q, Postgres, T, PgArguments>,
    ) -> Result<Option<T>, StoreError>
    where
        T: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        let work = || async {
            let mut session = self.session().await?;
            let row = query().persistent(self.store.keeps_statements()).fetch_optional(&mut *session).await?;
            session.end().await?;
            Ok(row)
        };
        self.store.bounded(work).await
    }

    /// All rows of a statement.
    pub(super) async fn all<'q, T>(
        &self,
        query: impl Fn() -> QueryAs<'q, Postgres, T, PgArguments>,
    ) -> Result<Vec<T>, StoreError>
    where
        T: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        let work = || async {
            let mut session = self.session().await?;
            let rows = query().persistent(self.store.keeps_statements()).fetch_all(&mut *session).await?;
            session.end().await?;
            Ok(rows)
        };
        self.store.bounded(work).await
    }

    /// Several statements that happen together, within [`PostgresStore::bounded`].
    pub(super) async fn begin(&self) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        let transaction = match self.store.pooler {
            Pooler::None => self.store.pool.begin().await?,
            Pooler::Transaction => self.store.pool.begin_with(BEGIN_WITH_LIMITS).await?,
        };
        self.store.admit(self.reliance)?;
        Ok(transaction)
    }

    /// A statement as it may be sent here.
    pub(super) fn stamp<'q>(
        &self,
        query: Query<'q, Postgres, PgArguments>,
    ) -> Query<'q, Postgres, PgArguments> {
        query.persistent(self.store.keeps_statements())
    }

    async fn session(&self) -> Result<Session, sqlx::Error> {
        match self.store.pooler {
            Pooler::None => {
                let connection = self.store.pool.acquire().await?;
                self.store.admit(self.reliance)?;
                Ok(Session::Own(connection))
            }
            Pooler::Transaction => self.begin().await.map(Session::Lent),
        }
    }
}

impl Session {
    /// Makes what was done last.
    async fn end(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Own(_) => Ok(()),
            Self::Lent(transaction) => transaction.commit().await,
        }
    }
}

impl Deref for Session {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        match self {
            Self::Own(connection) => connection,
            Self::Lent(transaction) => transaction,
        }
    }
}

impl DerefMut for Session {
    fn deref_mut(&mut self) -> &mut PgConnection {
        match self {
            Self::Own(connection) => connection,
            Self::Lent(transaction) => transaction,
        }
    }
}

#[cfg(test)]
mod tests;
