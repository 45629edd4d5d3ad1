//! A JSON object as an ordered list of raw members.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::ParseErrorKind;
use super::json_text::push_json_string;
use super::strict::same_but_for_case;
use crate::weight;

/// An object whose members keep their order and their bytes; single members can be replaced or removed.
///
/// Writing it again changes nothing but the white space between its own members.
#[derive(Clone, Debug, Default)]
pub struct RawObject<'a> {
    members: Vec<Member<'a>>,
}

#[derive(Clone, Debug)]
struct Member<'a> {
    name: Cow<'a, str>,
    /// The name as JSON text, quotes and escapes as received; `None` if it is ours.
    written: Option<Cow<'a, str>>,
    value: Value<'a>,
}

#[derive(Clone, Debug)]
enum Value<'a> {
    Received(&'a RawValue),
    Ours(Box<RawValue>),
}

impl Value<'_> {
    fn raw(&self) -> &RawValue {
        match self {
            Self::Received(raw) => raw,
            Self::Ours(raw) => raw,
        }
    }
}

impl Member<'_> {
    /// How long the name is as JSON text.
    fn written_len(&self) -> usize {
        self.written.as_ref().map_or_else(|| weight::escaped(&self.name), |written| written.len())
    }

    fn write_name(&self, out: &mut String) {
        match &self.written {
            Some(written) => out.push_str(written),
            None => push_json_string(out, &self.name),
        }
    }
}

impl<'a> RawObject<'a> {
    /// The most members of one object that are read: each takes many times its text.
    pub const MOST_MEMBERS: usize = 10_000;
    /// What one member takes in memory, as its list grows.
    const MEMBER_BYTES: usize = 2 * size_of::<Member<'_>>();

    /// Reads the members of one JSON object. Duplicates are not refused here: see [`RawObject::duplicate`].
    pub fn parse(text: &'a str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// The same, or `None` for an object with more members than are read.
    pub(crate) fn parse_within(text: &'a str) -> Result<Option<Self>, serde_json::Error> {
        let mut text = serde_json::Deserializer::from_str(text);
        let members = (&mut text).deserialize_map(Members)?;
        text.end()?;
        Ok(members)
    }

    /// The most memory that the objects of `messages` take which are written in `bytes`; none has more members, all its
    /// objects together, than are read.
    pub(crate) fn most_built(bytes: usize, messages: usize) -> usize {
        // `"":0,` is the shortest there is.
        (bytes / 5).min(messages * Self::MOST_MEMBERS) * Self::MEMBER_BYTES
    }

    /// The value of a member; the first one if it appears twice.
    pub fn get(&self, name: &str) -> Option<&RawValue> {
        self.members.iter().find(|member| member.name == name).map(|member| member.value.raw())
    }

    /// A member's value and, if it is a string, the text of it.
    pub fn text(&self, name: &str) -> Option<String> {
        self.get(name).and_then(|raw| serde_json::from_str(raw.get()).ok())
    }

    /// The value of a received member, as long-lived as the received text.
    pub fn get_borrowed(&self, name: &str) -> Option<&'a RawValue> {
        let member = self.members.iter().find(|member| member.name == name)?;
        match member.value {
            Value::Received(raw) => Some(raw),
            Value::Ours(_) => None,
        }
    }

    /// The value of a member that appears exactly once.
    pub(crate) fn only(&self, name: &str) -> Option<&RawValue> {
        let mut found = self.members.iter().filter(|member| member.name == name);
        found.next().filter(|_| found.next().is_none()).map(|member| member.value.raw())
    }

    /// Replaces a member in its place, or appends it.
    pub fn set(&mut self, name: &'a str, value: Box<RawValue>) {
        self.put(name, Value::Ours(value));
    }

    /// The same with a value that is somebody else's.
    pub fn set_borrowed(&mut self, name: &'a str, value: &'a RawValue) {
        self.put(name, Value::Received(value));
    }

    fn put(&mut self, name: &'a str, value: Value<'a>) {
        if let Some(member) = self.members.iter_mut().find(|member| member.name == name) {
            member.value = value;
        } else {
            self.members.push(Member { name: Cow::Borrowed(name), written: None, value });
        }
    }

