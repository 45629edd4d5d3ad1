//! Pages of `GET /v1/models`.

use percent_encoding::percent_decode_str;
use serde::Serialize;

use super::{Model, ModelEntry};

const DEFAULT_LIMIT: usize = 20;
const MAX_LIMIT: usize = 1000;

/// Which page a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageQuery {
    limit: usize,
    cursor: Cursor,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Cursor {
    Start,
    After(String),
    Before(String),
}

/// A query that asks for no page.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PageError {
    /// The limit is out of range.
    #[error("limit: expected an integer from 1 to {MAX_LIMIT}")]
    Limit,
    /// A parameter is there twice.
    #[error("{0}: written more than once")]
    Duplicate(&'static str),
    /// Both cursors are there.
    #[error("after_id and before_id exclude each other")]
    BothCursors,
    /// The cursor names no model that the caller can see.
    #[error("{0}: names no model of this list")]
    UnknownCursor(&'static str),
}

/// One page of models.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ModelsPage<'a> {
    data: Vec<ModelEntry<'a>>,
    has_more: bool,
    first_id: Option<&'a str>,
    last_id: Option<&'a str>,
}

impl PageQuery {
    /// Parses the query string of the request; parameters of other names are ignored.
    pub fn parse(query: &str) -> Result<Self, PageError> {
        let (mut limit, mut after, mut before) = (None, None, None);
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (slot, name) = match name {
                "limit" => (&mut limit, "limit"),
                "after_id" => (&mut after, "after_id"),
                "before_id" => (&mut before, "before_id"),
                _ => continue,
            };
            let value = percent_decode_str(&value.replace('+', " ")).decode_utf8_lossy().into_owned();
            if slot.replace(value).is_some() {
                return Err(PageError::Duplicate(name));
            }
        }
        let limit = match limit {
            None => DEFAULT_LIMIT,
            Some(text) => {
                text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit)).ok_or(PageError::Limit)?
            }
        };
        let cursor = match (after, before) {
            (None, None) => Cursor::Start,
            (Some(id), None) => Cursor::After(id),
            (None, Some(id)) => Cursor::Before(id),
            (Some(_), Some(_)) => return Err(PageError::BothCursors),
        };
        Ok(Self { limit, cursor })
    }

    /// The page out of `visible`, the models that this caller may see.
    pub fn page<'a>(&self, visible: &[&'a Model]) -> Result<ModelsPage<'a>, PageError> {
        let position = |id: &str, name| {
            visible.iter().position(|model| model.id == id).ok_or(PageError::UnknownCursor(name))
        };
        let (start, end, has_more) = match &self.cursor {
            Cursor::Start => self.onwards(0, visible.len()),
            Cursor::After(id) => self.onwards(position(id, "after_id")? + 1, visible.len()),
            Cursor::Before(id) => {
                let end = position(id, "before_id")?;
                (end.saturating_sub(self.limit), end, end > self.limit)
            }
        };
        let shown = visible.get(start..end).unwrap_or_default();
        Ok(ModelsPage {
            data: shown.iter().map(|model| model.entry()).collect(),
            has_more,
            first_id: shown.first().map(|model| model.id.as_str()),
            last_id: shown.last().map(|model| model.id.as_str()),
        })
    }

    fn onwards(&self, start: usize, total: usize) -> (usize, usize, bool) {
        let end = start.saturating_add(self.limit).min(total);
        (start, end, end < total)
    }
}

#[cfg(test)]
mod tests;
