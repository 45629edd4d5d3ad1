//! `sprintf`, as Go's library prints what OPA gives it: whole numbers as integers, other numbers as floating point, texts
//! as they are, and every other value as its text.

use std::fmt::Write as _;
use std::iter::Peekable;
use std::str::Chars;

use regorus::Value;

use super::call_engine;
use super::guard::{Exceeded, Guard, MAX_TEXT, Meter};

/// Widest field and longest fraction.
const MAX_WIDTH: usize = 1_000;
/// Longest text that is made, in bytes.
const LONGEST: usize = 4 * MAX_TEXT;

/// One directive: flags, width, precision.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each flag is there or not")]
struct Directive {
    left: bool,
    plus: bool,
    space: bool,
    zeros: bool,
    alternate: bool,
    width: usize,
    precision: Option<usize>,
}

/// What is printed.
enum Printed<'a> {
    Text(&'a str),
    Whole(i128),
    /// A whole number that Go's 64 bits do not hold, which prints itself.
    Large(i128),
    Fraction(f64),
    Other(String),
}

/// `sprintf`: undefined where the values are no array. Directives that only Go's types have are refused.
pub(super) fn sprintf(arguments: &[Value], meter: &Meter) -> Result<Value, Exceeded> {
    Guard::Sprintf.check(arguments, meter)?;
    let [format, values] = arguments else { return Ok(Value::Undefined) };
    let (Ok(format), Ok(values)) = (format.as_string(), values.as_array()) else {
        return Ok(Value::Undefined);
    };
    let mut made = String::with_capacity(format.len());
    let mut rest = format.chars().peekable();
    let mut left = values.iter();
    while let Some(letter) = rest.next() {
        if letter != '%' {
            made.push(letter);
            continue;
        }
        let directive = Directive::read(&mut rest)?;
        meter.take(directive.room())?;
        match rest.next() {
            None => made.push_str("%!(NOVERB)"),
            Some('%') => made.push('%'),
            Some(verb) => match left.next() {
                Some(value) => directive.print(verb, &Printed::of(value), &mut made)?,
                None => made.extend(["%!", &verb.to_string(), "(MISSING)"]),
            },
        }
        if made.len() > LONGEST {
            return Err(Exceeded::Result);
        }
    }
    let extra: Vec<String> = left.map(|value| Printed::of(value).extra()).collect();
    if !extra.is_empty() {
        made.extend(["%!(EXTRA ", &extra.join(", "), ")"]);
    }
    Ok(Value::from(made))
}

impl<'a> Printed<'a> {
    fn of(value: &'a Value) -> Self {
        match value {
            Value::String(text) => Self::Text(text),
            Value::Number(_) => match (value.as_i128(), value.as_f64()) {
                (Ok(whole), _) if i64::try_from(whole).is_ok() => Self::Whole(whole),
                (Ok(large), _) => Self::Large(large),
                (Err(_), Ok(number)) => Self::Fraction(number),
                _ => Self::Other(value.to_string()),
            },
            Value::Set(items) if items.is_empty() => Self::Other("set()".to_owned()),
            other => {
                let printed = call_engine("sprintf", &["%v".into(), Value::from(vec![other.clone()])]);
                Self::Other(printed.as_string().map_or_else(|_| other.to_string(), ToString::to_string))
            }
        }
    }

    fn plain(&self) -> String {
        match self {
            Self::Text(text) => (*text).to_owned(),
            Self::Whole(number) | Self::Large(number) => number.to_string(),
            Self::Fraction(number) => shortest(*number),
            Self::Other(text) => text.clone(),
        }
    }

    /// As Go describes what does not fit.
    fn described(&self) -> String {
        let kind = match self {
            Self::Text(_) | Self::Other(_) => "string",
            Self::Whole(_) => "int64",
            Self::Large(_) => "big.Int",
            Self::Fraction(_) => "float64",
        };
        format!("{kind}={}", self.plain())
    }

