//! docs/CONFIGURATION.md against the declarations of the configuration's sections.
//!
//! The declarations are read as text: a line `field: Type = how("key", default)` for each key, where `how` says whether
//! it is required, and `also` for keys without a field.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::markdown::{page, repository};

/// Sections whose type is chosen by an entry's own `type`.
const VARIANTS: [(&str, &[&str]); 2] = [
    ("App", &["ClientApp", "BridgeApp", "ProxyApp", "LlmApp"]),
    ("Connector", &["LocalConnector", "OidcConnector"]),
];

#[derive(Debug)]
struct Key {
    name: String,
    /// Empty for keys that have no field.
    kind: String,
    how: String,
    default: String,
}

/// What the source declares.
#[derive(Default)]
struct Source {
    sections: BTreeMap<String, Vec<Key>>,
    choices: BTreeMap<String, Vec<String>>,
}

/// What the page says of one section.
#[derive(Default)]
struct Written {
    paths: BTreeSet<String>,
    /// Key to its value, default and meaning.
    keys: BTreeMap<String, [String; 3]>,
    refused: BTreeSet<String>,
}

#[test]
fn every_key_is_in_the_reference_and_no_other() {
    let source = Source::read();
    let written = written();
    let mut paths: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    source.walk("Root", "", &mut paths);
    assert!(paths.len() > 60, "only {} sections were found in the source", paths.len());
    let mut wrong = Vec::new();
    for name in written.keys().filter(|name| !paths.contains_key(*name)) {
        wrong.push(format!("{name}: there is no such section"));
    }
    for (name, mut paths) in paths {
        let Some(section) = written.get(&name) else {
            wrong.push(format!("{name}: the section is missing; it stands at {paths:?}"));
            continue;
        };
        paths.remove("");
        if paths != section.paths {
            wrong.push(format!("{name}: stands at {paths:?}, not at {:?}", section.paths));
        }
        compare(&name, &source, section, &mut wrong);
    }
    assert!(wrong.is_empty(), "docs/CONFIGURATION.md:\n{}", wrong.join("\n"));
}

fn compare(name: &str, source: &Source, section: &Written, wrong: &mut Vec<String>) {
    let keys = &source.sections[name];
    let named = |refused: bool| -> BTreeSet<String> {
        keys.iter().filter(|key| (key.how == "refused") == refused).map(|key| key.name.clone()).collect()
    };
    let rows: BTreeSet<String> = section.keys.keys().cloned().collect();
    if rows != named(false) {
        wrong.push(format!("{name}: has the keys {:?}, not {rows:?}", named(false)));
    }
    if section.refused != named(true) {
        wrong.push(format!("{name}: refuses {:?}, not {:?}", named(true), section.refused));
    }
    for key in keys {
        let Some([value, default, meaning]) = section.keys.get(&key.name) else { continue };
        let at = format!("{name}.{}", key.name);
        if let Some(expected) = shown_default(key).filter(|expected| expected != default) {
            wrong.push(format!("{at}: the default is {expected:?}, not {default:?}"));
        }
        let words = source.choices.get(inner(&key.kind).0).into_iter().flatten();
        let missing: Vec<&String> = words.filter(|word| !value.contains(&format!("`{word}`"))).collect();
        if !missing.is_empty() {
            wrong.push(format!("{at}: {missing:?} are accepted too"));
        }
        if meaning.is_empty() {
            wrong.push(format!("{at}: has no meaning"));
        }
    }
}

/// The default cell of a key, where the declaration says it plainly.
fn shown_default(key: &Key) -> Option<String> {
    match key.how.as_str() {
        "required" | "known" => return Some("**required**".to_owned()),
        "or" => {}
        _ => return Some(String::new()),
    }
    let default = key
        .default
        .strip_prefix("Placed::unwritten(")
        .map_or(key.default.as_str(), |inside| inside.strip_suffix(')').unwrap_or(inside));
    let argument =
        |call: &str| default.strip_prefix(call)?.strip_suffix(')').map(|digits| digits.replace('_', ""));
    let plain = match default {
        "true" | "false" => default.to_owned(),
        "Entries::none()" => return Some(String::new()),
        number if number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_') => number.replace('_', ""),
        text if text.contains(".into()") => text.split('"').nth(1)?.to_owned(),
        _ => argument("Seconds::new(")
            .or_else(|| Some(argument("Duration::from_secs(")? + "s"))
            .or_else(|| Some(argument("Duration::from_mins(")? + "m"))
            .or_else(|| Some(argument("Duration::from_hours(")? + "h"))?,
    };
    Some(format!("`{plain}`"))
}

/// A field's type without its wrappers, and what they say of its path.
fn inner(kind: &str) -> (&str, String) {
    let (mut kind, mut path) = (kind, String::new());
    loop {
        let Some((wrapper, inside)) = kind.strip_suffix('>').and_then(|kind| kind.split_once('<')) else {
            return (kind.rsplit("::").next().unwrap_or(kind), path);
        };
        match wrapper {
            "Vec" => path.push_str("[]"),
            "Entries" => path.push_str(".NAME"),
            _ => {}
        }
        kind = inside;
    }
}

