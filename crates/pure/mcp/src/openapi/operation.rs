//! Operations of a document, one by one, as tools.

use std::collections::BTreeMap;

use jsonschema::Validator;
use serde_json::{Map, Value, json};
use url::Url;

use super::body::{BODY, DeclaredBody};
use super::definition::{self, Unusable, describe, insert, upper};
use super::document::{Document, below};
use super::name::{self, Wish};
use super::parameter::{Declared, Entry, Location, Parameter};
use super::path::PathTemplate;
use super::schema::{Direction, Schemas};
use super::source::Source;
use super::{BridgeTool, CompileOptions, METHODS, OTHER_METHODS, Output, OutputSchemas, Problem, answer};
use crate::tool::{LARGEST_DEFINITION, Tool};

/// The largest schema of arguments or results: beside it there must be room for the rest of a definition.
const LARGEST_SCHEMA: usize = LARGEST_DEFINITION * 3 / 4;

/// Collects tools and refusals.
pub(super) struct Compiler<'a> {
    document: &'a Document<'a>,
    base: &'a Url,
    options: &'a CompileOptions,
    compiled: Compiled,
    /// Names already given, with the pointer of their operation.
    names: BTreeMap<String, String>,
}

/// What became of the operations of a document.
#[derive(Default)]
pub(super) struct Compiled {
    pub tools: Vec<BridgeTool>,
    pub refused: Vec<Problem>,
    /// Parts of tools that are left out.
    pub omitted: Vec<Problem>,
    /// Operations that there was no room for.
    pub left_out: usize,
}

/// The arguments of a tool.
struct Arguments {
    schema: Value,
    parameters: Vec<Parameter>,
    body: Option<super::body::Body>,
}

/// How the argument `body` is described.
#[derive(Clone, Copy)]
enum DescribedBody {
    /// By its schema.
    Whole,
    /// By what people read only.
    Bare,
}

impl<'a> Compiler<'a> {
    pub(super) fn new(document: &'a Document<'a>, base: &'a Url, options: &'a CompileOptions) -> Self {
        Self { document, base, options, compiled: Compiled::default(), names: BTreeMap::new() }
    }

    /// Compiles the operations of all paths. Their names depend on one another, so they are settled first.
    pub(super) fn compile(mut self, paths: &'a Map<String, Value>) -> Compiled {
        let mut sources = Vec::new();
        for (path, item) in paths {
            self.sources(path, item, &mut sources);
        }
        let wishes: Vec<Wish> = sources
            .iter()
            .map(|source| {
                let id = source.operation.get("operationId").and_then(Value::as_str);
                Wish::of(id, source.method, source.path)
            })
            .collect();
        for (mut source, name) in sources.into_iter().zip(name::settle(&wishes)) {
            source.name = name;
            self.take(&source);
        }
        self.compiled
    }

    /// The operations of one path.
    fn sources(&mut self, path: &'a str, item: &'a Value, sources: &mut Vec<Source<'a>>) {
        if path.starts_with("x-") {
            return;
        }
        let (item, item_at) = match self.document.resolve(item, &below("/paths", path)) {
            Ok(found) => found,
            Err(problem) => return self.compiled.refused.push(problem),
        };
        for method in OTHER_METHODS.iter().filter(|method| item.get(**method).is_some()) {
            let what = format!("{} operations are not bridged", method.to_ascii_uppercase());
            self.compiled.refused.push(Problem::new(below(&item_at, method), what));
        }
        for method in METHODS {
            let Some(operation) = item.get(method) else { continue };
            let at = below(&item_at, method);
            let (item_at, name) = (item_at.clone(), String::new());
            sources.push(Source { path, method, item, operation, at, item_at, name });
        }
    }

    fn take(&mut self, source: &Source<'a>) {
        if self.compiled.tools.len() >= self.options.most_tools {
            self.compiled.left_out += 1;
            return;
        }
        let mut omitted = Vec::new();
        match self.operation(source, &mut omitted) {
            Ok(tool) => {
                self.names.insert(source.name.clone(), source.at.clone());
                self.compiled.tools.push(tool);
                self.compiled.omitted.extend(omitted.into_iter().map(|problem| problem.of(&source.name)));
            }
            Err(problem) => self.compiled.refused.push(problem.of(&source.name)),
        }
    }

