//! Which provider account answers for a model, and what happens when one does not.

use crate::anthropic::error::ErrorType;
use crate::model::Model;

/// One way to reach a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The configured name of the provider account.
    pub app: String,
    /// The model id that the provider knows.
    pub model: String,
}

/// One try at a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt<'a> {
    /// Its place in the order, from 1.
    pub number: usize,
    /// Where it goes.
    pub route: &'a Route,
}

/// Why an attempt ended without a reply that can be passed on. Only failures before the first byte of
/// content are of this kind: later ones end the client's stream, they never switch the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The provider answered with this HTTP status, which is not a success.
    Status(u16),
    /// No connection, or it broke before the reply began.
    Unreachable,
    /// The provider answered with a success that cannot be read as a reply of its API.
    Unreadable,
    /// The provider did not begin its reply in time.
    TimedOut,
}

/// What the client is shown for a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// The provider's own status and body, unmodified: clients match its wording.
    Provider,
    /// A reply of ours, with an HTTP status that need not be the type's usual one.
    Ours {
        /// The HTTP status.
        status: u16,
        /// The error type.
        error: ErrorType,
        /// The message for the client.
        message: &'static str,
    },
}

/// The tries for a request to `model`, in the configured order.
pub fn attempts(model: &Model) -> impl Iterator<Item = Attempt<'_>> {
    model.routes.iter().enumerate().map(|(index, route)| Attempt { number: index + 1, route })
}

/// Which failure to show when every attempt failed: the last 429, else the last 401 or 403, else the last
/// 404, else the last 501, else the last of all.
pub fn most_telling(failures: &[Failure]) -> Option<Failure> {
    let last = |statuses: &[u16]| {
        let told =
            |failure: &&Failure| matches!(failure, Failure::Status(status) if statuses.contains(status));
        failures.iter().rev().find(told).copied()
    };
    last(&[429])
        .or_else(|| last(&[401, 403]))
        .or_else(|| last(&[404]))
        .or_else(|| last(&[501]))
        .or_else(|| failures.last().copied())
}

impl Failure {
    /// Whether the next route may do better. A request that the provider finds wrong stays wrong.
    pub const fn fails_over(self) -> bool {
        match self {
            Self::Unreachable | Self::Unreadable | Self::TimedOut => true,
            Self::Status(status) => matches!(status, 401 | 403 | 404 | 408 | 429 | 500..=599),
        }
    }

    /// What the client sees of this failure.
    ///
    /// A refusal of the gateway's own credential, and a model that the provider does not have, are faults of
    /// the configuration: the client's sign-in and request are sound, so it sees neither 401, 403 nor 404.
    pub const fn shown(self) -> Shown {
        match self {
            Self::Status(401 | 403) => Shown::Ours {
                status: 502,
                error: ErrorType::Api,
                message: "the model provider refused the gateway's credential",
            },
            Self::Status(404) => Shown::Ours {
                status: 502,
                error: ErrorType::Api,
                message: "the model provider does not offer what this route names",
            },
            Self::Status(300..=399) => Shown::Ours {
                status: 502,
                error: ErrorType::Api,
                message: "the model provider answered with a redirect, which is not followed",
            },
            Self::Status(_) => Shown::Provider,
            Self::Unreachable => Shown::Ours {
                status: 502,
                error: ErrorType::Api,
                message: "the model provider cannot be reached",
            },
            Self::Unreadable => Shown::Ours {
                status: 502,
                error: ErrorType::Api,
                message: "the model provider's answer cannot be read as a reply of its API",
            },
            Self::TimedOut => Shown::Ours {
                status: 504,
                error: ErrorType::Timeout,
                message: "the model provider did not answer in time",
            },
        }
    }
}

#[cfg(test)]
mod tests;
