//! A look at the text before the parser sees it.
//!
//! The parser tries a comprehension before a literal at every bracket, so each level of nesting doubles its work,
//! and it builds one tree level per operator of a chain. Both are bounded here, in one pass over the bytes.

use crate::error::{PolicyError, PolicyErrorKind};

/// Largest policy in bytes.
pub(crate) const MAX_BYTES: usize = 1024 * 1024;
/// Most lines of a policy.
pub(crate) const MAX_LINES: usize = 20_000;
/// Longest line in bytes, a tab counting as four.
pub(crate) const MAX_COLUMNS: u32 = 1_024;
/// Deepest brackets: a rule body and eight levels within it.
const MAX_NESTING: usize = 9;
/// Most operators, dots and index brackets that one expression may chain at one level.
const MAX_CHAIN: u32 = 32;
/// Most `import` lines; the parser compares each with all before it.
const MAX_IMPORTS: u32 = 64;
/// Longest number literal; longer ones, and exponents beyond a double, cost memory before they mean anything.
const MAX_NUMBER: usize = 64;
/// Largest exponent of a number literal.
const MAX_EXPONENT: u32 = 308;
/// How many token visits the parser may need. The worst text within it takes about a quarter of a second, and some
/// 4 seconds where `RUST_BACKTRACE` is set without `RUST_LIB_BACKTRACE=0`: every try that fails takes a backtrace.
const MAX_WORK: u64 = 1_000_000;

/// What the words of a text say about the version of Rego that it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Words {
    /// `if` stands in it.
    says_if: bool,
    /// `future`, the package that v0 imports `if` from, stands in it.
    says_future: bool,
}

impl Words {
    /// Whether it says `if` without importing it, which v0 would read as a name.
    pub(crate) fn are_newer(self) -> bool {
        self.says_if && !self.says_future
    }
}

/// Refuses text whose parsing would not be quick.
pub(crate) fn check(text: &str) -> Result<Words, PolicyError> {
    if text.len() > MAX_BYTES {
        let found = text.len();
        return Err(too_complex(format!("a policy may have {MAX_BYTES} bytes, this one has {found}")));
    }
    Scanner {
        bytes: text.as_bytes(),
        at: 0,
        line: 1,
        line_start: 0,
        tabs: 0,
        levels: vec![Level::OUTER],
        work: 0,
        imports: 0,
        words: Words::default(),
    }
    .run()
}

/// What a level of brackets has seen so far.
#[derive(Clone, Copy)]
struct Level {
    /// How often the parser may visit a token at this level.
    weight: u64,
    /// Operators since the last operand that did not follow one.
    chain: u32,
    /// Whether the last token was an operand, so that another operand starts a new expression.
    operand: bool,
}

impl Level {
    const OUTER: Self = Self { weight: 1, chain: 0, operand: false };
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    line: u32,
    line_start: usize,
    tabs: usize,
    levels: Vec<Level>,
    work: u64,
    imports: u32,
    words: Words,
}

