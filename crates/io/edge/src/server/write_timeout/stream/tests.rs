use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http_body::Body as _;
use http_body_util::{BodyExt as _, StreamBody};
use tokio::time::{Duration, Instant, timeout};

use super::{Delivery, LAST_PIECE, PIECE, tracked, while_read};
use crate::server::body::{empty, full};
use crate::server::write_timeout::{UnreadStreams, WRITE_TIMEOUT};

#[tokio::test]
async fn a_long_answer_goes_out_whole_and_in_pieces() {
    let bytes: Vec<u8> = (0..PIECE * 2 + 7).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let delivery = Arc::<Delivery>::default();
    let mut body = tracked(full(bytes.clone()), Arc::clone(&delivery));
    assert_eq!(body.size_hint().exact(), Some(bytes.len() as u64));
    let (mut whole, mut lengths) = (Vec::new(), Vec::new());
    while let Some(frame) = body.frame().await {
        let data = frame.unwrap().into_data().unwrap();
        assert_eq!(delivery.held_back(), Some(lengths.len() as u64 + 1));
        assert_eq!(body.size_hint().exact(), Some((bytes.len() - whole.len() - data.len()) as u64));
        lengths.push(data.len());
        whole.extend_from_slice(&data);
        assert_eq!(body.is_end_stream(), whole.len() == bytes.len());
    }
    let last_but_one = PIECE + 7 - LAST_PIECE;
    assert_eq!((lengths, whole), (vec![PIECE, last_but_one, LAST_PIECE], bytes));
    assert_eq!(delivery.held_back(), None);
    assert!(tracked(empty(), delivery).is_end_stream());
}

#[tokio::test]
async fn a_short_answer_goes_out_in_one_piece() {
    for (length, pieces) in [(1, 1), (LAST_PIECE, 1), (LAST_PIECE + 1, 2), (PIECE + LAST_PIECE, 2)] {
        let mut body = tracked(full(vec![0; length]), Arc::default());
        for left in (0..pieces).rev() {
            body.frame().await.unwrap().unwrap();
            assert_eq!(body.is_end_stream(), left == 0, "{length}");
        }
    }
}

/// The work of a stream whose client never takes the frame that it was offered.
async fn held_back(delivery: Arc<Delivery>) {
    let mut body = tracked(full("here"), delivery);
    body.frame().await.unwrap().unwrap();
    std::future::pending::<()>().await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_taken_is_given_up_and_the_third_is_one_too_many() {
    let (direct, proxy) = (UnreadStreams::of_peer(false), UnreadStreams::of_peer(true));
    for (unread_streams, ends) in [(&direct, true), (&proxy, false)] {
        for count in 1..=3 {
            let (delivery, began) = (Arc::<Delivery>::default(), Instant::now());
            while_read(held_back(Arc::clone(&delivery)), Arc::clone(&delivery), Arc::clone(unread_streams))
                .await;
            assert!(delivery.given_up());
            assert_eq!(began.elapsed().as_secs(), WRITE_TIMEOUT.as_secs());
            assert_eq!(unread_streams.too_many(), ends && count == 3, "{count}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_is_silent_is_not_the_clients_fault() {
    let (delivery, unread_streams) = (Arc::<Delivery>::default(), UnreadStreams::of_peer(false));
    let (sender, receiver) = tokio::sync::mpsc::channel::<Bytes>(1);
    let frames = futures_util::stream::unfold(receiver, |mut receiver| async {
        receiver.recv().await.map(|data| (Ok(http_body::Frame::data(data)), receiver))
    });
    let mut body = tracked(StreamBody::new(frames).boxed_unsync(), Arc::clone(&delivery));
    let reading = async move { while body.frame().await.is_some() {} };
    let speaking = async move {
        for _ in 0..3 {
            sender.send(Bytes::from_static(b"x")).await.unwrap();
            tokio::time::sleep(WRITE_TIMEOUT * 3).await;
        }
    };
    let taken = while_read(reading, Arc::clone(&delivery), unread_streams);
    timeout(Duration::from_hours(1), async { tokio::join!(taken, speaking) }).await.unwrap();
    assert!(!delivery.given_up());
    assert_eq!(delivery.offered.load(Ordering::Relaxed), 3);
}
