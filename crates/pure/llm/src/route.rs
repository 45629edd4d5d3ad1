//! Which provider account answers for a model, and what happens when one does not.

use std::borrow::Cow;

use crate::anthropic::error::ErrorType;
use crate::model::pattern::Asked;

/// One way to reach a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The configured name of the provider account.
    pub app: String,
    /// The model id that the provider knows. In a route of a pattern, `*` stands for what it stands for in the id.
    pub model: String,
}

/// One try at a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt<'a> {
    /// Its place in the order, from 1.
    pub number: usize,
    /// The configured name of the provider account.
    pub app: &'a str,
    /// The model id that is asked for there.
    pub model: Cow<'a, str>,
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
    /// The provider has no model of an id that only a pattern of the configuration stands for.
    NoSuchModel,
    /// The provider serves messages, but does not count their tokens; it answered with this HTTP status.
    CannotCount(u16),
}

/// Whose fault a failure is, and so who has to act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The gateway's account or route there: its operators have to act, and the next route may do.
    Account,
    /// The request: it stays wrong wherever it is sent.
    Request,
    /// The provider, or the way to it: the next route may do, and so may the same one later.
    Provider,
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

/// The tries for a request to the model that is asked for, in the configured order.
pub fn attempts(asked: Asked<'_>) -> impl Iterator<Item = Attempt<'_>> {
    asked.model.routes.iter().enumerate().map(move |(index, route)| Attempt {
        number: index + 1,
        app: &route.app,
        model: asked.at(&route.model),
    })
}

/// Which failure to show when every attempt failed: the last 429, else the last 401 or 403, else the last
/// 404, else the last 501, else the last of all. That a provider has no model of an open id is told only if none has.
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
        .or_else(|| failures.iter().rfind(|failure| **failure != Failure::NoSuchModel).copied())
        .or_else(|| failures.last().copied())
}

impl Failure {
    /// The HTTP status that the provider answered with, if it did.
    pub const fn status(self) -> Option<u16> {
        match self {
            Self::Status(status) | Self::CannotCount(status) => Some(status),
            Self::NoSuchModel => Some(404),
            Self::Unreachable | Self::Unreadable | Self::TimedOut => None,
        }
    }

    /// Whose fault it is.
    pub const fn fault(self) -> Fault {
        match self {
            Self::Status(300..=399 | 401..=405 | 407 | 410 | 421 | 426) => Fault::Account,
            Self::Status(400..=407 | 409..=428 | 430..=499) | Self::NoSuchModel | Self::CannotCount(_) => {
                Fault::Request
            }
            Self::Unreachable | Self::Unreadable | Self::TimedOut | Self::Status(_) => Fault::Provider,
        }
    }

    /// Whether the next route may do better. A request that the provider finds wrong stays wrong.
    pub const fn fails_over(self) -> bool {
        matches!(self, Self::NoSuchModel | Self::CannotCount(_)) || !matches!(self.fault(), Fault::Request)
    }

    /// Whether the same request to the same route would only fail again, so that a client that tries it again keeps
    /// its user waiting for nothing. A provider that let all its time pass has had its chance: one more try would
    /// take as long. What answers in something else than the API is not the provider.
    pub const fn lasts(self) -> bool {
        match self.fault() {
            Fault::Account => true,
            // A conflict is with another request, which ends.
            Fault::Request => !matches!(self, Self::Status(409)),
            Fault::Provider => {
                matches!(
                    self,
                    Self::TimedOut | Self::Unreadable | Self::Status(501 | 505 | 506 | 508 | 510 | 511 | 526)
                )
            }
        }
    }

    /// What the client sees of this failure.
    ///
    /// A refusal of the gateway's own credential, and a model that the provider does not have, are faults of
    /// the configuration: the client's sign-in and request are sound, so it sees neither 401, 403 nor 404.
    pub const fn shown(self) -> Shown {
        match self {
            Self::Status(401 | 403 | 407) => Shown::Ours {
                status: 502,
                error: ErrorType::Api,
                message: "the model provider refused the gateway's own credential, not yours; only its operators can mend that",
            },
            Self::Status(404 | 405 | 410 | 421 | 426) => Shown::Ours {
                status: 502,
                error: ErrorType::Api,
                message: "the model provider does not offer what this route names; the gateway's operators can mend that",
            },
            Self::Status(300..=399) => Shown::Ours {
                status: 502,
                error: ErrorType::Api,
                message: "the model provider answered with a redirect, which is not followed; the gateway's operators can mend that",
            },
            Self::Status(_) => Shown::Provider,
            Self::NoSuchModel => Shown::Ours {
                status: 400,
                error: ErrorType::InvalidRequest,
                message: "the model provider has no model of this name",
            },
            Self::CannotCount(_) => Shown::Ours {
                status: 501,
                error: ErrorType::NotSupported,
                message: "the model provider does not count tokens",
            },
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
