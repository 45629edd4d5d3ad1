//! The store for more than one node: PostgreSQL through one bounded pool, on whichever of its servers can write.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use gatehouse_identity::secret::Secret;
use gatehouse_store::error::StoreError;
use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _};

use self::failure::store_error;
use self::history::History;
use self::outage::Outage;
use self::server::Servers;
use crate::schema::{Migrate, Plan};

mod audit_heads;
mod consents;
mod epochs;
mod failure;
mod grants;
mod history;
mod maintenance;
mod migrate;
mod one_time;
mod outage;
mod refresh_families;
mod revocations;
mod server;
mod session;
mod sessions;
mod signing_keys;

/// How long a request waits for a connection before the store counts as unavailable.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);

/// Limits that the server enforces on each of our transactions.
const LIMITS: [(&str, &str); 3] =
    [("statement_timeout", "4s"), ("lock_timeout", "3s"), ("idle_in_transaction_session_timeout", "10s")];

/// The shortest life of a connection, and by how many seconds one may live longer: servers that moved behind their
/// name are found, and not by all nodes at once.
const LIFETIME: Duration = Duration::from_secs(270);
const LIFETIME_SPREAD: u64 = 60;

/// How to reach the database.
pub struct Settings {
    /// `postgres://user:password@host/database` of each server that may be the primary, in the order in which they are
    /// tried.
    pub urls: Vec<Secret>,
    /// The most connections.
    pub max_connections: u32,
    /// What stands between us and the servers.
    pub pooler: Pooler,
    /// What to do about migrations that the database lacks.
    pub migrate: Migrate,
}

/// What stands between us and the servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooler {
    /// Nothing that has a say in which server a statement reaches: sessions are ours.
    None,
    /// A pooler that lends us a server for a transaction, such as PgBouncer with `pool_mode = transaction`.
    Transaction,
}

/// The store in a PostgreSQL database.
pub struct PostgresStore {
    pool: PgPool,
    pooler: Pooler,
    servers: Arc<Servers>,
    outage: Outage,
    history: Arc<History>,
}

/// Opens the database at `url` with [`open_with`]: one server, nothing in between, migrations are applied.
pub async fn open(url: &str, max_connections: u32) -> Result<PostgresStore, StoreError> {
    let urls = vec![Secret::new(url.to_owned())];
    open_with(&Settings { urls, max_connections, pooler: Pooler::None, migrate: Migrate::Auto }).await
}

/// Connects to the first server that can write, and brings the schema up to date.
///
/// A write is acknowledged after the server has made it durable; a server with `fsync` or `synchronous_commit` off
/// is refused.
pub async fn open_with(settings: &Settings) -> Result<PostgresStore, StoreError> {
    let servers = Arc::new(Servers::parse(settings)?);
    let found = servers.find().await.map_err(|reason| servers.unreachable(reason))?;
    found.proof.warn();
    let (outage, history) = (Outage::default(), Arc::new(History::default()));
    let pool = PgPoolOptions::new()
        .max_connections(settings.max_connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .max_lifetime(
            LIFETIME + Duration::from_secs(RandomState::new().build_hasher().finish() % LIFETIME_SPREAD),
        )
        // Done below, after what must come before it.
        .test_before_acquire(false)
        .before_acquire({
            let outage = outage.clone();
            move |connection, standing| {
                let is_suspect = outage.is_suspect(standing.age);
                Box::pin(async move {
                    if is_suspect {
                        return Ok(false);
                    }
                    connection.ping().await.map(|()| true)
                })
            }
        })
        .after_connect({
            let (servers, outage, history) = (Arc::clone(&servers), outage.clone(), Arc::clone(&history));
            move |connection, _| {
                let (servers, outage, history) = (Arc::clone(&servers), outage.clone(), Arc::clone(&history));
                Box::pin(async move {
                    let proof = servers.prove(connection).await?;
                    match proof.unfit(servers.pooler()) {
                        Some(reason) => outage.refuse(&reason),
                        None => history.meet(connection, &proof.started).await?,
                    }
                    Ok(())
                })
            }
        })
        .connect_lazy_with(found.options);
    migrate::run(&pool, settings.migrate).await?;
    let store = PostgresStore { pool, pooler: settings.pooler, servers, outage, history };
    store.look_back().await?;
    Ok(store)
}

/// What opening the database would do to its schema.
pub async fn plan(settings: &Settings) -> Result<Plan, StoreError> {
    let servers = Servers::parse(settings)?;
    let found = servers.find().await.map_err(|reason| servers.unreachable(reason))?;
    let mut connection = found.options.connect().await.map_err(|error| store_error(&error))?;
    let plan = migrate::plan(&mut connection).await?;
    // All that was asked for is here.
    drop(connection.close().await);
    Ok(plan)
}

impl PostgresStore {
    /// Closes all connections after the work in hand.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}
