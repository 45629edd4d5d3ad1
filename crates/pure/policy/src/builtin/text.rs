//! Texts, letter by letter as OPA takes them.

use regorus::Value;

use super::guard::{Exceeded, Guard, Meter};

/// `lower`: letters one for one, so that no text grows.
pub(super) fn lower(arguments: &[Value], meter: &Meter) -> Result<Value, Exceeded> {
    letters(arguments, meter, |letter| match letter {
        // The only letter whose small form is written with two characters.
        'İ' => 'i',
        _ => single(letter, letter.to_lowercase()),
    })
}

/// `upper`: as [`lower`]; a letter whose capital is two stays as it is.
pub(super) fn upper(arguments: &[Value], meter: &Meter) -> Result<Value, Exceeded> {
    letters(arguments, meter, |letter| single(letter, letter.to_uppercase()))
}

fn letters(arguments: &[Value], meter: &Meter, map: fn(char) -> char) -> Result<Value, Exceeded> {
    Guard::Linear.check(arguments, meter)?;
    let text = text(arguments, 0).map(|text| text.chars().map(map).collect::<String>());
    Ok(text.map_or(Value::Undefined, Value::from))
}

fn single(letter: char, mut mapped: impl Iterator<Item = char>) -> char {
    match (mapped.next(), mapped.next()) {
        (Some(mapped), None) => mapped,
        _ => letter,
    }
}

/// `strings.count`: how often one text is in another, without overlaps; an empty one is before and after every letter.
pub(super) fn count(arguments: &[Value], meter: &Meter) -> Result<Value, Exceeded> {
    Guard::Linear.check(arguments, meter)?;
    let Some((text, part)) = text(arguments, 0).zip(text(arguments, 1)) else { return Ok(Value::Undefined) };
    let found = if part.is_empty() { text.chars().count() + 1 } else { text.matches(part).count() };
    Ok(Value::from(found))
}

/// `strings.replace_n`: each place once, by the first pattern that fits there; what was put in is not looked at again.
pub(super) fn replace_many(arguments: &[Value], meter: &Meter) -> Result<Value, Exceeded> {
    Guard::ReplaceMany.check(arguments, meter)?;
    let (Some(Value::Object(patterns)), Some(text)) = (arguments.first(), text(arguments, 1)) else {
        return Ok(Value::Undefined);
    };
    let pair =
        |(old, new): (&Value, &Value)| Some((old.as_string().ok()?.clone(), new.as_string().ok()?.clone()));
    let Some(mut pairs) = patterns.iter().map(pair).collect::<Option<Vec<_>>>() else {
        return Ok(Value::Undefined);
    };
    pairs.sort();
    Guard::Pairs.check(arguments, meter)?;
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    // An empty pattern fits wherever none other does, but not twice at one place.
    let mut may_be_empty = true;
    loop {
        let fits = |old: &str| rest.starts_with(old) && (may_be_empty || !old.is_empty());
        let mut letters = rest.chars();
        match pairs.iter().find(|(old, _)| fits(old)) {
            Some((old, new)) if !old.is_empty() => {
                replaced.push_str(new);
                rest = rest.strip_prefix(&**old).unwrap_or("");
                may_be_empty = false;
                continue;
            }
            Some((_, new)) => replaced.push_str(new),
            None => {}
        }
        may_be_empty = true;
        match letters.next() {
            Some(letter) => {
                replaced.push(letter);
                rest = letters.as_str();
            }
            None => return Ok(Value::from(replaced)),
        }
    }
}

fn text(arguments: &[Value], at: usize) -> Option<&str> {
    arguments.get(at)?.as_string().ok().map(AsRef::as_ref)
}
