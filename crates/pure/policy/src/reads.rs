//! Which parts of `input` a policy can see.
//!
//! Known from the text alone: whatever a rule reaches by names written out is that part, and where a name is computed
//! it is everything below. What no rule can see is neither built nor compared.

/// A part of the input: all of it, or these members of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reads {
    /// Everything from here on.
    All,
    /// Only members; none of them means nothing.
    Members(Vec<(String, Reads)>),
}

impl Reads {
    /// What a policy without any reference sees.
    pub(crate) const NOTHING: Self = Self::Members(Vec::new());

    /// Adds everything at `path` and below it.
    pub(crate) fn add(&mut self, path: &[String]) {
        let Self::Members(members) = self else { return };
        let Some((first, rest)) = path.split_first() else {
            *self = Self::All;
            return;
        };
        if let Some((_, known)) = members.iter_mut().find(|(name, _)| name == first) {
            known.add(rest);
            return;
        }
        let mut below = Self::NOTHING;
        below.add(rest);
        members.push((first.clone(), below));
    }

    /// What is seen of the member `name`; `None` when nothing is.
    pub(crate) fn member(&self, name: &str) -> Option<&Self> {
        match self {
            Self::All => Some(self),
            Self::Members(members) => members.iter().find(|(known, _)| known == name).map(|(_, below)| below),
        }
    }
}

/// The members of an object of the input that a policy can see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen<'a> {
    /// Whatever there is.
    Everything,
    /// Only these.
    Members(Vec<&'a str>),
}

impl Reads {
    /// What is seen of the object at `path`.
    pub(crate) fn seen(&self, path: &[&str]) -> Seen<'_> {
        match self.below(path) {
            None => Seen::Members(Vec::new()),
            Some(Self::All) => Seen::Everything,
            Some(Self::Members(members)) => Seen::Members(members.iter().map(|(name, _)| &**name).collect()),
        }
    }

    /// Whether anything at `path` is read.
    pub(crate) fn sees(&self, path: &[&str]) -> bool {
        self.below(path).is_some()
    }

    fn below(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |reads, name| reads.member(name))
    }
}

#[cfg(test)]
mod tests;
