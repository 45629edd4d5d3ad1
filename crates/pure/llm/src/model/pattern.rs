//! Patterns: one entry for every model whose id begins alike, such as `claude-*`.

use std::borrow::Cow;

use super::listing::Offered;
use super::{CatalogError, Model};

/// What stands for the rest of an id, or for the same in a route.
const OPEN: char = '*';
/// Beyond letters and digits, what the open part of an id may hold. Nothing that one reader might drop and another keep.
const IN_IDS: &str = "-_.:/@[]";

/// The model that a request names, and what its id has in place of the pattern's `*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked<'a> {
    /// The entry.
    pub model: &'a Model,
    open: Option<&'a str>,
}

impl<'a> Asked<'a> {
    /// A model that is written out.
    pub const fn literal(model: &'a Model) -> Self {
        Self { model, open: None }
    }

    /// Whether the id was never written in the configuration: its provider decides whether there is such a model.
    pub const fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// A route's name for the model at its provider.
    pub fn at(&self, route_model: &'a str) -> Cow<'a, str> {
        match self.open {
            Some(open) if route_model.contains(OPEN) => Cow::Owned(route_model.replacen(OPEN, open, 1)),
            _ => Cow::Borrowed(route_model),
        }
    }
}

impl Model {
    /// Whether the entry stands for many models.
    pub fn is_pattern(&self) -> bool {
        self.id.ends_with(OPEN)
    }

    /// What `id` asks for, if this is a pattern that it fits.
    pub fn asked_as<'a>(&'a self, id: &'a str) -> Option<Asked<'a>> {
        let open = id.strip_prefix(self.id.strip_suffix(OPEN)?)?;
        is_open_part(open).then_some(Asked { model: self, open: Some(open) })
    }

    /// What clients call the model that the provider of a route calls `theirs`; `None` when the pattern does not stand
    /// for it, or the route always asks for one and the same model.
    pub fn id_of(&self, route_model: &str, theirs: &str) -> Option<String> {
        let (before, after) = route_model.split_once(OPEN)?;
        let open = theirs.strip_prefix(before)?.strip_suffix(after)?;
        let start = self.id.strip_suffix(OPEN)?;
        is_open_part(open).then(|| format!("{start}{open}"))
    }

    /// The entry for one model that a provider offers: what is configured for all, and what the provider says of this
    /// one.
    #[must_use]
    pub fn offered_as(&self, id: String, offered: &Offered) -> Self {
        Self {
            display_name: offered.display_name.clone().unwrap_or_else(|| id.clone()),
            created_at: offered.created_at.clone().or_else(|| self.created_at.clone()),
            max_input_tokens: self.max_input_tokens.or(offered.max_input_tokens),
            id,
            ..self.clone()
        }
    }

    pub(super) fn check_pattern(&self) -> Result<(), CatalogError> {
        let opens = self.id.matches(OPEN).count();
        if opens > 1 || (opens == 1 && !self.is_pattern()) {
            return Err(CatalogError::Pattern(self.id.clone()));
        }
        let most = usize::from(self.is_pattern());
        if let Some(route) = self.routes.iter().find(|route| route.model.matches(OPEN).count() > most) {
            return Err(CatalogError::RoutePattern(route.model.clone()));
        }
        if self.is_pattern() && self.family_default {
            return Err(CatalogError::ManyDefaults(self.id.clone()));
        }
        Ok(())
    }
}

fn is_open_part(open: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || IN_IDS.contains(letter);
    !open.is_empty() && open.chars().all(plain)
}

#[cfg(test)]
mod tests;
