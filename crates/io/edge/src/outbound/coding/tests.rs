use std::io;

use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, HeaderValue};

use gatehouse_testkit::coded;

use super::{Coding, Decoding, PIECE, Stage, coding};
use crate::memory::{Holder, Memory};

const TEXT: &str = "event: message_start\ndata: {\"type\":\"message_start\"}\n\n";

const ALL: [Coding; 3] = [Coding::Gzip, Coding::Brotli, Coding::Zstd];

fn flushed(coding: Coding, texts: &[&[u8]]) -> Vec<Vec<u8>> {
    let name = match coding {
        Coding::Gzip => "gzip",
        Coding::Brotli => "br",
        Coding::Zstd => "zstd",
    };
    coded::flushed(name, texts)
}

fn coded(coding: Coding, text: &[u8]) -> Vec<u8> {
    flushed(coding, &[text]).concat()
}

fn decoding(coding: Coding) -> Decoding {
    Decoding::new(coding, Memory::default().account(&Holder::Upstream("api".into())).hold(0).unwrap())
}

/// What comes out of `pieces`; an error too when the end is missing.
fn decoded(coding: Coding, pieces: &[&[u8]]) -> io::Result<Vec<u8>> {
    let mut decoding = decoding(coding);
    let mut whole = Vec::new();
    for piece in pieces {
        decoding.input = Bytes::copy_from_slice(piece);
        while let Some(piece) = decoding.next()? {
            assert!(piece.len() <= PIECE);
            whole.extend_from_slice(&piece);
        }
        assert!(decoding.input.is_empty());
    }
    if decoding.stage == Stage::Within { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(whole) }
}

#[test]
fn what_was_coded_comes_back_however_it_is_cut() {
    for coding in ALL {
        let all = coded(coding, TEXT.as_bytes());
        for at in 0..all.len() {
            let (one, two) = all.split_at(at);
            assert_eq!(decoded(coding, &[one, two]).unwrap(), TEXT.as_bytes(), "cut at {at}");
            assert!(at == 0 || decoded(coding, &[one]).is_err(), "without its end it is not whole: {at}");
        }
        let bytes: Vec<&[u8]> = all.chunks(1).collect();
        assert_eq!(decoded(coding, &bytes).unwrap(), TEXT.as_bytes());
        assert_eq!(decoded(coding, &[]).unwrap(), b"", "no body has no coding");
    }
}

#[test]
fn an_event_comes_out_as_soon_as_it_is_there() {
    for coding in ALL {
        let mut decoding = decoding(coding);
        let pieces = flushed(coding, &[b"one", b"two", b"three"]);
        for (piece, expected) in pieces.iter().zip(["one", "two", "three"]) {
            decoding.input = Bytes::copy_from_slice(piece);
            assert_eq!(decoding.next().unwrap().unwrap(), expected.as_bytes());
            assert_eq!(decoding.next().unwrap(), None);
        }
    }
}

/// Whoever gathers a stream keeps its pieces: a few bytes must not keep the room of many.
#[test]
fn pieces_that_are_kept_hold_little_more_than_they_are() {
    for coding in ALL {
        let mut decoding = decoding(coding);
        let mut kept = Vec::new();
        for piece in
            flushed(coding, &[TEXT.as_bytes(), &[b'x'; PIECE], TEXT.as_bytes(), &[b'y'; PIECE / 2 + 1]])
        {
            decoding.input = piece.into();
            while let Some(piece) = decoding.next().unwrap() {
                kept.push(piece);
            }
        }
        assert!(kept.len() >= 4, "{}", kept.len());
        for piece in kept {
            let len = piece.len();
            let room = piece.try_into_mut().unwrap().capacity();
            assert!(room <= 2 * len, "{len} bytes hold {room}");
        }
    }
}

