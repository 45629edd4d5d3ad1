//! Reads JSON text (RFC 8259) member by member and builds nothing of it.
//!
//! Model calls are large and nearly all of it is text that means nothing here, so what is passed over decides what a call
//! costs. It is checked by the same grammar as what is read; only whether the bytes inside strings are UTF-8 is left to
//! whoever reads them.

use wide::u8x16;

use super::RequestError;

/// The most levels of objects and arrays within one another. Parsers behind us remember each that is open.
pub(super) const MAX_DEPTH: usize = 1_000;

/// A place in a text; everything before it was JSON.
pub(super) struct Scanner<'a> {
    text: &'a [u8],
    rest: &'a [u8],
    open: Brackets,
    block: Block,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { text, rest: text, open: Brackets { levels: 0, objects: [0; _] }, block: Block::of(text, 0) }
    }

    /// The first byte of what comes next, white space apart.
    pub(super) fn peek(&mut self) -> Option<u8> {
        while let Some((byte, rest)) = self.rest.split_first() {
            match byte {
                b' ' | b'\n' | b'\r' | b'\t' => self.rest = rest,
                _ => return Some(*byte),
            }
        }
        None
    }

    /// Reads an object: `member` is given each name as it is written and reads the value.
    pub(super) fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, &'a [u8]) -> Result<(), RequestError>,
    ) -> Result<(), RequestError> {
        self.take(b'{')?;
        self.open.push(true)?;
        let mut more = !self.ends(b'}');
        while more {
            let name = self.name()?;
            member(self, name)?;
            more = self.another(b'}')?;
        }
        self.open.pop();
        Ok(())
    }

    /// Reads an array: `element` reads each element.
    pub(super) fn array(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<(), RequestError>,
    ) -> Result<(), RequestError> {
        self.take(b'[')?;
        self.open.push(false)?;
        let mut more = !self.ends(b']');
        while more {
            element(self)?;
            more = self.another(b']')?;
        }
        self.open.pop();
        Ok(())
    }

    /// Passes over a value of any kind and returns it as it is written.
    pub(super) fn value(&mut self) -> Result<&'a [u8], RequestError> {
        self.peek();
        let start = self.at();
        let outside = self.open.levels;
        loop {
            let opened = match self.peek() {
                Some(b'"') => self.string().map(|()| false),
                Some(b'{') => self.opened(true),
                Some(b'[') => self.opened(false),
                Some(b'-' | b'0'..=b'9') => self.number().map(|()| false),
                Some(b't') => self.literal(b"true").map(|()| false),
                Some(b'f') => self.literal(b"false").map(|()| false),
                Some(b'n') => self.literal(b"null").map(|()| false),
                _ => Err(self.not_json()),
            };
            if !opened? && !self.next_in_open(outside)? {
                return Ok(self.since(start));
            }
        }
    }

    /// Nothing may follow.
    pub(super) fn end(&mut self) -> Result<(), RequestError> {
        self.peek().map_or(Ok(()), |_| Err(self.not_json()))
    }

    /// Opens an object or array that the innermost value is; whether there is anything in it to read.
    fn opened(&mut self, object: bool) -> Result<bool, RequestError> {
        self.rest = self.rest.get(1..).unwrap_or_default();
        self.open.push(object)?;
        if self.ends(if object { b'}' } else { b']' }) {
            self.open.pop();
            return Ok(false);
        }
        if object {
            self.name()?;
        }
        Ok(true)
    }

    /// After a value: closes what ends here, down to `outside` levels; whether another value comes.
    fn next_in_open(&mut self, outside: usize) -> Result<bool, RequestError> {
        while self.open.levels > outside {
            let object = self.open.in_object();
            if self.another(if object { b'}' } else { b']' })? {
                if object {
                    self.name()?;
                }
                return Ok(true);
            }
            self.open.pop();
        }
        Ok(false)
    }

    /// The name of a member, as it is written, and the colon after it.
    fn name(&mut self) -> Result<&'a [u8], RequestError> {
        if self.peek() != Some(b'"') {
            return Err(self.not_json());
        }
        let start = self.at();
        self.string()?;
        let name = self.since(start);
        self.take(b':')?;
        Ok(name)
    }

    /// Passes over a string; the next byte is its opening quote.
    fn string(&mut self) -> Result<(), RequestError> {
        let mut at = self.at() + 1;
        while at < self.text.len() {
            if !self.block.contains(at) {
                self.block = Block::of(self.text, at);
            }
            let Some(special) = self.block.special_from(at) else {
                at = self.block.end();
                continue;
            };
            match self.text.get(special..).unwrap_or_default() {
                [b'"', after @ ..] => {
                    self.rest = after;
                    return Ok(());
                }
                // What is escaped ends no string, and may be the first byte of the next block.
                [b'\\', escape @ ..] if is_escape(escape) => at = special + 2,
                wrong => {
                    self.rest = wrong;
                    return Err(self.not_json());
                }
            }
        }
        self.rest = &[];
        Err(self.not_json())
    }

    fn number(&mut self) -> Result<(), RequestError> {
        let unsigned = self.rest.strip_prefix(b"-").unwrap_or(self.rest);
        let whole = match unsigned.split_first() {
            Some((b'0', rest)) => Some(rest),
            _ => after_digits(unsigned),
        };
        let fraction = whole.and_then(|rest| rest.strip_prefix(b".").map_or(Some(rest), after_digits));
        let exponent = fraction.and_then(|rest| match rest {
            [b'e' | b'E', b'+' | b'-', digits @ ..] | [b'e' | b'E', digits @ ..] => after_digits(digits),
            _ => Some(rest),
        });
        self.rest = exponent.ok_or_else(|| self.not_json())?;
        Ok(())
    }

    fn literal(&mut self, word: &[u8]) -> Result<(), RequestError> {
        self.rest = self.rest.strip_prefix(word).ok_or_else(|| self.not_json())?;
        Ok(())
    }

    fn take(&mut self, wanted: u8) -> Result<(), RequestError> {
        if self.ends(wanted) { Ok(()) } else { Err(self.not_json()) }
    }

    /// Whether `end` comes next; if so, it is passed.
    fn ends(&mut self, end: u8) -> bool {
        let ends = self.peek() == Some(end);
        if ends {
            self.rest = self.rest.get(1..).unwrap_or_default();
        }
        ends
    }

    /// After a member or element: whether a comma and thereby another comes, or `end`, which is passed.
    fn another(&mut self, end: u8) -> Result<bool, RequestError> {
        if self.ends(b',') {
            return Ok(true);
        }
        self.take(end).map(|()| false)
    }

    fn at(&self) -> usize {
        self.text.len() - self.rest.len()
    }

    fn since(&self, start: usize) -> &'a [u8] {
        self.text.get(start..self.at()).unwrap_or_default()
    }

    /// What comes next is nothing that may stand there.
    fn not_json(&self) -> RequestError {
        RequestError::not_json_at(self.text, self.at())
    }
}

