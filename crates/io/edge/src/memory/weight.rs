//! What JSON values take in memory.

use serde_json::{Map, Value};

/// A node of a B-tree map: up to eleven names and values, however few are in it.
const MAP_NODE: usize = 11 * (size_of::<String>() + size_of::<Value>()) + 32;
/// The fewest that a node beyond the first holds.
const FEWEST: usize = 5;

/// The members of an object, at most.
pub(crate) fn of_members(members: &Map<String, Value>) -> usize {
    let nodes = MAP_NODE * members.len().div_ceil(FEWEST);
    nodes + members.iter().map(|(name, value)| name.capacity() + of_value(value)).sum::<usize>()
}

/// What a value takes besides its own size, at most.
fn of_value(value: &Value) -> usize {
    match value {
        Value::String(text) => text.capacity(),
        Value::Array(items) => {
            items.capacity() * size_of::<Value>() + items.iter().map(of_value).sum::<usize>()
        }
        Value::Object(members) => of_members(members),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

#[cfg(test)]
mod tests;
