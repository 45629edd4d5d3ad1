//! PostgreSQL: the suite, nodes that start together, refused databases, a server that goes away.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use gatehouse_identity::clock::{Clock, Timestamp};
use gatehouse_identity::id::Issuer;
use gatehouse_store::Store;
use gatehouse_store::conformance::{self, Backend};
use gatehouse_store::epoch::Epoch;
use gatehouse_store::error::{MigrationError, StoreError};
use gatehouse_store_sql::postgres;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tokio::task::JoinSet;
use tokio::time;

use crate::postgres::Cluster;
use crate::races;
use crate::random::{KernelRng, NOW};

struct ServerBackend(String);

#[async_trait]
impl Backend for ServerBackend {
    async fn open(&self) -> Result<Box<dyn Store>, StoreError> {
        Ok(Box::new(postgres::open(&self.0, 10).await?))
    }
}

async fn alter(url: &str, sql: &'static str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

async fn refusal(url: &str) -> StoreError {
    postgres::open(url, 2).await.err().expect("the database should have been refused")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_start_together_migrate_once_and_conform() {
    let cluster = Cluster::start();
    let mut nodes = JoinSet::new();
    for _ in 0..8 {
        let url = cluster.url();
        nodes.spawn(async move { postgres::open(&url, 2).await });
    }
    for node in nodes.join_all().await {
        node.unwrap().close().await;
    }
    conformance::run(&ServerBackend(cluster.url()), &KernelRng, NOW).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn redeems_each_code_once_from_64_tasks() {
    let cluster = Cluster::start();
    let one: Arc<dyn Store> = Arc::new(postgres::open(&cluster.url(), 16).await.unwrap());
    let other: Arc<dyn Store> = Arc::new(postgres::open(&cluster.url(), 16).await.unwrap());
    races::redeem_each_code_once(one, other, 20).await;
}

/// Tells whether it was asked.
struct Asked(AtomicBool);

impl Clock for Asked {
    fn now(&self) -> Timestamp {
        self.0.store(true, Ordering::Release);
        NOW
    }
}

#[tokio::test]
async fn an_epoch_is_dated_once_no_other_node_can_come_between() {
    let cluster = Cluster::start();
    let store = postgres::open(&cluster.url(), 2).await.unwrap();
    let mut other = PgConnection::connect(&cluster.url()).await.unwrap();
    sqlx::raw_sql("BEGIN; LOCK TABLE sessions").execute(&mut other).await.unwrap();
    let clock = Arc::new(Asked(AtomicBool::new(false)));
    let issuer = Issuer::new("https://gw.example.com");
    let (begun, asked) = tokio::join!(store.epochs().begin(&issuer, Arc::clone(&clock) as _), async {
        let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted";
        while sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut other).await.unwrap() == 0 {
            time::sleep(Duration::from_millis(5)).await;
        }
        let asked = clock.0.load(Ordering::Acquire);
        sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
        asked
    });
    assert!(!asked, "the time was taken before the others were locked out");
    assert_eq!(begun.unwrap().epoch, Epoch::written_at(NOW, &issuer));
    other.close().await.unwrap();
}

#[tokio::test]
async fn databases_of_other_builds_and_careless_servers_are_refused() {
    let cluster = Cluster::start();
    let url = cluster.url();
    postgres::open(&url, 2).await.unwrap().close().await;

    alter(&url, "INSERT INTO schema_migrations (number, name, checksum) VALUES (7, 'devices', 'ff')").await;
    let error = refusal(&url).await;
    let expected = MigrationError::Newer { number: 7, name: "devices".into(), known: 2 };
    assert!(matches!(&error, StoreError::Migration(found) if *found == expected), "{error}");

    alter(
        &url,
        "DELETE FROM schema_migrations WHERE number = 7; UPDATE schema_migrations SET checksum = 'beef'",
    )
    .await;
    let error = refusal(&url).await;
    assert!(matches!(&error, StoreError::Migration(MigrationError::Changed { number: 1, .. })), "{error}");

    alter(&url, "ALTER ROLE gatehouse SET synchronous_commit = off").await;
    let error = refusal(&url).await;
    assert!(
        matches!(&error, StoreError::Open { reason, .. } if reason.contains("synchronous_commit")),
        "{error}"
    );

    let error = refusal("mysql://localhost/gatehouse").await;
    assert!(matches!(&error, StoreError::Open { .. }), "{error}");
}

#[tokio::test]
async fn a_server_that_is_down_is_told_so() {
    // Taken and given back: nobody listens there now.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = refusal(&format!("postgres://gatehouse@127.0.0.1:{port}/gatehouse")).await;
    let StoreError::Open { reason, .. } = &error else { panic!("{error}") };
    assert!(reason.starts_with("cannot be reached: ") && reason.contains("refused"), "{error}");
}

#[tokio::test]
async fn a_full_pool_is_no_outage() {
    let cluster = Cluster::start();
    let store = postgres::open(&cluster.url(), 1).await.unwrap();
    let mut other = PgConnection::connect(&cluster.url()).await.unwrap();
    sqlx::raw_sql("BEGIN; LOCK TABLE signing_keys").execute(&mut other).await.unwrap();
    let (held_up, waiting) = tokio::join!(store.signing_keys().all(), async {
        time::sleep(Duration::from_millis(100)).await;
        store.maintenance().ping().await
    });
    assert!(matches!(held_up, Err(StoreError::Unavailable { .. })), "the lock was not felt");
    assert!(matches!(waiting, Err(StoreError::Unavailable { .. })), "there was a second connection");
    store.maintenance().ping().await.expect("a busy store must not count as one that is down");
    other.close().await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_down_is_unavailable_soon_and_comes_back() {
    let cluster = Cluster::start();
    let store = postgres::open(&cluster.url(), 4).await.unwrap();
    store.maintenance().ping().await.unwrap();
    for _ in 0..2 {
        cluster.stop();
        // The first to notice may wait for a connection; from then on everybody hears it at once.
        for patience in [4_000, 50, 50, 50].map(Duration::from_millis) {
            let answer = time::timeout(patience, store.maintenance().ping()).await;
            let error = answer.unwrap_or_else(|_| panic!("no answer within {patience:?}")).unwrap_err();
            assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
        }
        cluster.resume();
        let back = async {
            while store.maintenance().ping().await.is_err() {
                time::sleep(Duration::from_millis(20)).await;
            }
        };
        time::timeout(Duration::from_secs(5), back).await.expect("no recovery within five seconds");
    }
}