    /// As Go describes what no directive prints.
    fn extra(&self) -> String {
        let by_pointer = if matches!(self, Self::Large(_)) { "*" } else { "" };
        format!("{by_pointer}{}", self.described())
    }
}

impl Directive {
    fn read(rest: &mut Peekable<Chars<'_>>) -> Result<Self, Exceeded> {
        let mut directive = Self::default();
        while let Some(flag) = rest.next_if(|letter| "-+ 0#".contains(*letter)) {
            match flag {
                '-' => directive.left = true,
                '+' => directive.plus = true,
                ' ' => directive.space = true,
                '0' => directive.zeros = true,
                _ => directive.alternate = true,
            }
        }
        directive.width = number(rest)?;
        if rest.next_if_eq(&'.').is_some() {
            directive.precision = Some(number(rest)?);
        }
        // Widths among the values and values by their number.
        match rest.peek() {
            Some('*' | '[') => Err(Exceeded::Layout),
            // Digits of other scripts are no width anywhere.
            Some(letter) if letter.is_numeric() => Err(Exceeded::Arguments),
            _ => Ok(directive),
        }
    }

    /// What it may add to the text of its value: in whatever way its width is written, it is this one that is printed.
    fn room(self) -> usize {
        self.width + self.precision.unwrap_or(0)
    }

    fn print(self, verb: char, value: &Printed<'_>, made: &mut String) -> Result<(), Exceeded> {
        let text = match (verb, value) {
            ('v', Printed::Whole(number) | Printed::Large(number)) if !self.alternate => {
                self.number(&number.to_string(), made);
                return Ok(());
            }
            ('v', Printed::Fraction(number)) if self.precision.is_none() && !self.alternate => {
                self.number(&shortest(*number), made);
                return Ok(());
            }
            ('d' | 'b' | 'o' | 'x' | 'X', Printed::Whole(number) | Printed::Large(number))
            | ('s', Printed::Large(number)) => {
                let base = match verb {
                    'b' => 2,
                    'o' => 8,
                    'd' | 's' => 10,
                    _ => 16,
                };
                self.whole(*number, base, verb == 'X', made);
                return Ok(());
            }
            ('f' | 'F', Printed::Fraction(number)) => {
                self.number(&format!("{number:.*}", self.precision.unwrap_or(6)), made);
                return Ok(());
            }
            ('e' | 'E', Printed::Fraction(number)) => {
                let written = exponent(&format!("{number:.*e}", self.precision.unwrap_or(6)));
                let written = if verb == 'E' { written.to_uppercase() } else { written };
                self.number(&written, made);
                return Ok(());
            }
            ('s' | 'v', Printed::Text(_) | Printed::Other(_)) if !self.alternate => {
                let text = value.plain();
                self.precision.map_or(text.clone(), |most| text.chars().take(most).collect())
            }
            ('x', Printed::Text(_) | Printed::Other(_)) if self.is_plain() => hexadecimal(&value.plain()),
            ('X', Printed::Text(_) | Printed::Other(_)) if self.is_plain() => {
                hexadecimal(&value.plain()).to_uppercase()
            }
            ('q', Printed::Text(_) | Printed::Other(_)) if self.is_plain() => quoted(&value.plain()),
            ('c', Printed::Whole(number)) => {
                let letter = u32::try_from(*number).ok().and_then(char::from_u32);
                letter.unwrap_or(char::REPLACEMENT_CHARACTER).to_string()
            }
            // What Go prints of a value by its own types, or of numbers in other ways.
            ('g' | 'G' | 'U' | 'T' | 'p' | 'w' | 'v' | 'O', _)
            | ('b' | 'x' | 'X', Printed::Fraction(_))
            | ('q', Printed::Whole(_))
            | ('s' | 'x' | 'X' | 'q', Printed::Text(_) | Printed::Other(_)) => return Err(Exceeded::Layout),
            (verb, value) => {
                made.extend(["%!", &verb.to_string(), "(", &value.described(), ")"]);
                return Ok(());
            }
        };
        self.pad(&text, made);
        Ok(())
    }

    fn is_plain(self) -> bool {
        !(self.plus || self.space || self.alternate) && self.precision.is_none()
    }

