//! Refresh tokens with idempotent rotation.
//!
//! Claude's programs share one login among several processes, which refresh the same token at the same time or
//! hours later. Strict rotation answers that by killing every session. Here a family has exactly one successor
//! per generation, and whoever presents the token before it gets that same successor again: the successor is
//! kept sealed under a key that only the presented token yields, so the store never holds a usable token.

use std::fmt;
use std::time::Duration;

use gatehouse_identity::audience::Audience;
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::{ClientId, GrantId};
use gatehouse_identity::rng::Rng;
use gatehouse_identity::scope::ScopeSet;
use serde::{Deserialize, Serialize};

use crate::client::{AuthenticatedClient, ClientKind, RefreshProfile, RotationProfile};
use crate::error::{ErrorCode, OAuthError};
use crate::grant::{Active, AuthenticatedUser, RefreshHash};
use crate::target::RequestedTargets;

mod participant;
mod seal;
mod token;

pub use participant::Participant;
pub use seal::{SealError, SealedSuccessor};
pub use token::{FamilyId, RefreshToken, RefreshTokenError};

/// How many retired generations are remembered with their hashes.
const REMEMBERED_GENERATIONS: usize = 32;

/// All refresh tokens of one grant, as one stored row.
///
/// Every change is one conditional write on [`Self::generation`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RefreshFamily {
    /// The family.
    pub id: FamilyId,
    /// The grant that it belongs to.
    pub grant: GrantId,
    /// The client that it is bound to.
    pub client: ClientId,
    /// Who granted it.
    pub user: AuthenticatedUser,
    /// The most that may be asked for.
    pub scopes: ScopeSet,
    /// The audiences that may be asked for.
    pub audiences: Vec<Audience>,
    /// The generation of the current token, from 1 on.
    pub generation: u64,
    /// The current token.
    pub current_hash: RefreshHash,
    /// The token before it.
    pub previous_hash: Option<RefreshHash>,
    /// The current token, readable only with the previous one.
    pub previous_sealed: Option<SealedSuccessor>,
    /// When the current token replaced the previous one.
    pub rotated_at: Option<Timestamp>,
    /// Who asked for that.
    #[serde(default)]
    pub rotated_by: Option<Participant>,
    /// Whether the current token, or anything issued with it, has been seen in use.
    pub successor_used: bool,
    /// How often a stale token was presented since the last rotation.
    pub stale_hits: u32,
    /// Generations before the previous one, the latest first; at most 32.
    pub retired: Vec<RetiredToken>,
    /// When the family began.
    pub created_at: Timestamp,
    /// When it ends, used or not.
    pub expires_at: Timestamp,
    /// When it ends unless used before.
    pub idle_expires_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// A token that is at least two generations old.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RetiredToken {
    /// Its generation.
    pub generation: u64,
    /// Its hash.
    pub hash: RefreshHash,
    /// When its successor was made.
    pub retired_at: Timestamp,
}

/// How families behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefreshRules {
    /// How long after a rotation the previous token gets its successor again, unconditionally.
    pub replay_window: Duration,
    /// How long after a rotation it does so while nothing was seen of the successor: the answer may have been lost.
    pub lost_answer: Duration,
    /// How long after its retirement a token is refused without being taken for stolen.
    pub stale_tolerance: Duration,
    /// How many stale tokens are tolerated between two rotations.
    pub stale_hits_allowed: u32,
    /// How much longer a family lives with each rotation; `None` for as long as it lives at all.
    pub idle_lifetime: Option<Duration>,
}

/// What to do with a presented refresh token.
#[derive(Debug)]
pub enum RefreshDecision {
    /// It is the current one: make a successor with [`RefreshFamily::rotate`] and write it conditionally. Whoever
    /// loses that write reads the family again and decides again.
    Rotate,
    /// It is the previous one, and its successor may be handed out again.
    Replay {
        /// The current token.
        successor: RefreshToken,
    },
    /// A process slept through a rotation: refuse this request, keep the family, write
    /// [`RefreshFamily::with_stale_hit`].
    Stale,
    /// Two parties hold tokens of this family: revoke it.
    Theft(TheftSign),
    /// Refuse, nothing to write.
    Invalid(RefreshRefusal),
}

