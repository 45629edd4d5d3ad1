//! Operations of a document, one by one, as tools.

use std::collections::BTreeMap;

use jsonschema::{PatternOptions, Validator};
use serde_json::{Map, Value, json};
use url::Url;

use super::document::{Document, below};
use super::parameter::{Declared, Location, Parameter};
use super::path::PathTemplate;
use super::schema::{Direction, Schemas};
use super::{BridgeTool, CompileOptions, METHODS, OTHER_METHODS, OutputSchemas, Problem, name};
use crate::tool::{LARGEST_DEFINITION, Tool};

/// Clients cut descriptions at 2 KB.
const LONGEST_DESCRIPTION: usize = 1_900;
/// The argument that carries a JSON request body.
pub(super) const BODY: &str = "body";

/// A JSON request body.
#[derive(Clone, Debug)]
pub(super) struct Body {
    pub media_type: String,
}

/// Collects tools and refusals.
pub(super) struct Compiler<'a> {
    document: &'a Document<'a>,
    base: &'a Url,
    options: &'a CompileOptions,
    tools: Vec<BridgeTool>,
    refused: Vec<Problem>,
    /// Names already given, with the pointer of their operation.
    names: BTreeMap<String, String>,
    left_out: usize,
}

/// What became of the operations of a document.
pub(super) struct Compiled {
    pub tools: Vec<BridgeTool>,
    pub refused: Vec<Problem>,
    /// Those that there was no room for.
    pub left_out: usize,
}

/// One operation under way.
struct Source<'a> {
    path: &'a str,
    method: &'static str,
    item: &'a Value,
    operation: &'a Value,
    at: String,
    item_at: String,
    name: String,
}

impl<'a> Compiler<'a> {
    pub(super) fn new(document: &'a Document<'a>, base: &'a Url, options: &'a CompileOptions) -> Self {
        let (tools, refused, names) = (Vec::new(), Vec::new(), BTreeMap::new());
        Self { document, base, options, tools, refused, names, left_out: 0 }
    }

    pub(super) fn finish(self) -> Compiled {
        Compiled { tools: self.tools, refused: self.refused, left_out: self.left_out }
    }

    /// Compiles the operations of one path.
    pub(super) fn path(&mut self, path: &'a str, item: &'a Value) {
        if path.starts_with("x-") {
            return;
        }
        let (item, item_at) = match self.document.resolve(item, &below("/paths", path)) {
            Ok(found) => found,
            Err(problem) => return self.refused.push(problem),
        };
        for method in OTHER_METHODS.iter().filter(|method| item.get(**method).is_some()) {
            let what = format!("{} operations are not bridged", method.to_ascii_uppercase());
            self.refused.push(Problem::new(below(&item_at, method), what));
        }
        for method in METHODS {
            let Some(operation) = item.get(method) else { continue };
            if self.tools.len() >= self.options.most_tools {
                self.left_out += 1;
                continue;
            }
            let id = operation.get("operationId").and_then(Value::as_str);
            let name = name::tool(id, method, path);
            let at = below(&item_at, method);
            let source =
                Source { path, method, item, operation, at, item_at: item_at.clone(), name: name.clone() };
            match self.operation(&source) {
                Ok(tool) => {
                    self.names.insert(name, source.at);
                    self.tools.push(tool);
                }
                Err(problem) => self.refused.push(problem.of(&name)),
            }
        }
    }

