//! Finding out which era an upstream speaks (versioning rules of 2026-07-28, client side).
//!
//! The first request is always `server/discover`; its answer, and if need be the answer to `initialize`,
//! decides. The caller sends, reads the whole answer (the first message when it is an event stream) and
//! keeps what was found per upstream.

use serde_json::value::RawValue;

use crate::message::{ErrorObject, Message, Outcome, RawObject};
use crate::version::{Era, Version};

/// What to do after an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Found: speak this modern revision, without a session.
    Modern(Version),
    /// Not modern: send `initialize` with this revision.
    Initialize(Version),
    /// Found: a session of this revision is open; send `notifications/initialized`.
    Legacy(Version),
    /// Nothing found, and why.
    Stop(Failure),
}

/// Why detection cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// 401 or 403: says nothing about the era.
    #[error("the upstream refused our credential with HTTP {0}")]
    Credential(u16),
    /// Overloaded, broken or not reachable behind its proxy: says nothing about the era.
    #[error("the upstream answered HTTP {0}; try again later")]
    Unavailable(u16),
    /// Answers neither era's first request; probably the transport of 2024-11-05.
    #[error(
        "the upstream answered `initialize` with HTTP {0}: it seems to speak the retired HTTP+SSE transport, which is not served"
    )]
    RetiredTransport(u16),
    /// Understands us, but shares no revision.
    #[error("the upstream supports the protocol versions {0:?}, none of which is spoken here")]
    NoCommonVersion(Vec<String>),
    /// Answered `initialize` with something else than its result.
    #[error("the upstream answered `initialize` with {0}")]
    Handshake(String),
}

/// Reads the answer to `server/discover`.
pub fn after_discover(status: u16, body: &[u8]) -> Step {
    if let Some(failure) = no_evidence(status) {
        return Step::Stop(failure);
    }
    let message = Message::parse_upstream(body).ok();
    match message.as_ref().and_then(outcome) {
        Some(Outcome::Result(result)) if is_success(status) => match strings(result.get("supportedVersions"))
        {
            Some(offered) => choose(offered),
            None => Step::Initialize(Version::NEWEST_LEGACY),
        },
        Some(Outcome::Error(error)) => match (status, error.code) {
            (400 | 404, -32022) => choose(supported(error)),
            (400 | 404, -32020 | -32021) | (404, -32601) => Step::Modern(Version::NEWEST_MODERN),
            _ => Step::Initialize(Version::NEWEST_LEGACY),
        },
        _ => Step::Initialize(Version::NEWEST_LEGACY),
    }
}

/// Reads the answer to `initialize`.
pub fn after_initialize(status: u16, body: &[u8]) -> Step {
    if let Some(failure) = no_evidence(status) {
        return Step::Stop(failure);
    }
    let message = Message::parse_upstream(body).ok();
    match message.as_ref().and_then(outcome) {
        Some(Outcome::Result(result)) if is_success(status) => match result.text("protocolVersion") {
            Some(version) => match Version::parse(&version).filter(|version| version.era() == Era::Legacy) {
                Some(version) => Step::Legacy(version),
                None => Step::Stop(Failure::NoCommonVersion(vec![version])),
            },
            None => Step::Stop(Failure::Handshake("a result without `protocolVersion`".to_owned())),
        },
        Some(Outcome::Error(error)) if error.code == -32022 => match choose(supported(error)) {
            Step::Modern(version) => Step::Modern(version),
            _ => Step::Stop(Failure::NoCommonVersion(supported(error))),
        },
        Some(Outcome::Error(error)) if is_success(status) => {
            Step::Stop(Failure::Handshake(format!("error {}", error.code)))
        }
        _ if matches!(status, 400 | 404 | 405) => Step::Stop(Failure::RetiredTransport(status)),
        _ => Step::Stop(Failure::Handshake(format!("HTTP {status} and no result"))),
    }
}

fn no_evidence(status: u16) -> Option<Failure> {
    match status {
        401 | 403 => Some(Failure::Credential(status)),
        408 | 425 | 429 | 500..=599 => Some(Failure::Unavailable(status)),
        _ => None,
    }
}

fn is_success(status: u16) -> bool {
    (200..300).contains(&status)
}

fn outcome<'m, 'a>(message: &'m Message<'a>) -> Option<&'m Outcome<'a>> {
    match message {
        Message::Response(response) => Some(response.outcome()),
        Message::Request(_) | Message::Notification(_) => None,
    }
}

fn supported(error: &ErrorObject<'_>) -> Vec<String> {
    let data = error.data().and_then(|data| RawObject::parse(data.get()).ok()).unwrap_or_default();
    strings(data.get("supported")).unwrap_or_default()
}

fn strings(raw: Option<&RawValue>) -> Option<Vec<String>> {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok())
}

/// The newest revision that both sides speak.
fn choose(offered: Vec<String>) -> Step {
    match offered.iter().filter_map(|text| Version::parse(text)).max() {
        Some(version) if version.era() == Era::Modern => Step::Modern(version),
        Some(version) => Step::Initialize(version),
        None => Step::Stop(Failure::NoCommonVersion(offered)),
    }
}

#[cfg(test)]
mod tests;