/// What made a presented token look stolen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TheftSign {
    /// It was retired longer ago than is tolerated.
    #[error("a token was presented long after its successor was in use")]
    TooLate,
    /// Stale tokens keep coming.
    #[error("stale tokens keep being presented")]
    TooOften,
    /// Its generation is no longer remembered.
    #[error("a token of a long gone generation was presented")]
    Forgotten,
}

/// Why a presented token is refused without consequence for its family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefreshRefusal {
    /// The token was issued to another client.
    #[error("the refresh token was issued to another client")]
    WrongClient,
    /// The secret part is wrong, or the generation does not exist.
    #[error("the refresh token is not one that was issued")]
    Unknown,
    /// The family or its grant was revoked.
    #[error("the refresh token was revoked")]
    Revoked,
    /// The family is past its life or was not used for too long.
    #[error("the refresh token has expired")]
    Expired,
    /// The stored successor does not open under the presented token.
    #[error("the stored successor cannot be read")]
    Corrupt,
}

/// A rotation that waits to be written on the condition that the generation is still `expected_generation`.
#[derive(Debug)]
pub struct Rotation {
    /// The row to write.
    pub next: RefreshFamily,
    /// The generation that the row must still have.
    pub expected_generation: u64,
    /// The token to answer with once the write has won.
    pub successor: RefreshToken,
}

/// Decides about a presented token by the stored row, without changing anything.
pub fn decide(
    family: &RefreshFamily,
    presented: &RefreshToken,
    client: &AuthenticatedClient<'_>,
    now: Timestamp,
    rules: &RefreshRules,
) -> RefreshDecision {
    if let Err(refusal) = family.check_alive(presented, client, now) {
        return RefreshDecision::Invalid(refusal);
    }
    match family.generation.checked_sub(presented.generation()) {
        Some(0) if family.current_hash.matches(presented.secret()) => RefreshDecision::Rotate,
        Some(1) if family.previous_hash.as_ref().is_some_and(|hash| hash.matches(presented.secret())) => {
            family.decide_previous(presented, now, rules)
        }
        Some(age) if age >= 2 => family.decide_retired(presented, now, rules),
        _ => RefreshDecision::Invalid(RefreshRefusal::Unknown),
    }
}

impl RefreshFamily {
    /// The first token of a grant.
    pub fn begin(
        grant: &Active,
        profile: &RefreshProfile,
        now: Timestamp,
        rng: &dyn Rng,
    ) -> (Self, RefreshToken) {
        let id = FamilyId::random(rng);
        let token = RefreshToken::random(id.clone(), 1, rng);
        let expires_at = now.plus(profile.lifetime);
        let family = Self {
            id,
            grant: grant.id.clone(),
            client: grant.client.clone(),
            user: grant.user.clone(),
            scopes: grant.scopes.clone(),
            audiences: grant.audiences.clone(),
            generation: 1,
            current_hash: RefreshHash::of(token.secret()),
            previous_hash: None,
            previous_sealed: None,
            rotated_at: None,
            rotated_by: None,
            successor_used: false,
            stale_hits: 0,
            retired: Vec::new(),
            created_at: now,
            expires_at,
            idle_expires_at: profile.idle_lifetime.map_or(expires_at, |idle| expires_at.min(now.plus(idle))),
            revoked_at: None,
        };
        (family, token)
    }

