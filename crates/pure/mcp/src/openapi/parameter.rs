//! Parameters of an operation, and their serialisation styles.

use serde_json::Value;
use serde_json::value::RawValue;

use super::Problem;
use super::document::{Document, below};
use super::path::encode;
use super::value::{Pairs, Shape, Unfit};

/// Headers that belong to the connection, the credential or the proxy chain: no argument may set them.
const FORBIDDEN_HEADERS: &[&str] = &[
    "connection",
    "content-encoding",
    "cookie",
    "cookie2",
    "date",
    "expect",
    "forwarded",
    "keep-alive",
    "origin",
    "referer",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-real-ip",
    "tracestate",
    "baggage",
];
/// Headers that every request has from the gateway itself, so that it lacks nothing without the argument. OpenAPI
/// wants the first of them to be ignored (3.0.3 §4.7.12.1).
const SET_BY_GATEWAY: &[&str] =
    &["authorization", "accept-encoding", "content-length", "host", "traceparent", "user-agent"];
const FORBIDDEN_PREFIXES: &[&str] =
    &["proxy-", "x-forwarded-", "sec-", "mcp-", "x-original-", "x-http-method"];

/// One parameter.
#[derive(Clone, Debug)]
pub(super) struct Parameter {
    /// Its name in the API.
    pub name: String,
    /// Its name as a tool argument.
    pub argument: String,
    pub location: Location,
    style: Style,
    explode: bool,
    pub required: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Location {
    Path,
    Query,
    Header,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    Simple,
    Form,
    SpaceDelimited,
    PipeDelimited,
    DeepObject,
    /// `content: application/json`.
    Json,
    /// A field of a form of which nothing else is said: objects are JSON, lists are repeated.
    Field,
}

/// A parameter and where its schema stands.
#[derive(Clone, Debug)]
pub(super) struct Declared<'a> {
    pub parameter: Parameter,
    pub schema: Option<(&'a Value, String)>,
    pub description: Option<&'a str>,
}

/// One entry of `parameters`.
#[derive(Clone, Debug)]
pub(super) enum Entry<'a> {
    Usable(Declared<'a>),
    /// Left out without a word: the gateway says itself what it sends and understands.
    Ignored,
    Unusable(Unusable),
}

/// A parameter that no argument can stand for.
#[derive(Clone, Debug)]
pub(super) struct Unusable {
    /// Its name, where it is known.
    pub name: Option<String>,
    /// Whether requests are incomplete without it.
    pub required: bool,
    pub problem: Problem,
}

impl Location {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Query => "query",
            Self::Header => "header",
        }
    }
}

impl<'a> Entry<'a> {
    /// Reads one entry of `parameters`.
    pub(super) fn read(document: &Document<'a>, entry: &'a Value, at: &str) -> Self {
        let (entry, at) = match document.resolve(entry, at) {
            Ok(found) => found,
            Err(problem) => return Self::Unusable(Unusable { name: None, required: false, problem }),
        };
        let is_required = entry.get("required").and_then(Value::as_bool).unwrap_or(false);
        let name = entry.get("name").and_then(Value::as_str);
        let header = name
            .filter(|_| entry.get("in").and_then(Value::as_str) == Some("header"))
            .map(str::to_ascii_lowercase);
        match header.as_deref() {
            Some("accept" | "content-type") => return Self::Ignored,
            Some(header) if SET_BY_GATEWAY.contains(&header) => {
                let problem = Problem::new(at, format!("the header {header:?} is the gateway's own"));
                return Self::Unusable(Unusable { name: name.map(str::to_owned), required: false, problem });
            }
            _ => {}
        }
        match Declared::read(entry, &at) {
            Ok(declared) => Self::Usable(declared),
            Err(problem) => {
                let required = is_required || entry.get("in").and_then(Value::as_str) == Some("path");
                Self::Unusable(Unusable { name: name.map(str::to_owned), required, problem })
            }
        }
    }
}

