//! Builds the tree from the events of a YAML parser.

use std::collections::HashMap;

use granit_parser::{Event, Marker, Parser, ScalarStyle};

use super::node::{Entry, Node, NodeValue, Scalar, Style};
use super::{MAX_BYTES, Source};
use crate::problem::{Location, Place, Report, joined};

/// Levels of nesting.
const MAX_DEPTH: usize = 64;
/// Aliases may make the tree at most this many times larger than it was written.
const MAX_EXPANSION: usize = 10;
/// Below this many nodes expansion is not counted.
const FREE_NODES: usize = 1_000;

/// Reads `source` into a tree; `None` when it has no usable structure, with the reason in `report`.
pub(crate) fn parse(source: &Source, report: &mut Report) -> Option<Node> {
    parse_within(source, MAX_BYTES, report)
}

/// As [`parse`], for a file of at most `limit` bytes.
pub(crate) fn parse_within(source: &Source, limit: usize, report: &mut Report) -> Option<Node> {
    let start = Place { at: Location::START, path: String::new() };
    if source.bytes.len() > limit {
        report.error(&start, format!("the file is larger than {limit} bytes"));
        return None;
    }
    let Ok(text) = std::str::from_utf8(&source.bytes) else {
        report.error(&start, "the file is not UTF-8 text");
        return None;
    };
    let mut tree = Tree::new(text, report);
    for event in Parser::new_from_str(text) {
        match event {
            Ok((event, span)) => tree.take(event, &span.start)?,
            Err(error) => {
                tree.fail(location(error.marker()), format!("not valid YAML: {}", error.info()));
                return None;
            }
        }
    }
    let root = tree.root.take();
    if root.is_none() {
        report.error(&start, "the file is empty");
    }
    root
}

struct Tree<'a> {
    lines: Vec<&'a str>,
    report: &'a mut Report,
    open: Vec<Open>,
    anchors: HashMap<usize, (Node, Size)>,
    written: usize,
    expanded: usize,
    root: Option<Node>,
    documents: usize,
}

/// A collection whose end has not been seen.
struct Open {
    at: Location,
    anchor: usize,
    content: Content,
    size: Size,
}

enum Content {
    Sequence(Vec<Node>),
    Mapping { entries: Vec<Entry>, seen: HashMap<String, Location>, key: Option<(String, Location)> },
}

/// Nodes and levels of a subtree.
#[derive(Clone, Copy)]
struct Size {
    nodes: usize,
    depth: usize,
}

impl<'a> Tree<'a> {
    fn new(text: &'a str, report: &'a mut Report) -> Self {
        Self {
            lines: text.lines().collect(),
            report,
            open: Vec::new(),
            anchors: HashMap::new(),
            written: 0,
            expanded: 0,
            root: None,
            documents: 0,
        }
    }

