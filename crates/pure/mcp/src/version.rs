//! Protocol revisions and the two eras they fall into.

use std::fmt;

/// Names of `_meta` members.
pub mod meta {
    /// The protocol version of a modern request.
    pub const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
    /// What the client can do.
    pub const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
    /// Who the client says it is.
    pub const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
    /// From which level on log messages are wanted.
    pub const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
    /// Who the server says it is, on results.
    pub const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
    /// Correlates progress notifications, in every era.
    pub const PROGRESS_TOKEN: &str = "progressToken";
    /// The members of a request's `_meta` that exist in the modern era only.
    pub const MODERN: &[&str] = &[PROTOCOL_VERSION, CLIENT_CAPABILITIES, CLIENT_INFO, LOG_LEVEL];
    pub(crate) const KNOWN: &[&str] =
        &[PROTOCOL_VERSION, CLIENT_CAPABILITIES, CLIENT_INFO, LOG_LEVEL, PROGRESS_TOKEN];
}

/// Members of a result that a gateway reads or writes.
pub(crate) const RESULT_MEMBERS: &[&str] = &[
    "_meta",
    "resultType",
    "ttlMs",
    "cacheScope",
    "content",
    "structuredContent",
    "isError",
    "tools",
    "nextCursor",
    "protocolVersion",
    "supportedVersions",
];

/// A revision of the protocol that this gateway speaks; later revisions compare greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// 2025-03-26
    V2025_03_26,
    /// 2025-06-18
    V2025_06_18,
    /// 2025-11-25
    V2025_11_25,
    /// 2026-07-28
    V2026_07_28,
}

/// How a conversation works: with sessions, or without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Era {
    /// Up to 2025-11-25: `initialize` and a session.
    Legacy,
    /// From 2026-07-28: every request stands alone.
    Modern,
}

impl Version {
    /// All revisions, oldest first.
    pub const ALL: [Self; 4] = [Self::V2025_03_26, Self::V2025_06_18, Self::V2025_11_25, Self::V2026_07_28];
    /// The newest revision of the modern era.
    pub const NEWEST_MODERN: Self = Self::V2026_07_28;
    /// The newest revision of the legacy era.
    pub const NEWEST_LEGACY: Self = Self::V2025_11_25;

    /// The revision written as its date.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// The revision of that date, if it is one we speak.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.as_str() == text)
    }

    /// The revisions of the modern era, newest first.
    pub fn modern() -> Vec<&'static str> {
        let modern = Self::ALL.into_iter().rev().filter(|version| version.era() == Era::Modern);
        modern.map(Self::as_str).collect()
    }

    /// The era it belongs to.
    pub const fn era(self) -> Era {
        match self {
            Self::V2026_07_28 => Era::Modern,
            _ => Era::Legacy,
        }
    }
}

impl Era {
    /// The era that a version string claims: dates before 2026-07-28 are legacy, everything else, spoken here
    /// or not, is modern.
    pub fn claimed_by(version: &str) -> Self {
        let dated = version.len() == 10
            && version.bytes().enumerate().all(|(at, byte)| match at {
                4 | 7 => byte == b'-',
                _ => byte.is_ascii_digit(),
            });
        if dated && version < Version::NEWEST_MODERN.as_str() { Self::Legacy } else { Self::Modern }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
