//! The servers that may be the primary, and what a connection to one has to prove.

use std::sync::atomic::{AtomicUsize, Ordering};

use gatehouse_store::error::StoreError;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgRow};
use sqlx::{ConnectOptions as _, Connection as _, Row as _};
use tokio::time::timeout;

use super::{ACQUIRE_TIMEOUT, LIMITS, Pooler, Settings};

/// One message there and back, which a pooler passes to one server.
const PROOF: &str = "SELECT pg_is_in_recovery()::text AS standby,
    current_setting('transaction_read_only') AS read_only,
    current_setting('fsync') AS fsync,
    current_setting('synchronous_commit') AS synchronous_commit,
    current_setting('statement_timeout') AS statement_timeout,
    current_setting('lock_timeout') AS lock_timeout,
    current_setting('idle_in_transaction_session_timeout') AS idle_in_transaction_session_timeout,
    current_setting('synchronous_standby_names') AS synchronous_standby_names,
    (SELECT count(*) FROM pg_stat_replication)::text AS standbys,
    pg_postmaster_start_time()::text AS started";

/// Every server that may be the primary.
pub(super) struct Servers {
    candidates: Vec<PgConnectOptions>,
    /// The one that could write when it was last looked for.
    current: AtomicUsize,
    pooler: Pooler,
}

/// A server that can write.
pub(super) struct Found {
    pub(super) options: PgConnectOptions,
    pub(super) proof: Proof,
}

/// What a server says of itself.
pub(super) struct Proof {
    row: PgRow,
    /// When it started: two servers, and one before and after its data were put back, differ in it.
    pub(super) started: String,
}

impl Servers {
    pub(super) fn parse(settings: &Settings) -> Result<Self, StoreError> {
        let candidates = settings.urls.iter().map(|url| options(url.expose(), settings.pooler));
        let candidates = candidates.collect::<Result<_, _>>()?;
        Ok(Self { candidates, current: AtomicUsize::new(0), pooler: settings.pooler })
    }

    pub(super) fn pooler(&self) -> Pooler {
        self.pooler
    }

    /// The first that can write, from the present one on; otherwise why each of them cannot.
    pub(super) async fn find(&self) -> Result<Found, String> {
        let (count, first) = (self.candidates.len(), self.current.load(Ordering::Relaxed));
        let mut reasons = Vec::new();
        for (number, options) in self.candidates.iter().enumerate().cycle().skip(first).take(count) {
            match self.ask(options).await {
                Ok(proof) => {
                    if self.current.swap(number, Ordering::Relaxed) != number {
                        tracing::warn!(server = %place(options), "the store is at another server now");
                    }
                    return Ok(Found { options: options.clone(), proof });
                }
                Err(reason) if count == 1 => reasons.push(reason),
                Err(reason) => reasons.push(format!("{}: {reason}", place(options))),
            }
        }
        Err(reasons.join("; "))
    }

    async fn ask(&self, options: &PgConnectOptions) -> Result<Proof, String> {
        let asked = async {
            let mut connection = options.connect().await?;
            let proof = self.prove(&mut connection).await?;
            // It has answered.
            drop(connection.close().await);
            Ok(proof)
        };
        let proof = match timeout(ACQUIRE_TIMEOUT, asked).await {
            Ok(Ok(proof)) => proof,
            Ok(Err(error)) => return Err(words(&error)),
            Err(_) => {
                return Err(format!("cannot be reached: no answer within {} s", ACQUIRE_TIMEOUT.as_secs()));
            }
        };
        match proof.unfit(self.pooler) {
            Some(reason) => Err(reason),
            None => Ok(proof),
        }
    }

    /// Asks the server behind a connection about itself.
    pub(super) async fn prove(&self, connection: &mut PgConnection) -> Result<Proof, sqlx::Error> {
        let row = sqlx::raw_sql(PROOF).fetch_one(connection).await?;
        let started = row.try_get("started")?;
        Ok(Proof { row, started })
    }

    /// None of them can be used.
    pub(super) fn unreachable(&self, reason: String) -> StoreError {
        let places: Vec<String> = self.candidates.iter().map(place).collect();
        StoreError::Open { store: places.join(", "), reason }
    }
}

impl Proof {
    /// Why the store cannot be on this server, if it cannot.
    pub(super) fn unfit(&self, pooler: Pooler) -> Option<String> {
        if self.says("standby") == "true" {
            return Some("the server is a standby and cannot write".to_owned());
        }
        if self.says("read_only") == "on" {
            return Some("the server only reads: `default_transaction_read_only` is on".to_owned());
        }
        for setting in ["fsync", "synchronous_commit"] {
            if self.says(setting) == "off" {
                return Some(format!(
                    "`{setting}` is off on the server: a crash would bring redeemed codes back; turn it on"
                ));
            }
        }
        if pooler == Pooler::Transaction {
            // They come with every transaction.
            return None;
        }
        let lost = LIMITS.iter().find(|(setting, value)| self.says(setting) != *value);
        lost.map(|(setting, value)| {
            format!(
                "`{setting}` is {}, and not the {value} that was asked for: something between here and the server \
                 drops the startup parameter `options`; if it is a pooler, set `store.postgres.pooler: transaction`",
                self.says(setting)
            )
        })
    }

    /// Warns of what may bring redeemed codes back although this server is sound.
    pub(super) fn warn(&self) {
        if self.says("synchronous_standby_names").is_empty() && self.says("standbys") != "0" {
            tracing::warn!(
                standbys = %self.says("standbys"),
                "no standby is synchronous: a promotion may bring redeemed codes and revoked tokens back"
            );
        }
    }

    /// One of its answers; nothing, which no server answers, when it is missing.
    fn says(&self, column: &str) -> &str {
        self.row.try_get(column).unwrap_or_default()
    }
}

fn options(url: &str, pooler: Pooler) -> Result<PgConnectOptions, StoreError> {
    let options: PgConnectOptions = url.parse().map_err(|error: sqlx::Error| StoreError::Open {
        store: "postgres".to_owned(),
        reason: format!("the URL is not one of PostgreSQL: {error}"),
    })?;
    Ok(match pooler {
        Pooler::None => options.options(LIMITS),
        // Poolers refuse startup parameters that they do not know, and statements of one server mean nothing at another.
        Pooler::Transaction => options.extra_float_digits(None).statement_cache_capacity(0),
    })
}

/// The name of a database in messages.
fn place(options: &PgConnectOptions) -> String {
    let database = options.get_database().unwrap_or_else(|| options.get_username());
    format!("{}:{}/{database}", options.get_host(), options.get_port())
}

/// Why there is no connection.
fn words(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Io(error) => format!("cannot be reached: {error}"),
        sqlx::Error::Database(answer) if answer.message().contains("startup parameter") => format!(
            "{}: that is a pooler; set `store.postgres.pooler: transaction` when it lends a server for a transaction",
            answer.message()
        ),
        other => other.to_string(),
    }
}
