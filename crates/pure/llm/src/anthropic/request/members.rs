//! The members of a request body that mean something here, read in one pass over the text.
//!
//! A provider may resolve a repeated member otherwise than we do, and one that ignores letter case takes `Model` for
//! `model`. Whoever reads the body after us must find what policy and audit found, so neither passes.

use std::fmt;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::value::RawValue;

use super::RequestError;

/// The most entries of `tools`: as many as providers search through, and far more than fit into a prompt.
const MAX_TOOLS: usize = 10_000;
/// The longest JSON text of what names a tool.
const MAX_TOOL_NAME: usize = 1024;
/// The longest JSON text of `metadata.user_id`.
const MAX_USER_ID: usize = 4096;

/// The body itself.
#[derive(Default)]
pub(super) struct Members<'a> {
    pub(super) model: Option<&'a RawValue>,
    pub(super) stream: Option<&'a RawValue>,
    pub(super) max_tokens: Option<&'a RawValue>,
    pub(super) metadata: Option<&'a RawValue>,
    /// The JSON text of what names each entry of `tools`.
    pub(super) tools: Vec<Option<&'a str>>,
    /// What is wrong with the names of members, here and in tools.
    pub(super) refusal: Option<RequestError>,
}

/// The value of `metadata`.
#[derive(Default)]
pub(super) struct Metadata {
    pub(super) user_id: Option<String>,
    pub(super) refusal: Option<RequestError>,
}

#[derive(Clone, Copy)]
enum Member {
    Model,
    Stream,
    MaxTokens,
    Metadata,
    Tools,
}

#[derive(Clone, Copy)]
enum ToolMember {
    Name,
    Type,
}

#[derive(Clone, Copy)]
struct UserId;

const MEMBERS: [Known<Member>; 5] = [
    Known { name: "model", path: "model", is: Member::Model },
    Known { name: "stream", path: "stream", is: Member::Stream },
    Known { name: "max_tokens", path: "max_tokens", is: Member::MaxTokens },
    Known { name: "metadata", path: "metadata", is: Member::Metadata },
    Known { name: "tools", path: "tools", is: Member::Tools },
];

const TOOL_MEMBERS: [Known<ToolMember>; 2] = [
    Known { name: "name", path: "tools[].name", is: ToolMember::Name },
    Known { name: "type", path: "tools[].type", is: ToolMember::Type },
];

const METADATA_MEMBERS: [Known<UserId>; 1] =
    [Known { name: "user_id", path: "metadata.user_id", is: UserId }];

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a request body")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut names = Names::new(&MEMBERS);
        let mut members = Members::default();
        let mut in_tools = None;
        while let Some(name) = names.next(&mut map)? {
            match name {
                Member::Model => members.model = map.next_value()?,
                Member::Stream => members.stream = map.next_value()?,
                Member::MaxTokens => members.max_tokens = map.next_value()?,
                Member::Metadata => members.metadata = map.next_value()?,
                Member::Tools => members.tools = map.next_value_seed(Tools(&mut in_tools))?,
            }
        }
        members.refusal = names.refusal.or(in_tools);
        Ok(members)
    }
}

/// An array of tools, or `null`; refusals go into the slot.
struct Tools<'s>(&'s mut Option<RequestError>);

impl<'de> DeserializeSeed<'de> for Tools<'_> {
    type Value = Vec<Option<&'de str>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for Tools<'_> {
    type Value = Vec<Option<&'de str>>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an array of tools")
    }

    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Self::Value, A::Error> {
        let mut tools = Vec::new();
        while let Some(tool) = array.next_element_seed(Tool(self.0))? {
            if tools.len() == MAX_TOOLS {
                return Err(A::Error::custom("too many tools"));
            }
            tools.push(tool);
        }
        Ok(tools)
    }
}

/// One tool, of which only what names it is kept: its `name`, else its `type`, else nothing.
struct Tool<'s>(&'s mut Option<RequestError>);

impl<'de> DeserializeSeed<'de> for Tool<'_> {
    type Value = Option<&'de str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Tool<'_> {
    type Value = Option<&'de str>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a tool")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut names = Names::new(&TOOL_MEMBERS);
        let (mut name, mut kind) = (None, None);
        while let Some(member) = names.next(&mut map)? {
            match member {
                ToolMember::Name => name = text(map.next_value()?, MAX_TOOL_NAME)?,
                ToolMember::Type => kind = text(map.next_value()?, MAX_TOOL_NAME)?,
            }
        }
        if let Some(refusal) = names.refusal {
            self.0.get_or_insert(refusal);
        }
        Ok(name.or(kind))
    }
}

