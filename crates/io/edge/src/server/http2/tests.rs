use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::block::{Block, Malformed};
use super::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, Excessive, FIELD, HEADERS, MOST_FIELDS, MOST_STREAMS,
    PADDED, PRIORITY, PUSH_PROMISE, Place, RST_STREAM, STREAM, Streams, TEXT,
};

const SETTINGS: u8 = 4;
const PING: u8 = 6;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// A number behind a prefix of so many bits (RFC 7541 §5.1).
fn number(first: u8, bits: u32, mut value: usize) -> Vec<u8> {
    let full = (1_usize << bits) - 1;
    if value < full {
        return vec![first | u8::try_from(value).unwrap()];
    }
    let mut bytes = vec![first | u8::try_from(full).unwrap()];
    value -= full;
    while value >= 128 {
        bytes.push(u8::try_from(value % 128).unwrap() | 128);
        value /= 128;
    }
    bytes.push(u8::try_from(value).unwrap());
    bytes
}

fn text(text: &[u8], huffman: bool) -> Vec<u8> {
    let mut bytes = number(u8::from(huffman) << 7, 7, text.len());
    bytes.extend_from_slice(text);
    bytes
}

/// One representation of HPACK, how many fields it is, and what its texts may take.
#[derive(Clone, Debug)]
struct Piece(Vec<u8>, usize, usize);

fn piece() -> impl Strategy<Value = Piece> {
    let literal = (select(vec![(0x40, 6), (0x00, 4), (0x10, 4)]), vec(any::<u8>(), 0..200), any::<bool>());
    let named = literal.clone().prop_map(|((first, bits), value, huffman)| {
        let takes = |length: usize| if huffman { length / 5 * 8 + 8 } else { length };
        let bytes = [number(first, bits, 0), text(b"name", false), text(&value, huffman)].concat();
        Piece(bytes, 1, 4 + takes(value.len()))
    });
    let indexed_name = (literal, 1..200_usize).prop_map(|(((first, bits), value, huffman), index)| {
        let takes = |length: usize| if huffman { length / 5 * 8 + 8 } else { length };
        let bytes = [number(first, bits, index), text(&value, huffman)].concat();
        Piece(bytes, 1, takes(value.len()))
    });
    prop_oneof![
        (1..400_usize).prop_map(|index| Piece(number(0x80, 7, index), 1, 0)),
        (0..4097_usize).prop_map(|size| Piece(number(0x20, 5, size), 0, 0)),
        named,
        indexed_name,
    ]
}

fn pieces<'a>(bytes: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|ends| &bytes[ends[0]..ends[1]]).collect()
}

fn read(streams: &mut Streams, bytes: &[u8]) -> Result<(), Excessive> {
    streams.read(bytes)
}

/// `GET /` without any table: three fields and an authority of nine bytes.
const GET: &[u8] = b"\x82\x86\x84\x01\x09localhost";
const GET_TAKES: usize = STREAM + 4 * FIELD + TEXT + 9;

fn get(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, GET)
}

