//! What values cost in memory, so that they can be counted by what is held and not by what was received.
//!
//! Estimates are upper bounds for this allocator and these types, near enough to steer by.

use serde_json::Value;

/// A node of a B-tree map: up to eleven names and values, however few are in it.
const MAP_NODE: usize = 11 * (size_of::<String>() + size_of::<Value>()) + 32;
/// What one member beyond the first node takes: nodes are half full at worst.
const MEMBER: usize = MAP_NODE / 5;
/// What one item of an array takes: arrays grow by doubling.
const ITEM: usize = 2 * size_of::<Value>();

/// Bytes of the heap that one allocation of `bytes` takes: allocators round up to the next of their sizes.
pub const fn allocation(bytes: usize) -> usize {
    if bytes == 0 { 0 } else { bytes + bytes / 8 + 16 }
}

/// The most that `json` may take once it is a [`Value`]. Many small objects take a hundred times their text.
pub fn parsed(json: &str) -> usize {
    let (mut cost, mut bytes) = (size_of::<Value>(), json.bytes());
    while let Some(byte) = bytes.next() {
        cost += match byte {
            b'{' => MAP_NODE,
            b':' => MEMBER,
            b'[' => 4 * ITEM,
            b',' => ITEM,
            b'"' => {
                let mut length = 0;
                while let Some(byte) = bytes.next() {
                    match byte {
                        b'"' => break,
                        b'\\' => drop(bytes.next()),
                        _ => {}
                    }
                    length += 1;
                }
                allocation(length)
            }
            _ => 0,
        };
    }
    cost
}

/// How long `text` is as a JSON string, quotes included.
pub fn escaped(text: &str) -> usize {
    let length = |byte| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0C => 2,
        0x00..=0x1F => 6,
        _ => 1,
    };
    2 + text.bytes().map(length).sum::<usize>()
}

#[cfg(test)]
mod tests;
