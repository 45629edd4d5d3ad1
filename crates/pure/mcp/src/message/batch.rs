//! The messages of a JSON-RPC batch as raw text.

use std::fmt;

use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// The most messages in one batch.
pub(super) const LARGEST_BATCH: usize = 20;

/// The items of an array, as many as a batch may hold and one more.
pub(super) struct Parts<'a>(pub(super) Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Parts<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(PartsVisitor).map(Self)
    }
}

struct PartsVisitor;

impl<'de> Visitor<'de> for PartsVisitor {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of messages")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Self::Value, A::Error> {
        let mut parts = Vec::new();
        while let Some(part) = array.next_element()? {
            if parts.len() <= LARGEST_BATCH {
                parts.push(part);
            }
        }
        Ok(parts)
    }
}
