//! PostgreSQL: the suite, nodes that start together, refused databases, a server that goes away.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use gatehouse_identity::clock::{Clock, Timestamp};
use gatehouse_identity::id::{Issuer, TokenId};
use gatehouse_identity::secret::Secret;
use gatehouse_store::Store;
use gatehouse_store::conformance::{self, Backend, Scene};
use gatehouse_store::epoch::Epoch;
use gatehouse_store::error::{MigrationError, StoreError};
use gatehouse_store::fingerprint::Fingerprint;
use gatehouse_store::one_time::Namespace;
use gatehouse_store_sql::postgres;
use gatehouse_store_sql::schema::Migrate;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tokio::task::JoinSet;
use tokio::time;

use crate::pooler::Pooler;
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

fn settings(urls: &[&str]) -> postgres::Settings {
    postgres::Settings {
        urls: urls.iter().map(|url| Secret::new((*url).to_owned())).collect(),
        max_connections: 4,
        pooler: postgres::Pooler::None,
        migrate: Migrate::Auto,
    }
}

fn by_hand(url: &str) -> postgres::Settings {
    postgres::Settings { migrate: Migrate::Manual, ..settings(&[url]) }
}

fn pooled(url: &str) -> postgres::Settings {
    postgres::Settings { pooler: postgres::Pooler::Transaction, ..settings(&[url]) }
}

/// Makes what the first release left behind: its tables, and a register without `min_reader`.
async fn first_release(url: &str) {
    let first = postgres::plan(&settings(&[url])).await.unwrap().missing.remove(0);
    let made = format!(
        "CREATE TABLE schema_migrations (number BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL,
             checksum TEXT NOT NULL, applied_at TIMESTAMPTZ NOT NULL DEFAULT now());
         INSERT INTO schema_migrations (number, name, checksum) VALUES (1, 'foundation', '{}');
         {}",
        Fingerprint::of([first.sql]),
        first.sql
    );
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(made)).execute(&mut connection).await.unwrap();
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_database_that_allows_this_program_conforms_and_keeps_what_is_not_ours() {
    let cluster = Cluster::start();
    let url = cluster.url();
    let store = postgres::open(&url, 2).await.unwrap();
    // A newer node migrates while this one runs, and this one is started again.
    alter(
        &url,
        "INSERT INTO schema_migrations (number, name, checksum, min_reader) VALUES (7, 'devices', 'ff', 2);
         CREATE TABLE devices (id TEXT NOT NULL PRIMARY KEY);
         ALTER TABLE grants ADD COLUMN device TEXT;
         ALTER TABLE refresh_families ADD COLUMN uses BIGINT NOT NULL DEFAULT 0;",
    )
    .await;
    conformance::run(&ServerBackend(url.clone()), &KernelRng, NOW).await.unwrap();

    let scene = Scene { store: &store, other_node: &store, rng: &KernelRng, now: NOW };
    let redeemable = scene.redeemable("client", "ada").await.unwrap();
    let id = redeemable.active.id.as_str();
    let mut newer = PgConnection::connect(&url).await.unwrap();
    let written = format!(
        "UPDATE grants SET device = 'phone', body = jsonb_set(body::jsonb, '{{device}}', '\"x\"')::text
         WHERE id = '{id}'"
    );
    sqlx::raw_sql(AssertSqlSafe(written)).execute(&mut newer).await.unwrap();
    assert!(store.grants().redeem(&redeemable.active, None, NOW).await.unwrap().is_won());
    let kept: Option<String> = sqlx::query_scalar("SELECT device FROM grants WHERE id = $1")
        .bind(id)
        .fetch_one(&mut newer)
        .await
        .unwrap();
    assert_eq!(kept.as_deref(), Some("phone"));
    newer.close().await.unwrap();
}

