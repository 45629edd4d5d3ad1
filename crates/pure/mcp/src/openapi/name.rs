//! Names of tools and arguments that models and clients accept.

use std::collections::HashMap;

use crate::namespace::{LONGEST, with_digest};

/// The bare tool name that an operation would have if it were alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wish {
    name: String,
    /// Whether it is the `operationId`, letter for letter.
    exact: bool,
    /// What tells the operation apart from all others of the document.
    place: String,
}

impl Wish {
    /// The `operationId` of an operation, else its method and path. What is no letter of a name becomes `_`; an
    /// identifier that is too long is cut and ends in a digest of the whole.
    pub(super) fn of(operation_id: Option<&str>, method: &str, path: &str) -> Self {
        let place = format!("{method} {path}");
        let readable = |id: &&str| id.bytes().any(|byte| byte.is_ascii_alphanumeric());
        let Some(id) = operation_id.map(str::trim).filter(readable) else {
            let name = shortened(generated(method, path), &place);
            return Self { name, exact: false, place };
        };
        let clean = |letter: char| {
            if letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-') { letter } else { '_' }
        };
        let name = shortened(id.chars().map(clean).collect(), id);
        Self { exact: name == id, name, place }
    }
}

/// The names of all operations of a document, in their order.
///
/// Of operations that wish for one name, the one whose `operationId` it is gets it, and each of the others a digest
/// of its place behind it. So no name depends on the order of operations, and none passes to another operation when
/// the document grows.
pub(super) fn settle(wishes: &[Wish]) -> Vec<String> {
    /// How often a name is wished for, and how often as it is written.
    type Claims = (u32, u32);
    let mut claims: HashMap<&str, Claims> = HashMap::with_capacity(wishes.len());
    for wish in wishes {
        let (all, exact) = claims.entry(&wish.name).or_default();
        *all += 1;
        *exact += u32::from(wish.exact);
    }
    let settled = |wish: &Wish| match claims.get(wish.name.as_str()) {
        Some((2.., exact)) if !(wish.exact && *exact == 1) => with_digest(&wish.name, &wish.place),
        _ => wish.name.clone(),
    };
    wishes.iter().map(settled).collect()
}

/// `GET /staff/{id}` as `get_staff_id`.
fn generated(method: &str, path: &str) -> String {
    let mut name = String::with_capacity(method.len() + path.len() + 1);
    for letter in method.chars().chain(std::iter::once('_')).chain(path.chars()) {
        if letter.is_ascii_alphanumeric() || letter == '-' {
            name.push(letter);
        } else if !name.ends_with('_') {
            name.push('_');
        }
    }
    name.trim_matches('_').to_owned()
}

fn shortened(name: String, original: &str) -> String {
    if name.len() > LONGEST { with_digest(&name, original) } else { name }
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
