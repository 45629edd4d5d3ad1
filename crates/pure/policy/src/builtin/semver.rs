//! Versions, read as leniently as OPA reads them and compared as semver.org has it (Semantic Versioning 2.0.0 §11).

use std::cmp::Ordering;

use regorus::Value;

use super::guard::{Exceeded, Guard, Meter};

struct Version<'a> {
    core: [i64; 3],
    pre_release: Vec<&'a str>,
}

impl<'a> Version<'a> {
    /// `v` before it and leading zeros are allowed, as is nothing after `-` and `+`.
    fn parse(text: &'a str) -> Option<Self> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let (text, metadata) = text.split_once('+').unwrap_or((text, ""));
        let (core, pre_release) = text.split_once('-').unwrap_or((text, ""));
        let mut parts = core.split('.').map(|part| {
            let is_number = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            is_number.then(|| part.parse::<i64>().ok()).flatten()
        });
        let core = [parts.next()??, parts.next()??, parts.next()??];
        if parts.next().is_some() || !is_identifiers(metadata) || !is_identifiers(pre_release) {
            return None;
        }
        let pre_release = if pre_release.is_empty() { Vec::new() } else { pre_release.split('.').collect() };
        Some(Self { core, pre_release })
    }

    fn compare(&self, other: &Self) -> Ordering {
        let by_identifiers = || {
            let pairs = self.pre_release.iter().zip(&other.pre_release);
            let by_one = pairs.map(|(one, other)| identifiers(one, other)).find(|order| order.is_ne());
            by_one.unwrap_or_else(|| self.pre_release.len().cmp(&other.pre_release.len()))
        };
        // A version without one comes after those with one.
        let by_presence = self.pre_release.is_empty().cmp(&other.pre_release.is_empty());
        self.core.cmp(&other.core).then(by_presence).then_with(by_identifiers)
    }
}

fn is_identifiers(text: &str) -> bool {
    let is_identifier = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    text.is_empty() || text.split('.').all(is_identifier)
}

/// Numbers by their value and before all others, others by their text.
fn identifiers(one: &str, other: &str) -> Ordering {
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let digits = |text: &str| text.trim_start_matches('0').len();
    match (is_number(one), is_number(other)) {
        (true, true) => {
            let (one, other) = (one.trim_start_matches('0'), other.trim_start_matches('0'));
            digits(one).cmp(&digits(other)).then_with(|| one.cmp(other))
        }
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) => one.cmp(other),
    }
}

/// `semver.is_valid`: whether the value is a version; nothing but a text is.
pub(super) fn is_valid(arguments: &[Value], meter: &Meter) -> Result<Value, Exceeded> {
    Guard::Number.check(arguments, meter)?;
    let text = arguments.first().and_then(|value| value.as_string().ok());
    Ok(Value::from(text.is_some_and(|text| Version::parse(text).is_some())))
}

/// `semver.compare`: -1, 0 or 1.
pub(super) fn compare(arguments: &[Value], meter: &Meter) -> Result<Value, Exceeded> {
    Guard::Number.check(arguments, meter)?;
    let version = |at: usize| arguments.get(at)?.as_string().ok().and_then(|text| Version::parse(text));
    let Some((one, other)) = version(0).zip(version(1)) else { return Ok(Value::Undefined) };
    Ok(Value::from(match one.compare(&other) {
        Ordering::Less => -1_i64,
        Ordering::Equal => 0,
        Ordering::Greater => 1,
    }))
}