    fn operation(&self, source: &Source<'a>, omitted: &mut Vec<Problem>) -> Result<BridgeTool, Problem> {
        let at = &source.at;
        if let Some(first) = self.names.get(&source.name) {
            return Err(Problem::new(
                below(at, "operationId"),
                format!("the name is already that of {first}"),
            ));
        }
        self.check_unsupported(source, omitted)?;
        let path = PathTemplate::parse(source.path).map_err(|what| Problem::new(&source.item_at, what))?;
        let (arguments, validator) = self.usable_arguments(source, &path, omitted)?;
        let (tool, output) = self.defined(source, &arguments.schema, omitted)?;
        Ok(BridgeTool {
            tool,
            base: self.base.clone(),
            method: upper(source.method),
            path,
            accept: answer::accept(self.document, source.operation),
            parameters: arguments.parameters,
            body: arguments.body,
            arguments: validator,
            output,
        })
    }

    fn check_unsupported(&self, source: &Source<'a>, omitted: &mut Vec<Problem>) -> Result<(), Problem> {
        let callbacks = source.operation.get("callbacks").and_then(Value::as_object);
        if callbacks.is_some_and(|callbacks| !callbacks.is_empty()) {
            let what = "callbacks are not received: the API's own requests need another way in";
            omitted.push(Problem::new(below(&source.at, "callbacks"), what));
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

    /// The arguments and what checks them, without the schema of the body where it is one that no tool can have: too
    /// large, too deep, or full of faults.
    fn usable_arguments(
        &self,
        source: &Source<'a>,
        path: &PathTemplate,
        omitted: &mut Vec<Problem>,
    ) -> Result<(Arguments, Validator), Problem> {
        let mut found = Vec::new();
        let problem = match self.checked_arguments(source, path, DescribedBody::Whole, &mut found) {
            Ok(usable) => {
                omitted.extend(found);
                return Ok(usable);
            }
            Err(problem) => problem,
        };
        let (arguments, validator) = match self.checked_arguments(source, path, DescribedBody::Bare, omitted)
        {
            Ok(usable) if usable.0.body.is_some() => usable,
            _ => return Err(problem),
        };
        omitted.push(Problem { what: format!("the schema of the body: {}", problem.what), ..problem });
        Ok((arguments, validator))
    }

    fn checked_arguments(
        &self,
        source: &Source<'a>,
        path: &PathTemplate,
        described: DescribedBody,
        omitted: &mut Vec<Problem>,
    ) -> Result<(Arguments, Validator), Problem> {
        let mut arguments = self.arguments(source, path, described, omitted)?;
        let size = arguments.schema.to_string().len();
        if size > LARGEST_SCHEMA && arguments.body.is_some() {
            let what = format!("the schema of arguments is {size} bytes; at most {LARGEST_SCHEMA} are used");
            return Err(Problem::new(&source.at, what));
        }
        let validator = definition::validator(&mut arguments.schema, &source.at, omitted)?;
        Ok((arguments, validator))
    }

    fn arguments(
        &self,
        source: &Source<'a>,
        path: &PathTemplate,
        described: DescribedBody,
        omitted: &mut Vec<Problem>,
    ) -> Result<Arguments, Problem> {
        let mut schemas = Schemas::new(self.document, Direction::Request);
        let (mut properties, mut required) = (Map::new(), Vec::new());
        let body = DeclaredBody::read(self.document, source.operation, &source.at, omitted)?;
        if let Some(body) = &body {
            let mut schema = match described {
                DescribedBody::Whole => body.convert(&mut schemas)?,
                DescribedBody::Bare => json!({}),
            };
            describe(&mut schema, body.description);
            properties.insert(BODY.to_owned(), schema);
            required.extend(body.required.then(|| json!(BODY)));
        }
        let declared = self.parameters(source, path, body.is_some(), omitted)?;
        for one in &declared {
            let mut schema = match &one.schema {
                Some((schema, at)) => schemas.convert(schema, at).unwrap_or_else(|problem| {
                    omitted.push(problem);
                    json!({})
                }),
                None if one.parameter.location == Location::Path => json!({ "type": "string" }),
                None => json!({}),
            };
            describe(&mut schema, one.description);
            properties.insert(one.parameter.argument.clone(), schema);
            required.extend(one.parameter.required.then(|| json!(one.parameter.argument)));
        }
        let mut schema = json!({ "type": "object", "properties": properties, "additionalProperties": false });
        insert(&mut schema, "required", (!required.is_empty()).then_some(Value::Array(required)));
        let definitions = schemas.definitions()?;
        insert(&mut schema, "$defs", (!definitions.is_empty()).then_some(Value::Object(definitions)));
        omitted.extend(schemas.omitted());
        let parameters = declared.into_iter().map(|one| one.parameter).collect();
        Ok(Arguments { schema, parameters, body: body.map(|body| body.body) })
    }

    /// The parameters of the path and the operation; those of the operation win (OpenAPI §4.8.10). One that cannot be
    /// sent is left out, unless requests are incomplete without it.
    fn parameters(
        &self,
        source: &Source<'a>,
        path: &PathTemplate,
        has_body: bool,
        omitted: &mut Vec<Problem>,
    ) -> Result<Vec<Declared<'a>>, Problem> {
        let (mut found, mut unusable) = (Vec::<Declared<'a>>::new(), Vec::new());
        for (holder, at) in [(source.item, &source.item_at), (source.operation, &source.at)] {
            let at = below(at, "parameters");
            let entries = holder.get("parameters").and_then(Value::as_array).into_iter().flatten();
            for (index, entry) in entries.enumerate() {
                match Entry::read(self.document, entry, &below(&at, &index.to_string())) {
                    Entry::Usable(one) => {
                        let same = |other: &Declared<'_>| {
                            other.parameter.name == one.parameter.name
                                && other.parameter.location == one.parameter.location
                        };
                        found.retain(|other| !same(other));
                        found.push(one);
                    }
                    Entry::Ignored => {}
                    Entry::Unusable(one) => unusable.push(one),
                }
            }
        }
        for one in unusable {
            let is_declared_again =
                one.name.as_ref().is_some_and(|name| found.iter().any(|other| other.parameter.name == *name));
            if one.required && !is_declared_again {
                return Err(one.problem);
            }
            omitted.push(one.problem);
        }
        fit_holes(path, &mut found, &source.item_at, omitted);
        let mut taken: Vec<String> = if has_body { vec![BODY.to_owned()] } else { Vec::new() };
        for one in &mut found {
            let parameter = &mut one.parameter;
            parameter.argument = name::argument(&parameter.name, parameter.location.as_str(), &taken);
            taken.push(parameter.argument.clone());
        }
        Ok(found)
    }

    /// The tool, and how its results are checked. A schema of results that cannot be used costs no tool.
    fn defined(
        &self,
        source: &Source<'a>,
        input: &Value,
        omitted: &mut Vec<Problem>,
    ) -> Result<(Tool, Option<Output>), Problem> {
        let checked = self.output(source, omitted).unwrap_or_else(|problem| {
            omitted.push(problem);
            None
        });
        let Some((schema, output)) = checked else {
            return Ok((definition::tool(source, input, None)?, None));
        };
        if self.options.output_schemas != OutputSchemas::Strict {
            return Ok((definition::tool(source, input, None)?, Some(output)));
        }
        match definition::tool(source, input, Some(&schema)) {
            Ok(tool) => Ok((tool, Some(output))),
            Err(Unusable::TooLarge(problem)) => {
                let tool = definition::tool(source, input, None)?;
                omitted.push(Problem { what: format!("the schema of results: {}", problem.what), ..problem });
                Ok((tool, None))
            }
            Err(Unusable::Other(problem)) => Err(problem),
        }
    }

    /// The schema of results as clients see it, and what checks them.
    fn output(
        &self,
        source: &Source<'a>,
        omitted: &mut Vec<Problem>,
    ) -> Result<Option<(Value, Output)>, Problem> {
        if self.options.output_schemas == OutputSchemas::Off {
            return Ok(None);
        }
        let declared = answer::output(self.document, source.operation, &source.at, omitted)?;
        let Some(declared) = declared else { return Ok(None) };
        let mut schema = Value::Object(declared);
        let size = schema.to_string().len();
        if size > LARGEST_SCHEMA {
            let what = format!("the schema of results is {size} bytes; at most {LARGEST_SCHEMA} are used");
            return Err(Problem::new(&source.at, what));
        }
        let validator: Validator = definition::validator(&mut schema, &source.at, omitted)?;
        let is_promised = self.options.output_schemas == OutputSchemas::Strict;
        if !validator.is_valid(&json!({}))
            && let Value::Object(members) = &schema
        {
            schema = definition::with_empty(members);
        }
        Ok(Some((schema, Output { validator, is_promised })))
    }
}

/// Makes parameters and holes of the path the same: a hole that nothing declares takes any text, and a parameter that
/// has no hole has no place.
fn fit_holes(path: &PathTemplate, parameters: &mut Vec<Declared<'_>>, at: &str, omitted: &mut Vec<Problem>) {
    parameters.retain(|one| {
        let fits =
            one.parameter.location != Location::Path || path.holes().any(|hole| hole == one.parameter.name);
        if !fits {
            let what = format!("the path parameter {:?} does not appear in the path", one.parameter.name);
            omitted.push(Problem::new(at, what));
        }
        fits
    });
    for hole in path.holes() {
        let is_declared =
            |one: &Declared<'_>| one.parameter.location == Location::Path && one.parameter.name == hole;
        if !parameters.iter().any(is_declared) {
            let what =
                format!("the path names {{{hole}}} but no path parameter describes it; it takes any text");
            omitted.push(Problem::new(at, what));
            parameters.push(Declared::undeclared(hole));
        }
    }
}
