//! What the replies were.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// Times longer than this are recorded as this.
const LONGEST: Duration = Duration::from_secs(60);

/// One reply.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) bytes: u64,
    pub(super) events: u64,
    pub(super) whole: Duration,
    pub(super) first_byte: Option<Duration>,
    pub(super) first_token: Option<Duration>,
}

/// The replies of one connection, or of all.
pub(super) struct Tally {
    whole: Histogram<u64>,
    first_byte: Histogram<u64>,
    first_token: Histogram<u64>,
    bytes: u64,
    events: u64,
    statuses: BTreeMap<u16, u64>,
    errors: BTreeMap<String, u64>,
}

/// A run in numbers.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Replies that came in whole, of whatever status.
    pub requests: u64,
    /// From the first request to the end of the last reply.
    pub seconds: f64,
    /// `requests / seconds`.
    pub requests_per_second: f64,
    /// Bytes of the bodies of all replies.
    pub bytes: u64,
    /// Events of all replies.
    pub events: u64,
    /// From sending a request to the end of its reply.
    pub latency_us: Spread,
    /// From sending a request to the first byte of the body.
    pub first_byte_us: Spread,
    /// From sending a request to the first `content_block_delta`; empty when there was none.
    pub first_token_us: Spread,
    /// Replies by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Exchanges without a whole reply, by what went wrong.
    pub errors: BTreeMap<String, u64>,
}

/// A distribution of times, in microseconds.
#[derive(Debug, Serialize)]
pub struct Spread {
    /// How many.
    pub count: u64,
    /// The median.
    pub p50: f64,
    /// Nine of ten are at most this.
    pub p90: f64,
    /// 99 of a hundred are at most this.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

impl Tally {
    pub(super) fn new() -> anyhow::Result<Self> {
        let histogram = || Histogram::new_with_max(nanoseconds(LONGEST), 3);
        Ok(Self {
            whole: histogram()?,
            first_byte: histogram()?,
            first_token: histogram()?,
            bytes: 0,
            events: 0,
            statuses: BTreeMap::new(),
            errors: BTreeMap::new(),
        })
    }

    pub(super) fn record(&mut self, reply: &Reply) {
        self.whole.saturating_record(nanoseconds(reply.whole));
        for (histogram, time) in
            [(&mut self.first_byte, reply.first_byte), (&mut self.first_token, reply.first_token)]
        {
            if let Some(time) = time {
                histogram.saturating_record(nanoseconds(time));
            }
        }
        self.bytes += reply.bytes;
        self.events += reply.events;
        *self.statuses.entry(reply.status).or_default() += 1;
    }

    pub(super) fn record_error(&mut self, error: &str) {
        *self.errors.entry(error.to_owned()).or_default() += 1;
    }

    pub(super) fn add(&mut self, other: &Self) -> anyhow::Result<()> {
        self.whole.add(&other.whole)?;
        self.first_byte.add(&other.first_byte)?;
        self.first_token.add(&other.first_token)?;
        self.bytes += other.bytes;
        self.events += other.events;
        for (status, count) in &other.statuses {
            *self.statuses.entry(*status).or_default() += count;
        }
        for (error, count) in &other.errors {
            *self.errors.entry(error.clone()).or_default() += count;
        }
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of one run are far below 2^53")]
    pub(super) fn report(self, elapsed: Duration) -> Report {
        let requests = self.whole.len();
        let seconds = elapsed.as_secs_f64();
        Report {
            requests,
            seconds,
            requests_per_second: requests as f64 / seconds,
            bytes: self.bytes,
            events: self.events,
            latency_us: Spread::of(&self.whole),
            first_byte_us: Spread::of(&self.first_byte),
            first_token_us: Spread::of(&self.first_token),
            statuses: self.statuses,
            errors: self.errors,
        }
    }
}

impl Spread {
    #[expect(clippy::cast_precision_loss, reason = "a minute has 6 * 10^10 nanoseconds, far below 2^53")]
    fn of(times: &Histogram<u64>) -> Self {
        let at = |quantile| times.value_at_quantile(quantile) as f64 / 1_000.0;
        Self { count: times.len(), p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1.0) }
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