    /// Takes one event; `None` ends the reading, with the reason in the report.
    fn take(&mut self, event: Event<'_>, marker: &Marker) -> Option<()> {
        let at = location(marker);
        if let Event::Scalar(_, _, _, Some(tag))
        | Event::SequenceStart(_, _, Some(tag))
        | Event::MappingStart(_, _, Some(tag)) = &event
        {
            self.fail(at, format!("tags such as `{tag}` are not accepted"));
            return None;
        }
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    self.fail(
                        at,
                        "a second YAML document in the file; one file holds one configuration".into(),
                    );
                    return None;
                }
                Some(())
            }
            Event::Scalar(text, style, anchor, _) => {
                let style = self.style(style, at);
                let node = Node { at, value: NodeValue::Scalar(Scalar { text: text.into_owned(), style }) };
                self.written += 1;
                self.place(node, Size { nodes: 1, depth: 1 }, anchor)
            }
            Event::SequenceStart(_, anchor, _) => self.begin(at, anchor, Content::Sequence(Vec::new())),
            Event::MappingStart(_, anchor, _) => {
                let content = Content::Mapping { entries: Vec::new(), seen: HashMap::new(), key: None };
                self.begin(at, anchor, content)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => self.alias(anchor, at),
            _ => Some(()),
        }
    }

    fn style(&self, style: ScalarStyle, at: Location) -> Style {
        match style {
            ScalarStyle::Plain => Style::Plain,
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => Style::Quoted,
            _ => {
                // The span may start at the `|` or at the content: the content starts on a line of its own.
                let written =
                    |line: u32| self.lines.get(usize::try_from(line).ok()?.checked_sub(1)?).copied();
                let header =
                    written(at.line).is_some_and(|line| line.trim_end().ends_with(['|', '>', '-', '+']));
                let first_line = if header { at.line + 1 } else { at.line };
                let indent =
                    written(first_line).map_or(0, |line| line.len() - line.trim_start_matches(' ').len());
                Style::Block { first_line, indent: u32::try_from(indent).unwrap_or(0) }
            }
        }
    }

    fn begin(&mut self, at: Location, anchor: usize, content: Content) -> Option<()> {
        self.written += 1;
        if self.open.len() >= MAX_DEPTH {
            self.fail(at, format!("nested deeper than {MAX_DEPTH} levels"));
            return None;
        }
        if let Some(Open { content: Content::Mapping { key: None, .. }, .. }) = self.open.last() {
            self.fail_with(
                at,
                "a key must be text",
                "put the value in quotes if it is a reference such as \"{{ env.NAME }}\"",
            );
            return None;
        }
        self.open.push(Open { at, anchor, content, size: Size { nodes: 1, depth: 1 } });
        Some(())
    }

    fn end(&mut self) -> Option<()> {
        let Open { at, anchor, content, size } = self.open.pop()?;
        let value = match content {
            Content::Sequence(items) => NodeValue::Sequence(items),
            Content::Mapping { entries, .. } => NodeValue::Mapping(entries),
        };
        self.place(Node { at, value }, size, anchor)
    }

    fn alias(&mut self, anchor: usize, at: Location) -> Option<()> {
        let Some((node, size)) = self.anchors.get(&anchor) else {
            self.fail(at, "an alias refers to a value that contains it".into());
            return None;
        };
        let size = *size;
        self.expanded += size.nodes;
        if self.expanded > FREE_NODES.max(self.written * MAX_EXPANSION)
            || self.open.len() + size.depth > MAX_DEPTH
        {
            self.fail(
                at,
                format!("aliases make the file more than {MAX_EXPANSION} times larger or too deep"),
            );
            return None;
        }
        let node = node.clone();
        self.place(node, size, 0)
    }

    /// Puts a finished value where it belongs.
    fn place(&mut self, node: Node, size: Size, anchor: usize) -> Option<()> {
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), size));
        }
        let Some(parent) = self.open.last_mut() else {
            self.root.get_or_insert(node);
            return Some(());
        };
        parent.size.nodes += size.nodes;
        parent.size.depth = parent.size.depth.max(size.depth + 1);
        match &mut parent.content {
            Content::Sequence(items) => items.push(node),
            Content::Mapping { key: key @ None, .. } => {
                let NodeValue::Scalar(scalar) = node.value else {
                    self.fail(node.at, "a key must be text".into());
                    return None;
                };
                if scalar.text == "<<" {
                    self.fail_with(node.at, "merge keys (`<<`) are not accepted", "repeat the keys");
                    return None;
                }
                *key = Some((scalar.text, node.at));
            }
            Content::Mapping { entries, seen, key } => {
                if let Some((key, at)) = key.take() {
                    if let Some(first) = seen.get(&key) {
                        let message = format!("duplicate key `{key}`, first written on line {}", first.line);
                        let place = Place { at, path: joined(&self.here(at).path, &key) };
                        self.report.error(&place, message);
                    } else {
                        seen.insert(key.clone(), at);
                        entries.push(Entry { key, at, value: node });
                    }
                }
            }
        }
        Some(())
    }

    fn fail(&mut self, at: Location, message: String) {
        let place = self.here(at);
        self.report.error(&place, message);
    }

    fn fail_with(&mut self, at: Location, message: &str, hint: &str) {
        let place = self.here(at);
        self.report.error_with(&place, message, hint);
    }

    /// The key path of what is being read.
    fn here(&self, at: Location) -> Place {
        let mut path = String::new();
        for open in &self.open {
            match &open.content {
                Content::Sequence(items) => path = format!("{path}[{}]", items.len()),
                Content::Mapping { key: Some((key, _)), .. } => path = joined(&path, key),
                Content::Mapping { key: None, .. } => {}
            }
        }
        Place { at, path }
    }
}

fn location(marker: &Marker) -> Location {
    let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    Location { line: number(marker.line()).max(1), column: number(marker.col()).saturating_add(1) }
}
