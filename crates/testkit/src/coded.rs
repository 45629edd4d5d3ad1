//! Bodies as servers compress them.

use compression_codecs::brotli::params::EncoderParams;
use compression_codecs::core::Level;
use compression_codecs::core::util::{PartialBuffer, WriteBuffer};
use compression_codecs::{BrotliEncoder, EncodeV2, GzipEncoder, ZstdEncoder};

/// The codings that [`flushed`] knows.
pub const CODINGS: [&str; 3] = ["gzip", "br", "zstd"];

/// `text` in a coding.
pub fn coded(coding: &str, text: &[u8]) -> Vec<u8> {
    flushed(coding, &[text]).concat()
}

/// `texts` one after the other, each flushed so that a reader has it before the next is written, and the end.
pub fn flushed(coding: &str, texts: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut encoder: Box<dyn EncodeV2> = match coding {
        "gzip" => Box::new(GzipEncoder::new(Level::Default.into())),
        "br" => Box::new(BrotliEncoder::new(EncoderParams::default())),
        "zstd" => Box::new(ZstdEncoder::new(3)),
        other => panic!("no coding {other}"),
    };
    let size = 4096 + 2 * texts.iter().map(|text| text.len()).sum::<usize>();
    let mut pieces = Vec::new();
    for text in texts {
        let mut room = vec![0; size];
        let mut output = WriteBuffer::new_initialized(&mut room);
        let mut input = PartialBuffer::new(*text);
        while !input.unwritten().is_empty() {
            encoder.encode(&mut input, &mut output).unwrap();
        }
        while !encoder.flush(&mut output).unwrap() {}
        pieces.push(output.written().to_vec());
    }
    let mut room = vec![0; size];
    let mut output = WriteBuffer::new_initialized(&mut room);
    while !encoder.finish(&mut output).unwrap() {}
    pieces.push(output.written().to_vec());
    pieces
}
