//! What an operation answers: which media types are asked for, and the schema of its result.

use serde_json::{Map, Value};

use super::document::{Document, below};
use super::schema::{Direction, Schemas};
use super::{Problem, media};

/// What is asked for where a document declares nothing.
const UNDECLARED: [&str; 2] = ["application/json", "text/*"];
/// The most media types of successes, and of failures, that a request names.
const MOST_TYPES: (usize, usize) = (7, 3);

/// The value of `Accept`: what the document declares for successes, readable types only where there are any, the
/// plainest JSON first; then what it declares for failures, and anything else rather than no answer.
pub(super) fn accept(document: &Document<'_>, operation: &Value) -> String {
    let responses = operation.get("responses").and_then(Value::as_object);
    let has_success = responses.into_iter().flatten().any(|(status, _)| status.starts_with('2'));
    let (mut successes, mut failures) = (Vec::new(), Vec::new());
    for (status, response) in responses.into_iter().flatten() {
        let is_success = status.starts_with('2') || (status == "default" && !has_success);
        let Ok((response, _)) = document.resolve(response, "") else { continue };
        let content = response.get("content").and_then(Value::as_object).into_iter().flatten();
        let types = content.map(|(media_type, _)| media_type.trim());
        let types = types.filter(|media_type| media::is_sendable(media_type) && *media_type != "*/*");
        if is_success {
            successes.extend(types);
        } else {
            failures.extend(types);
        }
    }
    if successes.iter().any(|media_type| media::is_textual(media_type)) {
        successes.retain(|media_type| media::is_textual(media_type));
    }
    // A type with parameters asks for something special, such as a stream of changes.
    successes.sort_by_key(|media_type| (!media::is_json(media_type), media_type.contains(';')));
    if successes.is_empty() {
        successes.extend(UNDECLARED);
    }
    successes.truncate(MOST_TYPES.0);
    failures.retain(|media_type| media::is_textual(media_type));
    failures.truncate(MOST_TYPES.1);
    let mut named: Vec<&str> = Vec::new();
    let mut accept = String::new();
    for (index, media_type) in successes.iter().chain(&failures).enumerate() {
        if named.contains(media_type) {
            continue;
        }
        named.push(media_type);
        if !accept.is_empty() {
            accept.push_str(", ");
        }
        accept.push_str(media_type);
        let tenths = 10_usize.saturating_sub(if index < successes.len() { index } else { 8 });
        if tenths < 10 {
            accept.extend([";q=0.", &tenths.to_string()]);
        }
    }
    accept.push_str(", */*;q=0.1");
    accept
}

/// The schema of the one successful answer, when it is a JSON object.
pub(super) fn output(
    document: &Document<'_>,
    operation: &Value,
    at: &str,
    omitted: &mut Vec<Problem>,
) -> Result<Option<Map<String, Value>>, Problem> {
    let responses = operation.get("responses").and_then(Value::as_object);
    let mut successes = responses.into_iter().flatten().filter(|(status, _)| status.starts_with('2'));
    let (Some((status, response)), None) = (successes.next(), successes.next()) else { return Ok(None) };
    let at = below(&below(at, "responses"), status);
    let (response, at) = document.resolve(response, &at)?;
    let content = response.get("content").and_then(Value::as_object);
    let Some(content) = content.filter(|content| content.len() == 1) else { return Ok(None) };
    let json = content.iter().find(|(media_type, _)| media::is_json(media_type));
    let Some((schema, media_type)) =
        json.and_then(|(media, described)| Some((described.get("schema")?, media)))
    else {
        return Ok(None);
    };
    let schema_at = below(&below(&below(&at, "content"), media_type), "schema");
    // The root itself is unfolded: clients want to see `type: object` there.
    let (schema, schema_at) = document.resolve(schema, &schema_at)?;
    let mut schemas = Schemas::new(document, Direction::Response);
    let Value::Object(mut output) = schemas.convert(schema, &schema_at)? else { return Ok(None) };
    if output.get("type").and_then(Value::as_str) != Some("object") {
        return Ok(None);
    }
    let definitions = schemas.definitions()?;
    if !definitions.is_empty() {
        output.insert("$defs".to_owned(), Value::Object(definitions));
    }
    omitted.extend(schemas.omitted());
    Ok(Some(output))
}