impl<'a> Declared<'a> {
    /// A hole of the path that no parameter declares: any text.
    pub(super) fn undeclared(hole: &str) -> Self {
        let parameter = Parameter {
            name: hole.to_owned(),
            argument: String::new(),
            location: Location::Path,
            style: Style::Simple,
            explode: false,
            required: true,
        };
        Self { parameter, schema: None, description: None }
    }

    fn read(entry: &'a Value, at: &str) -> Result<Self, Problem> {
        let text = |name: &str| entry.get(name).and_then(Value::as_str);
        let name = text("name").ok_or_else(|| Problem::new(below(at, "name"), "a parameter needs a name"))?;
        let location = match text("in") {
            Some("path") => Location::Path,
            Some("query") => Location::Query,
            Some("header") => Location::Header,
            Some("cookie") => {
                return Err(Problem::new(at, format!("the cookie parameter {name:?} is not supported")));
            }
            _ => return Err(Problem::new(below(at, "in"), "expected `path`, `query` or `header`")),
        };
        if location == Location::Header {
            check_header(name).map_err(|what| Problem::new(at, what))?;
        }
        let (style, schema) = read_style(entry, location, at)?;
        let explode = entry.get("explode").and_then(Value::as_bool).unwrap_or(style == Style::Form);
        let required =
            location == Location::Path || entry.get("required").and_then(Value::as_bool).unwrap_or(false);
        let parameter =
            Parameter { name: name.to_owned(), argument: String::new(), location, style, explode, required };
        Ok(Self { parameter, schema, description: text("description") })
    }
}

type Located<'a> = (&'a Value, String);

fn read_style<'a>(
    entry: &'a Value,
    location: Location,
    at: &str,
) -> Result<(Style, Option<Located<'a>>), Problem> {
    if let Some(content) = entry.get("content").and_then(Value::as_object) {
        let content_at = below(at, "content");
        let json = content.iter().find(|(media, _)| super::media::is_json(media));
        let Some((media, described)) = json.filter(|_| content.len() == 1) else {
            return Err(Problem::new(content_at, "a parameter's `content` must be JSON and nothing else"));
        };
        let media_at = below(&content_at, media);
        return Ok((Style::Json, described.get("schema").map(|schema| (schema, below(&media_at, "schema")))));
    }
    let style = match (location, entry.get("style").and_then(Value::as_str)) {
        (Location::Path | Location::Header, None | Some("simple")) => Style::Simple,
        (Location::Query, None | Some("form")) => Style::Form,
        (Location::Query, Some("spaceDelimited")) => Style::SpaceDelimited,
        (Location::Query, Some("pipeDelimited")) => Style::PipeDelimited,
        (Location::Query, Some("deepObject")) => Style::DeepObject,
        (_, Some(other)) => {
            let what = format!("the style {other:?} is not supported for {} parameters", location.as_str());
            return Err(Problem::new(below(at, "style"), what));
        }
    };
    Ok((style, entry.get("schema").map(|schema| (schema, below(at, "schema")))))
}

fn check_header(name: &str) -> Result<(), String> {
    let lower = name.to_ascii_lowercase();
    let token = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if name.is_empty() || !name.bytes().all(token) {
        return Err(format!("{name:?} is not a header name of letters, digits and hyphens"));
    }
    if FORBIDDEN_HEADERS.contains(&lower.as_str())
        || FORBIDDEN_PREFIXES.iter().any(|prefix| lower.starts_with(prefix))
    {
        return Err(format!("the header parameter {name:?} is not allowed: the gateway owns this header"));
    }
    Ok(())
}

