//! Schemas of a document as JSON Schema 2020-12.
//!
//! References become entries of `$defs`, so recursive schemas need no unfolding.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use self::one_way::OneWay;
use super::Problem;
use super::document::{DEEPEST, Dialect, Document, below};

pub(super) mod composed;
mod one_way;

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
///
/// What a schema says that cannot be understood, such as a reference to nothing, is left out of it: what remains
/// demands less, and the API itself still checks all of it.
pub(super) struct Schemas<'a> {
    document: &'a Document<'a>,
    one_way: OneWay<'a>,
    /// Referenced schemas in the order of discovery.
    known: Vec<Known>,
    /// Those that are converted.
    definitions: Map<String, Value>,
    omitted: Vec<Problem>,
}

/// A referenced schema.
#[derive(Clone)]
struct Known {
    pointer: String,
    /// Properties that do not travel because of what the schema is part of.
    hidden: BTreeSet<String>,
    /// Under which it stands in `$defs`.
    name: String,
}

/// Where a schema stands.
#[derive(Clone, Copy)]
struct Place<'p> {
    at: &'p str,
    depth: usize,
    /// Properties that do not travel because of what the schema is part of.
    hidden: &'p BTreeSet<String>,
}

impl<'a> Schemas<'a> {
    pub(super) fn new(document: &'a Document<'a>, direction: Direction) -> Self {
        let mark = match direction {
            Direction::Request => "readOnly",
            Direction::Response => "writeOnly",
        };
        let one_way = OneWay::new(document, mark);
        Self { document, one_way, known: Vec::new(), definitions: Map::new(), omitted: Vec::new() }
    }

    /// Converts one schema; what it refers to is remembered for [`Schemas::definitions`].
    pub(super) fn convert(&mut self, schema: &Value, at: &str) -> Result<Value, Problem> {
        self.schema(schema, Place { at, depth: 0, hidden: &BTreeSet::new() })
    }

    /// Converts everything that was referred to.
    pub(super) fn definitions(&mut self) -> Result<Map<String, Value>, Problem> {
        let mut next = 0;
        while let Some(Known { pointer, hidden, name }) = self.known.get(next).cloned() {
            if next >= MOST_DEFINITIONS {
                return Err(Problem::new(
                    pointer,
                    format!("the tool draws in more than {MOST_DEFINITIONS} schemas"),
                ));
            }
            let document = self.document;
            if let Some(target) = document.root().pointer(&pointer) {
                // As where the schema stands in place: what cannot be said costs that part, not the tool.
                let converted = self.schema(target, Place { at: &pointer, depth: 0, hidden: &hidden });
                let converted = converted.unwrap_or_else(|problem| {
                    self.omitted.push(problem);
                    json!({})
                });
                self.definitions.insert(name, converted);
            }
            next += 1;
        }
        Ok(std::mem::take(&mut self.definitions))
    }

    /// What was left out of the schemas.
    pub(super) fn omitted(self) -> Vec<Problem> {
        self.omitted
    }

    fn schema(&mut self, schema: &Value, place: Place<'_>) -> Result<Value, Problem> {
        let Place { at, depth, hidden } = place;
        if depth > DEEPEST {
            return Err(Problem::new(at, format!("the schema nests deeper than {DEEPEST} levels")));
        }
        let members = match schema {
            Value::Bool(_) => return Ok(schema.clone()),
            Value::Object(members) => members,
            _ => {
                self.omitted.push(Problem::new(at, "expected a schema object"));
                return Ok(json!({}));
            }
        };
        if let Some(keyword) = REFUSED.iter().find(|keyword| members.contains_key(**keyword)) {
            return Err(Problem::new(
                below(at, keyword),
                format!("the schema keyword `{keyword}` is not supported"),
            ));
        }
        let mut all_hidden = hidden.clone();
        let is_reference =
            members.contains_key("$ref") && (members.len() == 1 || self.document.dialect() == Dialect::V3_0);
        if !is_reference && self.document.has_one_way() {
            all_hidden.extend(self.one_way.hidden(members));
        }
        let mut out = Map::new();
        if let Some(reference) = members.get("$ref") {
            match self.define(reference, at, &all_hidden) {
                Ok(name) => drop(out.insert("$ref".to_owned(), json!(format!("#/$defs/{name}")))),
                Err(problem) => self.omitted.push(problem),
            }
            if self.document.dialect() == Dialect::V3_0 {
                return Ok(Value::Object(out));
            }
        }
        for (keyword, value) in members {
            if DROPPED.contains(&keyword.as_str()) || keyword.starts_with("x-") {
                continue;
            }
            let place = Place { at: &below(at, keyword), depth: depth + 1, hidden: &all_hidden };
            let converted = self.keyword(keyword, value, place)?;
            out.insert(keyword.clone(), converted);
        }
        if let Some(example) = members.get("example").filter(|_| !members.contains_key("examples")) {
            out.insert("examples".to_owned(), json!([example]));
        }
        hide(&all_hidden, &mut out);
        if self.document.dialect() == Dialect::V3_0 {
            exclusive_bounds(&mut out);
            if members.get("nullable") == Some(&Value::Bool(true)) {
                return Ok(nullable(out));
            }
        }
        Ok(Value::Object(out))
    }

