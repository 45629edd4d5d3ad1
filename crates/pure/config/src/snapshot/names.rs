//! Names that people tell apart by eye: in consent pages, policies, logs and audit records.
//!
//! What cannot be seen is refused. What looks like something else is a warning: it may be somebody's real name.

use std::collections::HashMap;

use gatehouse_mcp::hidden_text::is_hidden;

use super::compiler::Compiler;
use crate::document::Root;
use crate::document::app::App;
use crate::document::connector::Connector;
use crate::document::spot::Placed;
use crate::problem::Place;

/// Names of one kind, of which each must be another to the eye.
struct Kind<'a> {
    what: &'static str,
    blanks: Blanks,
    names: Vec<&'a Placed<String>>,
}

/// Where a name may have spaces.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Blanks {
    /// One at a time between words.
    Between,
    /// Nowhere.
    Nowhere,
    /// Nowhere, nor any character outside of visible ASCII (RFC 6749 appendix A.1).
    OnlyAscii,
}

pub(crate) fn check(root: &Root, compiler: &mut Compiler<'_>) {
    for kind in kinds(root) {
        let mut shapes: HashMap<String, &Placed<String>> = HashMap::new();
        for name in &kind.names {
            if !check_visible(&kind, name, compiler) {
                continue;
            }
            if let Some(scripts) = mixed_scripts(name) {
                let message = format!("this {} mixes {scripts} letters: it may look like another", kind.what);
                compiler.report.warning(&name.place, message, "write it in one script");
            }
            match shapes.insert(shape(name), name) {
                Some(other) if other.value != name.value => twin(kind.what, name, &other.place, compiler),
                _ => {}
            }
        }
    }
}

fn kinds(root: &Root) -> Vec<Kind<'_>> {
    let clients = root.apps.iter().filter_map(|app| match app {
        App::Client(client) => Some(&client.client_id),
        _ => None,
    });
    let llm = root.llm_provider.as_ref();
    let mut kinds = vec![
        Kind { what: "client id", blanks: Blanks::OnlyAscii, names: clients.collect() },
        Kind {
            what: "connector name",
            blanks: Blanks::Between,
            names: root.connectors.iter().map(Connector::name).collect(),
        },
        // Other characters than those of URLs are refused in app names elsewhere.
        Kind {
            what: "app name",
            blanks: Blanks::Nowhere,
            names: root
                .apps
                .iter()
                .map(App::name)
                .filter(|name| name.bytes().all(|b| b.is_ascii_graphic()))
                .collect(),
        },
        Kind {
            what: "model id",
            blanks: Blanks::Nowhere,
            names: llm.iter().flat_map(|llm| &llm.models).map(|model| &model.id).collect(),
        },
        Kind {
            what: "key name",
            blanks: Blanks::Between,
            names: llm.iter().flat_map(|llm| &llm.authorization.keys).map(|key| &key.name).collect(),
        },
    ];
    for connector in &root.connectors {
        if let Connector::Local(local) = connector {
            let names = local.users.iter().map(|user| &user.username).collect();
            kinds.push(Kind { what: "username", blanks: Blanks::Between, names });
        }
    }
    kinds
}

/// Refuses what cannot be seen or is seen as nothing.
fn check_visible(kind: &Kind<'_>, name: &Placed<String>, compiler: &mut Compiler<'_>) -> bool {
    let what = kind.what;
    let odd_blank = |letter: char| letter.is_whitespace() && letter != ' ';
    let refusal = if let Some(letter) = name.chars().find(|letter| is_invisible(*letter)) {
        format!("this {what} holds U+{:04X}, which nobody sees", u32::from(letter))
    } else if let Some(letter) = name.chars().find(|letter| odd_blank(*letter)) {
        format!("this {what} holds U+{:04X}, which looks like a space", u32::from(letter))
    } else if kind.blanks != Blanks::Between && name.contains(' ') {
        format!("a {what} has no spaces")
    } else if name.starts_with(' ') || name.ends_with(' ') || name.contains("  ") {
        format!("a {what} has no spaces at its ends, and one at a time between words")
    } else if kind.blanks == Blanks::OnlyAscii && !name.is_ascii() {
        format!("a {what} is of visible ASCII characters (RFC 6749)")
    } else {
        return true;
    };
    compiler.report.error_with(&name.place, refusal, "write a name that can be told apart by eye");
    false
}