    fn operation(&self, source: &Source<'a>) -> Result<BridgeTool, Problem> {
        let at = &source.at;
        if let Some(first) = self.names.get(&source.name) {
            return Err(Problem::new(
                below(at, "operationId"),
                format!("the name is already that of {first}"),
            ));
        }
        self.check_unsupported(source)?;
        let path = PathTemplate::parse(source.path).map_err(|what| Problem::new(&source.item_at, what))?;
        let mut schemas = Schemas::new(self.document, Direction::Request);
        let mut properties = Map::new();
        let mut required = Vec::new();
        let body = self.body(source, &mut schemas, &mut properties, &mut required)?;
        let declared = self.parameters(source, body.is_some())?;
        for one in &declared {
            let mut schema = match &one.schema {
                Some((schema, at)) => schemas.convert(schema, at)?,
                None => json!({}),
            };
            describe(&mut schema, one.description);
            properties.insert(one.parameter.argument.clone(), schema);
            if one.parameter.required {
                required.push(Value::String(one.parameter.argument.clone()));
            }
        }
        let parameters: Vec<Parameter> = declared.into_iter().map(|one| one.parameter).collect();
        check_holes(&path, &parameters, &source.item_at)?;
        let mut input = json!({ "type": "object", "properties": properties, "additionalProperties": false });
        insert(&mut input, "required", (!required.is_empty()).then_some(Value::Array(required)));
        let definitions = schemas.definitions()?;
        insert(&mut input, "$defs", (!definitions.is_empty()).then_some(Value::Object(definitions)));
        let output = match self.options.output_schemas {
            OutputSchemas::Declare => self.output(source)?,
            OutputSchemas::Omit => None,
        };
        let tool = definition(source, &input, output.as_ref())?;
        let arguments = validator(&input, at)?;
        let output = output.map(|schema| validator(&schema, at)).transpose()?;
        let method = upper(source.method);
        Ok(BridgeTool { tool, base: self.base.clone(), method, path, parameters, body, arguments, output })
    }

    fn check_unsupported(&self, source: &Source<'a>) -> Result<(), Problem> {
        if source
            .operation
            .get("callbacks")
            .and_then(Value::as_object)
            .is_some_and(|callbacks| !callbacks.is_empty())
        {
            return Err(Problem::new(below(&source.at, "callbacks"), "callbacks are not supported"));
        }
        if self.options.base_url.is_none() {
            for (holder, at) in [(source.operation, &source.at), (source.item, &source.item_at)] {
                if holder.get("servers").is_some() {
                    let what = "servers of single operations are not supported: set `openapi.baseURL` to send all to one";
                    return Err(Problem::new(below(at, "servers"), what));
                }
            }
        }
        Ok(())
    }

    /// The parameters of the path and the operation; those of the operation win (OpenAPI §4.8.10).
    fn parameters(&self, source: &Source<'a>, has_body: bool) -> Result<Vec<Declared<'a>>, Problem> {
        let mut found: Vec<Declared<'a>> = Vec::new();
        for (holder, at) in [(source.item, &source.item_at), (source.operation, &source.at)] {
            let at = below(at, "parameters");
            let entries = holder.get("parameters").and_then(Value::as_array).into_iter().flatten();
            for (index, entry) in entries.enumerate() {
                let Some(one) = Declared::read(self.document, entry, &below(&at, &index.to_string()))? else {
                    continue;
                };
                let same = |other: &Declared<'_>| {
                    other.parameter.name == one.parameter.name
                        && other.parameter.location == one.parameter.location
                };
                found.retain(|other| !same(other));
                found.push(one);
            }
        }
        let mut taken: Vec<String> = if has_body { vec![BODY.to_owned()] } else { Vec::new() };
        for one in &mut found {
            let parameter = &mut one.parameter;
            parameter.argument = name::argument(&parameter.name, parameter.location.as_str(), &taken);
            taken.push(parameter.argument.clone());
        }
        Ok(found)
    }

    fn body(
        &self,
        source: &Source<'a>,
        schemas: &mut Schemas<'a>,
        properties: &mut Map<String, Value>,
        required: &mut Vec<Value>,
    ) -> Result<Option<Body>, Problem> {
        let Some(body) = source.operation.get("requestBody") else { return Ok(None) };
        let (body, at) = self.document.resolve(body, &below(&source.at, "requestBody"))?;
        let content_at = below(&at, "content");
        let content = body.get("content").and_then(Value::as_object);
        let content =
            content.ok_or_else(|| Problem::new(&content_at, "expected an object of media types"))?;
        let Some((media_type, described)) = content.iter().find(|(media_type, _)| is_json(media_type)) else {
            let found: Vec<&String> = content.keys().collect();
            return Err(Problem::new(
                content_at,
                format!("only JSON request bodies are supported, found {found:?}"),
            ));
        };
        let mut schema = match described.get("schema") {
            Some(schema) => schemas.convert(schema, &below(&below(&content_at, media_type), "schema"))?,
            None => json!({}),
        };
        describe(&mut schema, body.get("description").and_then(Value::as_str));
        properties.insert(BODY.to_owned(), schema);
        if body.get("required").and_then(Value::as_bool) == Some(true) {
            required.push(Value::String(BODY.to_owned()));
        }
        let media_type = if media_type.contains('*') { "application/json" } else { media_type };
        Ok(Some(Body { media_type: media_type.to_owned() }))
    }

