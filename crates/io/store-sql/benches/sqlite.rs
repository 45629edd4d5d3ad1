//! Writes and point reads of the embedded store: `cargo bench -p gatehouse-store-sql`.

#![expect(clippy::expect_used, reason = "a benchmark that cannot run has nothing to report")]

use std::time::Duration;

use divan::{Bencher, counter::ItemsCount};
use futures_util::future::join_all;
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::TokenId;
use gatehouse_store::Store;
use gatehouse_store::one_time::Namespace;
use gatehouse_store_sql::sqlite::{self, SqliteStore};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const NOW: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);
const NAMESPACE: Namespace = Namespace::new("bench");

fn main() {
    divan::main();
}

fn store() -> (TempDir, SqliteStore, Runtime) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = sqlite::open(&folder.path().join("bench.db")).expect("a new database");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    (folder, store, runtime.expect("a runtime"))
}

/// Durable claims, this many at once: what group commit is for.
#[divan::bench(args = [1, 8, 64, 256])]
fn durable_claims(bencher: Bencher, at_once: u64) {
    let (_folder, store, runtime) = store();
    let until = NOW.plus(Duration::from_mins(5));
    let mut number = 0_u64;
    bencher.counter(ItemsCount::new(at_once)).bench_local(|| {
        let keys: Vec<String> = (0..at_once).map(|offset| (number + offset).to_string()).collect();
        number += at_once;
        let claims = keys.iter().map(|key| store.one_time().claim(NAMESPACE, key, until, NOW));
        for outcome in runtime.block_on(join_all(claims)) {
            assert!(outcome.expect("a claim").is_won());
        }
    });
}

/// One point read, with the hop to a blocking thread and back.
#[divan::bench]
fn point_read(bencher: Bencher) {
    let (_folder, store, runtime) = store();
    let token = TokenId::new("jti");
    runtime
        .block_on(store.revocations().revoke_token(&token, NOW.plus(Duration::from_mins(5))))
        .expect("a write");
    bencher.bench_local(|| {
        assert!(runtime.block_on(store.revocations().is_revoked(&token, NOW)).expect("a read"));
    });
}
