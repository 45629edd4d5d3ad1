//! The definition of a tool, and the schemas in it.

use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::{Map, Value, json};

use super::Problem;
use super::source::Source;
use crate::tool::{LARGEST_DEFINITION, Tool};

/// Clients cut descriptions at 2 KB.
const LONGEST_DESCRIPTION: usize = 1_900;
/// How many unusable parts of one schema are left out before it is given up.
const MOST_REPAIRS: usize = 24;
/// The most characters of what is said about one fault.
const LONGEST_DETAIL: usize = 300;
/// Keywords whose members are names of the document and not keywords.
const NAMED: [&str; 4] = ["properties", "patternProperties", "dependentSchemas", "$defs"];

/// Why a tool cannot be offered.
pub(super) enum Unusable {
    /// Its definition is too large.
    TooLarge(Problem),
    Other(Problem),
}

impl From<Unusable> for Problem {
    fn from(unusable: Unusable) -> Self {
        match unusable {
            Unusable::TooLarge(problem) | Unusable::Other(problem) => problem,
        }
    }
}

/// The tool of an operation.
pub(super) fn tool(source: &Source<'_>, input: &Value, output: Option<&Value>) -> Result<Tool, Unusable> {
    let mut definition = json!({ "name": source.name, "inputSchema": input });
    let text = |name: &str| {
        source.operation.get(name).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty())
    };
    insert(
        &mut definition,
        "title",
        text("summary").filter(|text| text.len() <= 120).map(|text| json!(text)),
    );
    insert(&mut definition, "description", Some(description(source, text("summary"), text("description"))));
    insert(&mut definition, "annotations", Some(annotations(source.method)));
    insert(&mut definition, "outputSchema", output.cloned());
    let json = definition.to_string();
    if json.len() > LARGEST_DEFINITION {
        let what =
            format!("the tool definition is {} bytes; at most {LARGEST_DEFINITION} are offered", json.len());
        return Err(Unusable::TooLarge(Problem::new(&source.at, what)));
    }
    Tool::parse(&json).map_err(|error| Unusable::Other(Problem::new(&source.at, error.to_string())))
}

/// A schema of results that an answer without content fits as well: its result is an empty object.
pub(super) fn with_empty(output: &Map<String, Value>) -> Value {
    let mut declared = output.clone();
    let definitions = declared.remove("$defs");
    let empty = json!({ "description": "The API answered without content.", "maxProperties": 0 });
    let mut either = json!({ "type": "object", "anyOf": [declared, empty] });
    insert(&mut either, "$defs", definitions);
    either
}

fn description(source: &Source<'_>, summary: Option<&str>, description: Option<&str>) -> Value {
    let mut text = match (summary, description) {
        (Some(summary), Some(description)) if !description.starts_with(summary) => {
            format!("{summary}\n\n{description}")
        }
        (_, Some(description)) => description.to_owned(),
        (Some(summary), None) => summary.to_owned(),
        (None, None) => format!("{} {}", upper(source.method), source.path),
    };
    if text.len() > LONGEST_DESCRIPTION {
        text = text
            .chars()
            .scan(0, |size, letter| {
                *size += letter.len_utf8();
                (*size <= LONGEST_DESCRIPTION).then_some(letter)
            })
            .collect();
        text.push('…');
    }
    Value::String(text)
}

/// What RFC 9110 §9.2 says about the method, as hints.
fn annotations(method: &str) -> Value {
    match method {
        "get" => json!({ "readOnlyHint": true }),
        "put" => json!({ "readOnlyHint": false, "idempotentHint": true }),
        "delete" => json!({ "readOnlyHint": false, "destructiveHint": true, "idempotentHint": true }),
        _ => json!({ "readOnlyHint": false }),
    }
}

/// A validator whose patterns run in linear time. Parts of the schema that no validator can use, such as patterns with
/// look-around or a `required` that is no list, are taken out of it. Errors when there are too many of them; patterns
/// may be as many as they like.
pub(super) fn validator(
    schema: &mut Value,
    at: &str,
    omitted: &mut Vec<Problem>,
) -> Result<Validator, Problem> {
    let mut repairs = 0;
    loop {
        let options =
            jsonschema::draft202012::options().with_pattern_options(PatternOptions::regex()).offline();
        let error = match options.build(schema) {
            Ok(validator) => return Ok(validator),
            Err(error) => error,
        };
        let place = error.instance_path().to_string();
        if place.ends_with("/pattern") || place.contains("/patternProperties/") {
            let before = omitted.len();
            take_out_patterns(schema, &mut String::new(), at, omitted);
            if omitted.len() > before {
                continue;
            }
        }
        let problem = unusable(at, &place, &error);
        repairs += 1;
        if repairs > MOST_REPAIRS || !take_out(schema, &place) {
            return Err(problem);
        }
        omitted.push(problem);
    }
}

