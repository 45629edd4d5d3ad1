//! What a policy says about one request.

/// The verdict on one request, with the words for operators and for the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Allowed, or denied and why.
    pub outcome: Outcome,
    /// The policy that decided; empty when none is configured.
    pub policy: String,
    /// For log and audit only.
    pub internal_message: Option<String>,
    /// For the caller; only ever written by the policy.
    pub external_message: Option<String>,
}

/// Allowed or denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The policy said `allowed: true`.
    Allow,
    /// Anything else.
    Deny(DenyReason),
}

/// Why a request is denied. Only [`DenyReason::Rule`] is a policy's own decision; the others are failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DenyReason {
    /// The policy said `allowed: false`.
    Rule,
    /// The entry rule has no value for this input.
    Undefined,
    /// The entry's value is no object with a boolean `allowed`.
    Malformed,
    /// Rules gave the same name different values.
    Conflict,
    /// The evaluation failed.
    Error,
    /// The evaluation took longer than its 25 ms.
    Timeout,
    /// The policy ran into a limit several times in a row and was not evaluated.
    CutShort,
    /// Too many evaluations were waiting.
    Busy,
    /// One call, or all calls of the evaluation together, asked for more work or memory than allowed.
    Limit,
}

impl DenyReason {
    /// A stable code for log and audit.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Rule => "policy_denied",
            Self::Undefined => "policy_undefined",
            Self::Malformed => "policy_malformed_result",
            Self::Conflict => "policy_conflict",
            Self::Error => "policy_error",
            Self::Timeout => "policy_timeout",
            Self::CutShort => "policy_cut_short",
            Self::Busy => "policy_busy",
            Self::Limit => "policy_limit",
        }
    }
}

impl Decision {
    /// Whether the request may go on.
    pub fn is_allowed(&self) -> bool {
        self.outcome == Outcome::Allow
    }

    /// Whether the policy says the same again: an answer, or none where it has none. Failures may be of the moment.
    pub(crate) fn is_repeatable(&self) -> bool {
        use DenyReason::{Malformed, Rule, Undefined};
        matches!(self.outcome, Outcome::Allow | Outcome::Deny(Rule | Undefined | Malformed))
    }

    /// What is decided where no policy is configured.
    pub fn unasked() -> Self {
        Self {
            outcome: Outcome::Allow,
            policy: String::new(),
            internal_message: None,
            external_message: None,
        }
    }

    /// A denial because `policy` gave no answer.
    pub fn failed(policy: &str, reason: DenyReason, internal_message: impl Into<String>) -> Self {
        Self {
            outcome: Outcome::Deny(reason),
            policy: policy.to_owned(),
            internal_message: Some(internal_message.into()),
            external_message: None,
        }
    }
}