    fn keyword(&mut self, keyword: &str, value: &Value, place: Place<'_>) -> Result<Value, Problem> {
        let Place { at, depth, hidden } = place;
        let none = BTreeSet::new();
        // Parts of a composition describe the same object, everything else another one.
        let hidden = if LISTS.contains(&keyword) && keyword != "prefixItems" { hidden } else { &none };
        match (keyword, value) {
            (keyword, Value::Object(named)) if NAMED.contains(&keyword) => {
                let mut out = Map::new();
                for (name, schema) in named {
                    let place = Place { at: &below(at, name), depth, hidden };
                    out.insert(name.clone(), self.schema(schema, place)?);
                }
                Ok(Value::Object(out))
            }
            (keyword, Value::Array(schemas)) if LISTS.contains(&keyword) => {
                let convert = |(index, schema): (usize, &Value)| {
                    self.schema(schema, Place { at: &below(at, &index.to_string()), depth, hidden })
                };
                schemas.iter().enumerate().map(convert).collect::<Result<_, _>>().map(Value::Array)
            }
            (keyword, _) if SINGLE.contains(&keyword) => self.schema(value, Place { at, depth, hidden }),
            _ => Ok(value.clone()),
        }
    }

    /// The name under which a referenced schema stands in `$defs`. One that is part of objects of which different
    /// properties travel stands there more than once.
    fn define(&mut self, reference: &Value, at: &str, hidden: &BTreeSet<String>) -> Result<String, Problem> {
        let (target, pointer) = self.document.lookup(reference, at)?;
        let hidden = match target.as_object().filter(|_| !hidden.is_empty()) {
            Some(members) => {
                let own = self.one_way.hidden(members);
                let concerned = self.one_way.concerned(members, hidden);
                concerned.into_iter().filter(|name| !own.contains(name)).collect()
            }
            None => BTreeSet::new(),
        };
        let same = |known: &&Known| known.pointer == pointer && known.hidden == hidden;
        if let Some(known) = self.known.iter().find(same) {
            return Ok(known.name.clone());
        }
        let last = pointer.rsplit('/').next().unwrap_or_default();
        let safe = |letter: char| {
            if letter.is_ascii_alphanumeric() || "_-.".contains(letter) { letter } else { '_' }
        };
        let plain: String = last.chars().map(safe).collect();
        let taken = |name: &str| self.known.iter().any(|known| known.name == name);
        let numbered = (2_u32..).map(|number| format!("{plain}_{number}"));
        let name = std::iter::once(plain.clone()).chain(numbered).find(|name| !taken(name)).unwrap_or(plain);
        self.known.push(Known { pointer, hidden, name: name.clone() });
        Ok(name)
    }
}

/// Leaves out the properties that never travel in this direction, and what demands them.
fn hide(hidden: &BTreeSet<String>, out: &mut Map<String, Value>) {
    if hidden.is_empty() {
        return;
    }
    if let Some(Value::Object(properties)) = out.get_mut("properties") {
        properties.retain(|name, _| !hidden.contains(name));
    }
    if let Some(Value::Array(required)) = out.get_mut("required") {
        required.retain(|name| !name.as_str().is_some_and(|name| hidden.contains(name)));
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
