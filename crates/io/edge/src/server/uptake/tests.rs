use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http_body::Body as _;
use http_body_util::{BodyExt as _, StreamBody};
use tokio::time::{Duration, Instant, timeout};

use super::{LAST_PIECE, LeftUnread, PIECE, Uptake, paced, while_taken};
use crate::server::body::{empty, full};
use crate::server::stall::PATIENCE;

#[tokio::test]
async fn a_long_answer_goes_out_whole_and_in_pieces() {
    let bytes: Vec<u8> = (0..PIECE * 2 + 7).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let uptake = Arc::<Uptake>::default();
    let mut body = paced(full(bytes.clone()), Arc::clone(&uptake));
    assert_eq!(body.size_hint().exact(), Some(bytes.len() as u64));
    let (mut whole, mut lengths) = (Vec::new(), Vec::new());
    while let Some(frame) = body.frame().await {
        let data = frame.unwrap().into_data().unwrap();
        assert_eq!(uptake.held_back(), Some(lengths.len() as u64 + 1));
        assert_eq!(body.size_hint().exact(), Some((bytes.len() - whole.len() - data.len()) as u64));
        lengths.push(data.len());
        whole.extend_from_slice(&data);
        assert_eq!(body.is_end_stream(), whole.len() == bytes.len());
    }
    let last_but_one = PIECE + 7 - LAST_PIECE;
    assert_eq!((lengths, whole), (vec![PIECE, last_but_one, LAST_PIECE], bytes));
    assert_eq!(uptake.held_back(), None);
    assert!(paced(empty(), uptake).is_end_stream());
}

#[tokio::test]
async fn a_short_answer_goes_out_in_one_piece() {
    for (length, pieces) in [(1, 1), (LAST_PIECE, 1), (LAST_PIECE + 1, 2), (PIECE + LAST_PIECE, 2)] {
        let mut body = paced(full(vec![0; length]), Arc::default());
        for left in (0..pieces).rev() {
            body.frame().await.unwrap().unwrap();
            assert_eq!(body.is_end_stream(), left == 0, "{length}");
        }
    }
}

/// The work of a stream whose client never takes the frame that it was offered.
async fn held_back(uptake: Arc<Uptake>) {
    let mut body = paced(full("here"), uptake);
    body.frame().await.unwrap().unwrap();
    std::future::pending::<()>().await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_taken_is_given_up_and_the_third_is_one_too_many() {
    let (direct, proxy) = (LeftUnread::of_peer(false), LeftUnread::of_peer(true));
    for (left_unread, ends) in [(&direct, true), (&proxy, false)] {
        for count in 1..=3 {
            let (uptake, began) = (Arc::<Uptake>::default(), Instant::now());
            while_taken(held_back(Arc::clone(&uptake)), Arc::clone(&uptake), Arc::clone(left_unread)).await;
            assert!(uptake.given_up());
            assert_eq!(began.elapsed().as_secs(), PATIENCE.as_secs());
            assert_eq!(left_unread.too_many(), ends && count == 3, "{count}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_is_silent_is_not_the_clients_fault() {
    let (uptake, left_unread) = (Arc::<Uptake>::default(), LeftUnread::of_peer(false));
    let (sender, receiver) = tokio::sync::mpsc::channel::<Bytes>(1);
    let frames = futures_util::stream::unfold(receiver, |mut receiver| async {
        receiver.recv().await.map(|data| (Ok(http_body::Frame::data(data)), receiver))
    });
    let mut body = paced(StreamBody::new(frames).boxed_unsync(), Arc::clone(&uptake));
    let reading = async move { while body.frame().await.is_some() {} };
    let speaking = async move {
        for _ in 0..3 {
            sender.send(Bytes::from_static(b"x")).await.unwrap();
            tokio::time::sleep(PATIENCE * 3).await;
        }
    };
    let taken = while_taken(reading, Arc::clone(&uptake), left_unread);
    timeout(Duration::from_hours(1), async { tokio::join!(taken, speaking) }).await.unwrap();
    assert!(!uptake.given_up());
    assert_eq!(uptake.offered.load(Ordering::Relaxed), 3);
}
