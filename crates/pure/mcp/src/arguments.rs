//! The arguments of a tool call.
//!
//! They stay text: as values they would take up to fifty times as much, and most readers want none of them or few.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::{ErrorCode, RpcError};
use crate::message::RawObject;
use crate::weight;

/// An object that every reader takes for the same: its numbers fit doubles, its texts are whole.
#[derive(Clone, Copy, Debug)]
pub struct Arguments<'a>(&'a RawValue);

impl<'a> Arguments<'a> {
    /// The arguments in the parameters of a call; absent ones are the empty object.
    ///
    /// A number that fits no double (RFC 8259 §6) is refused: policy could not see it.
    pub fn read(raw: Option<&'a RawValue>) -> Result<Self, RpcError> {
        let none = || serde_json::from_str::<&'static RawValue>("{}").map_err(|error| unreadable(&error));
        let raw = raw.map_or_else(none, Ok)?;
        if !raw.get().starts_with('{') {
            return Err(RpcError::new(ErrorCode::InvalidParams, "`params.arguments` must be an object"));
        }
        let Sound = serde_json::from_str(raw.get()).map_err(|error| unreadable(&error))?;
        Ok(Self(raw))
    }

    /// The object as it was received.
    pub fn raw(&self) -> &'a RawValue {
        self.0
    }

    /// The most memory that the object takes as values.
    pub fn weight(&self) -> usize {
        weight::parsed(self.0.get())
    }

    /// The value at `path`; nothing for an absent or null one. Of lists and objects it only tells that there is one.
    pub(crate) fn at(&self, path: &[String]) -> Option<Value> {
        let mut found = Some(self.0);
        for name in path {
            found = RawObject::parse(found?.get()).ok()?.get_borrowed(name);
        }
        let text = found?.get();
        match text.as_bytes().first() {
            Some(b'[' | b'{') => Some(Value::Array(Vec::new())),
            _ => serde_json::from_str(text).ok().filter(|value: &Value| !value.is_null()),
        }
    }
}

fn unreadable(error: &serde_json::Error) -> RpcError {
    RpcError::new(ErrorCode::InvalidParams, format!("`params.arguments` cannot be read: {error}"))
}

/// JSON that can be read as values; nothing is built of it.
struct Sound;

impl<'de> Deserialize<'de> for Sound {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Sound {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Self, A::Error> {
        while array.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self, A::Error> {
        while members.next_entry::<Self, Self>()?.is_some() {}
        Ok(self)
    }
}

#[cfg(test)]
mod tests;
