//! A process that acknowledges writes and dies by SIGKILL in the middle of them loses none.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use gatehouse_identity::id::GrantId;
use gatehouse_oauth::grant::Stage;
use gatehouse_store::Store;
use gatehouse_store::conformance::Scene;
use gatehouse_store::one_time::Namespace;
use gatehouse_store::transition::Transition;
use gatehouse_store_sql::sqlite;
use tokio::task::JoinSet;

use crate::random::{KernelRng, NOW};

const NAMESPACE: Namespace = Namespace::new("kill-nine");

/// How often the writer is killed, on one and the same file.
const KILLS: usize = 5;

/// How many acknowledged writes each writer gets to before it is killed.
const LINES: usize = 150;

#[tokio::test]
async fn no_acknowledged_write_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gatehouse.db");
    let mut acknowledged = Vec::new();
    for _ in 0..KILLS {
        acknowledged.extend(write_until_killed(&path));
        let opened = tokio::time::timeout(Duration::from_secs(1), async { sqlite::open(&path) }).await;
        let store = opened.expect("the store opens within a second").unwrap();
        for id in &acknowledged {
            let grant = store.grants().find(&GrantId::new(id), NOW).await.unwrap();
            let grant = grant.unwrap_or_else(|| panic!("the acknowledged grant {id} is gone"));
            assert_eq!(grant.stage(), Stage::Active, "the code of {id} can be redeemed again");
            let again =
                store.one_time().claim(NAMESPACE, id, NOW.plus(Duration::from_mins(1)), NOW).await.unwrap();
            assert_eq!(again, Transition::Lost, "the acknowledged claim {id} is gone");
        }
    }
    assert!(acknowledged.len() >= KILLS * LINES);
}

/// Starts the writer, kills it once it has acknowledged enough and returns what it has acknowledged.
fn write_until_killed(path: &std::path::Path) -> Vec<String> {
    let mut writer = Command::new(std::env::current_exe().unwrap())
        .args(["kill_nine::writer", "--exact", "--ignored", "--nocapture", "--test-threads=1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(writer.stdin.take().unwrap(), "{}", path.display()).unwrap();
    let mut output = BufReader::new(writer.stdout.take().unwrap());
    let mut acknowledged = Vec::new();
    let mut line = String::new();
    while output.read_line(&mut line).unwrap() > 0 {
        // The last line may be torn.
        if let Some(id) = line.strip_prefix("done ").and_then(|rest| rest.strip_suffix('\n')) {
            acknowledged.push(id.to_owned());
        }
        if acknowledged.len() == LINES {
            writer.kill().unwrap();
        }
        line.clear();
    }
    let status = writer.wait().unwrap();
    assert!(!status.success(), "the writer ended before it was killed");
    assert!(acknowledged.len() >= LINES, "the writer ended after {} writes: {status}", acknowledged.len());
    acknowledged
}

/// Not a test of its own: the process that is killed. It reads the path from its standard input.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started and killed by no_acknowledged_write_is_lost"]
async fn writer() {
    let mut path = String::new();
    std::io::stdin().read_line(&mut path).unwrap();
    let path = PathBuf::from(path.trim_end());
    assert!(path.is_absolute(), "expected the path of the database on the standard input");
    let store: Arc<dyn Store> = Arc::new(sqlite::open(&path).unwrap());
    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            loop {
                redeem_one(&*store).await;
            }
        });
    }
    tasks.join_all().await;
}

async fn redeem_one(store: &dyn Store) {
    let scene = Scene { store, other_node: store, rng: &KernelRng, now: NOW };
    let redeemable = scene.redeemable("client", "ada").await.unwrap();
    let id = redeemable.active.id.as_str();
    let redeemed = store.grants().redeem(&redeemable.active, Some(&redeemable.family), NOW).await.unwrap();
    let claimed = store.one_time().claim(NAMESPACE, id, NOW.plus(Duration::from_mins(1)), NOW).await.unwrap();
    assert_eq!((redeemed, claimed), (Transition::Won, Transition::Won));
    let mut output = std::io::stdout().lock();
    output.write_all(format!("done {id}\n").as_bytes()).unwrap();
    output.flush().unwrap();
}
