use std::io::ErrorKind;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
use tokio::time::{Instant, sleep};

use super::TimedConnection;
use crate::server::write_timeout::{UnreadStreams, WRITE_TIMEOUT};

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_is_given_up() {
    let (ours, _theirs) = duplex(8);
    let mut ours = TimedConnection::new(ours, UnreadStreams::of_peer(false));
    let began = Instant::now();
    let error = ours.write_all(&[0; 100]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert_eq!(began.elapsed().as_secs(), WRITE_TIMEOUT.as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_slowly_gets_everything() {
    let (ours, mut theirs) = duplex(8);
    let mut ours = TimedConnection::new(ours, UnreadStreams::of_peer(false));
    let reader = async move {
        let mut whole = Vec::new();
        while whole.len() < 100 {
            sleep(WRITE_TIMEOUT / 2).await;
            let mut piece = [0; 8];
            let length = theirs.read(&mut piece).await.unwrap();
            whole.extend_from_slice(&piece[..length]);
        }
        whole
    };
    let (written, whole) = tokio::join!(ours.write_all(&[7; 100]), reader);
    written.unwrap();
    assert_eq!(whole, [7; 100]);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_rests_between_writes_is_not_stalled() {
    let (ours, mut theirs) = duplex(64);
    let mut ours = TimedConnection::new(ours, UnreadStreams::of_peer(false));
    for _ in 0..3 {
        ours.write_all(&[1; 8]).await.unwrap();
        sleep(WRITE_TIMEOUT * 2).await;
        theirs.read_exact(&mut [0; 8]).await.unwrap();
    }
}
