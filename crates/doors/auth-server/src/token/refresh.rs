//! `grant_type=refresh_token`: idempotent rotation, decided by the pure rules and made real by one conditional write.

use gatehouse_audit::event::{EventKind, Exchange, OtherParty};
use gatehouse_edge::context::Single;
use gatehouse_edge::issuer::{Issuance, Issued, TokenSubject};
use gatehouse_edge::rejection::Rejection;
use gatehouse_identity::address::ClientIp;
use gatehouse_identity::audience::Audience;
use gatehouse_identity::scope::ScopeSet;
use gatehouse_identity::secret::Secret;
use gatehouse_oauth::client::GrantType;
use gatehouse_oauth::error::{ErrorCode, OAuthError};
use gatehouse_oauth::refresh::{
    Participant, RefreshDecision, RefreshFamily, RefreshRefusal, RefreshRules, RefreshToken, decide,
};
use gatehouse_oauth::token_request::RefreshRequest;

use super::{TokenContext, TokenResponse};
use crate::evidence::audited_kind;
use crate::evidence::with_user;
use crate::refusal::Refusal;
use crate::revocation::revoke_grant;
use crate::settings::configured;

/// How often a lost write is followed by another look at the family. Each loss means that somebody else's write won,
/// after which this request gets that one's successor; more than a few losses cannot happen to one token.
const ROUNDS: usize = 8;

/// Gives the presented token's successor and a fresh access token.
pub(super) async fn refresh(
    asking: &TokenContext<'_>,
    request: &RefreshRequest,
) -> Result<TokenResponse, Refusal> {
    let TokenContext { door, client, context, .. } = asking;
    let profile = client.client().refresh.as_ref().ok_or_else(|| {
        OAuthError::new(ErrorCode::UnauthorizedClient, "this client gets no refresh tokens")
    })?;
    let rules = RefreshRules::of(profile, client.client().kind);
    let by = Participant::new(context.source.ip, context.head.single(Single::UserAgent));
    let round = Round { asking, request, rules: &rules, by: &by };
    let mut issued: Option<Decided> = None;
    for _ in 0..ROUNDS {
        let family = door.store.refresh_families().find(request.token.family(), context.now).await?;
        let Some(family) = family else { return Err(absent(asking, &request.token).await?) };
        let played = round.play(&family, &mut issued).await;
        if played.is_err() && family.is_current(&request.token) {
            // Whoever is refused with it has it all the same: the answer that brought it was not lost.
            door.issuer.revocations().token_use().note_generation(&family.grant, family.generation);
        }
        let Some(refresh_token) = played? else { continue };
        let Some(Decided { issued, scopes, .. }) = issued else { break };
        return Ok(TokenResponse { issued, scopes, refresh_token: Some(refresh_token), issued_type: None });
    }
    Err(Rejection::unavailable("refresh_contended", "the family changed at every look").into())
}

/// An access token, and with whom the refresh token was shared when the policies were asked about it.
struct Decided {
    issued: Issued,
    scopes: ScopeSet,
    shared_with: Option<ClientIp>,
}

/// One look at the family, and what follows from it.
struct Round<'a> {
    asking: &'a TokenContext<'a>,
    request: &'a RefreshRequest,
    rules: &'a RefreshRules,
    by: &'a Participant,
}

impl Round<'_> {
    /// The token to answer with; `None` when the family has changed meanwhile and has to be looked at again.
    async fn play(
        &self,
        family: &RefreshFamily,
        issued: &mut Option<Decided>,
    ) -> Result<Option<Secret>, Refusal> {
        let Self { asking, request, rules, by } = self;
        let now = asking.context.now;
        let decision = decide(family, &request.token, &asking.client, now, rules);
        let (successor, generation) = match &decision {
            RefreshDecision::Rotate => (None, family.generation.saturating_add(1)),
            RefreshDecision::Replay { successor } => (Some(successor.to_text()), family.generation),
            _ => {
                return match refuse(asking, family, &request.token, &decision).await? {
                    Some(refusal) => Err(refusal),
                    None => Ok(None),
                };
            }
        };
        let other = family.shared_with(by, &decision, now, rules);
        let shared_with = other.map(|other| other.address);
        if issued.as_ref().is_none_or(|decided| decided.shared_with != shared_with) {
            *issued = Some(self.issue(family, generation, shared_with).await?);
        }
        let won = match successor {
            Some(successor) => Some(successor),
            None => self.rotate(family).await?,
        };
        if let (Some(_), Some(other)) = (&won, other) {
            record_sharing(asking, family, other).await?;
        }
        Ok(won)
    }

    /// Writes the next generation and gives its token; `None` when somebody else's write won.
    async fn rotate(&self, family: &RefreshFamily) -> Result<Option<Secret>, Refusal> {
        let TokenContext { door, context, .. } = self.asking;
        let rotation = family
            .rotate(&self.request.token, self.by, context.now, self.rules, door.rng.as_ref())
            .map_err(|error| Rejection::internal("refresh_seal_failed", error.to_string()))?;
        let families = door.store.refresh_families();
        let won = families.rotate(&rotation.next, rotation.expected_generation, context.now).await?;
        Ok(won.is_won().then(|| rotation.successor.to_text()))
    }

    /// The access token for what of the grant is asked for.
    async fn issue(
        &self,
        family: &RefreshFamily,
        generation: u64,
        shared_with: Option<ClientIp>,
    ) -> Result<Decided, Refusal> {
        let TokenContext { door, client, context, .. } = self.asking;
        let (scopes, audiences): (ScopeSet, Vec<Audience>) =
            family.narrow(self.request.scope.as_ref(), &self.request.targets)?;
        let resources: Vec<String> = self.request.targets.iter().map(str::to_owned).collect();
        note(self.asking, family)?;
        let issuance = Issuance {
            client: self.asking.registered,
            assurance: client.assurance(),
            grant_type: GrantType::RefreshToken,
            subject: TokenSubject::User(&family.user),
            scopes: &scopes,
            audiences: &audiences,
            resources: &resources,
            lifetime: client.client().access_token.lifetime,
            grant: Some(&family.grant),
            generation: Some(generation),
            refresh_shared_with: shared_with,
            nonce: None,
        };
        let issued = door.issuer.issue(&issuance, context).await?;
        Ok(Decided { issued, scopes, shared_with })
    }
}