#[tokio::test]
async fn a_register_from_before_programs_shared_a_database_is_extended_when_told_to() {
    let cluster = Cluster::start();
    let url = cluster.url();
    first_release(&url).await;
    let error = postgres::open_with(&by_hand(&url)).await.err().expect("a migration is missing");
    assert!(matches!(&error, StoreError::Migration(MigrationError::Pending { number: 2, .. })), "{error}");
    postgres::open(&url, 2).await.unwrap().close().await;
    postgres::open_with(&by_hand(&url)).await.unwrap().close().await;
    assert!(postgres::plan(&settings(&[&url])).await.unwrap().missing.is_empty());
}

#[tokio::test]
async fn a_migration_that_waits_for_a_table_lets_the_others_pass() {
    let cluster = Cluster::start();
    let url = cluster.url();
    first_release(&url).await;
    let mut reader = PgConnection::connect(&url).await.unwrap();
    sqlx::raw_sql("BEGIN; LOCK TABLE schema_migrations IN SHARE MODE").execute(&mut reader).await.unwrap();
    let mut waits = JoinSet::new();
    waits.spawn({
        let url = url.clone();
        async move { postgres::open(&url, 2).await }
    });
    time::sleep(Duration::from_millis(300)).await;
    // Whoever comes after the waiting statement waits for as long as it does, and no longer.
    let mut other = PgConnection::connect(&url).await.unwrap();
    let passes = sqlx::query("SELECT count(*) FROM schema_migrations").execute(&mut other);
    time::timeout(Duration::from_secs(4), passes)
        .await
        .expect("everybody stands behind the migration")
        .unwrap();
    assert!(waits.try_join_next().is_none(), "the migration has given up");
    sqlx::raw_sql("ROLLBACK").execute(&mut reader).await.unwrap();
    waits.join_next().await.unwrap().unwrap().unwrap().close().await;
    assert!(postgres::plan(&settings(&[&url])).await.unwrap().missing.is_empty());
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

    for newer in [
        "INSERT INTO schema_migrations (number, name, checksum, min_reader) VALUES (7, 'devices', 'ff', 7)",
        "INSERT INTO schema_migrations (number, name, checksum) VALUES (7, 'devices', 'ff')",
    ] {
        alter(&url, newer).await;
        let error = refusal(&url).await;
        assert!(
            matches!(&error, StoreError::Migration(MigrationError::Newer { number: 7, name, .. })
                if name == "devices"),
            "{error}"
        );
        alter(&url, "DELETE FROM schema_migrations WHERE number = 7").await;
    }

    alter(&url, "UPDATE schema_migrations SET checksum = 'beef'").await;
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

struct PooledBackend(String);

#[async_trait]
impl Backend for PooledBackend {
    async fn open(&self) -> Result<Box<dyn Store>, StoreError> {
        Ok(Box::new(postgres::open_with(&pooled(&self.0)).await?))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn conforms_behind_a_pooler_that_lends_servers_for_transactions() {
    let cluster = Cluster::start();
    let pooler = Pooler::start(&cluster, "");
    let mut nodes = JoinSet::new();
    for _ in 0..4 {
        let settings = pooled(&pooler.url());
        nodes.spawn(async move { postgres::open_with(&settings).await });
    }
    for node in nodes.join_all().await {
        node.unwrap().close().await;
    }
    conformance::run(&PooledBackend(pooler.url()), &KernelRng, NOW).await.unwrap();
    let one: Arc<dyn Store> = Arc::new(postgres::open_with(&pooled(&pooler.url())).await.unwrap());
    let other: Arc<dyn Store> = Arc::new(postgres::open_with(&pooled(&pooler.url())).await.unwrap());
    races::redeem_each_code_once(one, other, 5).await;
}

#[tokio::test]
async fn limits_hold_behind_a_pooler() {
    let cluster = Cluster::start();
    let pooler = Pooler::start(&cluster, "");
    let store = postgres::open_with(&pooled(&pooler.url())).await.unwrap();
    let mut other = PgConnection::connect(&cluster.url()).await.unwrap();
    sqlx::raw_sql("BEGIN; LOCK TABLE signing_keys").execute(&mut other).await.unwrap();
    let held_up = time::timeout(Duration::from_secs(5), store.signing_keys().all()).await.unwrap();
    let Err(StoreError::Unavailable { reason }) = held_up else { panic!("the lock was not felt") };
    assert!(reason.contains("lock timeout"), "{reason}");
    store.maintenance().ping().await.expect("a busy store must not count as one that is down");
    other.close().await.unwrap();
}

#[tokio::test]
async fn a_pooler_that_nobody_mentioned_is_found_out() {
    let cluster = Cluster::start();
    for (settings, reason) in [
        ("", "that is a pooler"),
        ("ignore_startup_parameters = extra_float_digits", "that is a pooler"),
        ("ignore_startup_parameters = extra_float_digits,options", "drops the startup parameter `options`"),
    ] {
        let pooler = Pooler::start(&cluster, settings);
        let error = refusal(&pooler.url()).await.to_string();
        assert!(error.contains(reason) && error.contains("`store.postgres.pooler: transaction`"), "{error}");
    }
    // Session mode with the limits at the role is as good as no pooler.
    for (setting, value) in
        [("statement_timeout", "4s"), ("lock_timeout", "3s"), ("idle_in_transaction_session_timeout", "10s")]
    {
        let mut connection = PgConnection::connect(&cluster.url()).await.unwrap();
        let alter = format!("ALTER ROLE gatehouse SET {setting} = '{value}'");
        sqlx::raw_sql(AssertSqlSafe(alter)).execute(&mut connection).await.unwrap();
    }
    let session =
        "ignore_startup_parameters = extra_float_digits,options\npool_mode = session\ndefault_pool_size = 20";
    let pooler = Pooler::start(&cluster, session);
    conformance::run(&ServerBackend(pooler.url()), &KernelRng, NOW).await.unwrap();
}

#[tokio::test]
async fn the_first_server_that_can_write_is_used() {
    let (reader, writer) = (Cluster::start(), Cluster::start());
    alter(&reader.url(), "ALTER ROLE gatehouse SET default_transaction_read_only = on").await;
    let nowhere = "postgres://gatehouse@localhost/postgres?host=/nowhere";
    let (reads, writes) = (reader.url(), writer.url());
    let store = postgres::open_with(&settings(&[nowhere, &reads, &writes])).await.unwrap();
    store.maintenance().ping().await.unwrap();
    store.close().await;

    let error = postgres::open_with(&settings(&[nowhere, &reads])).await.err().expect("nobody can write");
    let StoreError::Open { reason, .. } = &error else { panic!("{error}") };
    assert!(reason.contains("cannot be reached") && reason.contains("the server only reads"), "{error}");
    assert!(!reason.contains("gatehouse@"), "{error}");
}

#[tokio::test]
async fn a_server_that_only_reads_from_now_on_is_left_with_all_its_connections() {
    let (first, second) = (Cluster::start(), Cluster::start());
    postgres::open(&second.url(), 2).await.unwrap().close().await;
    let (a, b) = (first.url(), second.url());
    let store = Arc::new(postgres::open_with(&settings(&[&a, &b])).await.unwrap());
    let hold = || async { store.maintenance().ping().await };
    let (one, two, three) = tokio::join!(hold(), hold(), hold());
    one.and(two).and(three).unwrap();
    // For sessions that exist as well: that is what a demotion looks like to them.
    for sql in ["ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()"] {
        alter(&a, sql).await;
    }
    let mut second = PgConnection::connect(&b).await.unwrap();
    // The first server takes writes until it has read its settings anew.
    let back = async {
        for number in 0.. {
            let token = TokenId::new(format!("jti-{number}"));
            let written = store.revocations().revoke_token(&token, NOW.plus(Duration::from_mins(5))).await;
            let there: i64 = sqlx::query_scalar("SELECT count(*) FROM revoked_tokens")
                .fetch_one(&mut second)
                .await
                .unwrap();
            if there > 0 {
                return written.unwrap();
            }
            time::sleep(Duration::from_millis(20)).await;
        }
    };
    time::timeout(Duration::from_secs(5), back).await.expect("no server that can write was found");
    let mut left = PgConnection::connect(&a).await.unwrap();
    let others = "SELECT count(*) FROM pg_stat_activity
        WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
    let nobody = async {
        while sqlx::query_scalar::<_, i64>(others).fetch_one(&mut left).await.unwrap() > 0 {
            time::sleep(Duration::from_millis(20)).await;
        }
    };
    time::timeout(Duration::from_secs(5), nobody).await.expect("connections to the old server are kept");
}

#[tokio::test]
async fn a_statement_whose_plan_is_stale_is_run_again() {
    let cluster = Cluster::start();
    let store = postgres::open(&cluster.url(), 1).await.unwrap();
    assert!(store.revocations().revoked_since(0, NOW).await.unwrap().is_empty());
    // No migration does this under running nodes; an operator's hand may.
    alter(&cluster.url(), "ALTER TABLE revoked_tokens ALTER COLUMN token TYPE VARCHAR(200)").await;
    assert!(store.revocations().revoked_since(0, NOW).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_store_that_went_back_is_not_relied_on_until_an_epoch_begins() {
    let cluster = Cluster::start();
    let store = postgres::open(&cluster.url(), 2).await.unwrap();
    let scene = Scene { store: &store, other_node: &store, rng: &KernelRng, now: NOW };
    let redeemable = scene.redeemable("client", "ada").await.unwrap();
    assert!(store.grants().redeem(&redeemable.active, None, NOW).await.unwrap().is_won());
    store.maintenance().keep_watch().await.unwrap();
    // As if the redemption, and the feed's position after it, had never arrived at this server.
    alter(
        &cluster.url(),
        "UPDATE grants SET stage = 'consented'; UPDATE revocation_feed SET last_seq = last_seq - 1",
    )
    .await;
    store.maintenance().keep_watch().await.unwrap();
    let issuer = Issuer::new("https://gw.example.com");
    let refused = |answer: Result<(), StoreError>| match answer.unwrap_err() {
        StoreError::Unavailable { reason } => assert!(reason.contains("went back"), "{reason}"),
        other => panic!("{other}"),
    };
    refused(store.grants().redeem(&redeemable.active, None, NOW).await.map(|_| ()));
    refused(store.maintenance().ping().await);
    // What harms nobody goes on, and nodes that start now are told.
    let token = TokenId::new("jti");
    store.revocations().revoke_token(&token, NOW.plus(Duration::from_mins(5))).await.unwrap();
    assert_eq!(store.revocations().revoked_since(0, NOW).await.unwrap().len(), 1);
    let other = postgres::open(&cluster.url(), 2).await.unwrap();
    refused(other.maintenance().ping().await);

    other.epochs().begin(&issuer, Arc::new(Asked(AtomicBool::new(false)))).await.unwrap();
    for node in [&store, &other] {
        node.maintenance().keep_watch().await.unwrap();
        node.maintenance().ping().await.unwrap();
    }
    assert!(!store.grants().redeem(&redeemable.active, None, NOW).await.unwrap().is_won());
}

#[tokio::test]
async fn what_was_acknowledged_last_is_looked_for_at_another_server() {
    let cluster = Cluster::start();
    let store = postgres::open(&cluster.url(), 2).await.unwrap();
    let until = NOW.plus(Duration::from_mins(5));
    for forget in ["", "DELETE FROM one_time_claims"] {
        assert!(store.one_time().claim(Namespace::new("test"), forget, until, NOW).await.unwrap().is_won());
        // The feed has not moved since the claim, so only the claim itself can tell.
        cluster.stop();
        cluster.resume();
        alter_if(&cluster.url(), forget).await;
        let answer = async {
            loop {
                match store.maintenance().ping().await {
                    Err(StoreError::Unavailable { reason }) if !reason.contains("went back") => {
                        time::sleep(Duration::from_millis(20)).await;
                    }
                    answer => break answer,
                }
            }
        };
        let answer = time::timeout(Duration::from_secs(8), answer).await.unwrap();
        assert_eq!(answer.is_err(), !forget.is_empty(), "{answer:?}");
    }
}

async fn alter_if(url: &str, sql: &'static str) {
    if !sql.is_empty() {
        alter(url, sql).await;
    }
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