impl Parameter {
    /// A field of a form, as an entry of the body's `encoding` describes it (OpenAPI 3.0.3 §4.7.15).
    pub(super) fn field(name: &str, encoding: Option<&Value>) -> Self {
        let text = |key: &str| encoding.and_then(|encoding| encoding.get(key)).and_then(Value::as_str);
        let explode = encoding.and_then(|encoding| encoding.get("explode")).and_then(Value::as_bool);
        let style = match (text("style"), text("contentType")) {
            (None, Some(media_type)) if super::media::is_json(media_type) => Style::Json,
            (Some("spaceDelimited"), _) => Style::SpaceDelimited,
            (Some("pipeDelimited"), _) => Style::PipeDelimited,
            (Some("deepObject"), _) => Style::DeepObject,
            (Some("form"), _) => Style::Form,
            _ if explode.is_some() => Style::Form,
            _ => Style::Field,
        };
        Self {
            name: name.to_owned(),
            argument: name.to_owned(),
            location: Location::Query,
            style,
            explode: explode.unwrap_or(matches!(style, Style::Form | Style::Field)),
            required: false,
        }
    }

    /// The value inside a path segment, encoded.
    pub(super) fn in_path(&self, value: &RawValue) -> Result<String, Unfit> {
        if self.style == Style::Json {
            return Ok(encode(value.get()));
        }
        Ok(self.joined(Shape::of(value)?, encode))
    }

    /// The value of a header, not yet checked for forbidden bytes.
    pub(super) fn in_header(&self, value: &RawValue) -> Result<String, Unfit> {
        if self.style == Style::Json {
            return Ok(value.get().to_owned());
        }
        Ok(self.joined(Shape::of(value)?, str::to_owned))
    }

    /// Names and values of a query or a form: each is encoded text already.
    pub(super) fn in_query(&self, value: &RawValue) -> Result<Vec<(String, String)>, Unfit> {
        let name = encode(&self.name);
        let text = value.get();
        let (is_object, is_list) = (text.starts_with('{'), text.starts_with('['));
        let as_json = match self.style {
            Style::Json => true,
            Style::Field => is_object || (is_list && Shape::of(value).is_err()),
            _ => false,
        };
        if as_json {
            return Ok(vec![(name, encode(text))]);
        }
        let mut pairs = Pairs::for_value(value);
        if self.style == Style::DeepObject && (is_object || is_list) {
            pairs.add_deep(&self.name, value)?;
            return Ok(pairs.into_list());
        }
        let separator = match self.style {
            Style::SpaceDelimited => "%20",
            Style::PipeDelimited => "%7C",
            _ => ",",
        };
        let join = |items: Vec<String>| items.join(separator);
        match Shape::of(value)? {
            Shape::Nothing => {}
            Shape::One(text) => pairs.add(&name, encode(&text))?,
            Shape::List(items) if items.is_empty() => {}
            Shape::List(items) if self.explode => {
                items.iter().try_for_each(|item| pairs.add(&name, encode(item)))?;
            }
            Shape::List(items) => {
                pairs.add(&name, join(items.iter().map(|item| encode(item)).collect()))?;
            }
            Shape::Fields(fields) if self.explode => {
                fields.iter().try_for_each(|(key, text)| pairs.add(&encode(key), encode(text)))?;
            }
            Shape::Fields(fields) => {
                let parts = fields.iter().flat_map(|(key, text)| [encode(key), encode(text)]).collect();
                pairs.add(&name, join(parts))?;
            }
        }
        Ok(pairs.into_list())
    }

    /// Style `simple`.
    fn joined(&self, shape: Shape, encode: impl Fn(&str) -> String) -> String {
        match shape {
            Shape::Nothing => String::new(),
            Shape::One(text) => encode(&text),
            Shape::List(items) => items.iter().map(|item| encode(item)).collect::<Vec<_>>().join(","),
            Shape::Fields(fields) => {
                let between = if self.explode { '=' } else { ',' };
                let pair =
                    |(key, text): &(String, String)| format!("{}{between}{}", encode(key), encode(text));
                fields.iter().map(pair).collect::<Vec<_>>().join(",")
            }
        }
    }
}
