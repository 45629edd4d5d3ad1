//! `object.subset`, for whatever values.

use regorus::Value;

use super::guard::{Exceeded, Guard, Meter};

/// `object.subset`: whether one value has all of another of its kind, or an array all elements of a set.
pub(super) fn subset(arguments: &[Value], meter: &Meter) -> Result<Value, Exceeded> {
    Guard::Pairs.check(arguments, meter)?;
    let [whole, part] = arguments else { return Ok(Value::Undefined) };
    Ok(match (whole, part) {
        (Value::Array(items), Value::Set(part)) => Value::from(part.iter().all(|item| items.contains(item))),
        (Value::Object(_), Value::Object(_))
        | (Value::Set(_), Value::Set(_))
        | (Value::Array(_), Value::Array(_)) => Value::from(has(whole, part)),
        _ => Value::Undefined,
    })
}

/// Recursion ends: the guard has measured how deep the values are.
fn has(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => part
            .iter()
            .all(|(key, part)| whole.get(key).is_some_and(|whole| whole == part || has(whole, part))),
        (Value::Set(whole), Value::Set(part)) => part.iter().all(|item| whole.contains(item)),
        (Value::Array(whole), Value::Array(part)) => {
            part.is_empty() || whole.as_slice().windows(part.len()).any(|window| window == part.as_slice())
        }
        (whole, part) => whole == part,
    }
}
