//! Characters that people do not see but models read: zero-width, bidirectional controls, tag characters,
//! terminal escapes.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether a character is invisible and has no place in a tool definition.
pub fn is_hidden(letter: char) -> bool {
    matches!(letter,
        '\u{0}'..='\u{8}' | '\u{B}' | '\u{C}' | '\u{E}'..='\u{1F}' | '\u{7F}'..='\u{9F}'
        | '\u{AD}' | '\u{61C}' | '\u{180E}'
        | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
        | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}' | '\u{E0100}'..='\u{E01EF}')
}

/// The text without hidden characters.
pub fn strip(text: &str) -> Cow<'_, str> {
    if text.chars().any(is_hidden) {
        Cow::Owned(text.chars().filter(|letter| !is_hidden(*letter)).collect())
    } else {
        Cow::Borrowed(text)
    }
}

/// A JSON text without hidden characters in its strings, written out or escaped; all other bytes stay.
pub fn strip_json(json: &str) -> Cow<'_, str> {
    let escaped = json.contains("\\u") || json.contains("\\b") || json.contains("\\f");
    if !escaped && !json.chars().any(is_hidden) {
        return Cow::Borrowed(json);
    }
    let mut out = String::with_capacity(json.len());
    let mut rest = json.chars();
    while let Some(letter) = rest.next() {
        match letter {
            '\\' => copy_escape(&mut rest, &mut out),
            visible if !is_hidden(visible) => out.push(visible),
            _ => {}
        }
    }
    // Only removal makes it shorter; otherwise the escapes stay as they were written.
    if out.len() == json.len() { Cow::Borrowed(json) } else { Cow::Owned(out) }
}

/// Copies one escape whose backslash was just read, unless it stands for a hidden character.
fn copy_escape(rest: &mut std::str::Chars<'_>, out: &mut String) {
    match rest.next() {
        Some('u') => {
            let Some(first) = hex4(rest) else { return };
            if let Some(letter) = char::from_u32(first) {
                return write_unit(out, first, is_hidden(letter));
            }
            let mut ahead = rest.clone();
            let pair =
                (ahead.next() == Some('\\') && ahead.next() == Some('u')).then(|| hex4(&mut ahead)).flatten();
            let letter = pair.and_then(|second| char::decode_utf16([unit(first), unit(second)]).next()?.ok());
            match (letter, pair) {
                (Some(letter), Some(second)) => {
                    *rest = ahead;
                    write_unit(out, first, is_hidden(letter));
                    write_unit(out, second, is_hidden(letter));
                }
                _ => write_unit(out, first, false),
            }
        }
        Some('b' | 'f') | None => {}
        Some(other) => out.extend(['\\', other]),
    }
}

fn write_unit(out: &mut String, unit: u32, hidden: bool) {
    if !hidden {
        // Writing to a String cannot fail.
        let _ = write!(out, "\\u{unit:04x}");
    }
}

fn unit(value: u32) -> u16 {
    u16::try_from(value).unwrap_or(u16::MAX)
}

fn hex4(rest: &mut std::str::Chars<'_>) -> Option<u32> {
    (0..4).try_fold(0, |value, _| Some(value * 16 + rest.next()?.to_digit(16)?))
}

#[cfg(test)]
mod tests;
