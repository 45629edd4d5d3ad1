//! References as other programs write them: here they are plain text, and as a secret that text would be believed.

use crate::problem::{Place, Report};

/// What other programs put before and after the name of a variable.
const FORMS: [(&str, &str); 7] =
    [("${{", "}}"), ("${", "}"), ("$(", ")"), ("{{", "}}"), ("%", "%"), ("$ENV:", ""), ("$", "")];

/// Warns where `text` reads as if something were put in its place. `instead` says what to write for a variable.
pub(super) fn warn(text: &str, place: &Place, report: &mut Report, instead: impl Fn(&str) -> String) {
    if let Some(reference) = reference(text) {
        let what = reference
            .name
            .map_or_else(|| "what looks like a reference".into(), |name| format!("a reference to `{name}`"));
        let message = format!("{what} as other programs write it is taken literally here");
        report.warning(place, message, instead(reference.name.unwrap_or("NAME")));
    }
}

/// A text that other programs would put something in place of.
#[derive(Debug, PartialEq)]
struct Reference<'a> {
    /// The variable, where it is in capitals: anything else may be a secret, which nobody may read in a message.
    name: Option<&'a str>,
}

/// The reference that a text is, or holds in the one form that is found within other text.
fn reference(text: &str) -> Option<Reference<'_>> {
    let whole = FORMS.iter().find_map(|(before, after)| {
        let inside = text.trim().strip_prefix(before)?.strip_suffix(after)?.trim();
        // `${NAME:-default}`, `{{ .Env.NAME }}`, `${{ secrets.NAME }}`.
        let inside = inside.split_once(':').map_or(inside, |(name, _)| name);
        let name = inside.trim_start_matches('.').rsplit('.').next().unwrap_or(inside);
        is_name(name).then_some(Reference { name: Some(name).filter(|name| is_capital(name)) })
    });
    whole.or_else(|| {
        let inside = text.split_once("${")?.1.split_once('}')?.0;
        let name = inside.split_once(':').map_or(inside, |(name, _)| name);
        (is_name(name) && is_capital(name)).then_some(Reference { name: Some(name) })
    })
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn is_capital(name: &str) -> bool {
    !name.chars().any(|c| c.is_ascii_lowercase())
}

#[cfg(test)]
mod tests;
