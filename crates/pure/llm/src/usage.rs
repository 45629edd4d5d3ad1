//! How many tokens a reply cost, as the provider reports them.

use serde_json::Value;

/// Token counts of one reply. The four kinds of input are disjoint, as in the Messages API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Input tokens neither read from nor written to a cache.
    pub input: u64,
    /// Input tokens written to a cache that lasts five minutes.
    pub cache_write: u64,
    /// Input tokens written to a cache that lasts one hour.
    pub cache_write_1h: u64,
    /// Input tokens read from a cache.
    pub cache_read: u64,
    /// Output tokens, thinking included.
    pub output: u64,
}

impl Usage {
    /// All input tokens, cached or not, saturating.
    pub const fn total_input(&self) -> u64 {
        self.input
            .saturating_add(self.cache_write)
            .saturating_add(self.cache_write_1h)
            .saturating_add(self.cache_read)
    }

    /// Takes over what a `usage` object says. Its numbers are totals so far: a member that is present
    /// replaces the older value, one that is absent or no count leaves it.
    pub(crate) fn update(&mut self, reported: &Value) {
        let count = |name: &str| reported.get(name).and_then(Value::as_u64);
        replace(&mut self.input, count("input_tokens"));
        replace(&mut self.cache_read, count("cache_read_input_tokens"));
        replace(&mut self.output, count("output_tokens"));
        if let Some(written) = count("cache_creation_input_tokens") {
            let hour = reported.pointer("/cache_creation/ephemeral_1h_input_tokens").and_then(Value::as_u64);
            self.cache_write_1h = hour.unwrap_or(self.cache_write_1h).min(written);
            self.cache_write = written - self.cache_write_1h;
        }
    }
}

fn replace(total: &mut u64, reported: Option<u64>) {
    *total = reported.unwrap_or(*total);
}
