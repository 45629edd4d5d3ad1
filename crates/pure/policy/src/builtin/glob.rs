//! Globs of OPA, made regular expressions, and templates that hold some.

use regorus::Value;

use super::call_engine;
use super::guard::{Exceeded, Guard, Meter};
use super::pattern::{literal, translate};

/// `glob.match`: whether a text is as a glob says; `*` and `?` stop at the delimiters, `**` does not.
pub(super) fn matches(arguments: &[Value], meter: &Meter) -> Result<Value, Exceeded> {
    Guard::Pattern.check(arguments, meter)?;
    let [glob, delimiters, text] = arguments else { return Ok(Value::Undefined) };
    let (Ok(glob), Some(delimiters)) = (glob.as_string(), delimiters_of(delimiters)) else {
        return Ok(Value::Undefined);
    };
    let Some(pattern) = expression(glob, &delimiters) else { return Ok(Value::Undefined) };
    Ok(call_engine("regex.match", &[Value::from(pattern), text.clone()]))
}

/// None for `null`, a dot where none is named.
fn delimiters_of(value: &Value) -> Option<Vec<char>> {
    let letter = |value: &Value| {
        let mut letters = value.as_string().ok()?.chars();
        letters.next().filter(|_| letters.next().is_none())
    };
    match value {
        Value::Null => Some(Vec::new()),
        Value::Array(items) if items.is_empty() => Some(vec!['.']),
        Value::Array(items) => items.iter().map(letter).collect(),
        _ => None,
    }
}

/// The expression that fits what `glob` fits; `None` where it is no glob.
fn expression(glob: &str, delimiters: &[char]) -> Option<String> {
    let one = if delimiters.is_empty() {
        "(?s:.)".to_owned()
    } else {
        let mut class = "[^".to_owned();
        for letter in delimiters {
            literal(*letter, &mut class);
        }
        class + "]"
    };
    let mut made = "^(?:".to_owned();
    let mut open = 0_u32;
    let mut rest = glob.chars().peekable();
    while let Some(letter) = rest.next() {
        match letter {
            '*' => {
                let mut stars = 1;
                while rest.next_if_eq(&'*').is_some() {
                    stars += 1;
                }
                if stars == 1 { made.extend([one.as_str(), "*"]) } else { made.push_str("(?s:.*)") }
            }
            '?' => made.push_str(&one),
            '[' => brackets(&mut rest, &mut made)?,
            '{' => {
                open += 1;
                made.push_str("(?:");
            }
            ',' if open > 0 => made.push('|'),
            '}' if open > 0 => {
                open -= 1;
                made.push(')');
            }
            '\\' => literal(rest.next()?, &mut made),
            _ => literal(letter, &mut made),
        }
    }
    // A brace that nobody closed ends with the glob.
    made.extend((0..=open).map(|_| ')'));
    Some(made + "$")
}

/// `[a-z]`, `[abc]`, `[!abc]`: one range, or letters.
fn brackets(rest: &mut std::iter::Peekable<std::str::Chars<'_>>, made: &mut String) -> Option<()> {
    made.push('[');
    if rest.next_if_eq(&'!').is_some() {
        made.push('^');
    }
    let first = rest.next()?;
    if rest.next_if_eq(&'-').is_some() {
        let last = rest.next()?;
        if rest.next()? != ']' || last < first {
            return None;
        }
        literal(first, made);
        made.push('-');
        literal(last, made);
    } else {
        let mut letter = first;
        if letter == ']' {
            return None;
        }
        while letter != ']' {
            literal(if letter == '\\' { rest.next()? } else { letter }, made);
            letter = rest.next()?;
        }
    }
    made.push(']');
    Some(())
}

/// `glob.quote_meta`: a text as the glob that fits it alone.
pub(super) fn quote(arguments: &[Value], meter: &Meter) -> Result<Value, Exceeded> {
    Guard::Linear.check(arguments, meter)?;
    let Some(Ok(text)) = arguments.first().map(Value::as_string) else { return Ok(Value::Undefined) };
    let quoted = text.chars().fold(String::with_capacity(2 * text.len()), |mut quoted, letter| {
        if matches!(letter, '*' | '?' | '\\' | '[' | ']' | '{' | '}') {
            quoted.push('\\');
        }
        quoted.push(letter);
        quoted
    });
    Ok(Value::from(quoted))
}

/// `regex.template_match`: whether a text is as a template says, in which expressions stand between two delimiters.
pub(super) fn template(arguments: &[Value], meter: &Meter) -> Result<Value, Exceeded> {
    Guard::Pattern.check(arguments, meter)?;
    let letter = |at: usize| {
        let mut letters = arguments.get(at)?.as_string().ok()?.chars();
        letters.next().filter(|letter| letter.is_ascii() && letters.next().is_none())
    };
    let (Some(Ok(template)), Some(text), Some(start), Some(end)) =
        (arguments.first().map(Value::as_string), arguments.get(1), letter(2), letter(3))
    else {
        return Ok(Value::Undefined);
    };
    let Some(pattern) = template_expression(template, start, end) else { return Ok(Value::Undefined) };
    Ok(call_engine("regex.match", &[Value::from(pattern), text.clone()]))
}

fn template_expression(template: &str, start: char, end: char) -> Option<String> {
    let mut made = "^".to_owned();
    let mut inside = String::new();
    let mut depth = 0_u32;
    for letter in template.chars() {
        if letter == start {
            depth += 1;
            if depth == 1 {
                continue;
            }
        } else if letter == end {
            depth = depth.checked_sub(1)?;
            if depth == 0 {
                made.extend(["(", &translate(&inside)?, ")"]);
                inside.clear();
                continue;
            }
        }
        if depth > 0 { inside.push(letter) } else { literal(letter, &mut made) }
    }
    (depth == 0).then(|| made + "$")
}

/// `regex.split`: without the empty texts that an empty match at either end would give.
pub(super) fn split(arguments: &[Value], meter: &Meter) -> Result<Value, Exceeded> {
    Guard::Matches.check(arguments, meter)?;
    let [pattern, text] = arguments else { return Ok(Value::Undefined) };
    let Some(pattern) = pattern.as_string().ok().and_then(|pattern| translate(pattern)) else {
        return Ok(Value::Undefined);
    };
    let pattern = Value::from(pattern);
    let parts = call_engine("regex.split", &[pattern.clone(), text.clone()]);
    let found = call_engine("regex.find_n", &[pattern, text.clone(), Value::from(-1_i64)]);
    let (Value::Array(parts), Value::Array(found)) = (&parts, &found) else { return Ok(parts) };
    let empty = Value::from("");
    let mut parts: &[Value] = parts.as_slice();
    if text != &empty {
        if let ([first, rest @ ..], Some(found)) = (parts, found.first())
            && first == &empty
            && found == &empty
        {
            parts = rest;
        }
        if let ([rest @ .., last], Some(found)) = (parts, found.last())
            && last == &empty
            && found == &empty
        {
            parts = rest;
        }
    }
    Ok(Value::from(parts.to_vec()))
}