fn twin(what: &str, name: &Placed<String>, other: &Place, compiler: &mut Compiler<'_>) {
    let message = format!("this {what} looks like that on line {}", other.at.line);
    compiler.report.warning(&name.place, message, "people cannot tell the two apart: rename one");
}

/// What takes no room or is blank, beyond what tool definitions must not hold.
fn is_invisible(letter: char) -> bool {
    is_hidden(letter)
        || matches!(
            letter,
            '\t' | '\n'
                | '\r'
                | '\u{34F}'
                | '\u{115F}'
                | '\u{1160}'
                | '\u{17B4}'
                | '\u{17B5}'
                | '\u{2028}'
                | '\u{2029}'
                | '\u{2800}'
                | '\u{3164}'
                | '\u{FE00}'..='\u{FE0F}' | '\u{FFA0}'
        )
}

/// Scripts whose letters are drawn like those of another, when a name has letters of several.
fn mixed_scripts(name: &str) -> Option<String> {
    let mut scripts: Vec<&str> = name.chars().filter_map(script).collect();
    scripts.sort_unstable();
    scripts.dedup();
    (scripts.len() > 1).then(|| scripts.join(" and "))
}

fn script(letter: char) -> Option<&'static str> {
    match letter {
        'A'..='Z' | 'a'..='z' | '\u{C0}'..='\u{24F}' | '\u{1E00}'..='\u{1EFF}' => Some("Latin"),
        '\u{250}'..='\u{2AF}' | '\u{1D00}'..='\u{1D7F}' => Some("phonetic"),
        '\u{370}'..='\u{3FF}' | '\u{1F00}'..='\u{1FFF}' => Some("Greek"),
        '\u{400}'..='\u{52F}' | '\u{1C80}'..='\u{1C8F}' | '\u{A640}'..='\u{A69F}' => Some("Cyrillic"),
        '\u{530}'..='\u{58F}' => Some("Armenian"),
        '\u{13A0}'..='\u{13FF}' | '\u{AB70}'..='\u{ABBF}' => Some("Cherokee"),
        '\u{FF21}'..='\u{FF5A}' => Some("full-width"),
        '\u{2100}'..='\u{214F}' | '\u{1D400}'..='\u{1D7FF}' => Some("mathematical"),
        _ => None,
    }
}

/// What a name looks like: in lower case, and with the Latin letter for each that is drawn like it. The commonest of
/// the Unicode confusables (UTS #39).
fn shape(name: &str) -> String {
    let marks = |letter: &char| !('\u{300}'..='\u{36F}').contains(letter);
    name.chars().filter(marks).map(upright).flat_map(char::to_lowercase).map(latin).collect()
}

/// What many typefaces draw as one upright stroke, or as one ring.
const fn upright(letter: char) -> char {
    match letter {
        'I' | '1' | '|' | 'І' | 'Ι' | 'Ӏ' => 'l',
        '0' => 'o',
        _ => letter,
    }
}

fn latin(letter: char) -> char {
    match letter {
        'а' | 'α' | 'ɑ' => 'a',
        'в' | 'β' => 'b',
        'с' | 'ϲ' => 'c',
        'ԁ' => 'd',
        'е' | 'є' | 'ε' => 'e',
        'ɡ' => 'g',
        'н' | 'һ' | 'η' | 'հ' => 'h',
        'і' | 'ι' | 'ı' => 'i',
        'ӏ' => 'l',
        'ј' | 'ϳ' => 'j',
        'к' | 'κ' => 'k',
        'м' | 'μ' => 'm',
        'п' | 'ν' | 'ո' => 'n',
        'о' | 'ο' | 'օ' | 'σ' => 'o',
        'р' | 'ρ' => 'p',
        'ԛ' => 'q',
        'ѕ' | 'ʂ' => 's',
        'т' | 'τ' => 't',
        'υ' | 'ս' => 'u',
        'ѵ' => 'v',
        'ԝ' | 'ω' => 'w',
        'х' | 'χ' => 'x',
        'у' | 'γ' | 'ү' => 'y',
        'ᴢ' => 'z',
        '\u{FF41}'..='\u{FF5A}' => offset(letter, '\u{FF41}', 'a'),
        '\u{FF10}'..='\u{FF19}' => offset(letter, '\u{FF10}', '0'),
        _ => letter,
    }
}

fn offset(letter: char, from: char, to: char) -> char {
    let moved = u32::from(letter).wrapping_sub(u32::from(from)).wrapping_add(u32::from(to));
    char::from_u32(moved).unwrap_or(letter)
}

#[cfg(test)]
mod tests;