    fn whole(self, number: i128, base: u128, capitals: bool, made: &mut String) {
        let mut digits = String::new();
        let mut rest = number.unsigned_abs();
        while rest > 0 || digits.is_empty() {
            let digit = u32::try_from(rest % base).ok().and_then(|digit| char::from_digit(digit, 16));
            digits.insert(0, digit.unwrap_or('0'));
            rest /= base;
        }
        if capitals {
            digits.make_ascii_uppercase();
        }
        if let Some(least) = self.precision {
            digits.insert_str(0, &"0".repeat(least.saturating_sub(digits.len())));
        }
        let before = match (self.alternate, base, capitals) {
            (true, 16, false) => "0x",
            (true, 16, true) => "0X",
            (true, 8, _) => "0",
            (true, 2, _) => "0b",
            _ => "",
        };
        let sign = if number < 0 { "-" } else { "" };
        // A precision says how many digits there are, so that no zeros fill the field.
        let zeros = self.zeros && self.precision.is_none();
        Self { zeros, ..self }.number(&format!("{sign}{before}{digits}"), made);
    }

    /// A number in its field, with its sign before the zeros that fill it.
    fn number(self, written: &str, made: &mut String) {
        let (sign, digits) = match written.strip_prefix('-') {
            Some(digits) => ("-", digits),
            None if self.plus => ("+", written),
            None if self.space => (" ", written),
            None => ("", written),
        };
        if self.zeros && !self.left {
            let filled = "0".repeat(self.width.saturating_sub(sign.len() + digits.len()));
            made.extend([sign, &filled, digits]);
        } else {
            self.pad(&format!("{sign}{digits}"), made);
        }
    }

    fn pad(self, text: &str, made: &mut String) {
        let filler = if self.zeros && !self.left { "0" } else { " " };
        let filled = filler.repeat(self.width.saturating_sub(text.chars().count()));
        if self.left { made.extend([text, &filled]) } else { made.extend([filled.as_str(), text]) }
    }
}

fn number(rest: &mut Peekable<Chars<'_>>) -> Result<usize, Exceeded> {
    let mut number = 0_usize;
    while let Some(digit) = rest.next_if(char::is_ascii_digit).and_then(|letter| letter.to_digit(10)) {
        number = number * 10 + usize::try_from(digit).unwrap_or(0);
        if number > MAX_WIDTH {
            return Err(Exceeded::Result);
        }
    }
    Ok(number)
}

/// As few digits as tell the number from all others, with an exponent where it is large or small.
fn shortest(number: f64) -> String {
    if number == 0.0 || (1e-4..1e21).contains(&number.abs()) {
        return format!("{number}");
    }
    exponent(&format!("{number:e}"))
}

/// `1e5` as `1e+05`.
fn exponent(written: &str) -> String {
    let Some((digits, exponent)) = written.split_once('e') else { return written.to_owned() };
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(exponent) => ('-', exponent),
        None => ('+', exponent),
    };
    format!("{digits}e{sign}{exponent:0>2}")
}

fn hexadecimal(text: &str) -> String {
    text.bytes().fold(String::with_capacity(2 * text.len()), |mut made, byte| {
        let _ = write!(made, "{byte:02x}");
        made
    })
}

fn quoted(text: &str) -> String {
    let mut made = "\"".to_owned();
    for letter in text.chars() {
        match letter {
            '"' | '\\' => made.extend(['\\', letter]),
            '\n' => made.push_str("\\n"),
            '\r' => made.push_str("\\r"),
            '\t' => made.push_str("\\t"),
            '\u{7}' => made.push_str("\\a"),
            '\u{8}' => made.push_str("\\b"),
            '\u{c}' => made.push_str("\\f"),
            '\u{b}' => made.push_str("\\v"),
            letter if u32::from(letter) < 0x20 || letter == '\u{7f}' => {
                let _ = write!(made, "\\x{:02x}", u32::from(letter));
            }
            letter => made.push(letter),
        }
    }
    made + "\""
}