/// A thousand times more comes out than came in, and never more at once than the reader can count.
#[test]
fn a_bomb_comes_out_in_pieces() {
    let zeros = vec![0; 32 * 1024 * 1024];
    for coding in ALL {
        let bomb = coded(coding, &zeros);
        assert!(bomb.len() < zeros.len() / 500, "{}", bomb.len());
        assert_eq!(decoded(coding, &[&bomb]).unwrap().len(), zeros.len());
        let (one, two) = bomb.split_at(bomb.len() / 2);
        assert_eq!(decoded(coding, &[one, two]).unwrap().len(), zeros.len());
    }
}

/// The sizes around those at which a piece is just full.
#[test]
fn ends_are_found_behind_full_pieces() {
    for coding in ALL {
        for size in [1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 5 * PIECE] {
            let text: Vec<u8> = (0..size).map(|n| u8::try_from(n * n / 7 % 251).unwrap()).collect();
            let all = coded(coding, &text);
            assert_eq!(decoded(coding, &[&all]).unwrap(), text, "{size}");
            let bytes: Vec<&[u8]> = all.chunks(1).collect();
            assert_eq!(decoded(coding, &bytes).unwrap(), text, "{size}");
        }
    }
}

#[test]
fn what_is_coded_may_be_coded_in_parts() {
    for coding in [Coding::Gzip, Coding::Zstd] {
        let two = [coded(coding, b"one "), coded(coding, b"two")];
        assert_eq!(decoded(coding, &[&two.concat()]).unwrap(), b"one two");
        assert_eq!(decoded(coding, &[&two[0], &two[1]]).unwrap(), b"one two");
        assert!(decoded(coding, &[&two[0], b"then something else"]).is_err());
    }
    let behind = [coded(Coding::Brotli, b"one"), b"x".to_vec()].concat();
    assert!(decoded(Coding::Brotli, &[&behind]).is_err());
}

#[test]
fn what_is_not_coded_as_it_says_is_no_answer() {
    for coding in ALL {
        assert!(decoded(coding, &[b"data: {\"type\":\"message_start\"}\n\n"]).is_err());
    }
    let mut torn = coded(Coding::Gzip, TEXT.as_bytes());
    let length = torn.len();
    torn[length - 6] ^= 1;
    assert!(decoded(Coding::Gzip, &[&torn]).is_err(), "its checksum is another");
}

/// Who decodes such remembers up to a gibibyte.
#[test]
fn windows_are_bounded() {
    assert!(decoded(Coding::Brotli, &[&[0x11, 30, 0, 0]]).is_err());
    // A frame that says only that its window has 2^27 bytes.
    let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, (27 - 10) << 3, 1, 0, 0];
    assert!(decoded(Coding::Zstd, &[&frame]).is_err());
    let smaller = [0x28, 0xb5, 0x2f, 0xfd, 0x00, (23 - 10) << 3, 1, 0, 0];
    assert_eq!(decoded(Coding::Zstd, &[&smaller]).unwrap(), b"");
}

#[test]
fn one_coding_that_is_known_is_read() {
    let read = |lines: &[&str]| {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(CONTENT_ENCODING, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        match coding(&headers) {
            Ok(None) => "as it is".to_owned(),
            Ok(Some(coding)) => format!("{} bytes", coding.remembers() / 1024),
            Err(error) => error.to_string(),
        }
    };
    for lines in [&[][..], &["identity"], &[""], &["Identity, "]] {
        assert_eq!(read(lines), "as it is", "{lines:?}");
    }
    for lines in [&["gzip"][..], &["X-GZip"], &[" gzip , identity"], &["identity", "gzip"]] {
        assert_eq!(read(lines), "80 bytes", "{lines:?}");
    }
    for lines in [&["deflate"][..], &["compress"], &["gzip, gzip"], &["br", "gzip"], &["dcb"], &["\u{e9}"]] {
        assert!(read(lines).starts_with("the answer is coded as "), "{lines:?}");
    }
}
