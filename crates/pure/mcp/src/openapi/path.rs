//! Path templates, and how arguments become single segments of a path.

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};

/// Everything but the unreserved characters of RFC 3986 §2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What the literal parts of a path may not hold as it is.
const UNUSABLE: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'[')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// A path with named holes.
#[derive(Clone, Debug)]
pub(super) struct PathTemplate {
    written: String,
    segments: Vec<Vec<Part>>,
}

#[derive(Clone, Debug)]
enum Part {
    Literal(String),
    Hole(String),
}

impl PathTemplate {
    /// Parses `/staff/{id}`. Letters of literals that a URL does not have are encoded; `?` and `\` are refused, since no
    /// path holds them. What follows a `#` only tells operations of one path apart, and is no part of requests.
    pub(super) fn parse(written: &str) -> Result<Self, String> {
        let Some(rest) = written.strip_prefix('/') else {
            return Err("a path starts with `/`".to_owned());
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let segments = rest.split('/').map(parse_segment).collect::<Result<_, _>>()?;
        Ok(Self { written: written.to_owned(), segments })
    }

    pub(super) fn as_written(&self) -> &str {
        &self.written
    }

    /// The names of the holes.
    pub(super) fn holes(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().flatten().filter_map(|part| match part {
            Part::Hole(name) => Some(name.as_str()),
            Part::Literal(_) => None,
        })
    }

    /// Fills the holes with values that are already encoded. Gives the name of a hole whose segment would be
    /// empty, `.` or `..`.
    pub(super) fn fill(&self, value: impl Fn(&str) -> Option<String>) -> Result<String, String> {
        let mut path = String::new();
        for segment in &self.segments {
            let mut text = String::new();
            let mut last_hole = None;
            for part in segment {
                match part {
                    Part::Literal(literal) => text.push_str(literal),
                    Part::Hole(name) => {
                        let filled =
                            value(name).filter(|filled| !filled.is_empty()).ok_or_else(|| name.clone())?;
                        text.push_str(&filled);
                        last_hole = Some(name);
                    }
                }
            }
            if let Some(name) = last_hole
                && matches!(text.as_str(), "" | "." | "..")
            {
                return Err(name.clone());
            }
            path.push('/');
            path.push_str(&text);
        }
        Ok(path)
    }
}

/// Text as part of one path segment or one query value: `/`, `%`, `?` and all the rest are encoded.
pub(super) fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

fn parse_segment(segment: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut rest = segment;
    while let Some((literal, tail)) = rest.split_once('{') {
        let Some((name, after)) = tail.split_once('}') else {
            return Err(format!("a `{{` in {segment:?} is not closed"));
        };
        if name.is_empty() || name.contains('{') {
            return Err(format!("{segment:?} is not a path template"));
        }
        push_literal(&mut parts, literal)?;
        parts.push(Part::Hole(name.to_owned()));
        rest = after;
    }
    push_literal(&mut parts, rest)?;
    let only_dots = matches!(segment, "." | "..");
    if only_dots { Err("a path must not hold `.` or `..` segments".to_owned()) } else { Ok(parts) }
}

fn push_literal(parts: &mut Vec<Part>, literal: &str) -> Result<(), String> {
    if literal.contains(['?', '\\', '}']) || literal.chars().any(char::is_control) {
        return Err(format!("{literal:?} holds characters that no path has"));
    }
    if !literal.is_empty() {
        parts.push(Part::Literal(utf8_percent_encode(literal, UNUSABLE).to_string()));
    }
    Ok(())
}
