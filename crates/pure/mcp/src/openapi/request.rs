//! A tool call as the HTTP request it stands for.

use bytes::Bytes;
use serde_json::Value;
use serde_json::value::RawValue;
use url::Url;

use super::BridgeTool;
use super::body::{BODY, Unwritable};
use super::parameter::{Location, Parameter};
use super::path::encode;
use super::value::{Claims, Unfit, weight_as_pairs};
use crate::error::{ErrorCode, RpcError};
use crate::message::RawObject;

/// The longest JSON text of an argument that is no body: no server takes longer addresses and header fields.
const LONGEST_PARAMETER: usize = 64 * 1024;
/// How many violations one message lists.
const MOST_VIOLATIONS: usize = 3;

/// A request to the API, complete but for credentials and connection headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRequestParts {
    /// The HTTP method.
    pub method: &'static str,
    /// Scheme, host and port of the base URL; path below its path.
    pub url: Url,
    /// `accept`, `content-type` if there is a body, and header parameters; values free of control characters.
    pub headers: Vec<(String, String)>,
    /// The body. JSON is byte for byte what the client wrote.
    pub body: Option<Bytes>,
}

/// Arguments that make no request. Nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// `arguments` is not an object.
    #[error("`arguments` must be an object")]
    NotAnObject,
    /// The arguments break the tool's input schema.
    #[error("the arguments do not fit the tool's schema: {0}")]
    Schema(String),
    /// The value nests deeper than its place in the request can express.
    #[error("the argument {0:?} must not hold lists or objects inside of lists or objects")]
    TooDeep(String),
    /// The value is longer than its place in the request can be.
    #[error(
        "the argument {0:?} must be at most {LONGEST_PARAMETER} bytes of JSON: it is not part of the body"
    )]
    TooLong(String),
    /// The value grows too large as names and values of a query or a form.
    #[error("the argument {0:?} is too large once its items are written as names and values")]
    Spread(String),
    /// The value would leave its place in the path.
    #[error("the argument {0:?} must not be empty, `.` or `..`: it stands for one segment of a path")]
    Segment(String),
    /// The value cannot stand in a header.
    #[error("the argument {0:?} must be printable ASCII on one line: it is sent as a header")]
    HeaderValue(String),
    /// An object spread over the query or the form would set another parameter or field.
    #[error("the argument {argument:?} must not hold the member {member:?}, which is a parameter of its own")]
    Shadowed {
        /// The spread argument.
        argument: String,
        /// The member that clashes.
        member: String,
    },
    /// The finished URL is not what was assembled. Never seen unless the document itself is hostile.
    #[error("the request would leave the base URL of the API")]
    Escaped,
}

impl HttpRequestParts {
    /// What it takes in memory.
    pub fn held_bytes(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.url.as_str().len() + headers + self.body.as_ref().map_or(0, Bytes::len)
    }
}

impl BuildError {
    fn unfit(argument: &str, unfit: Unfit) -> Self {
        match unfit {
            Unfit::TooDeep => Self::TooDeep(argument.to_owned()),
            Unfit::TooLong => Self::Spread(argument.to_owned()),
        }
    }

    fn unwritable(unwritable: Unwritable) -> Self {
        match unwritable {
            Unwritable::Unfit(unfit) => Self::unfit(BODY, unfit),
            Unwritable::Shadowed(field, member) => {
                Self::Shadowed { argument: format!("{BODY}.{field}"), member }
            }
        }
    }

    /// As a JSON-RPC error (-32602).
    pub fn to_rpc(&self) -> RpcError {
        RpcError::new(ErrorCode::InvalidParams, self.to_string())
    }
}

/// Builds the request of one call.
///
/// Every path argument ends up in exactly one segment, and the URL starts with the base URL and the literal
/// parts of the path: both are checked on the finished URL.
pub fn build(tool: &BridgeTool, arguments: &RawValue) -> Result<HttpRequestParts, BuildError> {
    let text = arguments.get();
    let value: Value = serde_json::from_str(text).map_err(|_| BuildError::NotAnObject)?;
    let members = RawObject::parse(text).map_err(|_| BuildError::NotAnObject)?;
    check(tool, &value)?;
    let present = |parameter: &Parameter| members.get(&parameter.argument).filter(|raw| raw.get() != "null");
    let is_too_long =
        |parameter: &&Parameter| present(parameter).is_some_and(|raw| raw.get().len() > LONGEST_PARAMETER);
    if let Some(parameter) = tool.parameters.iter().find(is_too_long) {
        return Err(BuildError::TooLong(parameter.argument.clone()));
    }
    let path = fill_path(tool, present)?;
    let (mut query, mut claims) = (Vec::new(), claims_of(tool));
    let mut headers = vec![("accept".to_owned(), tool.accept.clone())];
    for (index, parameter) in tool.parameters.iter().enumerate() {
        let Some(raw) = present(parameter) else { continue };
        let unfit = |unfit| BuildError::unfit(&parameter.argument, unfit);
        match parameter.location {
            Location::Path => {}
            Location::Query => {
                let pairs = parameter.in_query(raw).map_err(unfit)?;
                check_shadowing(&mut claims, (index, parameter), &pairs)?;
                query.extend(pairs);
            }
            Location::Header => {
                let value = parameter.in_header(raw).map_err(unfit)?;
                if !is_header_value(&value) {
                    return Err(BuildError::HeaderValue(parameter.argument.clone()));
                }
                headers.push((parameter.name.to_ascii_lowercase(), value));
            }
        }
    }
    let body = tool.body.as_ref().and_then(|body| Some((body, members.get(BODY)?)));
    if let Some((body, _)) = body {
        headers.push(("content-type".to_owned(), body.media_type.clone()));
    }
    let body = body.map(|(body, raw)| body.write(raw)).transpose().map_err(BuildError::unwritable)?;
    Ok(HttpRequestParts { method: tool.method, url: assemble(&tool.base, &path, &query)?, headers, body })
}

