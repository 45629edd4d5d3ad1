//! Checks over a whole JSON text that has already been parsed once.

use std::borrow::Cow;

use memchr::memchr2;

use super::ParseErrorKind;

/// Bounds on the shape of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Nesting levels of objects and arrays.
    pub depth: usize,
    /// Object members in the whole text; `None` leaves members alone, duplicates too.
    pub members: Option<usize>,
}

impl Limits {
    /// For what clients send: policy reads it, so no object anywhere may name a member twice.
    pub const INBOUND: Self = Self { depth: 64, members: Some(10_000) };
    /// For what upstreams answer.
    pub const UPSTREAM: Self = Self { depth: 64, members: None };
}

struct Frame {
    /// Where this object's names start in the shared list; `None` for an array.
    names: Option<usize>,
    expects_name: bool,
}

/// Checks depth, member count and duplicates of `text`, which must be valid JSON.
pub(crate) fn scan(text: &str, limits: Limits) -> Result<(), ParseErrorKind> {
    let mut frames: Vec<Frame> = Vec::with_capacity(8);
    let mut names: Vec<Cow<'_, str>> = Vec::new();
    let mut total = 0_usize;
    let mut rest = text.as_bytes();
    let mut at = 0_usize;
    while let Some((&byte, tail)) = rest.split_first() {
        at += 1;
        rest = tail;
        match byte {
            b'"' => {
                let length = string_length(rest);
                if let (Some(frame), Some(limit)) = (frames.last(), limits.members)
                    && frame.expects_name
                {
                    total += 1;
                    if total > limit {
                        return Err(ParseErrorKind::TooManyMembers(limit));
                    }
                    names.push(name_at(text, at, length)?);
                }
                at += length + 1;
                rest = rest.get(length + 1..).unwrap_or_default();
            }
            b'{' | b'[' => {
                if frames.len() == limits.depth {
                    return Err(ParseErrorKind::TooDeep(limits.depth));
                }
                let object = byte == b'{';
                frames.push(Frame { names: object.then_some(names.len()), expects_name: object });
            }
            b'}' | b']' => {
                if let Some(start) = frames.pop().and_then(|frame| frame.names) {
                    check_unique(&mut names, start)?;
                }
            }
            b',' => set_expectation(frames.last_mut(), true),
            b':' => set_expectation(frames.last_mut(), false),
            _ => {}
        }
    }
    Ok(())
}

fn set_expectation(frame: Option<&mut Frame>, expects: bool) {
    if let Some(frame) = frame {
        frame.expects_name = expects && frame.names.is_some();
    }
}

/// Bytes before the closing quote of a string whose opening quote was just read.
fn string_length(bytes: &[u8]) -> usize {
    let mut length = 0;
    while let Some(found) = bytes.get(length..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        length += found;
        if bytes.get(length) == Some(&b'"') {
            return length;
        }
        length += 2;
    }
    bytes.len()
}

fn name_at(text: &str, at: usize, length: usize) -> Result<Cow<'_, str>, ParseErrorKind> {
    let inner = text.get(at..at + length).unwrap_or_default();
    if !inner.contains('\\') {
        return Ok(Cow::Borrowed(inner));
    }
    let decoded = serde_json::from_str(&format!("\"{inner}\""));
    decoded.map(Cow::Owned).map_err(|error| ParseErrorKind::Syntax(error.to_string()))
}

fn check_unique(names: &mut Vec<Cow<'_, str>>, start: usize) -> Result<(), ParseErrorKind> {
    if let Some(own) = names.get_mut(start..) {
        own.sort_unstable();
        for pair in own.windows(2) {
            if let [one, two] = pair
                && one == two
            {
                return Err(ParseErrorKind::DuplicateMember(one.to_string()));
            }
        }
    }
    names.truncate(start);
    Ok(())
}

/// Whether `found` is not `known` yet a parser that ignores letter case would take it for `known`.
///
/// Such parsers also fold the long s and the Kelvin sign into ASCII letters.
pub(crate) fn same_but_for_case(known: &str, found: &str) -> bool {
    // Nearly every name ends here: the long s takes two bytes, the Kelvin sign three.
    if found.len() == known.len() {
        return found != known && found.eq_ignore_ascii_case(known);
    }
    if found.len() < known.len() || found.len() > 3 * known.len() || found.is_ascii() {
        return false;
    }
    let fold = |letter: char| match letter {
        '\u{17F}' => 's',
        '\u{212A}' => 'k',
        other => other.to_ascii_lowercase(),
    };
    known.chars().map(fold).eq(found.chars().map(fold))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::same_but_for_case;

    #[test]
    fn letters_that_fold_into_ascii_are_seen() {
        for found in ["Tasks", "TASKS", "ta\u{17F}ks", "TAS\u{212A}S", "ta\u{17F}\u{212A}\u{17F}"] {
            assert!(same_but_for_case("tasks", found), "{found}");
        }
        for found in
            ["tasks", "task", "taskss", "tásks", "ta\u{17F}k", "\u{212A}", "", "\u{17F}ks", "ta\u{17F}ks "]
        {
            assert!(!same_but_for_case("tasks", found), "{found}");
        }
    }

    proptest! {
        #[test]
        fn every_other_spelling_is_seen(choice in any::<[u8; 9]>()) {
            let known = "taskskeys";
            let found: String = known.chars().zip(choice).map(|(letter, choice)| match (letter, choice % 3) {
                ('s', 2) => '\u{17F}',
                ('k', 2) => '\u{212A}',
                (letter, 1) => letter.to_ascii_uppercase(),
                (letter, _) => letter,
            }).collect();
            assert_eq!(same_but_for_case(known, &found), known != found);
        }
    }
}
