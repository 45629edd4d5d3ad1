//! Forwarding headers of those whose word does not count.

use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, Ordering};

use gatehouse_identity::clock::Clock;
use http::header::{FORWARDED, HeaderMap, HeaderName};

use super::TrustedProxies;

/// The headers that proxies name clients in.
static NAMES: [HeaderName; 2] = [HeaderName::from_static("x-forwarded-for"), FORWARDED];
/// How long nothing more is said, in seconds.
const QUIET: i64 = 60;

/// Says that forwarding headers are ignored, once a minute for a listener: behind a proxy that nobody named, all clients
/// have its address, for policies, limits and records. But anybody may send such a header.
#[derive(Debug, Default)]
pub struct IgnoredForwarding {
    /// Until when nothing is said, in seconds since 1970.
    quiet_until: AtomicI64,
}

impl IgnoredForwarding {
    /// Notes a request that came from `peer` with `headers`.
    pub fn note(&self, proxies: &TrustedProxies, peer: IpAddr, headers: &HeaderMap, clock: &dyn Clock) {
        let Some(header) = NAMES.iter().find(|name| headers.contains_key(*name)) else { return };
        if !proxies.contains(peer) && self.is_due(clock.now().unix_seconds()) {
            tracing::warn!(peer.ip = %peer.to_canonical(), header = header.as_str(), "forwarding header ignored, as http.trustedProxies does not name its sender");
        }
    }

    fn is_due(&self, now: i64) -> bool {
        let until = self.quiet_until.load(Ordering::Relaxed);
        let next = now.saturating_add(QUIET);
        // Of several at once, one speaks.
        now >= until
            && self.quiet_until.compare_exchange(until, next, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::IgnoredForwarding;

    #[test]
    fn it_speaks_once_a_minute() {
        let ignored = IgnoredForwarding::default();
        let spoken: Vec<i64> = (1_000..1_130).filter(|second| ignored.is_due(*second)).collect();
        assert_eq!(spoken, [1_000, 1_060, 1_120]);
    }
}
