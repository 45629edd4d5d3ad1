//! An OpenAPI document and the references inside it.

use serde_json::{Map, Value};

use super::Problem;

/// The longest chain of references and the deepest nesting that is followed.
pub(super) const DEEPEST: usize = 64;

/// A document of a supported version.
#[derive(Clone, Copy, Debug)]
pub(super) struct Document<'a> {
    root: &'a Value,
    dialect: Dialect,
    has_one_way: bool,
}

/// Which schema language the document speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// 3.0: a dialect of its own.
    V3_0,
    /// 3.1: JSON Schema 2020-12.
    V3_1,
}

impl<'a> Document<'a> {
    /// Looks at the version.
    pub(super) fn open(root: &'a Value) -> Result<Self, Problem> {
        let version = root.get("openapi").and_then(Value::as_str);
        let dialect = match version {
            Some(version) if version.starts_with("3.0.") => Dialect::V3_0,
            Some(version) if version.starts_with("3.1.") => Dialect::V3_1,
            Some(version) => {
                let what = format!("OpenAPI {version} is not supported; expected 3.0 or 3.1");
                return Err(Problem::new("/openapi", what));
            }
            None if root.get("swagger").is_some() => {
                return Err(Problem::new(
                    "/swagger",
                    "Swagger 2.0 is not supported: convert the document to OpenAPI 3",
                ));
            }
            None => return Err(Problem::new("", "expected an OpenAPI document with an `openapi` version")),
        };
        Ok(Self { root, dialect, has_one_way: has_one_way(root) })
    }

    pub(super) fn root(&self) -> &'a Value {
        self.root
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Whether anything in it is marked `readOnly` or `writeOnly`.
    pub(super) fn has_one_way(&self) -> bool {
        self.has_one_way
    }

    pub(super) fn paths(&self) -> Result<&'a Map<String, Value>, Problem> {
        let paths = self.root.get("paths").and_then(Value::as_object);
        paths.ok_or_else(|| Problem::new("/paths", "expected an object of paths"))
    }

    /// Follows a chain of `$ref`; gives the value and the pointer it stands at.
    pub(super) fn resolve(&self, value: &'a Value, at: &str) -> Result<(&'a Value, String), Problem> {
        let mut found = (value, at.to_owned());
        for _ in 0..DEEPEST {
            let Some(reference) = found.0.get("$ref") else { return Ok(found) };
            found = self.lookup(reference, &found.1)?;
        }
        Err(Problem::new(at, format!("the chain of references is a circle or longer than {DEEPEST}")))
    }

    /// The value that one reference points to. Only `#/…` is followed: a document opens no file and no URL.
    pub(super) fn lookup(&self, reference: &Value, at: &str) -> Result<(&'a Value, String), Problem> {
        let pointer = reference.as_str().and_then(|text| text.strip_prefix('#'));
        let Some(pointer) = pointer.filter(|pointer| pointer.starts_with('/')) else {
            let what = format!("only references inside the document (`#/…`) are followed, found {reference}");
            return Err(Problem::new(format!("{at}/$ref"), what));
        };
        let decoded = percent_encoding::percent_decode_str(pointer).decode_utf8_lossy().into_owned();
        let target = self.root.pointer(&decoded);
        let missing = || Problem::new(format!("{at}/$ref"), format!("nothing stands at {reference}"));
        target.map(|target| (target, decoded)).ok_or_else(missing)
    }
}

fn has_one_way(value: &Value) -> bool {
    match value {
        Value::Object(members) => {
            let is_marked = |mark: &str| members.get(mark) == Some(&Value::Bool(true));
            is_marked("readOnly") || is_marked("writeOnly") || members.values().any(has_one_way)
        }
        Value::Array(items) => items.iter().any(has_one_way),
        _ => false,
    }
}

/// A pointer one step further down.
pub(super) fn below(at: &str, name: &str) -> String {
    format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"))
}
