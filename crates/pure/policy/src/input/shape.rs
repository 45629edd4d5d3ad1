//! Which facts each decision point has, so that a policy can be told of names that are never there.

use super::canonicalise;
use crate::program::{Reference, Step};

/// Where something is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// Before a token is signed.
    TokenMinting,
    /// For every call of a tool.
    ToolCall,
    /// For every item of a list.
    Listing,
    /// For every route of a model.
    ModelCall,
}

/// A reference to what no input of a decision point has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownFact {
    /// Line in the policy's own text, from 1.
    pub line: u32,
    /// Column in that line, from 1.
    pub column: u32,
    /// The path up to the name that is not there.
    pub path: String,
    /// That name; empty where one is computed.
    pub name: String,
    /// What stands before that name.
    pub parent: Parent,
    /// Other decision points that have it.
    pub elsewhere: Vec<Point>,
}

/// What a name is looked for in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parent {
    /// An object, with the paths of its members.
    Object(Vec<String>),
    /// An object that is empty at this point.
    Empty,
    /// The fields of the request, whose names are written like this one.
    Headers(String),
    /// A list, which has elements and no names.
    List,
    /// A single value.
    Value,
}

/// What stands at one place of an input.
enum Shape {
    /// A text, a number or a boolean.
    Value,
    List(&'static Shape),
    Object(&'static [(&'static str, Shape)]),
    /// Header fields.
    Headers,
    /// What others wrote: claims, arguments.
    Open,
}

use Shape::{Headers, List, Object, Open, Value};

const TEXTS: Shape = List(&Value);
const CLAIMS: Shape = Object(&[("claims", Open)]);
const HTTP: (&str, Shape) = ("http", Object(&[("headers", Headers), ("method", Value), ("path", Value)]));
const REVISION: (&str, Shape) = ("revision", Value);
const SOURCE: (&str, Shape) = ("source", Object(&[("ip", Value), ("peer_ip", Value)]));
const TIME: (&str, Shape) = ("time", Object(&[("now_ns", Value)]));
const USER: (&str, Shape) = (
    "user",
    Object(&[
        ("amr", TEXTS),
        ("auth_time", Value),
        ("claims", Open),
        ("connector", Value),
        ("groups", TEXTS),
        ("groups_complete", Value),
        ("id", Value),
    ]),
);
const DELEGATION: (&str, Shape) =
    ("delegation", Object(&[("actors", List(&Object(&[("iss", Value), ("sub", Value)])))]));
const PRINCIPAL: (&str, Shape) = (
    "principal",
    Object(&[
        ("client", Value),
        ("credential", Value),
        ("email", Value),
        ("groups", TEXTS),
        ("groups_complete", Value),
        ("issuer", Value),
        ("kind", Value),
        ("scopes", TEXTS),
        ("subject", Value),
    ]),
);
const TOKEN: (&str, Shape) = ("token", CLAIMS);

const OAUTH: Shape = Object(&[
    ("actor_token", CLAIMS),
    ("audience", Value),
    ("audiences", TEXTS),
    ("client_id", Value),
    ("grant_type", Value),
    ("refresh_shared_with", Value),
    ("resource", TEXTS),
    ("response", Object(&[("access_token", CLAIMS)])),
    ("scope", Value),
    ("scopes", TEXTS),
    ("subject_token", CLAIMS),
]);
const TOKEN_MINTING: Shape = Object(&[
    ("client", Object(&[("assurance", Value), ("id", Value), ("name", Value), ("public", Value)])),
    ("request", Object(&[HTTP, ("oauth", OAUTH)])),
    REVISION,
    SOURCE,
    TIME,
    USER,
]);

