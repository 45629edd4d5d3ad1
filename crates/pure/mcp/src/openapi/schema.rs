//! Schemas of a document as JSON Schema 2020-12.
//!
//! References become entries of `$defs`, so recursive schemas need no unfolding.

use serde_json::{Map, Value, json};

use super::Problem;
use super::document::{DEEPEST, Dialect, Document, below};

/// The most definitions that one tool may draw in.
const MOST_DEFINITIONS: usize = 500;

/// Keywords that hold one schema.
const SINGLE: &[&str] = &[
    "items",
    "additionalProperties",
    "not",
    "contains",
    "propertyNames",
    "if",
    "then",
    "else",
    "unevaluatedItems",
    "unevaluatedProperties",
];
/// Keywords that hold a list of schemas.
const LISTS: &[&str] = &["allOf", "anyOf", "oneOf", "prefixItems"];
/// Keywords that hold schemas by name.
const NAMED: &[&str] = &["properties", "patternProperties", "dependentSchemas"];
/// Keywords that mean nothing to a caller of the tool, or that are handled apart.
const DROPPED: &[&str] = &[
    "discriminator",
    "xml",
    "externalDocs",
    "example",
    "nullable",
    "readOnly",
    "writeOnly",
    "$schema",
    "$comment",
    "$defs",
    "definitions",
    "$ref",
    "contentMediaType",
    "contentEncoding",
];
/// Keywords that change what references mean.
const REFUSED: &[&str] = &["$id", "$anchor", "$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$vocabulary"];

/// Which way the described data travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// To the API: read-only properties are left out.
    Request,
    /// From the API: write-only properties are left out.
    Response,
}

/// Converts the schemas of one tool.
pub(super) struct Schemas<'a> {
    document: &'a Document<'a>,
    direction: Direction,
    /// Pointers of referenced schemas in the order of discovery, with the names they got.
    known: Vec<(String, String)>,
    /// How many of them are converted.
    definitions: Map<String, Value>,
}

impl<'a> Schemas<'a> {
    pub(super) fn new(document: &'a Document<'a>, direction: Direction) -> Self {
        Self { document, direction, known: Vec::new(), definitions: Map::new() }
    }

    /// Converts one schema; what it refers to is remembered for [`Schemas::definitions`].
    pub(super) fn convert(&mut self, schema: &Value, at: &str) -> Result<Value, Problem> {
        self.schema(schema, at, 0)
    }

    /// Converts everything that was referred to.
    pub(super) fn definitions(&mut self) -> Result<Map<String, Value>, Problem> {
        let mut next = 0;
        while let Some((pointer, name)) = self.known.get(next).cloned() {
            if next >= MOST_DEFINITIONS {
                return Err(Problem::new(
                    pointer,
                    format!("the tool draws in more than {MOST_DEFINITIONS} schemas"),
                ));
            }
            let document = self.document;
            if let Some(target) = document.root().pointer(&pointer) {
                let converted = self.schema(target, &pointer, 0)?;
                self.definitions.insert(name, converted);
            }
            next += 1;
        }
        Ok(self.definitions.clone())
    }

    fn schema(&mut self, schema: &Value, at: &str, depth: usize) -> Result<Value, Problem> {
        if depth > DEEPEST {
            return Err(Problem::new(at, format!("the schema nests deeper than {DEEPEST} levels")));
        }
        let members = match schema {
            Value::Bool(_) => return Ok(schema.clone()),
            Value::Object(members) => members,
            _ => return Err(Problem::new(at, "expected a schema object")),
        };
        if let Some(keyword) = REFUSED.iter().find(|keyword| members.contains_key(**keyword)) {
            return Err(Problem::new(
                below(at, keyword),
                format!("the schema keyword `{keyword}` is not supported"),
            ));
        }
        let mut out = Map::new();
        if let Some(reference) = members.get("$ref") {
            let name = self.define(reference, at)?;
            out.insert("$ref".to_owned(), json!(format!("#/$defs/{name}")));
            if self.document.dialect() == Dialect::V3_0 {
                return Ok(Value::Object(out));
            }
        }
        for (keyword, value) in members {
            if DROPPED.contains(&keyword.as_str()) || keyword.starts_with("x-") {
                continue;
            }
            let converted = self.keyword(keyword, value, &below(at, keyword), depth + 1)?;
            out.insert(keyword.clone(), converted);
        }
        if let Some(example) = members.get("example").filter(|_| !members.contains_key("examples")) {
            out.insert("examples".to_owned(), json!([example]));
        }
        self.hide_one_way(members, &mut out);
        if self.document.dialect() == Dialect::V3_0 {
            exclusive_bounds(&mut out);
            if members.get("nullable") == Some(&Value::Bool(true)) {
                return Ok(nullable(out));
            }
        }
        Ok(Value::Object(out))
    }