proptest! {
    /// Whatever its representations, and however it is cut.
    #[test]
    fn a_block_is_counted(all in vec(piece(), 0..60), cuts in vec(any::<Index>(), 0..20)) {
        let bytes: Vec<u8> = all.iter().flat_map(|Piece(bytes, ..)| bytes.clone()).collect();
        let mut block = Block::new();
        for piece in pieces(&bytes, &cuts) {
            prop_assert_eq!(block.read(piece), Ok(()));
        }
        let fields: usize = all.iter().map(|Piece(_, fields, _)| fields).sum();
        let takes: usize = all.iter().map(|Piece(_, _, takes)| takes).sum();
        prop_assert!(block.is_whole());
        prop_assert_eq!(block.fields(), fields);
        prop_assert_eq!(block.bytes(), fields * FIELD + if takes > 0 { TEXT + takes } else { 0 });
    }

    /// Heads in one frame or several, padded, with priority, between frames of other kinds.
    #[test]
    fn heads_are_found(
        heads in vec((vec(piece(), 0..12), 0..4_u8, vec(any::<Index>(), 0..3), 0..40_usize), 1..8),
        cuts in vec(any::<Index>(), 0..40),
    ) {
        let (mut bytes, mut held) = (frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]), 0);
        for (number, (fields, how, splits, padding)) in heads.iter().enumerate() {
            let stream = u32::try_from(number).unwrap() * 2 + 1;
            let block: Vec<u8> = fields.iter().flat_map(|Piece(bytes, ..)| bytes.clone()).collect();
            let parts = pieces(&block, splits);
            for (at, part) in parts.iter().enumerate() {
                let last = if at + 1 == parts.len() { END_HEADERS } else { 0 };
                if at > 0 {
                    bytes.extend(frame(CONTINUATION, last, stream, part));
                    continue;
                }
                let (padded, urgent) = (how & 1 != 0, how & 2 != 0);
                let mut payload = Vec::new();
                if padded { payload.push(u8::try_from(*padding).unwrap()) }
                if urgent { payload.extend([0, 0, 0, 0, 16]) }
                payload.extend_from_slice(part);
                if padded { payload.extend(vec![0x82; *padding]) }
                let flags = last | if padded { PADDED } else { 0 } | if urgent { PRIORITY } else { 0 };
                bytes.extend(frame(HEADERS, flags, stream, &payload));
            }
            bytes.extend(frame(DATA, 0, stream, &[0x82; 100]));
            bytes.extend(frame(PING, 0, 0, &[1; 8]));
            let (count, takes) = fields.iter().fold((0, 0), |sum, one| (sum.0 + one.1, sum.1 + one.2));
            held += STREAM + count * FIELD + if takes > 0 { TEXT + takes } else { 0 };
        }
        let mut streams = Streams::default();
        for piece in pieces(&bytes, &cuts) {
            prop_assert_eq!(streams.read(piece), Ok(()));
        }
        prop_assert!(matches!(streams.at, Place::Between) && streams.read.left() == 0);
        prop_assert_eq!(streams.heads(), heads.len() as u64);
        prop_assert_eq!(streams.held(), held);
        // What is answered is given back, however the answers are cut.
        let answers: Vec<u8> = heads.iter().enumerate().flat_map(|(number, (_, how, ..))| {
            let stream = u32::try_from(number).unwrap() * 2 + 1;
            match how {
                0 => frame(HEADERS, END_HEADERS | END_STREAM, stream, &[0x88]),
                1 => frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()),
                _ => [
                    frame(HEADERS, END_HEADERS, stream, &[0x88]),
                    frame(DATA, 0, stream, &[1; 300]),
                    frame(DATA, END_STREAM, stream, b""),
                ].concat(),
            }
        }).collect();
        for piece in pieces(&answers, &cuts) {
            streams.wrote(piece);
        }
        prop_assert_eq!(streams.held(), 0);
        prop_assert!(streams.open.is_empty());
    }

    /// Whatever comes, it neither panics nor forgets what is open.
    #[test]
    fn nonsense_is_survived(bytes in vec(any::<u8>(), 0..600), cuts in vec(any::<Index>(), 0..6)) {
        let mut streams = Streams::default();
        for piece in pieces(&[get(1), bytes].concat(), &cuts) {
            if streams.read(piece).is_err() { break }
            streams.wrote(piece);
        }
        let held: usize = streams.open.iter().map(|open| open.bytes).sum();
        prop_assert_eq!(streams.held, held);
    }
}

