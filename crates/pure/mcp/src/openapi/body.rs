//! Bodies of requests.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::document::{Document, below};
use super::parameter::Parameter;
use super::path::encode;
use super::schema::Schemas;
use super::schema::composed::{COMPOSED, visit};
use super::value::{Claims, GROWTH, Unfit, weight_as_pairs};
use super::{Problem, media};
use crate::message::RawObject;

/// The argument that carries the body of a request.
pub(super) const BODY: &str = "body";

/// How an argument becomes the body of a request.
#[derive(Clone, Debug)]
pub(super) struct Body {
    /// What `Content-Type` says.
    pub media_type: String,
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    /// The JSON text of the argument, byte for byte.
    Json,
    /// `application/x-www-form-urlencoded`: the members of an object.
    Fields(Fields),
    /// The text of a string.
    Text,
}

/// What a document says of the fields of a form.
#[derive(Clone, Debug, Default)]
struct Fields {
    /// Those with a style of their own.
    styled: Vec<Parameter>,
    /// The names of all that it declares, encoded.
    declared: Vec<String>,
}

/// Why a body cannot be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unwritable {
    /// Its text would not fit.
    Unfit(Unfit),
    /// A field would write another one: its name, and the name that it writes.
    Shadowed(String, String),
}

impl From<Unfit> for Unwritable {
    fn from(unfit: Unfit) -> Self {
        Self::Unfit(unfit)
    }
}

/// A body as a document declares it.
pub(super) struct DeclaredBody<'a> {
    pub body: Body,
    pub schema: Option<(&'a Value, String)>,
    pub description: Option<&'a str>,
    pub required: bool,
}

impl<'a> DeclaredBody<'a> {
    /// Reads `requestBody`, which stands at `at`. `Ok(None)` where there is none to send: none is declared, or an
    /// optional one in a media type that is not written here, which `omitted` then names.
    pub(super) fn read(
        document: &Document<'a>,
        operation: &'a Value,
        at: &str,
        omitted: &mut Vec<Problem>,
    ) -> Result<Option<Self>, Problem> {
        let Some(body) = operation.get("requestBody") else { return Ok(None) };
        let (body, at) = document.resolve(body, &below(at, "requestBody"))?;
        let required = body.get("required").and_then(Value::as_bool).unwrap_or(false);
        let content_at = below(&at, "content");
        let content = body.get("content").and_then(Value::as_object);
        let content =
            content.ok_or_else(|| Problem::new(&content_at, "expected an object of media types"))?;
        let Some((media_type, described, form)) = choose(content) else {
            let found: Vec<&String> = content.keys().collect();
            let what = format!("only bodies of JSON, form fields or text can be sent, found {found:?}");
            let problem = Problem::new(content_at, what);
            if required {
                return Err(problem);
            }
            omitted.push(problem);
            return Ok(None);
        };
        let schema_at = below(&below(&content_at, media_type), "schema");
        let form = match form {
            Form::Fields(fields) => Form::Fields(fields.declared_by(document, described.get("schema"))),
            other => other,
        };
        let media_type = if media_type.contains('*') { form.usual() } else { media_type };
        Ok(Some(Self {
            body: Body { media_type: media_type.to_owned(), form },
            schema: described.get("schema").map(|schema| (schema, schema_at)),
            description: body.get("description").and_then(Value::as_str),
            required,
        }))
    }

    /// The schema of the argument.
    pub(super) fn convert(&self, schemas: &mut Schemas<'a>) -> Result<Value, Problem> {
        if matches!(self.body.form, Form::Text) {
            return Ok(json!({ "type": "string" }));
        }
        match &self.schema {
            Some((schema, at)) => schemas.convert(schema, at),
            None if matches!(self.body.form, Form::Fields(_)) => Ok(json!({ "type": "object" })),
            None => Ok(json!({})),
        }
    }
}

/// The first JSON, else the first form, else the first text.
fn choose(content: &Map<String, Value>) -> Option<(&str, &Value, Form)> {
    let first = |matches: fn(&str) -> bool| {
        content
            .iter()
            .find(|(media_type, _)| matches(media_type) && media::is_sendable(media_type))
            .map(|(media_type, described)| (media_type.as_str(), described))
    };
    let json = first(media::is_json).map(|(media_type, described)| (media_type, described, Form::Json));
    let fields = || {
        let (media_type, described) = first(media::is_form)?;
        let encodings = described.get("encoding").and_then(Value::as_object).into_iter().flatten();
        let styled = encodings.map(|(name, encoding)| Parameter::field(name, Some(encoding))).collect();
        Some((media_type, described, Form::Fields(Fields { styled, ..Fields::default() })))
    };
    let text = || first(media::is_text).map(|(media_type, described)| (media_type, described, Form::Text));
    json.or_else(fields).or_else(text)
}

impl Form {
    /// What is sent where the document leaves the media type open.
    const fn usual(&self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Fields(_) => "application/x-www-form-urlencoded",
            Self::Text => "text/plain",
        }
    }
}

impl Body {
    /// The bytes that `value` is sent as.
    pub(super) fn write(&self, value: &RawValue) -> Result<Bytes, Unwritable> {
        match &self.form {
            Form::Json => Ok(Bytes::copy_from_slice(value.get().as_bytes())),
            Form::Text => {
                let text: String = serde_json::from_str(value.get()).map_err(|_| Unfit::TooDeep)?;
                Ok(Bytes::from(text))
            }
            Form::Fields(fields) => fields.write(value).map(Bytes::from),
        }
    }

    /// The most memory that writing a value of this text takes.
    pub(super) fn weight(&self, text: &str) -> usize {
        match &self.form {
            Form::Json | Form::Text => text.len(),
            Form::Fields(_) => weight_as_pairs(text) + 2 * LARGEST.min(GROWTH * text.len()),
        }
    }
}

/// The most that a form grows to.
const LARGEST: usize = 16 * 1024 * 1024;

impl Fields {
    /// The same, with the names that `schema` and what it is composed of declare.
    fn declared_by<'a>(self, document: &Document<'a>, schema: Option<&'a Value>) -> Self {
        let mut declared = Vec::new();
        if let Some(members) = schema.and_then(Value::as_object) {
            visit(document, members, &COMPOSED, &mut |part| {
                let properties = part.get("properties").and_then(Value::as_object).into_iter().flatten();
                declared.extend(properties.map(|(name, _)| encode(name)));
            });
        }
        Self { declared, ..self }
    }

    fn write(&self, value: &RawValue) -> Result<String, Unwritable> {
        let members = RawObject::parse(value.get()).map_err(|_| Unfit::TooDeep)?;
        let mut claims = Claims::default();
        for (index, (name, _)) in members.iter().enumerate() {
            claims.claim(encode(name).into(), index);
        }
        // A field that is declared and absent is nobody's to write.
        for name in &self.declared {
            claims.claim(name.into(), usize::MAX);
        }
        let mut out = String::new();
        for (index, (name, raw)) in members.iter().enumerate() {
            let usual;
            let field = if let Some(field) = self.styled.iter().find(|field| field.name == name) {
                field
            } else {
                usual = Parameter::field(name, None);
                &usual
            };
            for (written, value) in field.in_query(raw)? {
                if !out.is_empty() {
                    out.push('&');
                }
                out.push_str(&written);
                out.push('=');
                out.push_str(&value);
                if !claims.claim(Cow::Owned(written.clone()), index) {
                    return Err(Unwritable::Shadowed(name.to_owned(), written));
                }
            }
            if out.len() > LARGEST {
                return Err(Unfit::TooLong.into());
            }
        }
        Ok(out)
    }
}