    /// Removes a member wherever it appears; says whether there was one.
    pub fn remove(&mut self, name: &str) -> bool {
        self.retain(|member| member != name)
    }

    /// Keeps the members whose names pass; says whether any went.
    pub fn retain(&mut self, keep: impl Fn(&str) -> bool) -> bool {
        let before = self.members.len();
        self.members.retain(|member| keep(&member.name));
        self.members.len() != before
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &RawValue)> {
        self.members.iter().map(|member| (&*member.name, member.value.raw()))
    }

    /// Whether there are no members.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The first name that appears twice.
    pub fn duplicate(&self) -> Option<&str> {
        let mut names: Vec<&str> = self.members.iter().map(|member| &*member.name).collect();
        names.sort_unstable();
        names.windows(2).find_map(|pair| match pair {
            [one, two] if one == two => Some(*one),
            _ => None,
        })
    }

    /// Refuses duplicates, and names that equal a known one but for letter case.
    pub(crate) fn check_names(&self, known: &[&'static str]) -> Result<(), ParseErrorKind> {
        if let Some(name) = self.duplicate() {
            return Err(ParseErrorKind::DuplicateMember(name.to_owned()));
        }
        for member in &self.members {
            if let Some(expected) = known.iter().find(|known| same_but_for_case(known, &member.name)) {
                return Err(ParseErrorKind::MisspeltMember { found: member.name.to_string(), expected });
            }
        }
        Ok(())
    }

    /// An upper bound of the bytes that [`RawObject::write`] appends.
    pub fn written_len(&self) -> usize {
        self.members
            .iter()
            .map(|member| member.written_len() + member.value.raw().get().len() + 2)
            .sum::<usize>()
            + 2
    }

    /// Appends the object as JSON text.
    pub fn write(&self, out: &mut String) {
        self.write_with(out, |_, _| false);
    }

    /// Appends the object; `replace` may write the value of a member itself and then says so.
    pub(crate) fn write_with(&self, out: &mut String, replace: impl Fn(&str, &mut String) -> bool) {
        out.push('{');
        for (index, member) in self.members.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            member.write_name(out);
            out.push(':');
            if !replace(&member.name, out) {
                out.push_str(member.value.raw().get());
            }
        }
        out.push('}');
    }

    /// The object as JSON text.
    pub fn to_json(&self) -> String {
        let mut out = String::with_capacity(self.written_len());
        self.write(&mut out);
        out
    }

    /// The object as one raw value.
    pub fn to_raw(&self) -> Box<RawValue> {
        super::json_text::raw(self.to_json())
    }

    /// The same object, owning all its bytes.
    pub fn into_owned(self) -> RawObject<'static> {
        let own = |member: Member<'_>| Member {
            name: Cow::Owned(member.name.into_owned()),
            written: member.written.map(|written| Cow::Owned(written.into_owned())),
            value: Value::Ours(member.value.raw().to_owned()),
        };
        RawObject { members: self.members.into_iter().map(own).collect() }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for RawObject<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let members = deserializer.deserialize_map(Members)?;
        members.ok_or_else(|| serde::de::Error::custom("too many members"))
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Option<RawObject<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::with_capacity(8);
        while let Some(written) = map.next_key::<&'de RawValue>()? {
            if members.len() == RawObject::MOST_MEMBERS {
                // The rest is still read, so that what is no JSON is found to be none.
                map.next_value::<IgnoredAny>()?;
                while map.next_entry::<&'de RawValue, IgnoredAny>()?.is_some() {}
                return Ok(None);
            }
            let written = written.get();
            let inner = written.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            let name = match inner {
                Some(plain) if memchr::memchr(b'\\', plain.as_bytes()).is_none() => Cow::Borrowed(plain),
                _ => Cow::Owned(serde_json::from_str(written).map_err(serde::de::Error::custom)?),
            };
            let value = Value::Received(map.next_value::<&'de RawValue>()?);
            members.push(Member { name, written: Some(Cow::Borrowed(written)), value });
        }
        Ok(Some(RawObject { members }))
    }
}
