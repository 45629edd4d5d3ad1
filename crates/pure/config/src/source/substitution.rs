//! `{{ env.NAME }}` and `<namespace.key>`, put in after parsing.
//!
//! A value that comes in stays one text scalar and is not looked at again: it cannot add keys, name another
//! variable or refer to a secret.

use super::environment::Environment;
use super::lookalike;
use super::node::{Node, NodeValue, Scalar, Style};
use super::secrets::Secrets;
use crate::nearest;
use crate::problem::{Location, Place, Report, joined};

/// Replaces every reference below `node`.
pub(crate) fn resolve(
    node: &mut Node,
    path: &str,
    environment: &Environment,
    secrets: &Secrets,
    report: &mut Report,
) {
    match &mut node.value {
        NodeValue::Mapping(entries) => {
            for entry in entries {
                resolve(&mut entry.value, &joined(path, &entry.key), environment, secrets, report);
            }
        }
        NodeValue::Sequence(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                resolve(item, &format!("{path}[{index}]"), environment, secrets, report);
            }
        }
        NodeValue::Scalar(scalar) => {
            let place = Place { at: node.at, path: path.to_owned() };
            replace(scalar, &place, environment, secrets, report);
        }
    }
}

fn replace(
    scalar: &mut Scalar,
    place: &Place,
    environment: &Environment,
    secrets: &Secrets,
    report: &mut Report,
) {
    // Policies are written as blocks, and their text is theirs.
    if matches!(scalar.style, Style::Block { .. }) {
        return;
    }
    if let Some(name) = secret_name(&scalar.text) {
        if let Some(secret) = secrets.find(name) {
            *scalar = Scalar { text: secret.expose().to_owned(), style: Style::Substituted };
            return;
        }
        let hint = match nearest::nearest(name, secrets.names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "give a secret provider with `secretProvider: secretfile:///path`".into(),
        };
        report.error_with(place, format!("no secret is named `{name}`"), hint);
        scalar.style = Style::Unresolved;
        return;
    }
    match expanded(&scalar.text, environment) {
        Expansion::Nothing => {
            lookalike::warn(&scalar.text, place, report, |name| format!("write \"{{{{ env.{name} }}}}\""));
        }
        Expansion::Text(text) => *scalar = Scalar { text, style: Style::Substituted },
        Expansion::Missing(names) => {
            for name in names {
                let hint = match nearest::nearest(name, environment.names()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "set it before starting".into(),
                };
                report.error_with(place, format!("the environment has no `{name}`"), hint);
            }
            scalar.style = Style::Unresolved;
        }
        Expansion::Malformed => {
            report.error_with(place, "a malformed environment reference", "write \"{{ env.NAME }}\"");
            scalar.style = Style::Unresolved;
        }
    }
}

/// Puts something of the usual shape where a variable or secret does not exist, so that the rest can be checked, and
/// says where that was.
pub(crate) fn stand_in(
    node: &mut Node,
    environment: &Environment,
    secrets: &Secrets,
    places: &mut Vec<Location>,
) {
    match &mut node.value {
        NodeValue::Mapping(entries) => {
            for entry in entries {
                stand_in(&mut entry.value, environment, secrets, places);
            }
        }
        NodeValue::Sequence(items) => {
            for item in items {
                stand_in(item, environment, secrets, places);
            }
        }
        NodeValue::Scalar(scalar) => {
            if let Some(text) = filled(scalar, environment, secrets) {
                scalar.text = text;
                places.push(node.at);
            }
        }
    }
}

/// The text of `scalar` with stand-ins; `None` when nothing is missing in it.
fn filled(scalar: &Scalar, environment: &Environment, secrets: &Secrets) -> Option<String> {
    if matches!(scalar.style, Style::Block { .. }) {
        return None;
    }
    if let Some(name) = secret_name(&scalar.text) {
        return secrets.find(name).is_none().then(|| standing_for(name));
    }
    if !matches!(expanded(&scalar.text, environment), Expansion::Missing(_)) {
        return None;
    }
    let mut text = String::new();
    let mut rest = scalar.text.as_str();
    while let Some((before, name, after)) = next_variable(rest) {
        text.push_str(before);
        text.push_str(&environment.variable(name).map_or_else(|| standing_for(name), str::to_owned));
        rest = after;
    }
    Some(text + rest)
}

/// Long enough for a secret, fit for a host name, and another for every name.
fn standing_for(name: &str) -> String {
    let word = name.replace(|c: char| !c.is_ascii_alphanumeric(), "-").to_ascii_lowercase();
    format!("unresolved-{word}-0123456789abcdef0123456789abcdef")
}

/// What the variables in a text give.
enum Expansion<'a> {
    /// There is none.
    Nothing,
    Text(String),
    /// These are not set.
    Missing(Vec<&'a str>),
    /// Something looks like a variable and is not.
    Malformed,
}

fn expanded<'a>(written: &'a str, environment: &Environment) -> Expansion<'a> {
    let mut text = String::new();
    let mut missing = Vec::new();
    let mut rest = written;
    let mut found = false;
    while let Some((before, name, after)) = next_variable(rest) {
        found = true;
        text.push_str(before);
        rest = after;
        match environment.variable(name) {
            Some(value) => text.push_str(value),
            None => missing.push(name),
        }
    }
    if rest.split_once("{{").is_some_and(|(_, inside)| inside.trim_start().starts_with("env")) {
        return Expansion::Malformed;
    }
    text.push_str(rest);
    match (found, missing.is_empty()) {
        (false, _) => Expansion::Nothing,
        (true, true) => Expansion::Text(text),
        (true, false) => Expansion::Missing(missing),
    }
}

/// The name in a scalar that is `<namespace.key>` and nothing else.
fn secret_name(text: &str) -> Option<&str> {
    let name = text.strip_prefix('<')?.strip_suffix('>')?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
    (name.contains('.') && name.chars().all(allowed)).then_some(name)
}

/// Splits `text` around its first well-formed `{{ env.NAME }}`.
fn next_variable(text: &str) -> Option<(&str, &str, &str)> {
    let mut offset = 0;
    loop {
        let start = offset + text.get(offset..)?.find("{{")?;
        let inside = text.get(start + 2..)?;
        if let Some((body, after)) = inside.split_once("}}") {
            let name = body.trim().strip_prefix("env.").filter(|name| is_variable(name));
            if let Some(name) = name {
                return Some((text.get(..start)?, name, after));
            }
        }
        offset = start + 2;
    }
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
