//! A node under its key path, and the trait that gives it a type.

use std::ops::Deref;

use crate::problem::{Location, Place, Report};
use crate::source::node::{Node, NodeValue, Scalar, Shape};

/// Something that can be read from a node. A failure is in the report, and the reading goes on elsewhere.
pub(crate) trait Value: Sized {
    fn read(spot: Spot<'_>, report: &mut Report) -> Option<Self>;
}

/// A node and its key path.
#[derive(Clone, Copy)]
pub(crate) struct Spot<'a> {
    pub(crate) node: &'a Node,
    pub(crate) path: &'a str,
}

impl<'a> Spot<'a> {
    pub(crate) fn place(&self) -> Place {
        Place { at: self.node.at, path: self.path.to_owned() }
    }

    /// Reports that something else was expected here.
    pub(crate) fn mismatch<T>(&self, report: &mut Report, expected: &str) -> Option<T> {
        if !self.node.is_unresolved() {
            report.error(&self.place(), format!("expected {expected}, found {}", self.node.described()));
        }
        None
    }

    /// The scalar here, when it is written as one of `shapes`.
    pub(crate) fn scalar(&self, shapes: &[Shape], expected: &str, report: &mut Report) -> Option<&'a Scalar> {
        match &self.node.value {
            _ if self.node.is_unresolved() => None,
            NodeValue::Scalar(scalar) if shapes.contains(&scalar.shape()) => Some(scalar),
            NodeValue::Scalar(scalar)
                if shapes.contains(&Shape::Text)
                    && matches!(scalar.shape(), Shape::Boolean | Shape::Number) =>
            {
                let message = format!("expected {expected}, found {}", self.node.described());
                report.error_with(&self.place(), message, "put it in quotes");
                None
            }
            _ => self.mismatch(report, expected),
        }
    }

    /// The text here.
    pub(crate) fn text(&self, expected: &str, report: &mut Report) -> Option<&'a str> {
        self.scalar(&[Shape::Text], expected, report).map(|scalar| scalar.text.as_str())
    }

    /// Reads the text here with `parse`.
    pub(crate) fn parsed<T>(
        &self,
        expected: &str,
        report: &mut Report,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(expected, report)?;
        parse(text).or_else(|| self.mismatch(report, expected))
    }
}

/// A value that remembers where it was written, for checks that need more than one key.
#[derive(Clone, Debug)]
pub(crate) struct Placed<T> {
    pub(crate) value: T,
    pub(crate) place: Place,
}

impl<T> Placed<T> {
    /// A default, which stands nowhere in the file.
    pub(crate) const fn unwritten(value: T) -> Self {
        Self { value, place: Place { at: Location::START, path: String::new() } }
    }
}

impl<T: Value> Value for Placed<T> {
    fn read(spot: Spot<'_>, report: &mut Report) -> Option<Self> {
        Some(Self { value: T::read(spot, report)?, place: spot.place() })
    }
}

impl<T> Deref for Placed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: Value> Value for Vec<T> {
    fn read(spot: Spot<'_>, report: &mut Report) -> Option<Self> {
        let NodeValue::Sequence(items) = &spot.node.value else { return spot.mismatch(report, "a list") };
        // Every item is read, so that all their problems are reported, before one failure fails the list.
        let read: Vec<Option<T>> = items
            .iter()
            .enumerate()
            .map(|(index, node)| T::read(Spot { node, path: &format!("{}[{index}]", spot.path) }, report))
            .collect();
        read.into_iter().collect()
    }
}

/// A section whose keys are names chosen by the operator, in the order written.
#[derive(Clone, Debug)]
pub(crate) struct Entries<T>(pub(crate) Vec<(Placed<String>, T)>);

impl<T> Entries<T> {
    pub(crate) const fn none() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &(Placed<String>, T)> {
        self.0.iter()
    }
}

impl<T: Value> Value for Entries<T> {
    fn read(spot: Spot<'_>, report: &mut Report) -> Option<Self> {
        let NodeValue::Mapping(entries) = &spot.node.value else { return spot.mismatch(report, "a section") };
        let read: Vec<Option<(Placed<String>, T)>> = entries
            .iter()
            .map(|entry| {
                let path = crate::problem::joined(spot.path, &entry.key);
                let value = T::read(Spot { node: &entry.value, path: &path }, report)?;
                Some((Placed { value: entry.key.clone(), place: Place { at: entry.at, path } }, value))
            })
            .collect();
        read.into_iter().collect::<Option<_>>().map(Self)
    }
}