/// Which brackets are open, outermost first.
struct Brackets {
    levels: usize,
    /// One bit for each level: whether it is an object.
    objects: [u64; MAX_DEPTH.div_ceil(64)],
}

impl Brackets {
    fn push(&mut self, object: bool) -> Result<(), RequestError> {
        if self.levels == MAX_DEPTH {
            return Err(RequestError::TooDeep(MAX_DEPTH));
        }
        if let Some(word) = self.objects.get_mut(self.levels / 64) {
            let bit = 1 << (self.levels % 64);
            *word = if object { *word | bit } else { *word & !bit };
        }
        self.levels += 1;
        Ok(())
    }

    fn pop(&mut self) {
        self.levels -= 1;
    }

    fn in_object(&self) -> bool {
        let level = self.levels.wrapping_sub(1);
        self.objects.get(level / 64).is_some_and(|word| word >> (level % 64) & 1 == 1)
    }
}

/// Which bytes of a part of the text mean something inside a string. Most strings of a model call are short, and many
/// begin and end in one block, so it is kept from one string to the next.
struct Block {
    /// A multiple of [`Block::SIZE`].
    start: usize,
    /// One bit for each byte, the lowest for the first: whether it is a quote, a backslash or a control character.
    special: u64,
}

impl Block {
    const SIZE: usize = 64;

    /// The block of `text` that the byte at `at` is in.
    fn of(text: &[u8], at: usize) -> Self {
        let start = at - at % Self::SIZE;
        let rest = text.get(start..).unwrap_or_default();
        Self {
            start,
            special: rest.first_chunk().map_or_else(|| Self::special_of_last(rest), Self::special_of),
        }
    }

    fn contains(&self, at: usize) -> bool {
        at & !(Self::SIZE - 1) == self.start
    }

    fn end(&self) -> usize {
        self.start + Self::SIZE
    }

    /// The first special byte at or after `at`, which is in this block.
    fn special_from(&self, at: usize) -> Option<usize> {
        let special = self.special >> (at % Self::SIZE);
        (special != 0).then(|| at + special.trailing_zeros() as usize)
    }

    fn special_of(block: &[u8; Self::SIZE]) -> u64 {
        let [quote, backslash, last_control] = [b'"', b'\\', 0x1F].map(u8x16::splat);
        let (lanes, _) = block.as_chunks();
        lanes.iter().rev().fold(0, |bits, lane| {
            let lane = u8x16::new(*lane);
            let special = lane.simd_eq(quote) | lane.simd_eq(backslash) | lane.simd_le(last_control);
            bits << 16 | u64::from(special.to_bitmask())
        })
    }

    /// The same for what is left at the end of a text.
    fn special_of_last(rest: &[u8]) -> u64 {
        let special = |byte: &u8| *byte < b' ' || matches!(byte, b'"' | b'\\');
        rest.iter().rev().fold(0, |bits, byte| bits << 1 | u64::from(special(byte)))
    }
}

/// Whether an escape follows, of which the backslash was read.
fn is_escape(rest: &[u8]) -> bool {
    match rest {
        [b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => true,
        [b'u', digits @ ..] => {
            digits.first_chunk::<4>().is_some_and(|four| four.iter().all(u8::is_ascii_hexdigit))
        }
        _ => false,
    }
}

/// What follows one digit or more; `None` if there is none.
fn after_digits(rest: &[u8]) -> Option<&[u8]> {
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    rest.get(digits..).filter(|_| digits > 0)
}

#[cfg(test)]
mod tests;
