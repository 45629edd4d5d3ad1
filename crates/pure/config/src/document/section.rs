//! How a section of the document is declared and read.
//!
//! [`section!`] makes a struct and its reader from one list: a line per key. Every key is read even when
//! another one fails, and what is left over is unknown.

use crate::nearest;
use crate::problem::{Place, Report, joined};
use crate::source::node::{Entry, Node, NodeValue, Shape};

use super::spot::{Spot, Value};

/// How many unknown keys of one section are reported one by one.
const MOST_UNKNOWN: usize = 20;

/// A section that is being read.
pub(crate) struct Section<'n, 'r> {
    entries: &'n [Entry],
    known: Vec<&'static str>,
    place: Place,
    report: &'r mut Report,
}

/// How a key was found.
enum Reading<T> {
    Absent,
    /// Written and wrong, as reported.
    Wrong,
    Right(T),
}

impl<'n, 'r> Section<'n, 'r> {
    /// Opens the section at `spot`.
    pub(crate) fn open(spot: Spot<'n>, report: &'r mut Report) -> Option<Self> {
        let NodeValue::Mapping(entries) = &spot.node.value else { return spot.mismatch(report, "a section") };
        Some(Self { entries, known: Vec::new(), place: spot.place(), report })
    }

    /// A key that must be written.
    pub(crate) fn required<T: Value>(&mut self, key: &'static str) -> Option<T> {
        match self.read(key) {
            Reading::Right(value) => return Some(value),
            Reading::Wrong => return None,
            Reading::Absent => {}
        }
        let near = self.misspelt(key);
        let place = self.place.child(key);
        match near {
            // The unknown key is reported where it stands; one report of the slip is enough.
            Some(_) => {}
            None => self.report.error(&place, "this key is required and missing"),
        }
        None
    }

    /// A key that may be left out.
    #[expect(clippy::option_option, reason = "`None` is a failure, as for every other kind of key")]
    pub(crate) fn optional<T: Value>(&mut self, key: &'static str) -> Option<Option<T>> {
        match self.read(key) {
            Reading::Right(value) => Some(Some(value)),
            Reading::Wrong => None,
            Reading::Absent => Some(None),
        }
    }

    /// A key with a default.
    pub(crate) fn or<T: Value>(&mut self, key: &'static str, default: T) -> Option<T> {
        match self.read(key) {
            Reading::Right(value) => Some(value),
            Reading::Wrong => None,
            Reading::Absent => Some(default),
        }
    }

    /// A list that is empty when left out.
    pub(crate) fn list<T: Value>(&mut self, key: &'static str) -> Option<Vec<T>> {
        self.or(key, Vec::new())
    }

    /// A section whose keys all have defaults; left out, it is read as if written empty.
    pub(crate) fn nested<T: Value>(&mut self, key: &'static str) -> Option<T> {
        match self.read(key) {
            Reading::Right(value) => return Some(value),
            Reading::Wrong => return None,
            Reading::Absent => {}
        }
        let empty = Node { at: self.place.at, value: NodeValue::Mapping(Vec::new()) };
        T::read(Spot { node: &empty, path: &joined(&self.place.path, key) }, self.report)
    }

    /// A key whose value must be right and then changes nothing, because there is no other way.
    pub(crate) fn checked<T: Value>(&mut self, key: &'static str) {
        drop(self.read::<T>(key));
    }

    /// A documented key that is not built, whatever its value.
    pub(crate) fn refused(&mut self, key: &'static str, instead: &str) {
        self.only(key, &[], instead);
    }

    /// A documented key of which only some values can be honoured. Where none can, a list or section may be written
    /// empty, and a section may say just `enabled: false` or `disabled: true`.
    pub(crate) fn only(&mut self, key: &'static str, accepted: &[&str], instead: &str) {
        self.known.push(key);
        let Some(entry) = self.find(key) else { return };
        let harmless = match &entry.value.value {
            NodeValue::Scalar(scalar) => accepted.contains(&scalar.text.as_str()),
            NodeValue::Sequence(items) => accepted.is_empty() && items.is_empty(),
            NodeValue::Mapping(entries) => accepted.is_empty() && entries.iter().all(switched_off),
        };
        if !harmless {
            let place = self.place_of(entry);
            let message = match accepted {
                [] => "this key is not built yet".to_owned(),
                values => {
                    format!(
                        "only `{}` can be honoured, found {}",
                        values.join("` or `"),
                        entry.value.described()
                    )
                }
            };
            self.report.error_with(&place, message, instead);
        }
    }

    /// A key that another reader of the same section takes.
    pub(crate) fn known(&mut self, key: &'static str) {
        self.known.push(key);
    }

