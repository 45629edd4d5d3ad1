//! Where facts go: into values for the engine, or into the digest that stands for them.

use std::collections::BTreeMap;

use regorus::Value;
use serde_json::Value as Json;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::builtin::to_rego;

/// The longest text of a raw value that is written out.
const LARGEST_WRITTEN: usize = 4 * 1024;

/// Takes the members of an object, one after the other; never two of one name.
pub(super) trait Sink {
    fn text(&mut self, name: &str, value: &str);
    fn flag(&mut self, name: &str, value: bool);
    fn number(&mut self, name: &str, value: i128);
    fn texts<'v>(&mut self, name: &str, values: impl Iterator<Item = &'v str>);
    fn json(&mut self, name: &str, value: &Json);
    /// JSON that nobody has built anything of yet.
    fn raw(&mut self, name: &str, value: &RawValue);
    /// A list of objects with the same two members of text.
    fn pairs<'v>(&mut self, name: &str, of: [&'static str; 2], values: impl Iterator<Item = [&'v str; 2]>);
    /// Begins an object; what follows is in it until [`Self::close`].
    fn open(&mut self, name: &str);
    fn close(&mut self);
}

/// Values for the engine.
#[derive(Debug, Default)]
pub(super) struct Values {
    members: BTreeMap<Value, Value>,
    around: Vec<(Value, BTreeMap<Value, Value>)>,
}

impl Values {
    pub(super) fn finish(self) -> Value {
        Value::from(self.members)
    }

    fn put(&mut self, name: &str, value: Value) {
        self.members.insert(Value::from(name), value);
    }
}

impl Sink for Values {
    fn text(&mut self, name: &str, value: &str) {
        self.put(name, Value::from(value));
    }

    fn flag(&mut self, name: &str, value: bool) {
        self.put(name, Value::from(value));
    }

    fn number(&mut self, name: &str, value: i128) {
        self.put(name, Value::from(value));
    }

    fn texts<'v>(&mut self, name: &str, values: impl Iterator<Item = &'v str>) {
        self.put(name, Value::from(values.map(Value::from).collect::<Vec<_>>()));
    }

    fn json(&mut self, name: &str, value: &Json) {
        self.put(name, to_rego(value));
    }

    fn raw(&mut self, name: &str, value: &RawValue) {
        self.put(name, super::raw::to_rego(value));
    }

    fn pairs<'v>(&mut self, name: &str, of: [&'static str; 2], values: impl Iterator<Item = [&'v str; 2]>) {
        let object = |pair: [&str; 2]| {
            Value::from(
                of.into_iter().zip(pair).map(|(n, v)| (n.into(), v.into())).collect::<BTreeMap<_, _>>(),
            )
        };
        self.put(name, Value::from(values.map(object).collect::<Vec<_>>()));
    }

    fn open(&mut self, name: &str) {
        self.around.push((Value::from(name), std::mem::take(&mut self.members)));
    }

    fn close(&mut self) {
        if let Some((name, around)) = self.around.pop() {
            let closed = std::mem::replace(&mut self.members, around);
            self.members.insert(name, Value::from(closed));
        }
    }
}

/// The digest of what a policy sees of one request: equal for equal sights, and for no others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InputDigest([u8; 32]);

impl InputDigest {
    /// The digest of facts that are written so that no two facts have the same bytes.
    pub(crate) fn of(written: &[u8]) -> Self {
        Self(Sha256::digest(written).into())
    }

    /// A number below `of` that is as good as random.
    pub(crate) fn remainder(&self, of: usize) -> usize {
        let [a, b, c, d, ..] = self.0;
        usize::try_from(u32::from_le_bytes([a, b, c, d])).map_or(0, |number| number % of.max(1))
    }
}

/// Writes facts for [`InputDigest::of`]: every text behind its length, every value behind its kind.
#[derive(Debug)]
pub(super) struct Trace(Vec<u8>);

impl Trace {
    pub(super) fn new() -> Self {
        Self(Vec::with_capacity(512))
    }

    pub(super) fn finish(&self) -> InputDigest {
        InputDigest::of(&self.0)
    }

    fn begin(&mut self, kind: u8, name: &str) {
        self.0.push(kind);
        self.write(name);
    }

    fn write(&mut self, text: &str) {
        self.0.extend_from_slice(&text.len().to_le_bytes());
        self.0.extend_from_slice(text.as_bytes());
    }

    fn value(&mut self, json: &Json) {
        match json {
            Json::Null => self.0.push(b'z'),
            Json::Bool(value) => self.0.extend_from_slice(&[b'f', u8::from(*value)]),
            Json::Number(number) => {
                self.0.push(b'd');
                self.write(&number.to_string());
            }
            Json::String(text) => {
                self.0.push(b't');
                self.write(text);
            }
            Json::Array(items) => {
                self.0.push(b'[');
                for item in items {
                    self.value(item);
                }
                self.0.push(b']');
            }
            Json::Object(members) => {
                self.0.push(b'{');
                for (name, value) in members {
                    self.begin(b'j', name);
                    self.value(value);
                }
                self.0.push(b'}');
            }
        }
    }
}

impl Sink for Trace {
    fn text(&mut self, name: &str, value: &str) {
        self.begin(b't', name);
        self.write(value);
    }

    fn flag(&mut self, name: &str, value: bool) {
        self.begin(b'f', name);
        self.0.push(u8::from(value));
    }

    fn number(&mut self, name: &str, value: i128) {
        self.begin(b'n', name);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn texts<'v>(&mut self, name: &str, values: impl Iterator<Item = &'v str>) {
        self.begin(b'l', name);
        for value in values {
            self.0.push(b't');
            self.write(value);
        }
        self.0.push(b']');
    }

    fn json(&mut self, name: &str, value: &Json) {
        self.begin(b'j', name);
        self.value(value);
    }

    /// Large values stand as their digest: what is written here is held until all is.
    fn raw(&mut self, name: &str, value: &RawValue) {
        let text = value.get();
        if text.len() <= LARGEST_WRITTEN {
            self.begin(b'r', name);
            self.write(text);
        } else {
            self.begin(b'h', name);
            self.0.extend_from_slice(&Sha256::digest(text));
        }
    }

    fn pairs<'v>(&mut self, name: &str, of: [&'static str; 2], values: impl Iterator<Item = [&'v str; 2]>) {
        self.begin(b'p', name);
        for name in of {
            self.write(name);
        }
        for pair in values {
            self.0.push(b'2');
            for value in pair {
                self.write(value);
            }
        }
        self.0.push(b']');
    }

    fn open(&mut self, name: &str) {
        self.begin(b'{', name);
    }

    fn close(&mut self) {
        self.0.push(b'}');
    }
}
