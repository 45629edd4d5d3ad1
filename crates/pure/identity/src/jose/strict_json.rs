//! JSON read so that no second reader can understand it differently.
//!
//! Where a parser keeps the first or the last of two equal member names, two parties can act on two values.
//! Here a repeated name is an error at every depth, and depth and breadth are bounded.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::{Map, Number, Value};

/// How many arrays and objects may lie within each other.
pub const MAX_DEPTH: usize = 16;
/// How many values one array or object may hold directly.
pub const MAX_MEMBERS: usize = 1024;

/// Why a text is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StrictJsonError {
    /// Not JSON (RFC 8259), or a number that no double can hold.
    #[error("not valid JSON: {0}")]
    Syntax(String),
    /// An object names one member twice.
    #[error("the member `{0}` appears twice in one object")]
    Duplicate(String),
    /// More than [`MAX_DEPTH`] levels.
    #[error("nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// More than [`MAX_MEMBERS`] values in one array or object.
    #[error("more than {MAX_MEMBERS} values in one array or object")]
    TooWide,
    /// Valid JSON of another kind.
    #[error("expected a JSON object")]
    NotAnObject,
}

/// Reads one JSON object and nothing after it.
pub fn parse_object(text: &[u8]) -> Result<Map<String, Value>, StrictJsonError> {
    match parse_value(text)? {
        Value::Object(object) => Ok(object),
        _ => Err(StrictJsonError::NotAnObject),
    }
}

/// The members that say something: one that is `null` is as good as absent, as programs write it that have a place for
/// every member (RFC 7159 §3 gives `null` no other meaning, and no claim or metadata member that we read has one).
pub fn without_nulls(mut members: Map<String, Value>) -> Map<String, Value> {
    members.retain(|_, value| !value.is_null());
    members
}

/// Reads one JSON value of any kind and nothing after it.
pub fn parse_value(text: &[u8]) -> Result<Value, StrictJsonError> {
    let fault = Cell::new(None);
    let mut reader = serde_json::Deserializer::from_slice(text);
    let read = StrictValue { depth: 0, fault: &fault }
        .deserialize(&mut reader)
        .and_then(|value| reader.end().map(|()| value));
    read.map_err(|error| fault.take().unwrap_or_else(|| StrictJsonError::Syntax(error.to_string())))
}

/// Builds a value at `depth` and leaves the reason in `fault` when it stops for one of our own rules.
#[derive(Clone, Copy)]
struct StrictValue<'f> {
    depth: usize,
    fault: &'f Cell<Option<StrictJsonError>>,
}

impl StrictValue<'_> {
    fn refuse<T, E: serde::de::Error>(self, fault: StrictJsonError) -> Result<T, E> {
        let error = E::custom(&fault);
        self.fault.set(Some(fault));
        Err(error)
    }

    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            return self.refuse(StrictJsonError::TooDeep);
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for StrictValue<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for StrictValue<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            if array.len() == MAX_MEMBERS {
                return self.refuse(StrictJsonError::TooWide);
            }
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if object.len() == MAX_MEMBERS {
                return self.refuse(StrictJsonError::TooWide);
            }
            match object.entry(name) {
                Entry::Vacant(slot) => slot.insert(members.next_value_seed(inner)?),
                Entry::Occupied(slot) => {
                    return self.refuse(StrictJsonError::Duplicate(slot.key().clone()));
                }
            };
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests;