fn unusable(at: &str, place: &str, error: &ValidationError<'_>) -> Problem {
    let is_pattern = place.ends_with("/pattern") || place.contains("/patternProperties");
    let hint =
        if is_pattern { " (patterns run in linear time: no look-around, no back-references)" } else { "" };
    let said: String = error.to_string().chars().take(LONGEST_DETAIL).collect();
    Problem::new(at, format!("the schema cannot be checked at {place}: {said}{hint}"))
}

/// Takes out every pattern below `place` that no validator can use. Building a validator anew for each of them would take
/// a document with thousands of them minutes to load.
fn take_out_patterns(schema: &mut Value, place: &mut String, at: &str, omitted: &mut Vec<Problem>) {
    let mut below = |name: &str, value: &mut Value, omitted: &mut Vec<Problem>| {
        let length = place.len();
        place.push('/');
        place.push_str(&name.replace('~', "~0").replace('/', "~1"));
        take_out_patterns(value, place, at, omitted);
        place.truncate(length);
    };
    match schema {
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                below(&index.to_string(), item, omitted);
            }
        }
        Value::Object(members) => {
            for (name, value) in members.iter_mut() {
                // What is below these is data.
                if !matches!(name.as_str(), "const" | "default" | "enum" | "example" | "examples") {
                    below(name, value, omitted);
                }
            }
            if let Some(error) = members.get("pattern").and_then(|pattern| refusal("pattern", pattern)) {
                members.remove("pattern");
                omitted.push(unusable(at, &format!("{place}/pattern"), &error));
            }
            let named = members.get_mut("patternProperties").and_then(Value::as_object_mut);
            for name in named.iter().flat_map(|named| named.keys().cloned()).collect::<Vec<_>>() {
                if let Some(error) = refusal("patternProperties", &json!({ name.as_str(): {} })) {
                    if let Some(named) = members.get_mut("patternProperties").and_then(Value::as_object_mut) {
                        named.remove(&name);
                    }
                    omitted.push(unusable(at, &format!("{place}/patternProperties"), &error));
                }
            }
        }
        _ => {}
    }
}

/// Why no validator can use a keyword with this value.
fn refusal(keyword: &str, value: &Value) -> Option<ValidationError<'static>> {
    // A property may be called `pattern`: then this is a schema.
    let is_keyword = value.is_string() || keyword == "patternProperties";
    let alone = json!({ keyword: value });
    let options = jsonschema::draft202012::options().with_pattern_options(PatternOptions::regex()).offline();
    is_keyword.then(|| options.build(&alone).err()).flatten()
}

/// Takes out the keyword at `place`, unless what stands there is no keyword.
fn take_out(schema: &mut Value, place: &str) -> bool {
    let Some((parent_at, last)) = place.rsplit_once('/') else { return false };
    let is_name = parent_at.rsplit('/').next().is_some_and(|parent| NAMED.contains(&parent));
    let in_name = parent_at.rsplit('/').nth(1).is_some_and(|parent| NAMED.contains(&parent));
    let key = last.replace("~1", "/").replace("~0", "~");
    match schema.pointer_mut(parent_at) {
        Some(Value::Object(members)) if !is_name || in_name => members.remove(&key).is_some(),
        Some(Value::Array(items)) => match key.parse::<usize>() {
            Ok(index) if index < items.len() => {
                items.remove(index);
                true
            }
            _ => false,
        },
        _ => false,
    }
}

/// Adds a description to a schema that has none.
pub(super) fn describe(schema: &mut Value, description: Option<&str>) {
    if let (Some(members), Some(description)) = (schema.as_object_mut(), description)
        && !members.contains_key("description")
    {
        members.insert("description".to_owned(), json!(description.trim()));
    }
}

/// Adds a member to an object, if there is one to add.
pub(super) fn insert(object: &mut Value, name: &str, value: Option<Value>) {
    if let (Some(members), Some(value)) = (object.as_object_mut(), value) {
        members.insert(name.to_owned(), value);
    }
}

/// The method as requests write it.
pub(super) fn upper(method: &str) -> &'static str {
    match method {
        "post" => "POST",
        "put" => "PUT",
        "patch" => "PATCH",
        "delete" => "DELETE",
        _ => "GET",
    }
}
