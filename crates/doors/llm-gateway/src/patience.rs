//! How long a provider may take.

use std::time::Duration;

/// The limits of a provider's silence.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Until a streamed reply begins.
    pub first_event: Duration,
    /// Until a whole reply begins.
    pub whole_reply: Duration,
    /// Until tokens are counted.
    pub counting: Duration,
    /// Within a stream, until the client gets a ping.
    pub ping: Duration,
    /// Within a stream, until it is given up.
    pub idle: Duration,
    /// For a stream in all.
    pub total: Duration,
    /// How long a client may keep trying a request that keeps failing, before it is told to stop.
    pub failing: Duration,
    /// The same where the provider asks for patience (429).
    pub limited: Duration,
}

/// A whole reply may take as long as the SDKs wait for one. Pings come well before anything between the client and
/// us takes the stream for dead.
impl Default for Patience {
    fn default() -> Self {
        Self {
            first_event: Duration::from_secs(120),
            whole_reply: Duration::from_secs(600),
            counting: Duration::from_secs(60),
            ping: Duration::from_secs(15),
            idle: Duration::from_secs(60),
            total: Duration::from_secs(3600),
            failing: Duration::from_secs(15),
            limited: Duration::from_secs(60),
        }
    }
}
