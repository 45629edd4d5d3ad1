//! W3C Trace Context: the caller's trace goes on through us.

use std::fmt::Write as _;

use gatehouse_identity::rng::Rng;

/// The trace a request belongs to and our own span in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace {
    trace: u128,
    span: u64,
    flags: u8,
}

impl Trace {
    /// Joins the trace of a `traceparent` header, or starts one when there is none that can be read.
    pub fn join(traceparent: Option<&str>, rng: &dyn Rng) -> Self {
        let mut random = [0_u8; 24];
        rng.fill(&mut random);
        let (high, low) = random.split_at(16);
        let number = |bytes: &[u8]| bytes.iter().fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
        let span = u64::try_from(number(low)).unwrap_or(1).max(1);
        let (trace, flags) = traceparent.and_then(parse).unwrap_or((number(high).max(1), 0));
        Self { trace, span, flags }
    }

    /// The trace id, 32 hexadecimal digits.
    pub fn trace_id(&self) -> String {
        format!("{:032x}", self.trace)
    }

    /// Our span id, 16 hexadecimal digits.
    pub fn span_id(&self) -> String {
        format!("{:016x}", self.span)
    }

    /// The `traceparent` to send upstream, with our span as the parent.
    pub fn traceparent(&self) -> String {
        let mut header = String::with_capacity(2 + 1 + 32 + 1 + 16 + 1 + 2);
        // Writing to a String cannot fail.
        let _ = write!(header, "00-{:032x}-{:016x}-{:02x}", self.trace, self.span, self.flags);
        header
    }
}

/// Trace id and flags of a version-00 `traceparent` (Trace Context §3.2.2).
fn parse(text: &str) -> Option<(u128, u8)> {
    let mut parts = text.trim().split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hex = |part: &str, digits: usize| {
        part.len() == digits && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    if !hex(version, 2) || version == "ff" || !hex(trace, 32) || !hex(span, 16) || !hex(flags, 2) {
        return None;
    }
    let trace = u128::from_str_radix(trace, 16).ok().filter(|id| *id != 0)?;
    u64::from_str_radix(span, 16).ok().filter(|id| *id != 0)?;
    Some((trace, u8::from_str_radix(flags, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use gatehouse_identity::rng::Rng;

    use super::Trace;

    struct Sevens;
    impl Rng for Sevens {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }

    #[test]
    fn joins_a_trace_with_a_span_of_its_own() {
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let trace = Trace::join(Some(parent), &Sevens);
        assert_eq!(trace.traceparent(), "00-4bf92f3577b34da6a3ce929d0e0e4736-0707070707070707-01");
    }

    #[test]
    fn starts_a_trace_when_there_is_none_to_read() {
        let zeros = "00-00000000000000000000000000000000-00f067aa0ba902b7-01";
        let upper = "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01";
        for unreadable in [None, Some(""), Some("ff-1-2-3"), Some(zeros), Some(upper)] {
            assert_eq!(Trace::join(unreadable, &Sevens).trace_id(), "07".repeat(16), "{unreadable:?}");
        }
    }
}