/// The JSON text of a string, which must be one, or of nothing.
fn text<E: Error>(raw: &RawValue, longest: usize) -> Result<Option<&str>, E> {
    let json = raw.get();
    match json.as_bytes() {
        b"null" => Ok(None),
        [b'"', ..] if json.len() > longest => Err(E::custom("too long")),
        // An escape may stand for half a character.
        [b'"', rest @ ..] if rest.contains(&b'\\') => {
            serde_json::from_str::<String>(json).map(|_| Some(json)).map_err(E::custom)
        }
        [b'"', ..] => Ok(Some(json)),
        _ => Err(E::custom("not a string")),
    }
}

impl<'de> Deserialize<'de> for Metadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MetadataVisitor)
    }
}

struct MetadataVisitor;

impl<'de> Visitor<'de> for MetadataVisitor {
    type Value = Metadata;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("metadata")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut names = Names::new(&METADATA_MEMBERS);
        let mut metadata = Metadata::default();
        while let Some(UserId) = names.next(&mut map)? {
            let json = text(map.next_value()?, MAX_USER_ID)?;
            metadata.user_id = json.map(serde_json::from_str).transpose().map_err(A::Error::custom)?;
        }
        metadata.refusal = names.refusal;
        Ok(metadata)
    }
}

/// A member that is acted on.
struct Known<Is: 'static> {
    name: &'static str,
    /// Where it is, as errors say it.
    path: &'static str,
    is: Is,
}

/// The names of one object's members, as they come.
struct Names<Is: 'static> {
    known: &'static [Known<Is>],
    /// One bit for each of `known`.
    seen: u8,
    refusal: Option<RequestError>,
}

impl<Is: Copy> Names<Is> {
    const fn new(known: &'static [Known<Is>]) -> Self {
        Self { known, seen: 0, refusal: None }
    }

    /// The next member to read. Members that mean nothing here are skipped; so are those that must not be there,
    /// the first of which is kept as the refusal.
    fn next<'de, A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<Option<Is>, A::Error> {
        while let Some(written) = map.next_key::<&'de RawValue>()? {
            match among(self.known, written.get()) {
                Found::Known(known, bit) if self.seen & bit == 0 => {
                    self.seen |= bit;
                    return Ok(Some(known.is));
                }
                Found::Known(known, _) => self.refuse(RequestError::Duplicate { member: known.path }),
                Found::OtherCase(known) => self.refuse(RequestError::LetterCase { member: known.path }),
                Found::Unreadable => self.refuse(RequestError::Name),
                Found::Unknown => {}
            }
            map.next_value::<IgnoredAny>()?;
        }
        Ok(None)
    }

    fn refuse(&mut self, refusal: RequestError) {
        self.refusal.get_or_insert(refusal);
    }
}

enum Found<Is: 'static> {
    Known(&'static Known<Is>, u8),
    OtherCase(&'static Known<Is>),
    Unreadable,
    Unknown,
}

/// The longest JSON text of a name that could be a known one: ten letters, each as an escape.
const MAX_KNOWN_NAME: usize = 6 * 10;

/// Which of `known` the JSON text of a name stands for. Long names stay where they are: unescaped they would be as
/// much again.
fn among<Is>(known: &'static [Known<Is>], written: &str) -> Found<Is> {
    let inner = written.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or_default();
    if inner.len() > MAX_KNOWN_NAME {
        return Found::Unknown;
    }
    if !inner.contains('\\') {
        return find(known, inner);
    }
    serde_json::from_str::<String>(written).map_or(Found::Unreadable, |name| find(known, &name))
}

fn find<Is>(known: &'static [Known<Is>], name: &str) -> Found<Is> {
    for (index, known) in known.iter().enumerate() {
        if known.name == name {
            return Found::Known(known, 1 << index);
        }
    }
    let other_case = known.iter().find(|known| equal_but_for_case(known.name, name));
    other_case.map_or(Found::Unknown, Found::OtherCase)
}

/// Whether a reader that ignores letter case takes `found` for `known`, which is ASCII.
///
/// Of all other letters, Unicode's simple folding makes only the long s and the Kelvin sign ASCII ones.
fn equal_but_for_case(known: &str, found: &str) -> bool {
    let (Some(wanted), Some(first)) = (known.as_bytes().first(), found.as_bytes().first()) else {
        return false;
    };
    // Nearly every name ends here.
    if first.is_ascii() && !first.eq_ignore_ascii_case(wanted) {
        return false;
    }
    let fold = |letter: char| match letter {
        '\u{17F}' => 's',
        '\u{212A}' => 'k',
        other => other.to_ascii_lowercase(),
    };
    known.chars().eq(found.chars().map(fold))
}
