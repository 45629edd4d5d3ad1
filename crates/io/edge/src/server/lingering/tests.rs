use std::future::poll_fn;
use std::time::Duration;

use tokio::io::{AsyncWriteExt as _, DuplexStream, duplex};
use tokio::time::{Instant, sleep};

use super::{Lingering, MOST, SILENCE, WITHIN};

/// How long is lingered while `client` does what it does, and as long as `more` says so of what comes.
async fn lingers(client: impl AsyncFnOnce(DuplexStream), more: impl Fn(&[u8]) -> bool) -> Duration {
    let (theirs, mut ours) = duplex(64 * 1024);
    let (began, mut lingering) = (Instant::now(), Lingering::begin());
    let end = poll_fn(|task| lingering.poll_end(&mut ours, task, &more));
    let timed = async {
        end.await;
        began.elapsed()
    };
    tokio::select! {
        took = timed => took,
        took = async {
            client(theirs).await;
            std::future::pending().await
        } => took,
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_closes_ends_it() {
    let took = lingers(
        async |mut client| {
            client.write_all(&vec![0; 100_000]).await.unwrap();
            sleep(SILENCE / 2).await;
        },
        |_| true,
    )
    .await;
    assert_eq!(took, SILENCE / 2);
}

#[tokio::test(start_paused = true)]
async fn what_ends_the_request_ends_it() {
    let client = async |mut client: DuplexStream| {
        client.write_all(b"abc").await.unwrap();
        sleep(SILENCE / 2).await;
        client.write_all(b".").await.unwrap();
        sleep(WITHIN).await;
    };
    assert_eq!(lingers(client, |bytes| bytes != b".").await, SILENCE / 2);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_neither_sends_nor_closes_is_left() {
    let client = async |mut client: DuplexStream| {
        sleep(SILENCE / 2).await;
        client.write_all(b"a").await.unwrap();
        sleep(WITHIN).await;
    };
    assert_eq!(lingers(client, |_| true).await, SILENCE / 2 + SILENCE);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_ends_is_left() {
    let slow = async |mut client: DuplexStream| {
        while client.write_all(b"a").await.is_ok() {
            sleep(SILENCE / 2).await;
        }
    };
    let took = lingers(slow, |_| true).await;
    assert!(took >= WITHIN && took <= WITHIN + SILENCE / 2, "{took:?}");
    let fast = async |mut client: DuplexStream| {
        let piece = vec![0; 1024 * 1024];
        for _ in 0..=MOST / piece.len() {
            if client.write_all(&piece).await.is_err() {
                return;
            }
        }
        sleep(WITHIN).await;
    };
    assert!(lingers(fast, |_| true).await < SILENCE, "there is an end to how much is dropped, too");
}