    /// The schema of the one successful answer, when it is a JSON object.
    fn output(&self, source: &Source<'a>) -> Result<Option<Value>, Problem> {
        let responses = source.operation.get("responses").and_then(Value::as_object);
        let mut successes = responses.into_iter().flatten().filter(|(status, _)| status.starts_with('2'));
        let (Some((status, response)), None) = (successes.next(), successes.next()) else { return Ok(None) };
        let at = below(&below(&source.at, "responses"), status);
        let (response, at) = self.document.resolve(response, &at)?;
        let content = response.get("content").and_then(Value::as_object);
        let Some(content) = content.filter(|content| content.len() == 1) else { return Ok(None) };
        let json = content.iter().find(|(media_type, _)| is_json(media_type));
        let Some((schema, media_type)) =
            json.and_then(|(media, described)| Some((described.get("schema")?, media)))
        else {
            return Ok(None);
        };
        let schema_at = below(&below(&below(&at, "content"), media_type), "schema");
        // The root itself is unfolded: clients want to see `type: object` there.
        let (schema, schema_at) = self.document.resolve(schema, &schema_at)?;
        let mut schemas = Schemas::new(self.document, Direction::Response);
        let mut output = schemas.convert(schema, &schema_at)?;
        if output.get("type").and_then(Value::as_str) != Some("object") {
            return Ok(None);
        }
        let definitions = schemas.definitions()?;
        insert(&mut output, "$defs", (!definitions.is_empty()).then_some(Value::Object(definitions)));
        Ok(Some(output))
    }
}

/// `application/json`, `*+json` and the wildcards that include them.
pub(super) fn is_json(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json"
        || essence.ends_with("+json")
        || essence == "*/*"
        || essence == "application/*"
}

fn definition(source: &Source<'_>, input: &Value, output: Option<&Value>) -> Result<Tool, Problem> {
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
        return Err(Problem::new(&source.at, what));
    }
    Tool::parse(&json).map_err(|error| Problem::new(&source.at, error.to_string()))
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

fn check_holes(path: &PathTemplate, parameters: &[Parameter], at: &str) -> Result<(), Problem> {
    let declared = |name: &str| {
        parameters.iter().any(|parameter| parameter.location == Location::Path && parameter.name == name)
    };
    if let Some(hole) = path.holes().find(|hole| !declared(hole)) {
        return Err(Problem::new(at, format!("the path names {{{hole}}} but no path parameter declares it")));
    }
    let unused = |parameter: &&Parameter| {
        parameter.location == Location::Path && !path.holes().any(|hole| hole == parameter.name)
    };
    if let Some(unused) = parameters.iter().find(unused) {
        return Err(Problem::new(
            at,
            format!("the path parameter {:?} does not appear in the path", unused.name),
        ));
    }
    Ok(())
}

/// A validator whose patterns run in linear time.
fn validator(schema: &Value, at: &str) -> Result<Validator, Problem> {
    let options = jsonschema::draft202012::options().with_pattern_options(PatternOptions::regex()).offline();
    options.build(schema).map_err(|error| {
        let place = error.instance_path().to_string();
        let hint = if place.ends_with("/pattern") {
            " (patterns run in linear time: no look-around, no back-references)"
        } else {
            ""
        };
        Problem::new(at, format!("the schema cannot be checked at {place}: {error}{hint}"))
    })
}

fn describe(schema: &mut Value, description: Option<&str>) {
    if let (Some(members), Some(description)) = (schema.as_object_mut(), description)
        && !members.contains_key("description")
    {
        members.insert("description".to_owned(), json!(description.trim()));
    }
}

fn insert(object: &mut Value, name: &str, value: Option<Value>) {
    if let (Some(members), Some(value)) = (object.as_object_mut(), value) {
        members.insert(name.to_owned(), value);
    }
}

fn upper(method: &str) -> &'static str {
    match method {
        "post" => "POST",
        "put" => "PUT",
        "patch" => "PATCH",
        "delete" => "DELETE",
        _ => "GET",
    }
}
