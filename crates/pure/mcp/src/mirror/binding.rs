//! `x-mcp-header` annotations in a tool's input schema.

use serde_json::{Map, Value};

use crate::arguments::Arguments;
use crate::weight;

/// One argument that a header repeats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    header: String,
    path: Vec<String>,
    kind: BindingKind,
}

/// The types that may be repeated in a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BindingKind {
    /// A JSON string.
    Text,
    /// A JSON number without fraction.
    Integer,
    /// `true` or `false`.
    Boolean,
}

/// An annotation that makes the whole tool invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BindingError {
    /// The annotation is not an RFC 9110 token.
    #[error("`x-mcp-header` at {at} must be a header name part; found {found}")]
    NotAToken {
        /// JSON pointer of the property.
        at: String,
        /// The annotation as JSON.
        found: String,
    },
    /// The property is of a type that cannot stand in a header.
    #[error("`x-mcp-header` at {at} is allowed on string, integer and boolean properties only")]
    Type {
        /// JSON pointer of the property.
        at: String,
    },
    /// Two properties claim one header, letter case aside.
    #[error("`x-mcp-header` {0:?} is used twice")]
    Repeated(String),
    /// The annotation is somewhere else than on a chain of `properties`.
    #[error("`x-mcp-header` at {at} can only be reached through a plain chain of `properties`")]
    Unreachable {
        /// JSON pointer of the annotation.
        at: String,
    },
}

impl Binding {
    /// All annotations of an input schema.
    pub fn read(schema: &Value) -> Result<Vec<Self>, BindingError> {
        let mut found = Vec::new();
        let mut path = Vec::new();
        walk(schema, true, &mut path, &mut String::new(), &mut found)?;
        let mut names: Vec<String> =
            found.iter().map(|binding| binding.header.to_ascii_lowercase()).collect();
        names.sort_unstable();
        if let Some([name, _]) = names.windows(2).find(|pair| matches!(pair, [one, two] if one == two)) {
            return Err(BindingError::Repeated(name.clone()));
        }
        Ok(found)
    }

    /// The header name after `Mcp-Param-`, as the schema writes it.
    pub fn header(&self) -> &str {
        &self.header
    }

    /// The type of the argument.
    pub fn kind(&self) -> BindingKind {
        self.kind
    }

    /// The argument's place, e.g. `filter.region`.
    pub fn argument(&self) -> String {
        self.path.join(".")
    }

    /// What it takes in memory.
    pub(crate) fn held_bytes(&self) -> usize {
        let path: usize =
            self.path.iter().map(|name| size_of::<String>() + weight::allocation(name.len())).sum();
        size_of::<Self>() + weight::allocation(self.header.len()) + path
    }

    /// The argument's value; nothing for an absent or null one.
    pub fn value_in(&self, arguments: &Arguments<'_>) -> Option<Value> {
        arguments.at(&self.path)
    }
}

fn walk(
    schema: &Value,
    reachable: bool,
    path: &mut Vec<String>,
    at: &mut String,
    found: &mut Vec<Binding>,
) -> Result<(), BindingError> {
    let Value::Object(members) = schema else { return Ok(()) };
    if let Some(annotation) = members.get("x-mcp-header") {
        found.push(annotated(members, annotation, reachable && !path.is_empty(), path, at)?);
    }
    for (keyword, value) in members {
        match (keyword.as_str(), value) {
            ("properties", Value::Object(properties)) => {
                for (name, property) in properties {
                    path.push(name.clone());
                    enter(at, &["properties", name], |at| walk(property, reachable, path, at, found))?;
                    path.pop();
                }
            }
            // Data, not schemas.
            ("const" | "enum" | "default" | "examples" | "example", _) => {}
            (_, Value::Object(_)) => enter(at, &[keyword], |at| walk(value, false, path, at, found))?,
            (_, Value::Array(items)) => {
                for (index, item) in items.iter().enumerate() {
                    enter(at, &[keyword, &index.to_string()], |at| walk(item, false, path, at, found))?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn enter(
    at: &mut String,
    names: &[&str],
    inner: impl FnOnce(&mut String) -> Result<(), BindingError>,
) -> Result<(), BindingError> {
    let before = at.len();
    for name in names {
        at.push('/');
        at.push_str(&name.replace('~', "~0").replace('/', "~1"));
    }
    let outcome = inner(at);
    at.truncate(before);
    outcome
}

fn annotated(
    members: &Map<String, Value>,
    annotation: &Value,
    reachable: bool,
    path: &[String],
    at: &str,
) -> Result<Binding, BindingError> {
    let at = || at.to_owned();
    let not_a_token = || BindingError::NotAToken { at: at(), found: annotation.to_string() };
    let header = annotation.as_str().filter(|name| is_token(name)).ok_or_else(not_a_token)?;
    if !reachable {
        return Err(BindingError::Unreachable { at: at() });
    }
    let kind = match members.get("type").and_then(Value::as_str) {
        Some("string") => BindingKind::Text,
        Some("integer") => BindingKind::Integer,
        Some("boolean") => BindingKind::Boolean,
        _ => return Err(BindingError::Type { at: at() }),
    };
    Ok(Binding { header: header.to_owned(), path: path.to_vec(), kind })
}

fn is_token(name: &str) -> bool {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(token)
}
