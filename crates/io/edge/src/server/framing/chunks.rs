//! The chunks of a body (RFC 9112 §7.1), skipped as hyper reads them.

/// A place among chunks.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    next: Next,
    /// The size of the chunk, as far as it was read, and then what is left of its data.
    left: u64,
}

/// What comes next.
#[derive(Clone, Copy, Debug, Default)]
enum Next {
    #[default]
    FirstDigit,
    Size,
    Blanks,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    Trailer,
    TrailerLine,
    TrailerLf,
    EndLf,
}

/// These bytes are no chunks.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

impl Chunks {
    /// Skips `bytes` as far as they belong to the body; what is behind it, when it ends in them.
    pub(super) fn skip<'a>(&mut self, mut bytes: &'a [u8]) -> Result<Option<&'a [u8]>, Malformed> {
        loop {
            if matches!(self.next, Next::Data) {
                let skipped = usize::try_from(self.left).map_or(bytes.len(), |left| left.min(bytes.len()));
                self.left -= skipped as u64;
                if self.left == 0 {
                    self.next = Next::DataCr;
                }
                bytes = bytes.get(skipped..).unwrap_or_default();
            }
            let Some((byte, rest)) = bytes.split_first() else { return Ok(None) };
            bytes = rest;
            self.next = match (self.next, *byte) {
                (Next::FirstDigit | Next::Size, digit) if digit.is_ascii_hexdigit() => self.size(digit)?,
                (Next::Size | Next::Blanks, b' ' | b'\t') => Next::Blanks,
                (Next::Size | Next::Blanks, b';') => Next::Extension,
                (Next::Size | Next::Blanks | Next::Extension, b'\r') => Next::SizeLf,
                (Next::SizeLf, b'\n') if self.left == 0 => Next::Trailer,
                (Next::SizeLf, b'\n') => Next::Data,
                (Next::DataCr, b'\r') => Next::DataLf,
                (Next::DataLf, b'\n') => Next::FirstDigit,
                (Next::Trailer, b'\r') => Next::EndLf,
                (Next::TrailerLine, b'\r') => Next::TrailerLf,
                (Next::TrailerLf, b'\n') => Next::Trailer,
                (Next::EndLf, b'\n') => return Ok(Some(rest)),
                (Next::Extension, other) if other != b'\n' => Next::Extension,
                (Next::Trailer | Next::TrailerLine, _) => Next::TrailerLine,
                _ => return Err(Malformed),
            };
        }
    }

    fn size(&mut self, digit: u8) -> Result<Next, Malformed> {
        let value = char::from(digit).to_digit(16).ok_or(Malformed)?;
        let size = self.left.checked_mul(16).and_then(|size| size.checked_add(value.into()));
        self.left = size.ok_or(Malformed)?;
        Ok(Next::Size)
    }
}