    /// The next generation, after [`decide`] said [`RefreshDecision::Rotate`] to `presented`, which `by` has sent.
    pub fn rotate(
        &self,
        presented: &RefreshToken,
        by: &Participant,
        now: Timestamp,
        rules: &RefreshRules,
        rng: &dyn Rng,
    ) -> Result<Rotation, SealError> {
        let successor = RefreshToken::random(self.id.clone(), self.generation.saturating_add(1), rng);
        let retired = self.previous_hash.clone().map(|hash| RetiredToken {
            generation: self.generation.saturating_sub(1),
            hash,
            retired_at: self.rotated_at.unwrap_or(self.created_at),
        });
        let next = Self {
            generation: successor.generation(),
            current_hash: RefreshHash::of(successor.secret()),
            previous_hash: Some(self.current_hash.clone()),
            previous_sealed: Some(SealedSuccessor::seal(presented, &successor, rng)?),
            rotated_at: Some(now),
            rotated_by: Some(by.clone()),
            successor_used: false,
            stale_hits: 0,
            retired: retired
                .into_iter()
                .chain(self.retired.iter().cloned())
                .take(REMEMBERED_GENERATIONS)
                .collect(),
            idle_expires_at: rules
                .idle_lifetime
                .map_or(self.expires_at, |idle| self.expires_at.min(now.plus(idle))),
            ..self.clone()
        };
        Ok(Rotation { next, expected_generation: self.generation, successor })
    }

    /// Whether `token` is the current one, whoever presents it.
    pub fn is_current(&self, token: &RefreshToken) -> bool {
        token.family() == &self.id
            && token.generation() == self.generation
            && self.current_hash.matches(token.secret())
    }

    /// Who else takes part, when `by` presents a token so soon after a rotation that both may hold the same one: two
    /// programs of one login, or a thief and whoever was stolen from. Those of one network and one program are one.
    pub fn shared_with(
        &self,
        by: &Participant,
        decision: &RefreshDecision,
        now: Timestamp,
        rules: &RefreshRules,
    ) -> Option<&Participant> {
        let other = self.rotated_by.as_ref().filter(|other| !other.is_one_with(by))?;
        let age = now.since(self.rotated_at?);
        let takes_part = match decision {
            RefreshDecision::Rotate => age <= rules.replay_window,
            RefreshDecision::Replay { .. } => true,
            RefreshDecision::Stale | RefreshDecision::Theft(_) | RefreshDecision::Invalid(_) => false,
        };
        takes_part.then_some(other)
    }

    /// The row after a stale token was refused; the generation stays.
    #[must_use]
    pub fn with_stale_hit(&self) -> Self {
        Self { stale_hits: self.stale_hits.saturating_add(1), ..self.clone() }
    }

    /// What a refresh request may obtain: by default everything that was granted, never more.
    pub fn narrow(
        &self,
        scope: Option<&ScopeSet>,
        targets: &RequestedTargets,
    ) -> Result<(ScopeSet, Vec<Audience>), OAuthError> {
        let scopes = match scope {
            None => self.scopes.clone(),
            Some(scope) if scope.is_subset(&self.scopes) => scope.clone(),
            Some(scope) => {
                let beyond = scope.difference(&self.scopes);
                let error = OAuthError::new(ErrorCode::InvalidScope, format!("not granted before: {beyond}"));
                return Err(error.because(format!("asked for {scope}; granted was {}", self.scopes)));
            }
        };
        Ok((scopes, targets.within(&self.audiences)?))
    }

    fn check_alive(
        &self,
        presented: &RefreshToken,
        client: &AuthenticatedClient<'_>,
        now: Timestamp,
    ) -> Result<(), RefreshRefusal> {
        if presented.family() != &self.id {
            Err(RefreshRefusal::Unknown)
        } else if client.id() != &self.client {
            Err(RefreshRefusal::WrongClient)
        } else if self.revoked_at.is_some() {
            Err(RefreshRefusal::Revoked)
        } else if now >= self.expires_at || now >= self.idle_expires_at {
            Err(RefreshRefusal::Expired)
        } else {
            Ok(())
        }
    }