/// Two networks or programs take part in one window. Both get the same token: they may be processes of one login. The
/// record names both, so that whoever watches can tell a laptop on the move from a thief.
async fn record_sharing(
    asking: &TokenContext<'_>,
    family: &RefreshFamily,
    other: &Participant,
) -> Result<(), Refusal> {
    let TokenContext { client, context, .. } = asking;
    let missing = || Rejection::internal("audit_missing", "tokens are refreshed without a record");
    let row = context.beside(EventKind::TokenRefreshShared).ok_or_else(missing)?;
    let issuer = &configured(context)?.issuer;
    let source = context.source;
    row.note(|event| {
        with_user(event, &family.user, client.client(), issuer)
            .with_reason("refresh_shared")
            .with_source(source.ip, source.peer_ip, context.head.single(Single::UserAgent))
            .with_client(client.id(), audited_kind(client.client()), Some(client.assurance()))
            .with_exchange(Exchange {
                grant_type: Some(GrantType::RefreshToken.as_str().to_owned()),
                grant: Some(family.grant.clone()),
                shared_with: Some(OtherParty { ip: other.address, user_agent: other.agent.clone() }),
                ..Exchange::default()
            })
    });
    tracing::warn!(request.id = %context.request_id, client.id = %family.client, source.ip = %source.ip, other.ip = %other.address, "refresh token shared by two networks or programs");
    Ok(row.commit().await?)
}

/// Why there is no family that is alive. Of one that has ended the row is kept for a while, so that the log can say whose
/// sign-in is over.
async fn absent(asking: &TokenContext<'_>, token: &RefreshToken) -> Result<Refusal, Refusal> {
    let ended = asking.door.store.refresh_families().find_ended(token.family()).await?;
    let Some(family) = ended else {
        let detail =
            "it was never issued here, or ended more than 30 days ago, or with a restore of the store";
        return Ok(invalid("refresh_unknown", detail.to_owned()));
    };
    if family.client != *asking.client.id() {
        return Ok(invalid("refresh_wrong_client", format!("it was issued to {}", family.client)));
    }
    note(asking, &family)?;
    if let Some(at) = family.revoked_at {
        return Ok(invalid("refresh_revoked", format!("revoked {at}; the person has to sign in again")));
    }
    let (end, why) = if family.idle_expires_at < family.expires_at {
        (family.idle_expires_at, "it was not used for so long (refreshToken.idleTimeout)")
    } else {
        (family.expires_at, "its time was over (refreshToken.lifetimeSeconds)")
    };
    Ok(invalid("refresh_expired", format!("ended {end}: {why}; the person has to sign in again")))
}

/// Does what a refused token calls for. `None` when the family changed meanwhile and has to be looked at again.
async fn refuse(
    asking: &TokenContext<'_>,
    family: &RefreshFamily,
    token: &RefreshToken,
    decision: &RefreshDecision,
) -> Result<Option<Refusal>, Refusal> {
    let TokenContext { door, context, .. } = asking;
    note(asking, family)?;
    let detail = format!("generation {} of {}: {decision}", token.generation(), family.generation);
    match decision {
        RefreshDecision::Stale => {
            let families = door.store.refresh_families();
            let seen = family.stale_hits;
            let counted = families.count_stale_hit(&family.id, family.generation, seen, context.now).await?;
            Ok(counted.is_won().then(|| invalid("refresh_stale", detail)))
        }
        RefreshDecision::Theft(_) => {
            revoke_grant(door, &family.grant, context.now).await?;
            context.note(|event| event.with_kind(EventKind::TokenTheft));
            Ok(Some(invalid("refresh_theft", detail)))
        }
        RefreshDecision::Invalid(refusal) => Ok(Some(invalid(code(*refusal), detail))),
        RefreshDecision::Rotate | RefreshDecision::Replay { .. } => Ok(None),
    }
}

fn note(asking: &TokenContext<'_>, family: &RefreshFamily) -> Result<(), Refusal> {
    let issuer = &configured(asking.context)?.issuer;
    asking.context.note(|event| {
        with_user(event, &family.user, asking.client.client(), issuer).with_exchange(Exchange {
            grant_type: Some(GrantType::RefreshToken.as_str().to_owned()),
            grant: Some(family.grant.clone()),
            ..Exchange::default()
        })
    });
    Ok(())
}

const fn code(refusal: RefreshRefusal) -> &'static str {
    match refusal {
        RefreshRefusal::WrongClient => "refresh_wrong_client",
        RefreshRefusal::Unknown => "refresh_unknown",
        RefreshRefusal::Revoked => "refresh_revoked",
        RefreshRefusal::Expired => "refresh_expired",
        RefreshRefusal::Corrupt => "refresh_corrupt",
    }
}

/// All refusals read the same to the client.
fn invalid(reason: &'static str, detail: impl Into<Option<String>>) -> Refusal {
    let error = OAuthError::new(ErrorCode::InvalidGrant, "the refresh token is not valid any more");
    Refusal::because(error, reason, detail)
}
