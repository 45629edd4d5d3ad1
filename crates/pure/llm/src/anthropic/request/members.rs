//! The members of a request body that mean something here, read in one pass over the text.
//!
//! A provider may resolve a repeated member otherwise than we do, and one that ignores letter case takes `Model` for
//! `model`. Whoever reads the body after us must find what policy and audit found, so neither passes.

use super::RequestError;
use super::scanner::Scanner;

/// The most entries of `tools`: as many as providers search through, and far more than fit into a prompt.
const MAX_TOOLS: usize = 10_000;
/// The longest JSON text of what names a tool.
const MAX_TOOL_NAME: usize = 1024;
/// The longest JSON text of `metadata.user_id`.
const MAX_USER_ID: usize = 4096;

/// What is expected of `tools`.
pub(super) const TOOLS: RequestError = RequestError::Member {
    member: "tools",
    expected: "an array of at most 10000 objects whose `name` and `type` are strings of at most 1024 bytes",
};
/// What is expected of `metadata`.
const METADATA: RequestError = RequestError::Member {
    member: "metadata",
    expected: "an object whose `user_id` is a string of at most 4096 bytes, if present",
};

/// Of the body, the JSON text of each member that is there and not `null`.
#[derive(Default)]
pub(super) struct Members<'a> {
    pub(super) model: Option<&'a [u8]>,
    pub(super) stream: Option<&'a [u8]>,
    pub(super) max_tokens: Option<&'a [u8]>,
    pub(super) metadata: Option<&'a [u8]>,
    /// The JSON text of what names each entry of `tools`.
    pub(super) tools: Vec<Option<&'a [u8]>>,
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

const METADATA_MEMBERS: [Known<()>; 1] = [Known { name: "user_id", path: "metadata.user_id", is: () }];

impl<'a> Members<'a> {
    /// Reads the members of `body`, an object.
    pub(super) fn read(body: &'a [u8]) -> Result<Self, RequestError> {
        let mut scanner = Scanner::new(body);
        let mut members = Self::default();
        let (mut names, mut in_tools) = (Names::new(&MEMBERS), Names::new(&TOOL_MEMBERS));
        scanner.object(|scanner, name| {
            match names.find(name) {
                Some(Member::Tools) => members.tools = tools(scanner, &mut in_tools)?,
                Some(Member::Model) => members.model = present(scanner.value()?),
                Some(Member::Stream) => members.stream = present(scanner.value()?),
                Some(Member::MaxTokens) => members.max_tokens = present(scanner.value()?),
                Some(Member::Metadata) => members.metadata = present(scanner.value()?),
                None => _ = scanner.value()?,
            }
            Ok(())
        })?;
        scanner.end()?;
        names.refusal.or(in_tools.refusal).map_or(Ok(members), Err)
    }
}

/// A value, unless it is `null`.
fn present(json: &[u8]) -> Option<&[u8]> {
    Some(json).filter(|json| *json != b"null")
}

/// The JSON text of what names each entry of an array of tools: its `name`, else its `type`, else nothing. `null` has
/// no entries.
fn tools<'a>(
    scanner: &mut Scanner<'a>,
    names: &mut Names<ToolMember>,
) -> Result<Vec<Option<&'a [u8]>>, RequestError> {
    let mut tools = Vec::new();
    if scanner.peek() != Some(b'[') {
        return if scanner.value()? == b"null" { Ok(tools) } else { Err(TOOLS) };
    }
    scanner.array(|scanner| {
        if tools.len() == MAX_TOOLS || scanner.peek() != Some(b'{') {
            return Err(TOOLS);
        }
        let (mut name, mut kind) = (None, None);
        names.seen = 0;
        scanner.object(|scanner, written| {
            match names.find(written) {
                Some(ToolMember::Name) => name = text(scanner.value()?, MAX_TOOL_NAME, TOOLS)?,
                Some(ToolMember::Type) => kind = text(scanner.value()?, MAX_TOOL_NAME, TOOLS)?,
                None => _ = scanner.value()?,
            }
            Ok(())
        })?;
        tools.push(name.or(kind));
        Ok(())
    })?;
    Ok(tools)
}

/// The JSON text of a string of at most `longest` bytes, or nothing for `null`; anything else is `wrong`.
fn text(json: &[u8], longest: usize, wrong: RequestError) -> Result<Option<&[u8]>, RequestError> {
    match json {
        b"null" => Ok(None),
        // An escape may stand for half a character.
        [b'"', rest @ ..] if json.len() <= longest => {
            let plain = !rest.contains(&b'\\') && str::from_utf8(rest).is_ok();
            let sound = plain || serde_json::from_slice::<String>(json).is_ok();
            if sound { Ok(Some(json)) } else { Err(wrong) }
        }
        _ => Err(wrong),
    }
}

/// `metadata.user_id` of the JSON text of `metadata`, an object.
pub(super) fn user_id(metadata: &[u8]) -> Result<Option<String>, RequestError> {
    let mut scanner = Scanner::new(metadata);
    if scanner.peek() != Some(b'{') || str::from_utf8(metadata).is_err() {
        return Err(METADATA);
    }
    let mut names = Names::new(&METADATA_MEMBERS);
    let mut user_id = None;
    scanner.object(|scanner, name| {
        let is_wanted = names.find(name).is_some();
        let json = scanner.value()?;
        if is_wanted {
            let json = text(json, MAX_USER_ID, METADATA)?;
            user_id = json.map(serde_json::from_slice).transpose().map_err(|_| METADATA)?;
        }
        Ok(())
    })?;
    names.refusal.map_or(Ok(user_id), Err)
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

    /// Which member a name stands for; `None` for one whose value is passed over: it means nothing here, or must not be
    /// there, which is kept as the refusal.
    fn find(&mut self, written: &[u8]) -> Option<Is> {
        match among(self.known, written) {
            Found::Known(known, bit) if self.seen & bit == 0 => {
                self.seen |= bit;
                return Some(known.is);
            }
            Found::Known(known, _) => self.refuse(RequestError::Duplicate { member: known.path }),
            Found::OtherCase(known) => self.refuse(RequestError::LetterCase { member: known.path }),
            Found::Unreadable => self.refuse(RequestError::Name),
            Found::Unknown => {}
        }
        None
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
fn among<Is>(known: &'static [Known<Is>], written: &[u8]) -> Found<Is> {
    let Ok(written) = str::from_utf8(written) else { return Found::Unreadable };
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
