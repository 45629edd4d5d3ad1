//! Measures arguments before a function sees them.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use regorus::Value;

/// Most values in one call's arguments.
const MAX_NODES: usize = 50_000;
/// Most bytes of text in one call's arguments.
pub(super) const MAX_TEXT: usize = 1024 * 1024;
/// Deepest argument.
const MAX_DEPTH: usize = 512;
/// Memory that the functions of one evaluation may take together.
const MAX_MEMORY: usize = 32 * 1024 * 1024;
/// Most elementary steps of a function that compares everything with everything.
const MAX_STEPS: usize = 4_000_000;
/// Longest pattern of a regular expression or glob.
const MAX_PATTERN: usize = 1_024;
/// Longest text that a pattern is matched with.
const MAX_SUBJECT: usize = 16 * 1024;
/// Longest text in which all matches are looked for: each may read to the end of the text, so the time is its square.
const MAX_SEARCHED: usize = 4 * 1024;
/// Most numbers or addresses that one call may list.
const MAX_LISTED: u64 = 10_000;
/// Longest text that names a number, a version or a time.
const MAX_SHORT: usize = 64;
/// What one value takes in memory, with its share of the container.
const NODE_BYTES: usize = 64;

/// How to bound a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Guard {
    /// Work and result grow with the arguments.
    Linear,
    /// Reads one member.
    Shallow,
    /// Compares every value of one argument with every value of the other.
    Pairs,
    /// Compares every character of one text with every character of the other.
    TextPairs,
    /// Text that stands for a number or version.
    Number,
    /// Only short texts and numbers.
    Short,
    Shift,
    Product,
    Range,
    Concat,
    Replace,
    ReplaceMany,
    Split,
    Sprintf,
    /// A pattern and a subject, matched once.
    Pattern,
    /// A pattern and a subject, all matches.
    Matches,
}

/// Why a call is not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Exceeded {
    #[error("the arguments are too large")]
    Arguments,
    #[error("the result would be too large")]
    Result,
    #[error("the call would take too long")]
    Work,
    #[error("the evaluation has used its 32 MiB")]
    Memory,
    #[error("this format is not offered")]
    Layout,
}

/// What one evaluation has used, and the time it sees.
#[derive(Debug)]
pub(crate) struct Meter {
    now_ns: i64,
    memory: AtomicUsize,
    tripped: Mutex<Option<String>>,
}

impl Meter {
    pub(crate) fn new(now_ns: i64) -> Self {
        Self { now_ns, memory: AtomicUsize::new(0), tripped: Mutex::new(None) }
    }

    pub(crate) fn now_ns(&self) -> i64 {
        self.now_ns
    }

    pub(super) fn trip(&self, name: &str, exceeded: Exceeded) {
        if let Ok(mut tripped) = self.tripped.lock() {
            tripped.get_or_insert_with(|| format!("`{name}`: {exceeded}"));
        }
    }

    /// The first refused call. An error alone would not do: the engine forgets those of one alternative of a
    /// function when another alternative has a value.
    pub(crate) fn tripped(&self) -> Option<String> {
        self.tripped
            .lock()
            .map_or_else(|_| Some("a guarded call failed".to_owned()), |tripped| tripped.clone())
    }

    pub(super) fn take(&self, bytes: usize) -> Result<(), Exceeded> {
        let before = self.memory.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > MAX_MEMORY { Err(Exceeded::Memory) } else { Ok(()) }
    }
}

/// The measure of some values.
#[derive(Clone, Copy, Debug, Default)]
struct Size {
    nodes: usize,
    text: usize,
}

impl Guard {
    /// Whether the call may be made.
    pub(super) fn check(self, arguments: &[Value], meter: &Meter) -> Result<(), Exceeded> {
        if self == Self::Shallow {
            return Ok(());
        }
        let size = measure(arguments)?;
        let text = |at: usize| {
            arguments.get(at).and_then(|value| value.as_string().ok()).map_or(0, |text| text.len())
        };
        let result = match self {
            Self::Shallow | Self::Linear => size.nodes * NODE_BYTES + 2 * size.text,
            Self::Pairs => {
                steps(count(arguments.first())?, count(arguments.get(1))?)?;
                size.nodes * NODE_BYTES + size.text
            }
            Self::TextPairs => {
                steps(text(0), text(1))?;
                size.text + text(0) / text(1).max(1) * NODE_BYTES
            }
            Self::Number | Self::Short => short(arguments)?,
            Self::Shift => at_most(arguments.get(1), 128)?,
            Self::Product => limit(size.nodes, 64, Exceeded::Result)?,
            Self::Range => range(arguments)?,
            Self::Concat => size.nodes * (text(0) + 1) + size.text,
            Self::Replace => replaced(text(0), text(1), text(2)),
            Self::ReplaceMany => replaced_many(arguments),
            Self::Split => size.text + (text(0) / text(1).max(1) + 1) * NODE_BYTES,
            // Widths and precisions are charged where they are read.
            Self::Sprintf => size.nodes * NODE_BYTES + 6 * size.text,
            Self::Pattern => pattern(arguments, size, MAX_SUBJECT)?,
            Self::Matches => pattern(arguments, size, MAX_SEARCHED)?,
        };
        let largest = if self == Self::Split { MAX_NODES * NODE_BYTES * 4 } else { 4 * MAX_TEXT };
        meter.take(limit(result, largest, Exceeded::Result)?)
    }
}

