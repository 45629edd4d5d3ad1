//! The models that clients see.

use std::collections::HashMap;

use serde::Serialize;

use crate::price::PriceList;
use crate::route::Route;

pub mod listing;
pub mod page;
pub mod pattern;

use self::pattern::Asked;

/// One model as configured, or all whose ids begin alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// What clients call it. With a `*` at its end it is a pattern: it stands for every id that begins so.
    pub id: String,
    /// What people call it.
    pub display_name: String,
    /// Its family, such as `opus`; Claude Desktop shows models of unfamiliar names only with one.
    pub family: Option<String>,
    /// Whether clients may pick it when only the family is asked for.
    pub family_default: bool,
    /// When it came out, RFC 3339; `None` when nobody said.
    pub created_at: Option<String>,
    /// Its context window in tokens.
    pub max_input_tokens: Option<u64>,
    /// Whether it takes a million input tokens.
    pub supports_1m: bool,
    /// The ways to reach it, tried in order; at least one.
    pub routes: Vec<Route>,
    /// What it costs.
    pub price: Option<PriceList>,
}

/// Every model of the gateway, in the configured order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelCatalog {
    models: Vec<Model>,
    by_id: HashMap<String, usize>,
    /// Those of patterns, the longest first.
    patterns: Vec<usize>,
}

/// A list of models that cannot stand.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CatalogError {
    /// Two models have one id.
    #[error("model `{0}` is configured twice")]
    Duplicate(String),
    /// A model cannot be reached.
    #[error("model `{0}` has no route")]
    NoRoute(String),
    /// An id that no client could send.
    #[error("a model id has 1 to 256 bytes and no control characters; found {0:?}")]
    Id(String),
    /// An id with a `*` that is no pattern.
    #[error(
        "`{0}` is no pattern: `*` stands for the rest of an id, so it is written once, at the end, such as `claude-*`"
    )]
    Pattern(String),
    /// A route with a `*` that stands for nothing.
    #[error(
        "a route's model `{0}`: `*` stands for what the `*` of the id stands for, so it is written once, and only where the id ends in one"
    )]
    RoutePattern(String),
    /// A pattern that would make many models the default of one family.
    #[error(
        "`{0}` stands for many models, which cannot all be the default of their family: write `familyDefault` at one id"
    )]
    ManyDefaults(String),
}

/// A model that no client can reach here; answer with 400 `invalid_request_error`, never 404.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("model: `{0}` is not available through this gateway")]
pub struct UnknownModel(String);

/// One model as `/v1/models` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ModelEntry<'a> {
    r#type: &'static str,
    id: &'a str,
    display_name: &'a str,
    created_at: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_input_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    anthropic_family_tier: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_family_default: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    supports_1m: bool,
}

impl ModelCatalog {
    /// A catalog of `models`, which keep their order.
    pub fn new(models: Vec<Model>) -> Result<Self, CatalogError> {
        let mut by_id = HashMap::with_capacity(models.len());
        for (index, model) in models.iter().enumerate() {
            model.check()?;
            if by_id.insert(model.id.clone(), index).is_some() {
                return Err(CatalogError::Duplicate(model.id.clone()));
            }
        }
        let longest_first = |index: &usize| std::cmp::Reverse(models.get(*index).map(|model| model.id.len()));
        let mut patterns: Vec<usize> = models
            .iter()
            .enumerate()
            .filter(|(_, model)| model.is_pattern())
            .map(|(index, _)| index)
            .collect();
        patterns.sort_by_key(longest_first);
        by_id.retain(|_, index| !patterns.contains(index));
        Ok(Self { models, by_id, patterns })
    }

    /// The model that a request names: the one of exactly this id, else of the longest pattern. Ids are literal:
    /// `x[1m]` is another id than `x`.
    pub fn find<'a>(&'a self, id: &'a str) -> Result<Asked<'a>, UnknownModel> {
        if let Some(model) = self.by_id.get(id).and_then(|index| self.models.get(*index)) {
            return Ok(Asked::literal(model));
        }
        let mut patterns = self.patterns.iter().filter_map(|index| self.models.get(*index));
        patterns.find_map(|model| model.asked_as(id)).ok_or_else(|| UnknownModel::new(id))
    }

    /// Every model, in the configured order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Model> {
        self.models.iter()
    }

    /// Whether there is no model.
    pub fn is_empty(&self) -> bool {
        self.models.is_empty()
    }
}

impl UnknownModel {
    /// A model `id` that nobody here has.
    pub fn new(id: &str) -> Self {
        Self(id.chars().take(256).collect())
    }
}

impl Model {
    fn check(&self) -> Result<(), CatalogError> {
        if !(1..=256).contains(&self.id.len()) || self.id.contains(char::is_control) {
            return Err(CatalogError::Id(self.id.clone()));
        }
        if self.routes.is_empty() {
            return Err(CatalogError::NoRoute(self.id.clone()));
        }
        self.check_pattern()
    }

    /// The model as `/v1/models` shows it.
    pub fn entry(&self) -> ModelEntry<'_> {
        ModelEntry {
            r#type: "model",
            id: &self.id,
            display_name: &self.display_name,
            // SDKs require a date; the API's documentation gives the epoch as that of an unknown release.
            created_at: self.created_at.as_deref().unwrap_or("1970-01-01T00:00:00Z"),
            max_input_tokens: self.max_input_tokens,
            anthropic_family_tier: self.family.as_deref(),
            is_family_default: self.family_default,
            supports_1m: self.supports_1m,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
