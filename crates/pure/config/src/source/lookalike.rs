//! References as other programs write them: here they are plain text, and as a secret that text would be believed.

use crate::problem::{Place, Report};

/// What other programs put before and after the name of a variable.
const FORMS: [(&str, &str); 7] =
    [("${{", "}}"), ("${", "}"), ("$(", ")"), ("{{", "}}"), ("%", "%"), ("$ENV:", ""), ("$", "")];

/// Warns where `text` reads as if something were put in its place. `instead` says what to write.
pub(super) fn warn(text: &str, place: &Place, report: &mut Report, instead: impl Fn(&str) -> String) {
    if let Some(name) = variable(text) {
        let message = format!("a reference to `{name}` as other programs write it is taken literally here");
        report.warning(place, message, instead(name));
    }
}

/// The variable that a text is or holds in one of those forms. A name within other text is in capitals: the rest may be
/// a secret.
fn variable(text: &str) -> Option<&str> {
    let whole = FORMS.iter().find_map(|(before, after)| {
        let inside = text.trim().strip_prefix(before)?.strip_suffix(after)?.trim();
        // `${NAME:-default}`, `{{ .Env.NAME }}`, `${{ secrets.NAME }}`.
        let inside = inside.split_once(':').map_or(inside, |(name, _)| name);
        let name = inside.trim_start_matches('.').rsplit('.').next().unwrap_or(inside);
        is_name(name).then_some(name)
    });
    whole.or_else(|| {
        let inside = text.split_once("${")?.1.split_once('}')?.0;
        let name = inside.split_once(':').map_or(inside, |(name, _)| name);
        let is_capital = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        (is_name(name) && name.chars().all(is_capital)).then_some(name)
    })
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests;
