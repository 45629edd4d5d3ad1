//! The fields of a head in HPACK (RFC 7541), counted without decoding them.

use super::{FIELD, TEXT};

/// The most bytes that h2 reads of a number.
const LONGEST_NUMBER: u32 = 5;

/// A block that is being read.
pub(super) struct Block {
    next: Next,
    fields: usize,
    /// What the literal texts take once they are decoded, at most.
    text: usize,
}

/// h2 cannot read this either, and ends the connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// What comes next.
enum Next {
    Field,
    Number(Number),
    /// The length of a text.
    Length(Text),
    /// So many bytes of a text.
    Text(Text, usize),
}

/// A number whose prefix was full.
#[derive(Clone, Copy)]
struct Number {
    of: Of,
    value: usize,
    bytes: u32,
}

/// What a number says.
#[derive(Clone, Copy)]
enum Of {
    /// The place of a whole field in the tables.
    Indexed,
    /// The place of a name in the tables, or that it follows.
    Name,
    TableSize,
    Length(Text, Coding),
}

#[derive(Clone, Copy)]
enum Text {
    Name,
    Value,
}

#[derive(Clone, Copy)]
enum Coding {
    Plain,
    Huffman,
}

impl Block {
    pub(super) const fn new() -> Self {
        Self { next: Next::Field, fields: 0, text: 0 }
    }

    /// How many fields there are, as far as they have begun.
    pub(super) fn fields(&self) -> usize {
        self.fields
    }

    /// What they take in memory, at most.
    pub(super) fn bytes(&self) -> usize {
        let text = if self.text > 0 { TEXT + self.text } else { 0 };
        self.fields * FIELD + text
    }

    /// Whether it could end here.
    pub(super) fn is_whole(&self) -> bool {
        matches!(self.next, Next::Field)
    }

    /// Reads on.
    pub(super) fn read(&mut self, mut bytes: &[u8]) -> Result<(), Malformed> {
        loop {
            if let Next::Text(text, left) = &mut self.next {
                let taken = (*left).min(bytes.len());
                *left -= taken;
                bytes = bytes.get(taken..).unwrap_or_default();
                if *left > 0 {
                    return Ok(());
                }
                self.next = text.behind();
            }
            let Some((byte, rest)) = bytes.split_first() else { return Ok(()) };
            bytes = rest;
            match std::mem::replace(&mut self.next, Next::Field) {
                Next::Field => self.field(*byte)?,
                Next::Length(text) => {
                    let coding = if byte & 0x80 == 0 { Coding::Plain } else { Coding::Huffman };
                    self.number(Of::Length(text, coding), byte & 0x7f, 0x7f)?;
                }
                Next::Number(number) => self.number_goes_on(number, *byte)?,
                Next::Text(..) => return Err(Malformed),
            }
        }
    }

    /// The first byte of a field or of a change of the table's size (§6).
    fn field(&mut self, byte: u8) -> Result<(), Malformed> {
        let (of, prefix) = match byte {
            0x80.. => (Of::Indexed, 0x7f),
            0x40..=0x7f => (Of::Name, 0x3f),
            0x20..=0x3f => (Of::TableSize, 0x1f),
            0x00..=0x1f => (Of::Name, 0x0f),
        };
        if !matches!(of, Of::TableSize) {
            self.fields += 1;
        }
        self.number(of, byte & prefix, prefix)
    }

    /// A number that begins (§5.1).
    fn number(&mut self, of: Of, value: u8, prefix: u8) -> Result<(), Malformed> {
        if value < prefix {
            return self.know(of, value.into());
        }
        self.next = Next::Number(Number { of, value: value.into(), bytes: 1 });
        Ok(())
    }

    fn number_goes_on(&mut self, number: Number, byte: u8) -> Result<(), Malformed> {
        let more = usize::from(byte & 0x7f) << (7 * (number.bytes - 1));
        let (value, bytes) = (number.value + more, number.bytes + 1);
        if byte & 0x80 == 0 {
            return self.know(number.of, value);
        }
        if bytes == LONGEST_NUMBER {
            return Err(Malformed);
        }
        self.next = Next::Number(Number { of: number.of, value, bytes });
        Ok(())
    }

    /// A number is known.
    fn know(&mut self, of: Of, value: usize) -> Result<(), Malformed> {
        self.next = match of {
            Of::Indexed if value == 0 => return Err(Malformed),
            Of::Indexed | Of::TableSize => Next::Field,
            Of::Name if value == 0 => Next::Length(Text::Name),
            Of::Name => Next::Length(Text::Value),
            Of::Length(text, coding) => {
                // The shortest code has five bits.
                self.text += match coding {
                    Coding::Plain => value,
                    Coding::Huffman => value / 5 * 8 + 8,
                };
                if value == 0 { text.behind() } else { Next::Text(text, value) }
            }
        };
        Ok(())
    }
}

impl Text {
    /// What follows it.
    const fn behind(self) -> Next {
        match self {
            Self::Name => Next::Length(Self::Value),
            Self::Value => Next::Field,
        }
    }
}