impl Source {
    fn read() -> Self {
        let root = repository().join("crates/pure/config/src");
        let mut files = vec![root.join("document.rs")];
        files.extend(std::fs::read_dir(root.join("document")).unwrap().map(|entry| entry.unwrap().path()));
        let mut source = Self::default();
        for file in files
            .iter()
            .filter(|file| file.file_stem().is_some_and(|stem| stem != "section" && stem != "tests"))
        {
            source.read_file(file);
        }
        source
    }

    fn read_file(&mut self, file: &Path) {
        let text = std::fs::read_to_string(file).unwrap();
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        let mut rest = lines.as_slice();
        while let [first, after @ ..] = rest {
            rest = after;
            let end = after.iter().position(|line| *line == "}").unwrap_or(after.len());
            match *first {
                "section! {" => {
                    let name = after[0].trim().split(' ').next().unwrap().to_owned();
                    self.sections.insert(name, after[1..end].iter().filter_map(|line| key(line)).collect());
                }
                "choice! {" => {
                    let heading = after[0].trim().trim_end_matches(" {");
                    let name = heading.rsplit(' ').next().unwrap().to_owned();
                    let accepted =
                        after[..end].iter().take_while(|line| !line.trim().starts_with("refused {"));
                    let words =
                        accepted.flat_map(|line| line.split('"').skip(1).step_by(2)).map(str::to_owned);
                    self.choices.insert(name, words.collect());
                }
                _ => {}
            }
        }
    }

    fn walk(&self, name: &str, path: &str, paths: &mut BTreeMap<String, BTreeSet<String>>) {
        paths.entry(name.to_owned()).or_default().insert(path.to_owned());
        for key in &self.sections[name] {
            let (kind, suffix) = inner(&key.kind);
            let separator = if path.is_empty() { "" } else { "." };
            let below = format!("{path}{separator}{}{suffix}", key.name);
            let variants = VARIANTS.iter().find(|(name, _)| *name == kind).map(|(_, variants)| *variants);
            for section in variants.unwrap_or(&[kind]) {
                if self.sections.contains_key(*section) {
                    self.walk(section, &below, paths);
                }
            }
        }
    }
}

/// The key that a line of a section declares.
fn key(line: &str) -> Option<Key> {
    let line = line.trim();
    let line = line.strip_prefix("also {").map_or(line, str::trim);
    let (kind, call) = match line.split_once(" = ") {
        Some((field, call)) => (field.split_once(": ")?.1, call),
        None => (
            line.split_once("::<").and_then(|(_, rest)| rest.split_once(">(")).map_or("", |(kind, _)| kind),
            line,
        ),
    };
    let how = call.split(['(', ':']).next()?.trim();
    if !matches!(
        how,
        "required" | "optional" | "or" | "list" | "nested" | "checked" | "known" | "refused" | "only"
    ) {
        return None;
    }
    let (_, after) = call.split_once("(\"")?;
    let (name, after) = after.split_once('"')?;
    let default = after.trim_start_matches(", ").trim_end_matches(',');
    let default = default.strip_suffix(')').unwrap_or(default);
    Some(Key {
        name: name.to_owned(),
        kind: kind.to_owned(),
        how: how.to_owned(),
        default: default.to_owned(),
    })
}

/// The sections of the page, by the name in the comment of their heading.
fn written() -> BTreeMap<String, Written> {
    let text = page("docs/CONFIGURATION.md").text;
    let mut sections: BTreeMap<String, Written> = BTreeMap::new();
    let mut current = String::new();
    let mut columns = 0;
    for line in text.lines() {
        if let Some((_, comment)) = line.strip_prefix("## ").and_then(|heading| heading.split_once("<!-- ")) {
            comment.trim_end_matches(" -->").clone_into(&mut current);
            sections.insert(current.clone(), Written::default());
        }
        let Some(section) = sections.get_mut(&current) else { continue };
        if let Some(places) = line.strip_prefix("At `") {
            section.paths = places.trim_end_matches("`.").split("`, `").map(str::to_owned).collect();
        }
        if line.starts_with("| key |") {
            columns = line.matches('|').count() - 1;
        }
        let Some(row) = line.strip_prefix("| `").and_then(|row| row.strip_suffix('|')) else { continue };
        let cells: Vec<&str> = row.split(" |").map(str::trim).collect();
        let name = cells[0].trim_end_matches('`').to_owned();
        match columns {
            4 => {
                let cell = |index: usize| cells[index].to_owned();
                section.keys.insert(name, [cell(1), cell(2), cell(3)]);
            }
            _ => {
                section.refused.insert(name);
            }
        }
    }
    sections
}
