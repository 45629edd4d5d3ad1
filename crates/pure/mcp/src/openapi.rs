//! REST APIs as MCP tools: OpenAPI 3.0 and 3.1 documents compiled to tools, calls to requests, answers to
//! tool results.
//!
//! Shape of a tool: every path, query and header parameter is an argument under its own name (characters
//! that models may not use in names become `_`); a JSON request body is the argument `body`. The operation's
//! `operationId` names the tool; without one the name is the method and the path, `GET /staff/{id}` becoming
//! `get_staff_id`. A form is the argument `body` too, as an object. What a tool works without is left out of it, by
//! name; what cannot be bridged is refused by name, operation by operation.

use jsonschema::Validator;
use serde_json::Value;
use url::Url;

use crate::tool::Tool;
use body::Body;
use document::Document;
use operation::{Compiled, Compiler};
use parameter::Parameter;
use path::PathTemplate;

mod answer;
mod body;
mod definition;
mod document;
mod media;
mod name;
mod operation;
mod parameter;
mod path;
pub mod request;
pub mod result;
mod schema;
mod server;
mod source;
mod value;

/// Methods whose operations become tools, in the order of listing.
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];
/// Methods that exist but say nothing to a model.
const OTHER_METHODS: [&str; 3] = ["head", "options", "trace"];

/// What the app's configuration adds to the document.
#[derive(Clone, Debug)]
pub struct CompileOptions {
    /// Overrides the document's `servers`.
    pub base_url: Option<String>,
    /// What becomes of the schemas of answers.
    pub output_schemas: OutputSchemas,
    /// The most tools. Operations beyond it are left out, in the order of paths and methods.
    pub most_tools: usize,
}

impl Default for CompileOptions {
    fn default() -> Self {
        Self { base_url: None, output_schemas: OutputSchemas::default(), most_tools: usize::MAX }
    }
}

/// What becomes of the schemas of answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutputSchemas {
    /// Tools declare `outputSchema`, and an answer that breaks it is an error.
    #[default]
    Strict,
    /// Tools declare none, since clients refuse results that break one; an answer that breaks its schema is passed on,
    /// and said to.
    Report,
    /// Answers are not looked at.
    Off,
}

/// A compiled document.
#[derive(Clone, Debug)]
pub struct Bridge {
    /// Where requests go.
    pub base: Url,
    /// The tools, in the order of paths and methods.
    pub tools: Vec<BridgeTool>,
    /// Operations that are not bridged, and why.
    pub refused: Vec<Problem>,
    /// Parts that tools are without, and why.
    pub omitted: Vec<Problem>,
    /// How many operations there was no room for.
    pub left_out: usize,
}

/// One operation as a tool.
#[derive(Clone, Debug)]
pub struct BridgeTool {
    tool: Tool,
    base: Url,
    method: &'static str,
    path: PathTemplate,
    /// What requests say that they accept.
    accept: String,
    parameters: Vec<Parameter>,
    body: Option<Body>,
    arguments: Validator,
    output: Option<Output>,
}

/// How results are checked.
#[derive(Clone, Debug)]
struct Output {
    validator: Validator,
    /// Whether clients were told that every result fits.
    is_promised: bool,
}

/// Something in a document that cannot be bridged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{pointer}: {}{what}", .operation.as_ref().map(|name| format!("operation {name:?}: ")).unwrap_or_default())]
pub struct Problem {
    /// Where, as a JSON pointer into the document.
    pub pointer: String,
    /// The tool that would have been, when the problem concerns one.
    pub operation: Option<String>,
    /// What is wrong and, where there is one, what to do.
    pub what: String,
}

impl BridgeTool {
    /// The base URL of the API.
    pub fn base(&self) -> &Url {
        &self.base
    }

    /// The tool for listings and policies.
    pub fn tool(&self) -> &Tool {
        &self.tool
    }

    /// The HTTP method, upper case.
    pub fn method(&self) -> &'static str {
        self.method
    }

    /// The path as the document writes it, e.g. `/staff/{id}`; safe for logs, since it holds no argument.
    pub fn path_template(&self) -> &str {
        self.path.as_written()
    }
}

impl Problem {
    fn new(pointer: impl Into<String>, what: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), operation: None, what: what.into() }
    }

    fn of(self, operation: &str) -> Self {
        Self { operation: Some(operation.to_owned()), ..self }
    }
}

/// Compiles a document. Problems of single operations leave the others standing ([`Bridge::refused`]);
/// problems of the document as a whole are the error.
pub fn compile(spec: &Value, options: &CompileOptions) -> Result<Bridge, Vec<Problem>> {
    let document = Document::open(spec).map_err(|problem| vec![problem])?;
    let base = server::resolve(&document, options.base_url.as_deref()).map_err(|problem| vec![problem])?;
    let paths = document.paths().map_err(|problem| vec![problem])?;
    let Compiled { tools, refused, omitted, left_out } =
        Compiler::new(&document, &base, options).compile(paths);
    Ok(Bridge { base, tools, refused, omitted, left_out })
}

#[cfg(test)]
mod tests;
