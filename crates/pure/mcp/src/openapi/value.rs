//! Values of arguments as the text of paths, queries, headers and forms.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::value::RawValue;

use super::path::encode;
use crate::message::RawObject;

/// The most text that one value becomes as names and values: its name is written anew for each item, so a short list
/// under a long name is a long text.
const LARGEST: usize = 8 * 1024 * 1024;
/// The same in times of its JSON.
pub(super) const GROWTH: usize = 16;
/// The deepest nesting that names spell out.
const DEEPEST: usize = 16;

/// A value that its style cannot carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// It nests deeper than the style knows.
    TooDeep,
    /// It takes too much text.
    TooLong,
}

/// Which argument, or member of a form, wrote each name of a query or form. What policies were shown under one name must
/// not reach the API under another one's.
#[derive(Default)]
pub(super) struct Claims<'a>(HashMap<Cow<'a, str>, usize>);

impl<'a> Claims<'a> {
    /// `name`, encoded, is `owner`'s. Whether it is not another one's already.
    pub(super) fn claim(&mut self, name: Cow<'a, str>, owner: usize) -> bool {
        *self.0.entry(name).or_insert(owner) == owner
    }
}

/// A value flattened to the depth that styles know. Numbers keep the text they were sent as.
pub(super) enum Shape {
    Nothing,
    One(String),
    List(Vec<String>),
    Fields(Vec<(String, String)>),
}

/// Names and values, encoded, of one argument.
pub(super) struct Pairs {
    list: Vec<(String, String)>,
    /// How many more bytes there may be.
    room: usize,
}

impl Shape {
    pub(super) fn of(value: &RawValue) -> Result<Self, Unfit> {
        let text = value.get();
        Ok(match text.as_bytes().first() {
            Some(b'{') => {
                let members = RawObject::parse(text).map_err(|_| Unfit::TooDeep)?;
                let field =
                    |(name, raw): (&str, &RawValue)| Ok((name.to_owned(), scalar(raw)?.unwrap_or_default()));
                Self::Fields(members.iter().map(field).collect::<Result<_, Unfit>>()?)
            }
            Some(b'[') => {
                let items: Vec<&RawValue> = serde_json::from_str(text).map_err(|_| Unfit::TooDeep)?;
                let item = |raw: &RawValue| Ok(scalar(raw)?.unwrap_or_default());
                Self::List(items.into_iter().map(item).collect::<Result<_, Unfit>>()?)
            }
            _ => scalar(value)?.map_or(Self::Nothing, Self::One),
        })
    }
}

impl Pairs {
    /// None yet of `value`, with room for what a style may make of it.
    pub(super) fn for_value(value: &RawValue) -> Self {
        let room = (GROWTH * value.get().len() + 4096).min(LARGEST);
        Self { list: Vec::new(), room }
    }

    pub(super) fn into_list(self) -> Vec<(String, String)> {
        self.list
    }

    /// Adds a pair that is encoded.
    pub(super) fn add(&mut self, name: &str, value: String) -> Result<(), Unfit> {
        self.charge(name.len() + value.len())?;
        self.list.push((name.to_owned(), value));
        Ok(())
    }

    /// Style `deepObject`, as servers that use it read it: each scalar under the way to it, `filter[owner][0]`.
    pub(super) fn add_deep(&mut self, name: &str, value: &RawValue) -> Result<(), Unfit> {
        self.deep(name, value, 0)
    }

    fn deep(&mut self, name: &str, value: &RawValue, depth: usize) -> Result<(), Unfit> {
        self.charge(name.len())?;
        let text = value.get();
        match text.as_bytes().first() {
            Some(b'{' | b'[') if depth >= DEEPEST => Err(Unfit::TooDeep),
            Some(b'{') => {
                let members = RawObject::parse(text).map_err(|_| Unfit::TooDeep)?;
                members.iter().try_for_each(|(key, raw)| self.deep(&format!("{name}[{key}]"), raw, depth + 1))
            }
            Some(b'[') => {
                let items: Vec<&RawValue> = serde_json::from_str(text).map_err(|_| Unfit::TooDeep)?;
                let mut items = items.into_iter().enumerate();
                items.try_for_each(|(index, raw)| self.deep(&format!("{name}[{index}]"), raw, depth + 1))
            }
            _ => match scalar(value)? {
                Some(text) => self.add(&encode(name), encode(&text)),
                None => Ok(()),
            },
        }
    }

    fn charge(&mut self, bytes: usize) -> Result<(), Unfit> {
        self.room = self.room.checked_sub(bytes).ok_or(Unfit::TooLong)?;
        Ok(())
    }
}

/// The most memory that a value of this text takes as names and values, beside their text.
pub(super) fn weight_as_pairs(text: &str) -> usize {
    /// What one item takes: its place in the list of items, in that of their texts and in that of the pairs, each of
    /// which may be twice as long as it is filled, and three small texts.
    const ITEM: usize = 2 * (size_of::<&RawValue>() + size_of::<String>() + size_of::<(String, String)>())
        + 3 * crate::weight::allocation(16);
    // Those within strings are counted too: it is an upper bound.
    let items = text.bytes().filter(|byte| matches!(byte, b',' | b'[' | b'{')).count();
    (items + 1) * ITEM
}

/// The text of a scalar; nothing for null.
fn scalar(value: &RawValue) -> Result<Option<String>, Unfit> {
    let text = value.get();
    match text.as_bytes().first() {
        Some(b'"') => serde_json::from_str(text).map(Some).map_err(|_| Unfit::TooDeep),
        Some(b'{' | b'[') => Err(Unfit::TooDeep),
        Some(b'n') => Ok(None),
        _ => Ok(Some(text.to_owned())),
    }
}
