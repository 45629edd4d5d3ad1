//! The tree that a YAML file is read into.

use crate::problem::Location;

/// A value and where it starts.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) at: Location,
    pub(crate) value: NodeValue,
}

/// What a node holds.
#[derive(Clone, Debug)]
pub(crate) enum NodeValue {
    Scalar(Scalar),
    Sequence(Vec<Node>),
    Mapping(Vec<Entry>),
}

/// One key of a mapping.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) at: Location,
    pub(crate) value: Node,
}

/// A scalar that has not been given a type yet.
#[derive(Clone)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    pub(crate) style: Style,
}

/// How a scalar came to be, which decides what types it may be read as and whether it may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Unquoted: may be null, a boolean, a number or text.
    Plain,
    /// Quoted: text.
    Quoted,
    /// A literal or folded block, taken as it is; `indent` spaces are cut from each line.
    Block { first_line: u32, indent: u32 },
    /// Text that holds a value of the environment or of a secret provider: never shown.
    Substituted,
    /// A reference to a value that is not there, as reported: of no type, and nothing more is said about it.
    Unresolved,
}

/// What an untyped value looks like, for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Nothing,
    Boolean,
    Number,
    Text,
    List,
    Section,
}

impl Node {
    pub(crate) fn shape(&self) -> Shape {
        match &self.value {
            NodeValue::Sequence(_) => Shape::List,
            NodeValue::Mapping(_) => Shape::Section,
            NodeValue::Scalar(scalar) => scalar.shape(),
        }
    }

    /// Whether this is a reference whose failure has been reported.
    pub(crate) fn is_unresolved(&self) -> bool {
        matches!(&self.value, NodeValue::Scalar(Scalar { style: Style::Unresolved, .. }))
    }

    /// What was found here, in words; values that may be secret are not repeated.
    pub(crate) fn described(&self) -> String {
        match (&self.value, self.shape()) {
            (_, Shape::Nothing) => "nothing".into(),
            (_, Shape::List) => "a list".into(),
            (_, Shape::Section) => "a section".into(),
            (NodeValue::Scalar(scalar), _) if scalar.style == Style::Substituted => {
                "a substituted text".into()
            }
            (NodeValue::Scalar(scalar), shape) => {
                let kind = match shape {
                    Shape::Boolean => "the boolean",
                    Shape::Number => "the number",
                    _ => "the text",
                };
                format!("{kind} `{}`", shortened(&scalar.text))
            }
            (_, _) => "a value".into(),
        }
    }
}

impl Scalar {
    pub(crate) fn shape(&self) -> Shape {
        if self.style != Style::Plain {
            return Shape::Text;
        }
        match self.text.as_str() {
            "" | "~" | "null" | "Null" | "NULL" => Shape::Nothing,
            "true" | "false" | "True" | "False" | "TRUE" | "FALSE" => Shape::Boolean,
            text if is_number(text) => Shape::Number,
            _ => Shape::Text,
        }
    }
}

impl std::fmt::Debug for Scalar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.style {
            Style::Substituted | Style::Unresolved => f.write_str("(substituted)"),
            _ => write!(f, "{:?}", self.text),
        }
    }
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    digits.starts_with(|first: char| first.is_ascii_digit() || first == '.')
        && digits.chars().any(|c| c.is_ascii_digit())
        && text.parse::<f64>().is_ok()
}

/// At most 60 characters of one line.
pub(crate) fn shortened(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let short: String = line.chars().filter(|c| !c.is_control()).take(60).collect();
    if short.len() == text.len() { short } else { format!("{short}…") }
}
