//! What clients say about themselves.

use std::sync::{Arc, OnceLock};

use serde_json::Value;
use serde_json::value::RawValue;

/// The largest `clientInfo` that policies get to see, in bytes of JSON.
const LARGEST: usize = 4 * 1024;

/// A `clientInfo` as it was written. Parsed it would be many times larger, so that is left for when it is wanted.
#[derive(Clone, Debug)]
pub(crate) struct ClientInfo(Arc<str>);

/// A `clientInfo` for the time of one request.
#[derive(Default)]
pub(crate) struct Introduced {
    info: Option<ClientInfo>,
    parsed: OnceLock<Option<Value>>,
}

impl ClientInfo {
    /// `None` if it is too large.
    pub(crate) fn new(raw: &RawValue) -> Option<Self> {
        (raw.get().len() <= LARGEST).then(|| Self(Arc::from(raw.get())))
    }
}

impl Introduced {
    /// What policies are told.
    pub(crate) fn value(&self) -> Option<&Value> {
        let parse = || serde_json::from_str(&self.info.as_ref()?.0).ok();
        self.parsed.get_or_init(parse).as_ref()
    }
}

impl From<Option<ClientInfo>> for Introduced {
    fn from(info: Option<ClientInfo>) -> Self {
        Self { info, parsed: OnceLock::new() }
    }
}

#[cfg(test)]
mod tests;