fn check(tool: &BridgeTool, arguments: &Value) -> Result<(), BuildError> {
    if !arguments.is_object() {
        return Err(BuildError::NotAnObject);
    }
    if tool.arguments.is_valid(arguments) {
        return Ok(());
    }
    let describe = |error: jsonschema::ValidationError<'_>| {
        let place = error.instance_path().to_string();
        let place = if place.is_empty() { "/".to_owned() } else { place };
        let text: String = error.to_string().chars().take(200).collect();
        format!("at {place}: {text}")
    };
    let violations: Vec<String> =
        tool.arguments.iter_errors(arguments).take(MOST_VIOLATIONS).map(describe).collect();
    Err(BuildError::Schema(violations.join("; ")))
}

fn fill_path<'r>(
    tool: &BridgeTool,
    present: impl Fn(&Parameter) -> Option<&'r RawValue>,
) -> Result<String, BuildError> {
    let mut values = Vec::new();
    for parameter in tool.parameters.iter().filter(|parameter| parameter.location == Location::Path) {
        if let Some(raw) = present(parameter) {
            let encoded =
                parameter.in_path(raw).map_err(|unfit| BuildError::unfit(&parameter.argument, unfit))?;
            values.push((parameter, encoded));
        }
    }
    let value = |hole: &str| {
        let found = values.iter().find(|(parameter, _)| parameter.name == hole);
        found.map(|(_, encoded)| encoded.clone())
    };
    tool.path.fill(value).map_err(|hole| {
        let found = tool
            .parameters
            .iter()
            .find(|parameter| parameter.location == Location::Path && parameter.name == hole);
        BuildError::Segment(found.map_or(hole, |parameter| parameter.argument.clone()))
    })
}

/// The names of the parameters in the query.
fn claims_of(tool: &BridgeTool) -> Claims<'static> {
    let mut claims = Claims::default();
    for (index, parameter) in tool.parameters.iter().enumerate() {
        if parameter.location == Location::Query {
            claims.claim(encode(&parameter.name).into(), index);
        }
    }
    claims
}

/// An exploded object writes its members as query parameters; none may take another parameter's name.
fn check_shadowing(
    claims: &mut Claims<'_>,
    (index, from): (usize, &Parameter),
    pairs: &[(String, String)],
) -> Result<(), BuildError> {
    for (name, _) in pairs {
        if !claims.claim(name.clone().into(), index) {
            return Err(BuildError::Shadowed { argument: from.argument.clone(), member: name.clone() });
        }
    }
    Ok(())
}

/// The most memory that building the request of a call takes, beside the arguments as values.
pub fn weight(tool: &BridgeTool, arguments: &RawValue) -> usize {
    let Ok(members) = RawObject::parse(arguments.get()) else { return 0 };
    let text = |name: &str| members.get(name).map_or("", RawValue::get);
    let body = tool.body.as_ref().map_or(0, |body| body.weight(text(BODY)));
    let texts = tool.parameters.iter().map(|parameter| text(&parameter.argument));
    body + texts.filter(|text| text.len() <= LONGEST_PARAMETER).map(weight_as_pairs).sum::<usize>()
}

fn is_header_value(value: &str) -> bool {
    let inside = |byte: u8| matches!(byte, b' '..=b'~');
    value.bytes().all(inside) && !value.starts_with(' ') && !value.ends_with(' ')
}

fn assemble(base: &Url, path: &str, query: &[(String, String)]) -> Result<Url, BuildError> {
    let full_path = format!("{}{path}", base.path().trim_end_matches('/'));
    let query: Vec<String> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let query = (!query.is_empty()).then(|| query.join("&"));
    let mut url = base.clone();
    url.set_path(&full_path);
    url.set_query(query.as_deref());
    let kept = url.path() == full_path && url.query() == query.as_deref() && url.origin() == base.origin();
    // Read back by a fresh parse, as every HTTP client will.
    let read_back = Url::parse(url.as_str()).ok().filter(|again| *again == url && kept);
    read_back.ok_or(BuildError::Escaped)
}