fn limit(found: usize, most: usize, exceeded: Exceeded) -> Result<usize, Exceeded> {
    if found > most { Err(exceeded) } else { Ok(found) }
}

fn steps(left: usize, right: usize) -> Result<usize, Exceeded> {
    limit(left.saturating_mul(right), MAX_STEPS, Exceeded::Work)
}

/// Counts values and text; stops where it is too much, since a small value may repeat itself without end.
fn measure(values: &[Value]) -> Result<Size, Exceeded> {
    let mut size = Size::default();
    values.iter().try_for_each(|value| add(value, 0, &mut size))?;
    Ok(size)
}

fn count(value: Option<&Value>) -> Result<usize, Exceeded> {
    let mut size = Size::default();
    value.map_or(Ok(()), |value| add(value, 0, &mut size))?;
    Ok(size.nodes)
}

fn add(value: &Value, depth: usize, size: &mut Size) -> Result<(), Exceeded> {
    size.nodes += 1;
    if size.nodes > MAX_NODES || depth > MAX_DEPTH {
        return Err(Exceeded::Arguments);
    }
    match value {
        Value::String(text) => size.text += text.len(),
        // A number wider than 128 bits is as much work as a text.
        Value::Number(_) if value.as_f64().is_err() && value.as_i128().is_err() => {
            return Err(Exceeded::Arguments);
        }
        Value::Array(items) => items.iter().try_for_each(|item| add(item, depth + 1, size))?,
        Value::Set(items) => items.iter().try_for_each(|item| add(item, depth + 1, size))?,
        Value::Object(members) => members.iter().try_for_each(|(key, value)| {
            add(key, depth + 1, size)?;
            add(value, depth + 1, size)
        })?,
        _ => {}
    }
    if size.text > MAX_TEXT { Err(Exceeded::Arguments) } else { Ok(()) }
}

fn short(arguments: &[Value]) -> Result<usize, Exceeded> {
    for argument in arguments {
        let Ok(text) = argument.as_string() else { continue };
        limit(text.len(), MAX_SHORT, Exceeded::Arguments)?;
        if super::number::has_large_exponent(text) {
            return Err(Exceeded::Result);
        }
    }
    Ok(NODE_BYTES)
}

fn at_most(value: Option<&Value>, most: i64) -> Result<usize, Exceeded> {
    match value.map(Value::as_i64) {
        Some(Ok(found)) if found > most => Err(Exceeded::Result),
        Some(Err(_)) if value.is_some_and(|value| matches!(value, Value::Number(_))) => Err(Exceeded::Result),
        _ => Ok(NODE_BYTES),
    }
}

fn range(arguments: &[Value]) -> Result<usize, Exceeded> {
    let number = |at: usize| arguments.get(at).and_then(|value| value.as_i64().ok());
    let is_number = |at: usize| arguments.get(at).is_some_and(|value| matches!(value, Value::Number(_)));
    match (number(0), number(1)) {
        (Some(from), Some(to)) => {
            let step = number(2).map_or(1, i64::unsigned_abs).max(1);
            let listed = from.abs_diff(to) / step;
            if listed > MAX_LISTED {
                Err(Exceeded::Result)
            } else {
                Ok(usize::try_from(listed).unwrap_or(0) * NODE_BYTES)
            }
        }
        _ if is_number(0) && is_number(1) => Err(Exceeded::Result),
        _ => Ok(0),
    }
}

fn replaced(text: usize, old: usize, new: usize) -> usize {
    (text / old.max(1) + 1).saturating_mul(new).saturating_add(text)
}

fn replaced_many(arguments: &[Value]) -> usize {
    let Some(Ok(patterns)) = arguments.first().map(Value::as_object) else { return 0 };
    let mut length = arguments.get(1).and_then(|value| value.as_string().ok()).map_or(0, |text| text.len());
    let mut total = length;
    for (old, new) in patterns.iter() {
        let (Ok(old), Ok(new)) = (old.as_string(), new.as_string()) else { continue };
        length = replaced(length, old.len(), new.len());
        total = total.saturating_add(length);
    }
    total
}

fn pattern(arguments: &[Value], size: Size, subject: usize) -> Result<usize, Exceeded> {
    let texts = arguments.iter().filter_map(|value| value.as_string().ok()).map(|text| text.len());
    let mut lengths: Vec<usize> = texts.collect();
    lengths.sort_unstable();
    // One of the texts is the pattern: all but the longest are at most a pattern long, the longest a subject.
    if let Some(longest) = lengths.pop() {
        limit(longest, subject, Exceeded::Arguments)?;
    }
    limit(lengths.iter().sum(), MAX_PATTERN, Exceeded::Arguments)?;
    Ok(size.text.saturating_mul(NODE_BYTES))
}
