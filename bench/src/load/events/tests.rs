use super::EventCounter;

const STREAM: &[u8] =
    b"event: a\ndata: {}\n\nevent: content_block_delta\ndata: {}\n\nevent: content_block_delta\ndata: {}\n\n";

#[test]
fn events_are_counted_however_the_stream_is_cut() {
    for first in 0..=STREAM.len() {
        for second in first..=STREAM.len() {
            let mut counter = EventCounter::default();
            for piece in [&STREAM[..first], &STREAM[first..second], &STREAM[second..]] {
                counter.push(piece);
            }
            assert_eq!(counter.count(), 3, "cut at {first} and {second}");
        }
    }
}

#[test]
fn only_the_first_token_is_the_first() {
    let mut counter = EventCounter::default();
    let found: Vec<bool> =
        STREAM.split_inclusive(|byte| *byte == b'}').map(|piece| counter.push(piece)).collect();
    assert_eq!(found, [false, true, false, false]);
}

#[test]
fn a_reply_that_is_no_stream_has_no_events() {
    let mut counter = EventCounter::default();
    assert!(!counter.push(b"{\"type\":\"message\"}\n"));
    assert_eq!(counter.count(), 0);
}
