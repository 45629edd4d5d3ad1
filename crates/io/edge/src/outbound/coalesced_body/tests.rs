use http::HeaderMap;
use http_body_util::BodyExt as _;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::*;

type Chunk = Result<Frame<Bytes>, &'static str>;

/// A body like that of an upstream's connection: another task hands over one chunk at a time.
struct HandedOver(Receiver<Chunk>);

impl Body for HandedOver {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Chunk>> {
        self.0.poll_recv(task)
    }
}

fn body() -> (Sender<Chunk>, CoalescedBody<HandedOver>) {
    let (sender, receiver) = channel(1);
    (sender, CoalescedBody::new(HandedOver(receiver)))
}

fn data(text: &'static str) -> Frame<Bytes> {
    Frame::data(Bytes::from_static(text.as_bytes()))
}

/// Hands `chunks` over as fast as they are taken, then goes away.
fn hand_over(sender: Sender<Chunk>, chunks: Vec<Chunk>) {
    #[expect(clippy::disallowed_methods, reason = "it ends with the body that it feeds")]
    tokio::spawn(async move {
        for chunk in chunks {
            if sender.send(chunk).await.is_err() {
                break;
            }
        }
    });
}

/// The next frame, as text.
async fn next<B>(body: &mut CoalescedBody<B>) -> Option<Result<String, B::Error>>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Unpin,
{
    let frame = body.frame().await?.map(Frame::into_data);
    Some(frame.map(|frame| match frame {
        Ok(data) => String::from_utf8(data.to_vec()).unwrap(),
        Err(_) => "(trailers)".to_owned(),
    }))
}

#[tokio::test]
async fn a_burst_comes_as_one() {
    let (sender, mut body) = body();
    hand_over(sender, ["a", "b", "c", "d"].map(|text| Ok(data(text))).into());
    assert_eq!(next(&mut body).await, Some(Ok("abcd".to_owned())));
    assert_eq!(next(&mut body).await, None);
    assert_eq!(next(&mut body).await, None);
}

#[tokio::test]
async fn a_lone_chunk_waits_for_nothing() {
    let (sender, mut body) = body();
    for text in ["a", "b"] {
        sender.send(Ok(data(text))).await.unwrap();
        // The other end stays open and silent.
        assert_eq!(next(&mut body).await, Some(Ok(text.to_owned())));
    }
}

#[tokio::test]
async fn what_comes_after_the_bytes_stays_after_them() {
    let (sender, mut cut) = body();
    hand_over(sender, vec![Ok(data("a")), Ok(data("b")), Err("cut")]);
    assert_eq!(next(&mut cut).await, Some(Ok("ab".to_owned())));
    assert_eq!(next(&mut cut).await, Some(Err("cut")));

    let (sender, mut whole) = body();
    hand_over(sender, vec![Ok(data("a")), Ok(Frame::trailers(HeaderMap::new()))]);
    assert_eq!(next(&mut whole).await, Some(Ok("a".to_owned())));
    assert!(!whole.is_end_stream());
    assert_eq!(next(&mut whole).await, Some(Ok("(trailers)".to_owned())));
    assert_eq!(next(&mut whole).await, None);
}

#[tokio::test]
async fn a_fast_upstream_is_not_gathered_without_end() {
    let (sender, mut body) = body();
    let kilobyte: &str = "x".repeat(1024).leak();
    hand_over(sender, vec![kilobyte; 100].into_iter().map(|text| Ok(data(text))).collect());
    let mut sizes = Vec::new();
    while let Some(frame) = next(&mut body).await {
        sizes.push(frame.unwrap().len());
    }
    assert_eq!(sizes.iter().sum::<usize>(), 100 * 1024);
    assert!(sizes.iter().all(|size| *size <= ENOUGH), "{sizes:?}");
}

/// A connection polls its body several times within one turn of its task: that must not end a round.
#[tokio::test]
async fn being_polled_again_is_not_a_round() {
    let (sender, mut body) = body();
    sender.send(Ok(data("a"))).await.unwrap();
    hand_over(sender, vec![Ok(data("b"))]);
    let waker = Waker::noop();
    for _ in 0..3 {
        assert!(Pin::new(&mut body).poll_frame(&mut Context::from_waker(waker)).is_pending());
    }
    assert_eq!(next(&mut body).await, Some(Ok("ab".to_owned())));
}

#[tokio::test]
async fn the_size_of_what_is_held_is_part_of_the_hint() {
    let mut body = CoalescedBody::new(http_body_util::Full::new(Bytes::from_static(b"four")));
    assert_eq!(body.size_hint().exact(), Some(4));
    assert!(!body.is_end_stream());
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(first, "four");
    assert!(body.is_end_stream());
    assert_eq!(body.size_hint().exact(), Some(0));
}
