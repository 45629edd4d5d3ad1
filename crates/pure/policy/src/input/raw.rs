//! JSON text straight into values for the engine, without another form of it in between.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use regorus::Value;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Calls `tell` with the members of an object in their order; what is no object has none.
pub(super) fn each_member(object: Option<&RawValue>, tell: &mut dyn FnMut(&str, &RawValue)) {
    if let Some(object) = object {
        // Whatever comes before something unreadable was told; the text was found to be sound when it came in.
        let _ = serde_json::Deserializer::from_str(object.get()).deserialize_map(Members(tell));
    }
}

/// The Rego value of `json`, as [`crate::builtin::to_rego`] makes it of a parsed one. Text with a number that no double
/// holds becomes `null`, which unlike an absent member no `not` turns into an approval.
pub(super) fn to_rego(json: &RawValue) -> Value {
    serde_json::from_str::<Rego>(json.get()).map_or(Value::Null, |rego| rego.0)
}

struct Members<'t>(&'t mut dyn FnMut(&str, &RawValue));

impl<'de> Visitor<'de> for Members<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some((name, value)) = members.next_entry::<Name<'de>, &'de RawValue>()? {
            (self.0)(&name.0, value);
        }
        Ok(())
    }
}

#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

struct Rego(Value);

impl<'de> Deserialize<'de> for Rego {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RegoVisitor).map(Self)
    }
}

struct RegoVisitor;

impl<'de> Visitor<'de> for RegoVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(i64::try_from(number).map_or_else(|_| Value::from(number), Value::from))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::from(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Rego(item)) = array.next_element()? {
            items.push(item);
        }
        Ok(Value::from(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = BTreeMap::new();
        while let Some((name, Rego(value))) = members.next_entry::<Name<'de>, Rego>()? {
            object.insert(Value::from(&*name.0), value);
        }
        Ok(Value::from(object))
    }
}

#[cfg(test)]
mod tests;
