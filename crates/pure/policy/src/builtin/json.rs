//! JSON into Rego values, with numbers that stay small.

use std::collections::BTreeMap;

use regorus::Value;
use serde_json::Value as Json;

use super::guard::{Exceeded, Meter};

/// Largest text that is read.
const MAX_TEXT: usize = 256 * 1024;

/// The Rego value of `json`. A number that no double holds becomes `null`, which unlike an absent member no
/// `not` turns into an approval.
pub(crate) fn to_rego(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::from(*value),
        Json::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(number), _, _) => Value::from(number),
            (_, Some(number), _) => Value::from(number),
            (_, _, Some(number)) => Value::from(number),
            _ => Value::Null,
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => Value::from(items.iter().map(to_rego).collect::<Vec<_>>()),
        Json::Object(members) => Value::from(
            members
                .iter()
                .map(|(name, value)| (Value::from(name.as_str()), to_rego(value)))
                .collect::<BTreeMap<_, _>>(),
        ),
    }
}

/// `json.unmarshal`: undefined for text that is no JSON.
pub(super) fn unmarshal(arguments: &[Value], meter: &Meter) -> Result<Value, Exceeded> {
    let Some(Ok(text)) = arguments.first().map(Value::as_string) else { return Ok(Value::Undefined) };
    read(text.as_bytes(), meter)
}

pub(super) fn read(text: &[u8], meter: &Meter) -> Result<Value, Exceeded> {
    if text.len() > MAX_TEXT {
        return Err(Exceeded::Arguments);
    }
    meter.take(text.len().saturating_mul(32))?;
    Ok(serde_json::from_slice::<Json>(text).map_or(Value::Undefined, |json| to_rego(&json)))
}