    /// Reports every key that nobody asked for; when there are very many, how many.
    pub(crate) fn close(self) {
        let mut unknown = self.entries.iter().filter(|entry| !self.known.contains(&entry.key.as_str()));
        for entry in unknown.by_ref().take(MOST_UNKNOWN) {
            let place = self.place_of(entry);
            let hint = nearest::hint(&entry.key, self.known.iter().copied());
            self.report.error_with(&place, format!("unknown key `{}`", entry.key), hint);
        }
        if let Some(entry) = unknown.next() {
            let more = format!("{} more unknown keys in this section", 1 + unknown.count());
            self.report.error(&self.place_of(entry), more);
        }
    }

    fn read<T: Value>(&mut self, key: &'static str) -> Reading<T> {
        self.known.push(key);
        let Some(entry) = self.find(key) else { return Reading::Absent };
        let path = joined(&self.place.path, key);
        if entry.value.shape() == Shape::Nothing {
            let place = Place { at: entry.at, path };
            self.report.error_with(&place, "this key has no value", "give it one, or remove the key");
            return Reading::Wrong;
        }
        match T::read(Spot { node: &entry.value, path: &path }, self.report) {
            Some(value) => Reading::Right(value),
            None => Reading::Wrong,
        }
    }

    fn find(&self, key: &str) -> Option<&'n Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// A written key that only a change of case turns into `key`.
    fn misspelt(&self, key: &str) -> Option<&'n Entry> {
        self.entries.iter().find(|entry| entry.key.eq_ignore_ascii_case(key))
    }

    fn place_of(&self, entry: &Entry) -> Place {
        Place { at: entry.at, path: joined(&self.place.path, &entry.key) }
    }
}

fn switched_off(entry: &Entry) -> bool {
    let NodeValue::Scalar(scalar) = &entry.value.value else { return false };
    matches!((entry.key.as_str(), scalar.text.as_str()), ("enabled", "false") | ("disabled", "true"))
}

/// Declares a section: `field: Type = how("key", …)` for each key, where `how` is a method of [`Section`];
/// keys that only need to be known or refused follow under `also`.
macro_rules! section {
    (
        $(#[$meta:meta])* $name:ident {
            $( $(#[$field_meta:meta])* $field:ident : $type:ty = $how:ident ( $($argument:expr),* ) ),* $(,)?
        }
        $( also { $( $also:ident $(::<$also_type:ty>)? ( $($also_argument:expr),* $(,)? ) );* $(;)? } )?
    ) => {
        $(#[$meta])*
        pub(crate) struct $name {
            $( $(#[$field_meta])* pub(crate) $field: $type, )*
            /// Where the section stands.
            #[allow(dead_code, reason = "not every section is the subject of a check across sections")]
            pub(crate) place: $crate::problem::Place,
        }

        impl $crate::document::spot::Value for $name {
            fn read(
                spot: $crate::document::spot::Spot<'_>,
                report: &mut $crate::problem::Report,
            ) -> Option<Self> {
                let mut section = $crate::document::section::Section::open(spot, report)?;
                $( let $field: Option<$type> = section.$how($($argument),*); )*
                $( $( section.$also $(::<$also_type>)? ($($also_argument),*); )* )?
                section.close();
                Some(Self { $( $field: $field?, )* place: spot.place() })
            }
        }
    };
}

/// Declares a value that is one of a few words; documented words that are not built are refused by name.
macro_rules! choice {
    (
        $(#[$meta:meta])* $vis:vis $name:ident { $( $(#[$variant_meta:meta])* $variant:ident = $($word:literal)|+ ),* $(,)? }
        $( refused { $( $($refused:literal)|+ => $instead:expr ),* $(,)? } )?
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        $vis enum $name { $( $(#[$variant_meta])* $variant ),* }

        impl $crate::document::spot::Value for $name {
            fn read(
                spot: $crate::document::spot::Spot<'_>,
                report: &mut $crate::problem::Report,
            ) -> Option<Self> {
                const WORDS: &[&str] = &[$( $($word),+ ),*];
                let expected = format!("one of {}", WORDS.join(", "));
                let shapes = [$crate::source::node::Shape::Text, $crate::source::node::Shape::Number];
                let scalar = spot.scalar(&shapes, &expected, report)?;
                match scalar.text.as_str() {
                    $( $($word)|+ => Some(Self::$variant), )*
                    $( $( $($refused)|+ => {
                        let message = format!("`{}` is not built yet", scalar.text);
                        report.error_with(&spot.place(), message, $instead);
                        None
                    } )* )?
                    other => {
                        let message = format!("expected {expected}, found {}", spot.node.described());
                        match $crate::nearest::nearest(other, WORDS.iter().copied()) {
                            Some(near) => {
                                report.error_with(&spot.place(), message, format!("did you mean `{near}`?"));
                            }
                            None => report.error(&spot.place(), message),
                        }
                        None
                    }
                }
            }
        }
    };
}

pub(crate) use {choice, section};
