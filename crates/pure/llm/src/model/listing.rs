//! What a provider says that it offers: pages of its own `GET /v1/models`.

use serde::Deserialize;
use serde_json::Value;

/// The longest id, as everywhere.
const MAX_ID: usize = 256;

/// One model that a provider offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offered {
    /// What the provider calls it.
    pub id: String,
    /// What people call it.
    pub display_name: Option<String>,
    /// When it came out, RFC 3339.
    pub created_at: Option<String>,
    /// Its context window in tokens.
    pub max_input_tokens: Option<u64>,
}

/// One page of a provider's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferedPage {
    /// The models on it.
    pub models: Vec<Offered>,
    /// The cursor of the page after it.
    pub next: Option<String>,
}

/// An answer that is no list of models.
#[derive(Debug, thiserror::Error)]
#[error("no list of models as the Messages API has them: {0}")]
pub struct ListingError(#[from] serde_json::Error);

#[derive(Deserialize)]
struct Written {
    data: Vec<Value>,
    #[serde(default)]
    has_more: Option<bool>,
    #[serde(default)]
    last_id: Option<String>,
}

impl OfferedPage {
    /// Reads a page. What cannot be used of it is left out: an entry without an id, a text that is none.
    pub fn parse(json: &[u8]) -> Result<Self, ListingError> {
        let written: Written = serde_json::from_slice(json)?;
        let next = written.last_id.filter(|_| written.has_more == Some(true));
        Ok(Self { models: written.data.iter().filter_map(Offered::read).collect(), next })
    }
}

impl Offered {
    fn read(entry: &Value) -> Option<Self> {
        let text = |name: &str| {
            let text = entry.get(name).and_then(Value::as_str)?;
            let sound = (1..=MAX_ID).contains(&text.len()) && !text.contains(char::is_control);
            sound.then(|| text.to_owned())
        };
        Some(Self {
            id: text("id")?,
            display_name: text("display_name"),
            created_at: text("created_at"),
            max_input_tokens: entry.get("max_input_tokens").and_then(Value::as_u64),
        })
    }
}

#[cfg(test)]
mod tests;
