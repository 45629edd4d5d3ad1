//! Bodies of requests.

use bytes::Bytes;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::document::{Document, below};
use super::parameter::Parameter;
use super::schema::Schemas;
use super::value::Unfit;
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
    /// `application/x-www-form-urlencoded`: the members of an object. Those with a style of their own are named.
    Fields(Vec<Parameter>),
    /// The text of a string.
    Text,
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
        let fields = encodings.map(|(name, encoding)| Parameter::field(name, Some(encoding))).collect();
        Some((media_type, described, Form::Fields(fields)))
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
    pub(super) fn write(&self, value: &RawValue) -> Result<Bytes, Unfit> {
        match &self.form {
            Form::Json => Ok(Bytes::copy_from_slice(value.get().as_bytes())),
            Form::Text => {
                let text: String = serde_json::from_str(value.get()).map_err(|_| Unfit::TooDeep)?;
                Ok(Bytes::from(text))
            }
            Form::Fields(fields) => write_fields(fields, value).map(Bytes::from),
        }
    }
}

fn write_fields(styled: &[Parameter], value: &RawValue) -> Result<String, Unfit> {
    /// The most that a form grows to.
    const LARGEST: usize = 16 * 1024 * 1024;
    let members = RawObject::parse(value.get()).map_err(|_| Unfit::TooDeep)?;
    let mut out = String::new();
    for (name, raw) in members.iter() {
        let usual;
        let field = if let Some(field) = styled.iter().find(|field| field.name == name) {
            field
        } else {
            usual = Parameter::field(name, None);
            &usual
        };
        for (name, value) in field.in_query(raw)? {
            if !out.is_empty() {
                out.push('&');
            }
            out.push_str(&name);
            out.push('=');
            out.push_str(&value);
        }
        if out.len() > LARGEST {
            return Err(Unfit::TooLong);
        }
    }
    Ok(out)
}