#[test]
fn at_every_place_that_it_may_be_cut() {
    let bytes = [frame(SETTINGS, 0, 0, b""), get(1), frame(HEADERS, PADDED, 3, b"\x02\x82\x86\0\0")].concat();
    let bytes = [bytes, frame(CONTINUATION, END_HEADERS, 3, b"\x84\x01\x09localhost")].concat();
    for cut in 0..=bytes.len() {
        let mut streams = Streams::default();
        let (one, other) = bytes.split_at(cut);
        assert_eq!((read(&mut streams, one), read(&mut streams, other)), (Ok(()), Ok(())));
        assert_eq!((streams.held(), streams.is_within_head()), (2 * GET_TAKES, false), "{cut}");
    }
}

#[test]
fn a_head_counts_before_it_ends() {
    let mut streams = Streams::default();
    read(&mut streams, &frame(HEADERS, 0, 1, &[0x82; 100])).unwrap();
    assert_eq!((streams.held(), streams.is_within_head()), (100 * FIELD, true));
    read(&mut streams, &frame(CONTINUATION, 0, 1, &[0x82; 100])).unwrap();
    assert_eq!((streams.held(), streams.heads()), (200 * FIELD, 0));
    assert!(read(&mut streams, &frame(CONTINUATION, 0, 1, &[0x82; 57])).is_err());
}

#[test]
fn references_of_one_byte_are_fields() {
    let bomb = [GET, b"\x40\x01a\x01b", &[0xbe; MOST_FIELDS][..]].concat();
    let mut streams = Streams::default();
    assert_eq!(
        read(&mut streams, &frame(HEADERS, END_HEADERS, 1, &bomb)),
        Err(Excessive("too many header fields"))
    );
}

#[test]
fn trailers_count_for_their_stream() {
    let mut streams = Streams::default();
    read(&mut streams, &frame(HEADERS, END_HEADERS, 1, GET)).unwrap();
    read(&mut streams, &frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\x00\x01a\x01b")).unwrap();
    assert_eq!(streams.held(), GET_TAKES + FIELD + TEXT + 2);
    read(&mut streams, &frame(RST_STREAM, 0, 1, &[0; 4])).unwrap();
    assert_eq!(streams.held(), 0);
    read(&mut streams, &frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\x00\x01a\x01b")).unwrap();
    assert_eq!(streams.held(), 0, "h2 forgets trailers of a stream that is gone");
}

#[test]
fn streams_are_counted_up_to_a_bound() {
    let mut streams = Streams::default();
    for number in 0..u32::try_from(MOST_STREAMS).unwrap() {
        read(&mut streams, &get(2 * number + 1)).unwrap();
    }
    assert!(read(&mut streams, &get(9_999)).is_err());
    assert!(read(&mut Streams::default(), &frame(PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0\x02")).is_err());
}

#[test]
fn what_h2_refuses_is_read_no_further() {
    for refused in [
        frame(CONTINUATION, END_HEADERS, 1, GET),
        [frame(HEADERS, 0, 1, GET), frame(DATA, 0, 1, b"")].concat(),
        [frame(HEADERS, 0, 1, GET), frame(CONTINUATION, END_HEADERS, 3, b"")].concat(),
        frame(HEADERS, END_HEADERS | PADDED, 1, b"\x09\x82"),
        frame(HEADERS, END_HEADERS | PADDED, 1, b""),
        frame(HEADERS, END_HEADERS | PRIORITY, 1, b"\0\0"),
        frame(HEADERS, END_HEADERS, 1, b"\x80"),
        frame(HEADERS, END_HEADERS, 1, b"\x00\x05a"),
        frame(DATA, 0, 1, &vec![0; 16_385]),
    ] {
        let mut streams = Streams::default();
        assert_eq!(read(&mut streams, &[refused, get(5)].concat()), Ok(()));
        assert!(matches!(streams.at, Place::Beyond));
    }
}

#[test]
fn numbers_that_are_too_long_are_malformed() {
    assert_eq!(Block::new().read(&[0xff, 0xff, 0xff, 0xff, 0x7f]), Ok(()));
    assert_eq!(Block::new().read(&[0xff, 0xff, 0xff, 0xff, 0xff]), Err(Malformed));
}