impl Scanner<'_> {
    fn run(mut self) -> Result<Words, PolicyError> {
        while let Some(byte) = self.peek(0) {
            match byte {
                b'\n' => self.newline()?,
                b' ' | b'\r' => self.at += 1,
                b'\t' => {
                    self.at += 1;
                    self.tabs += 1;
                }
                b'#' => self.skip_while(|byte| byte != b'\n'),
                b'"' => self.string()?,
                b'`' => self.raw_string()?,
                b'(' | b'[' | b'{' => self.open(byte)?,
                b')' | b']' | b'}' => self.close()?,
                b',' | b';' | b':' => {
                    self.at += 1;
                    self.token()?;
                    self.restart(false)?;
                }
                b'0'..=b'9' => self.number()?,
                b'a'..=b'z' | b'A'..=b'Z' | b'_' => self.word()?,
                b'$' => {
                    let message =
                        "template strings (`$\"…\"`) are not offered; `sprintf` makes texts of values";
                    return Err(PolicyError::at(PolicyErrorKind::Syntax, self.line, self.column(), message));
                }
                _ => self.operator()?,
            }
        }
        self.check_columns()?;
        Ok(self.words)
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    fn skip_while(&mut self, more: impl Fn(u8) -> bool) {
        while self.peek(0).is_some_and(&more) {
            self.at += 1;
        }
    }

    fn column(&self) -> u32 {
        u32::try_from(self.at - self.line_start + 3 * self.tabs + 1).unwrap_or(u32::MAX)
    }

    fn refuse(&self, message: String) -> PolicyError {
        PolicyError::at(PolicyErrorKind::TooComplex, self.line, self.column(), message)
    }

    fn check_columns(&self) -> Result<(), PolicyError> {
        if self.column() > MAX_COLUMNS + 1 {
            return Err(self.refuse(format!("a line may have {MAX_COLUMNS} columns")));
        }
        Ok(())
    }

    fn newline(&mut self) -> Result<(), PolicyError> {
        self.check_columns()?;
        self.at += 1;
        self.line += 1;
        self.line_start = self.at;
        self.tabs = 0;
        if usize::try_from(self.line).is_ok_and(|line| line > MAX_LINES) {
            return Err(self.refuse(format!("a policy may have {MAX_LINES} lines")));
        }
        Ok(())
    }

    fn level(&mut self) -> Result<&mut Level, PolicyError> {
        self.levels.last_mut().ok_or_else(|| too_complex("closing bracket without an opening one".to_owned()))
    }

    /// Accounts for one token at the current level.
    fn token(&mut self) -> Result<(), PolicyError> {
        self.work += self.level()?.weight;
        if self.work > MAX_WORK {
            return Err(
                self.refuse("this much nesting in one policy takes too long to parse; split it".to_owned())
            );
        }
        Ok(())
    }

    fn restart(&mut self, operand: bool) -> Result<(), PolicyError> {
        let level = self.level()?;
        level.chain = 0;
        level.operand = operand;
        Ok(())
    }

    /// An operand: continues a chain after an operator, starts a new expression after another operand.
    fn operand(&mut self) -> Result<(), PolicyError> {
        self.token()?;
        let level = self.level()?;
        if level.operand {
            level.chain = 0;
        }
        level.operand = true;
        Ok(())
    }

    fn chain(&mut self) -> Result<(), PolicyError> {
        self.token()?;
        let level = self.level()?;
        level.operand = false;
        level.chain += 1;
        if level.chain > MAX_CHAIN {
            return Err(self.refuse(format!("one expression may chain {MAX_CHAIN} operators or path steps")));
        }
        Ok(())
    }

    fn operator(&mut self) -> Result<(), PolicyError> {
        self.at += if self.peek(1) == Some(b'=') { 2 } else { 1 };
        self.chain()
    }

    fn open(&mut self, bracket: u8) -> Result<(), PolicyError> {
        if bracket == b'{' {
            self.token()?;
        } else {
            // An index or a call continues the chain it stands in.
            self.chain()?;
        }
        let weight = self.level()?.weight;
        if self.levels.len() > MAX_NESTING {
            return Err(self.refuse(format!("brackets may nest {MAX_NESTING} levels deep")));
        }
        self.at += 1;
        let factor = if bracket == b'(' { 1 } else { 2 };
        self.levels.push(Level { weight: weight * factor, chain: 0, operand: false });
        Ok(())
    }

    fn close(&mut self) -> Result<(), PolicyError> {
        self.token()?;
        if self.levels.len() < 2 {
            return Err(PolicyError::at(
                PolicyErrorKind::Syntax,
                self.line,
                self.column(),
                "unmatched closing bracket",
            ));
        }
        self.at += 1;
        self.levels.pop();
        self.level()?.operand = true;
        Ok(())
    }

    fn string(&mut self) -> Result<(), PolicyError> {
        self.at += 1;
        while let Some(byte) = self.peek(0) {
            match byte {
                b'"' => break,
                b'\n' => return Err(self.unmatched()),
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        if self.peek(0).is_none() {
            return Err(self.unmatched());
        }
        self.at += 1;
        self.operand()
    }

    fn raw_string(&mut self) -> Result<(), PolicyError> {
        self.at += 1;
        loop {
            match self.peek(0) {
                Some(b'`') => break,
                Some(b'\n') => self.newline()?,
                Some(_) => self.at += 1,
                None => return Err(self.unmatched()),
            }
        }
        self.at += 1;
        self.operand()
    }

    fn unmatched(&self) -> PolicyError {
        PolicyError::at(PolicyErrorKind::Syntax, self.line, self.column(), "string without an end")
    }

    fn number(&mut self) -> Result<(), PolicyError> {
        let start = self.at;
        self.skip_while(|byte| byte.is_ascii_digit() || byte == b'.');
        if matches!(self.peek(0), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(0), Some(b'+' | b'-')) {
                self.at += 1;
            }
            let mut exponent = 0_u32;
            while let Some(digit @ b'0'..=b'9') = self.peek(0) {
                exponent = exponent.saturating_mul(10).saturating_add(u32::from(digit - b'0'));
                self.at += 1;
            }
            if exponent > MAX_EXPONENT {
                return Err(self.refuse(format!("a number's exponent may be {MAX_EXPONENT} at most")));
            }
        }
        if self.at - start > MAX_NUMBER {
            return Err(self.refuse(format!("a number may have {MAX_NUMBER} characters")));
        }
        let text = self.bytes.get(start..self.at).and_then(|bytes| std::str::from_utf8(bytes).ok());
        if text.and_then(|text| text.parse::<f64>().ok()).is_some_and(f64::is_infinite) {
            return Err(self.refuse(format!("a number may be {:e} at most", f64::MAX)));
        }
        self.operand()
    }

    fn word(&mut self) -> Result<(), PolicyError> {
        let start = self.at;
        self.skip_while(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let word = self.bytes.get(start..self.at);
        self.words.says_if |= word == Some(b"if");
        self.words.says_future |= word == Some(b"future");
        match word {
            Some(b"in") => self.chain(),
            Some(b"import") => {
                self.imports += 1;
                if self.imports > MAX_IMPORTS {
                    return Err(self.refuse(format!("a policy may have {MAX_IMPORTS} imports")));
                }
                self.operand()
            }
            Some(b"with" | b"not" | b"some" | b"every" | b"if" | b"else" | b"as") => {
                self.token()?;
                self.restart(false)
            }
            _ => self.operand(),
        }
    }
}

fn too_complex(message: String) -> PolicyError {
    PolicyError::new(PolicyErrorKind::TooComplex, message)
}

#[cfg(test)]
mod tests;