    fn keyword(&mut self, keyword: &str, value: &Value, at: &str, depth: usize) -> Result<Value, Problem> {
        match (keyword, value) {
            (keyword, Value::Object(named)) if NAMED.contains(&keyword) => {
                let mut out = Map::new();
                for (name, schema) in named {
                    out.insert(name.clone(), self.schema(schema, &below(at, name), depth)?);
                }
                Ok(Value::Object(out))
            }
            (keyword, Value::Array(schemas)) if LISTS.contains(&keyword) => {
                let convert = |(index, schema): (usize, &Value)| {
                    self.schema(schema, &below(at, &index.to_string()), depth)
                };
                schemas.iter().enumerate().map(convert).collect::<Result<_, _>>().map(Value::Array)
            }
            (keyword, _) if SINGLE.contains(&keyword) => self.schema(value, at, depth),
            _ => Ok(value.clone()),
        }
    }

    /// Leaves out the properties that never travel in this direction.
    fn hide_one_way(&self, members: &Map<String, Value>, out: &mut Map<String, Value>) {
        let mark = match self.direction {
            Direction::Request => "readOnly",
            Direction::Response => "writeOnly",
        };
        let hidden: Vec<&String> = members
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .filter(|(_, schema)| schema.get(mark) == Some(&Value::Bool(true)))
            .map(|(name, _)| name)
            .collect();
        if hidden.is_empty() {
            return;
        }
        if let Some(Value::Object(properties)) = out.get_mut("properties") {
            properties.retain(|name, _| !hidden.contains(&name));
        }
        if let Some(Value::Array(required)) = out.get_mut("required") {
            required.retain(|name| !hidden.iter().any(|hidden| name == hidden.as_str()));
        }
    }

    /// The name under which a referenced schema stands in `$defs`.
    fn define(&mut self, reference: &Value, at: &str) -> Result<String, Problem> {
        let (_, pointer) = self.document.lookup(reference, at)?;
        if let Some((_, name)) = self.known.iter().find(|(known, _)| *known == pointer) {
            return Ok(name.clone());
        }
        let last = pointer.rsplit('/').next().unwrap_or_default();
        let safe = |letter: char| {
            if letter.is_ascii_alphanumeric() || "_-.".contains(letter) { letter } else { '_' }
        };
        let plain: String = last.chars().map(safe).collect();
        let taken = |name: &str| self.known.iter().any(|(_, known)| known == name);
        let numbered = (2_u32..).map(|number| format!("{plain}_{number}"));
        let name = std::iter::once(plain.clone()).chain(numbered).find(|name| !taken(name)).unwrap_or(plain);
        self.known.push((pointer, name.clone()));
        Ok(name)
    }
}

/// 3.0 writes exclusive bounds as flags beside the bounds.
fn exclusive_bounds(out: &mut Map<String, Value>) {
    for (flag, bound) in [("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")] {
        match out.get(flag) {
            Some(Value::Bool(true)) => {
                out.remove(flag);
                if let Some(limit) = out.remove(bound) {
                    out.insert(flag.to_owned(), limit);
                }
            }
            Some(Value::Bool(false)) => {
                out.remove(flag);
            }
            _ => {}
        }
    }
}

/// 3.0's `nullable`: null joins the types; a schema without a type becomes an alternative to null.
fn nullable(mut out: Map<String, Value>) -> Value {
    if let Some(Value::String(kind)) = out.get("type") {
        let kinds = json!([kind, "null"]);
        out.insert("type".to_owned(), kinds);
        if let Some(Value::Array(values)) = out.get_mut("enum")
            && !values.contains(&Value::Null)
        {
            values.push(Value::Null);
        }
        return Value::Object(out);
    }
    if ["allOf", "anyOf", "oneOf"].iter().any(|keyword| out.contains_key(*keyword)) {
        return json!({ "anyOf": [out, { "type": "null" }] });
    }
    Value::Object(out)
}
