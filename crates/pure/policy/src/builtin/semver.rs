//! Versions, read as OPA reads them and compared as semver.org has it (Semantic Versioning 2.0.0 §2, §9 to §11).

use std::cmp::Ordering;

use regorus::Value;

use super::guard::{Exceeded, Guard, Meter};

struct Version<'a> {
    core: [i64; 3],
    pre_release: Vec<&'a str>,
}

impl<'a> Version<'a> {
    /// `v` before it is allowed.
    fn parse(text: &'a str) -> Option<Self> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let (text, metadata) = optional(text, '+');
        let (core, pre_release) = optional(text, '-');
        let number = |part: &str| {
            let is_number = is_number(part) && !has_leading_zero(part);
            is_number.then(|| part.parse::<i64>().ok()).flatten()
        };
        let mut parts = core.split('.').map(number);
        let core = [parts.next()??, parts.next()??, parts.next()??];
        let metadata_is_sound = metadata.is_none_or(|metadata| metadata.split('.').all(is_identifier));
        let pre_release: Vec<&str> =
            pre_release.map(|pre_release| pre_release.split('.').collect()).unwrap_or_default();
        let is_sound = |part: &&str| is_identifier(part) && !(is_number(part) && has_leading_zero(part));
        let is_version = parts.next().is_none() && metadata_is_sound && pre_release.iter().all(is_sound);
        is_version.then_some(Self { core, pre_release })
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

/// What stands before `separator`, and what behind it.
fn optional(text: &str, separator: char) -> (&str, Option<&str>) {
    text.split_once(separator).map_or((text, None), |(before, behind)| (before, Some(behind)))
}

fn is_identifier(part: &str) -> bool {
    !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn is_number(part: &str) -> bool {
    !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit())
}

fn has_leading_zero(number: &str) -> bool {
    number.len() > 1 && number.starts_with('0')
}

/// Numbers by their value, which grows with their length, and before all others; others by their text.
fn identifiers(one: &str, other: &str) -> Ordering {
    match (is_number(one), is_number(other)) {
        (true, true) => one.len().cmp(&other.len()).then_with(|| one.cmp(other)),
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