    /// A proven token of the generation before the current one.
    fn decide_previous(
        &self,
        presented: &RefreshToken,
        now: Timestamp,
        rules: &RefreshRules,
    ) -> RefreshDecision {
        let Some((sealed, rotated_at)) = self.previous_sealed.as_ref().zip(self.rotated_at) else {
            return RefreshDecision::Invalid(RefreshRefusal::Corrupt);
        };
        let age = now.since(rotated_at);
        // Outside the window an unused successor means that its answer was lost on the way. Whoever has lost it asks
        // again soon; later, that nobody was seen may as well mean that we do not see where the tokens are used.
        let answer_was_lost = age <= rules.lost_answer && !self.successor_used;
        if age <= rules.replay_window || answer_was_lost {
            return match sealed.open(presented, self.generation) {
                Ok(successor) => RefreshDecision::Replay { successor },
                Err(_) => RefreshDecision::Invalid(RefreshRefusal::Corrupt),
            };
        }
        self.decide_stale(now, rotated_at, rules)
    }

    /// A token that is two generations old or older.
    ///
    /// A wrong secret for a remembered generation is only refused. For a forgotten one the secret cannot be
    /// checked any more, but the 128 random bits of the family id stand in no other place than its tokens.
    fn decide_retired(
        &self,
        presented: &RefreshToken,
        now: Timestamp,
        rules: &RefreshRules,
    ) -> RefreshDecision {
        match self.retired.iter().find(|retired| retired.generation == presented.generation()) {
            Some(retired) if retired.hash.matches(presented.secret()) => {
                self.decide_stale(now, retired.retired_at, rules)
            }
            Some(_) => RefreshDecision::Invalid(RefreshRefusal::Unknown),
            None => RefreshDecision::Theft(TheftSign::Forgotten),
        }
    }

    fn decide_stale(&self, now: Timestamp, retired_at: Timestamp, rules: &RefreshRules) -> RefreshDecision {
        if now.since(retired_at) > rules.stale_tolerance {
            RefreshDecision::Theft(TheftSign::TooLate)
        } else if self.stale_hits >= rules.stale_hits_allowed {
            RefreshDecision::Theft(TheftSign::TooOften)
        } else {
            RefreshDecision::Stale
        }
    }
}

impl RefreshRules {
    /// The rules of a client of `kind` with this profile. A confidential client runs where answers are not lost with
    /// the network of a laptop, and can keep what it gets: it has the window for its parallel requests and no more.
    pub fn of(profile: &RefreshProfile, kind: ClientKind) -> Self {
        let (stale_tolerance, stale_hits_allowed) = match profile.rotation {
            RotationProfile::ClaudeNative => (Duration::from_hours(24), 5),
            RotationProfile::Strict => (Duration::ZERO, 0),
        };
        Self {
            replay_window: Duration::from_mins(1),
            lost_answer: match kind {
                ClientKind::Public => Duration::from_mins(10),
                ClientKind::Confidential => Duration::ZERO,
            },
            stale_tolerance,
            stale_hits_allowed,
            idle_lifetime: profile.idle_lifetime,
        }
    }
}

impl RefreshDecision {
    /// The answer to the client; `None` when it gets tokens. All refusals read the same to the client.
    pub fn refusal(&self) -> Option<OAuthError> {
        match self {
            Self::Rotate | Self::Replay { .. } => None,
            Self::Stale | Self::Theft(_) | Self::Invalid(_) => {
                Some(OAuthError::new(ErrorCode::InvalidGrant, "the refresh token is not valid any more"))
            }
        }
    }
}

/// The word for the audit trail.
impl fmt::Display for RefreshDecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rotate => f.write_str("rotated"),
            Self::Replay { .. } => f.write_str("replayed"),
            Self::Stale => f.write_str("stale"),
            Self::Theft(sign) => write!(f, "theft: {sign}"),
            Self::Invalid(refusal) => write!(f, "invalid: {refusal}"),
        }
    }
}

#[cfg(test)]
mod tests;
