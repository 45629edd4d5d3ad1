//! Names of tools and arguments that models and clients accept.

use crate::namespace::LONGEST;

/// The bare tool name of an operation: its `operationId`, else method and path.
pub(super) fn tool(operation_id: Option<&str>, method: &str, path: &str) -> String {
    let source = match operation_id {
        Some(id) if !id.trim().is_empty() => id.trim().to_owned(),
        _ => format!("{method}_{path}"),
    };
    let generated = operation_id.is_none_or(|id| id.trim().is_empty());
    let mut name = String::with_capacity(source.len());
    for letter in source.chars() {
        if letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-') {
            name.push(letter);
        } else if !(generated && name.ends_with('_')) {
            name.push('_');
        }
    }
    let name = if generated { name.trim_matches('_') } else { &name };
    name.chars().take(LONGEST).collect()
}

/// The argument name of a parameter, kept apart from those already taken.
pub(super) fn argument(parameter: &str, location: &str, taken: &[String]) -> String {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '.');
    let plain: String = parameter
        .chars()
        .map(|letter| if allowed(letter) { letter } else { '_' })
        .take(LONGEST - 10)
        .collect();
    let plain = if plain.is_empty() { "_".to_owned() } else { plain };
    let free = |name: &String| !taken.contains(name);
    let candidates = [plain.clone(), format!("{location}_{plain}")].into_iter();
    let numbered = (2_u32..).map(|number| format!("{plain}_{number}"));
    candidates.chain(numbered).find(free).unwrap_or(plain)
}
