//! Parameters of an operation, and their serialisation styles.

use serde_json::Value;
use serde_json::value::RawValue;

use super::Problem;
use super::document::{Document, below};
use super::path::encode;
use crate::message::RawObject;

/// Headers that belong to the connection, the credential or the proxy chain: no argument may set them.
const FORBIDDEN_HEADERS: &[&str] = &[
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "cookie",
    "cookie2",
    "date",
    "expect",
    "forwarded",
    "host",
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
    "traceparent",
    "tracestate",
    "baggage",
];
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
}

/// A parameter and where its schema stands.
#[derive(Clone, Debug)]
pub(super) struct Declared<'a> {
    pub parameter: Parameter,
    pub schema: Option<(&'a Value, String)>,
    pub description: Option<&'a str>,
}

/// A value that its style cannot carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooDeep;

/// A value flattened to the depth that styles know. Numbers keep the text they were sent as.
enum Shape {
    Nothing,
    One(String),
    List(Vec<String>),
    Fields(Vec<(String, String)>),
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

impl<'a> Declared<'a> {
    /// Reads one entry of `parameters`; `None` for headers that OpenAPI itself says to ignore.
    pub(super) fn read(document: &Document<'a>, entry: &'a Value, at: &str) -> Result<Option<Self>, Problem> {
        let (entry, at) = document.resolve(entry, at)?;
        let text = |name: &str| entry.get(name).and_then(Value::as_str);
        let name =
            text("name").ok_or_else(|| Problem::new(below(&at, "name"), "a parameter needs a name"))?;
        let location = match text("in") {
            Some("path") => Location::Path,
            Some("query") => Location::Query,
            Some("header") => Location::Header,
            Some("cookie") => {
                return Err(Problem::new(at, format!("the cookie parameter {name:?} is not supported")));
            }
            _ => return Err(Problem::new(below(&at, "in"), "expected `path`, `query` or `header`")),
        };
        if location == Location::Header {
            if matches!(name.to_ascii_lowercase().as_str(), "accept" | "content-type") {
                return Ok(None);
            }
            check_header(name).map_err(|what| Problem::new(at.clone(), what))?;
        }
        let (style, schema) = read_style(entry, location, &at)?;
        let explode = entry.get("explode").and_then(Value::as_bool).unwrap_or(style == Style::Form);
        let required =
            location == Location::Path || entry.get("required").and_then(Value::as_bool).unwrap_or(false);
        let parameter =
            Parameter { name: name.to_owned(), argument: String::new(), location, style, explode, required };
        Ok(Some(Self { parameter, schema, description: text("description") }))
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
        let json = content.iter().find(|(media, _)| super::operation::is_json(media));
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
    /// The value inside a path segment, encoded.
    pub(super) fn in_path(&self, value: &RawValue) -> Result<String, TooDeep> {
        if self.style == Style::Json {
            return Ok(encode(value.get()));
        }
        Ok(self.joined(Shape::of(value)?, encode))
    }

    /// The value of a header, not yet checked for forbidden bytes.
    pub(super) fn in_header(&self, value: &RawValue) -> Result<String, TooDeep> {
        if self.style == Style::Json {
            return Ok(value.get().to_owned());
        }
        Ok(self.joined(Shape::of(value)?, str::to_owned))
    }

    /// Names and values of the query, not yet encoded at the outside: each is encoded text already.
    pub(super) fn in_query(&self, value: &RawValue) -> Result<Vec<(String, String)>, TooDeep> {
        let name = encode(&self.name);
        if self.style == Style::Json {
            return Ok(vec![(name, encode(value.get()))]);
        }
        let separator = match self.style {
            Style::SpaceDelimited => "%20",
            Style::PipeDelimited => "%7C",
            _ => ",",
        };
        let join = |items: Vec<String>| items.join(separator);
        Ok(match Shape::of(value)? {
            Shape::Nothing => Vec::new(),
            Shape::One(text) => vec![(name, encode(&text))],
            Shape::List(items) if items.is_empty() => Vec::new(),
            Shape::List(items) if self.explode || self.style == Style::DeepObject => {
                items.iter().map(|item| (name.clone(), encode(item))).collect()
            }
            Shape::List(items) => vec![(name, join(items.iter().map(|item| encode(item)).collect()))],
            Shape::Fields(fields) if self.style == Style::DeepObject => fields
                .iter()
                .map(|(key, text)| (encode(&format!("{}[{key}]", self.name)), encode(text)))
                .collect(),
            Shape::Fields(fields) if self.explode => {
                fields.iter().map(|(key, text)| (encode(key), encode(text))).collect()
            }
            Shape::Fields(fields) => {
                vec![(
                    name,
                    join(fields.iter().flat_map(|(key, text)| [encode(key), encode(text)]).collect()),
                )]
            }
        })
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

impl Shape {
    fn of(value: &RawValue) -> Result<Self, TooDeep> {
        let text = value.get();
        Ok(match text.as_bytes().first() {
            Some(b'{') => {
                let members = RawObject::parse(text).map_err(|_| TooDeep)?;
                let field =
                    |(name, raw): (&str, &RawValue)| Ok((name.to_owned(), scalar(raw)?.unwrap_or_default()));
                Self::Fields(members.iter().map(field).collect::<Result<_, TooDeep>>()?)
            }
            Some(b'[') => {
                let items: Vec<&RawValue> = serde_json::from_str(text).map_err(|_| TooDeep)?;
                let item = |raw: &RawValue| Ok(scalar(raw)?.unwrap_or_default());
                Self::List(items.into_iter().map(item).collect::<Result<_, TooDeep>>()?)
            }
            _ => scalar(value)?.map_or(Self::Nothing, Self::One),
        })
    }
}

/// The text of a scalar; nothing for null.
fn scalar(value: &RawValue) -> Result<Option<String>, TooDeep> {
    let text = value.get();
    match text.as_bytes().first() {
        Some(b'"') => serde_json::from_str(text).map(Some).map_err(|_| TooDeep),
        Some(b'{' | b'[') => Err(TooDeep),
        Some(b'n') => Ok(None),
        _ => Ok(Some(text.to_owned())),
    }
}