/// What is told of a tool, whose arguments are `arguments`.
const fn tool(arguments: &'static [(&'static str, Shape); 2]) -> [(&'static str, Shape); 3] {
    [("annotations", Open), ("params", Object(arguments)), ("qualified_name", Value)]
}

const CALLED: [(&str, Shape); 3] = tool(&[("arguments", Open), ("name", Value)]);
const LISTED: [(&str, Shape); 3] = tool(&[("arguments", Object(&[])), ("name", Value)]);

/// The request of an MCP decision about `tool`.
const fn mcp(tool: &'static [(&'static str, Shape); 3]) -> [(&'static str, Shape); 5] {
    [
        ("app", Value),
        ("client_info", Open),
        ("method", Value),
        ("protocol_version", Value),
        ("tool", Object(tool)),
    ]
}

const TOOL_CALL: Shape = Object(&[
    DELEGATION,
    PRINCIPAL,
    ("request", Object(&[HTTP, ("mcp", Object(&mcp(&CALLED)))])),
    REVISION,
    SOURCE,
    TIME,
    TOKEN,
    USER,
]);
const LISTING: Shape = Object(&[
    DELEGATION,
    PRINCIPAL,
    ("request", Object(&[HTTP, ("mcp", Object(&mcp(&LISTED)))])),
    REVISION,
    SOURCE,
    TIME,
    TOKEN,
    USER,
]);
const LLM: Shape = Object(&[
    ("api_version", Value),
    ("betas", TEXTS),
    ("input_bytes", Value),
    ("max_tokens", Value),
    ("model", Value),
    ("stream", Value),
    ("tool_names", TEXTS),
]);
const MODEL_CALL: Shape = Object(&[
    DELEGATION,
    PRINCIPAL,
    ("request", Object(&[HTTP, ("llm", LLM)])),
    REVISION,
    ("route", Object(&[("app", Value), ("provider", Value), ("region", Value), ("residency", Value)])),
    SOURCE,
    TIME,
    TOKEN,
    USER,
]);

static SHAPES: [(Point, Shape); 4] = [
    (Point::TokenMinting, TOKEN_MINTING),
    (Point::ToolCall, TOOL_CALL),
    (Point::Listing, LISTING),
    (Point::ModelCall, MODEL_CALL),
];

impl Point {
    /// What it is called in the guide.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TokenMinting => "token minting",
            Self::ToolCall => "a tool call",
            Self::Listing => "a listing",
            Self::ModelCall => "a model call",
        }
    }

    /// The paths of every fact that an input of this point may have, each beginning with `input`.
    pub fn facts(self) -> Vec<String> {
        let mut found = Vec::new();
        collect(self.shape(), "input", &mut found);
        found
    }

    fn shape(self) -> &'static Shape {
        SHAPES.iter().find(|(point, _)| *point == self).map_or(&Open, |(_, shape)| shape)
    }
}

fn collect(shape: &Shape, path: &str, found: &mut Vec<String>) {
    found.push(path.to_owned());
    match shape {
        Object(members) => {
            for (name, below) in *members {
                collect(below, &format!("{path}.{name}"), found);
            }
        }
        List(element) => collect(element, &format!("{path}[_]"), found),
        Value | Headers | Open => {}
    }
}

/// What `reference` names that no input of `point` has.
pub(crate) fn unknown(reference: &Reference, point: Point) -> Option<UnknownFact> {
    let (path, name, parent) = follow(point.shape(), &reference.steps)?;
    let has = |other: &Point| follow(other.shape(), &reference.steps).is_none();
    let elsewhere = SHAPES.iter().map(|(other, _)| *other).filter(has).collect();
    Some(UnknownFact { line: reference.line, column: reference.column, path, name, parent, elsewhere })
}

/// The path up to the first step that leads nowhere, that step, and where it starts from; `None` when all lead
/// somewhere.
fn follow(mut at: &Shape, steps: &[Step]) -> Option<(String, String, Parent)> {
    let mut path = "input".to_owned();
    for step in steps {
        let before = path.clone();
        match step {
            Step::Name(name) if is_plain(name) => path.extend([".", name]),
            Step::Name(name) => path.extend(["[", &serde_json::Value::from(name.as_str()).to_string(), "]"]),
            Step::Any => path.push_str("[_]"),
        }
        let parent = match (at, step) {
            (Open, _) | (Object([_, ..]), Step::Any) => return None,
            (List(element), Step::Any) => Ok(*element),
            (Headers, Step::Any) => Ok(&Value),
            (Headers, Step::Name(name)) if canonicalise(name) == *name => Ok(&Value),
            (Headers, Step::Name(name)) => {
                Err(Parent::Headers(format!("{before}[\"{}\"]", canonicalise(name))))
            }
            (List(_), Step::Name(_)) => Err(Parent::List),
            (Value, _) => Err(Parent::Value),
            (Object([]), _) => Err(Parent::Empty),
            (Object(members), Step::Name(name)) => {
                let known = members.iter().find(|(known, _)| known == name).map(|(_, below)| below);
                known.ok_or_else(|| {
                    Parent::Object(members.iter().map(|(known, _)| format!("{before}.{known}")).collect())
                })
            }
        };
        match parent {
            Ok(below) => at = below,
            Err(parent) => {
                let name = if let Step::Name(name) = step { name.clone() } else { String::new() };
                return Some((path, name, parent));
            }
        }
    }
    None
}

fn is_plain(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !name.is_empty()
}

#[cfg(test)]
mod tests;
