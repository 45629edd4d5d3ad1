//! The store for more than one node: PostgreSQL through one bounded pool.

use std::time::Duration;

use gatehouse_store::error::StoreError;
use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use tokio::time::timeout;

use self::failure::{bounded, store_error};
use self::outage::Outage;

mod consents;
mod epochs;
mod failure;
mod grants;
mod maintenance;
mod migrate;
mod one_time;
mod outage;
mod refresh_families;
mod revocations;
mod sessions;
mod signing_keys;

/// How long a request waits for a connection before the store counts as unavailable.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);

/// Limits that the server enforces on each of our sessions.
const SESSION_LIMITS: [(&str, &str); 3] =
    [("statement_timeout", "4s"), ("lock_timeout", "3s"), ("idle_in_transaction_session_timeout", "10s")];

/// The store in a PostgreSQL database.
pub struct PostgresStore {
    pool: PgPool,
    outage: Outage,
}

/// Connects to the database at `url` (`postgres://user:password@host/database`) with at most `max_connections`
/// connections and brings its schema up to date.
///
/// A write is acknowledged after the server has made it durable; a server with `fsync` or `synchronous_commit` off
/// is refused.
pub async fn open(url: &str, max_connections: u32) -> Result<PostgresStore, StoreError> {
    let options: PgConnectOptions = url.parse().map_err(|error: sqlx::Error| StoreError::Open {
        store: "postgres".to_owned(),
        reason: format!("the URL is not one of PostgreSQL: {error}"),
    })?;
    let store = format!(
        "{}:{}/{}",
        options.get_host(),
        options.get_port(),
        options.get_database().unwrap_or_else(|| options.get_username())
    );
    let pool = PgPoolOptions::new()
        .max_connections(max_connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_with(options.clone().options(SESSION_LIMITS))
        .await;
    let pool = match pool {
        Ok(pool) => pool,
        Err(error) => return Err(StoreError::Open { store, reason: no_connection(&options, error).await }),
    };
    demand_durability(&pool, &store).await?;
    migrate::run(&pool).await?;
    Ok(PostgresStore { pool, outage: Outage::default() })
}

/// Why there is no connection. A pool says only that it waited; a connection of its own says for what.
async fn no_connection(options: &PgConnectOptions, error: sqlx::Error) -> String {
    let why = match error {
        sqlx::Error::PoolTimedOut => match timeout(ACQUIRE_TIMEOUT, options.connect()).await {
            Ok(Err(why)) => why,
            Ok(Ok(_)) => sqlx::Error::PoolTimedOut,
            Err(_) => return format!("cannot be reached: no answer within {} s", ACQUIRE_TIMEOUT.as_secs()),
        },
        other => other,
    };
    match why {
        sqlx::Error::Io(error) => format!("cannot be reached: {error}"),
        other => other.to_string(),
    }
}

impl PostgresStore {
    /// Closes all connections after the work in hand.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

async fn demand_durability(pool: &PgPool, store: &str) -> Result<(), StoreError> {
    for (setting, sql) in [("fsync", "SHOW fsync"), ("synchronous_commit", "SHOW synchronous_commit")] {
        let value: String = bounded(sqlx::query_scalar(sql).fetch_one(pool)).await?;
        if value == "off" {
            return Err(StoreError::Open {
                store: store.to_owned(),
                reason: format!(
                    "`{setting}` is off on the server: a crash would bring redeemed codes back; turn it on"
                ),
            });
        }
    }
    Ok(())
}
