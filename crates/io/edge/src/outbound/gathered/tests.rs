use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};

use super::*;

/// A body that answers its polls by a script.
struct Scripted(VecDeque<Poll<Option<Result<Frame<Bytes>, &'static str>>>>);

impl Body for Scripted {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        self.0.pop_front().expect("polled beyond the script")
    }
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn data(text: &'static str) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
    Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(text.as_bytes())))))
}

/// Polls until `script` is used up; what came out, poll by poll, and how often the task was woken.
fn run(
    script: impl IntoIterator<Item = Poll<Option<Result<Frame<Bytes>, &'static str>>>>,
) -> (Vec<String>, usize) {
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    let mut body = Gathered::new(Scripted(script.into_iter().collect()));
    let mut seen = Vec::new();
    while !body.upstream.0.is_empty() || body.next.is_some() || body.held.len() > 0 {
        match Pin::new(&mut body).poll_frame(&mut Context::from_waker(&waker)) {
            Poll::Pending => seen.push("pending".to_owned()),
            Poll::Ready(None) => {
                seen.push("end".to_owned());
                break;
            }
            Poll::Ready(Some(Err(error))) => seen.push(format!("error {error}")),
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => seen.push(String::from_utf8(data.to_vec()).unwrap()),
                Err(_) => seen.push("trailers".to_owned()),
            },
        }
    }
    (seen, wakes.0.load(Ordering::Relaxed))
}

#[test]
fn what_has_arrived_comes_as_one() {
    let (seen, wakes) = run([
        data("a"),
        Poll::Pending,
        data("b"),
        data("c"),
        Poll::Pending,
        Poll::Pending,
        Poll::Ready(None),
    ]);
    assert_eq!(seen, ["pending", "pending", "abc", "end"]);
    assert_eq!(wakes, 2);
}

#[test]
fn a_lone_chunk_goes_on_after_one_turn() {
    let (seen, wakes) =
        run([data("a"), Poll::Pending, Poll::Pending, data("b"), Poll::Pending, Poll::Pending]);
    assert_eq!(seen, ["pending", "a", "pending", "b"]);
    assert_eq!(wakes, 2);
}

#[test]
fn with_nothing_held_only_the_upstream_wakes() {
    let (seen, wakes) = run([Poll::Pending, Poll::Pending, Poll::Ready(None)]);
    assert_eq!(seen, ["pending", "pending", "end"]);
    assert_eq!(wakes, 0);
}

#[test]
fn an_error_or_the_end_comes_after_what_was_held() {
    let (seen, _) = run([data("a"), data("b"), Poll::Ready(Some(Err("cut"))), Poll::Ready(None)]);
    assert_eq!(seen, ["ab", "error cut", "end"]);
    let trailers = Poll::Ready(Some(Ok(Frame::trailers(http::HeaderMap::new()))));
    let (seen, _) = run([data("a"), trailers, Poll::Ready(None)]);
    assert_eq!(seen, ["a", "trailers", "end"]);
}

#[test]
fn a_fast_upstream_is_not_gathered_without_end() {
    let chunk = "x".repeat(1024).leak();
    let (seen, _) = run((0..100).map(|_| data(chunk)).chain([Poll::Ready(None)]));
    assert_eq!(seen.len(), 5, "four of about {ENOUGH} bytes and the end");
    assert!(seen.iter().all(|part| part.len() <= ENOUGH));
    assert_eq!(seen.iter().take(4).map(String::len).sum::<usize>(), 100 * 1024);
}
