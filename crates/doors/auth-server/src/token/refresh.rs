//! `grant_type=refresh_token`: idempotent rotation, decided by the pure rules and made real by one conditional write.

use gatehouse_audit::event::{EventKind, Exchange};
use gatehouse_edge::issuer::{Issuance, Issued, Party};
use gatehouse_edge::rejection::Rejection;
use gatehouse_identity::audience::Audience;
use gatehouse_identity::scope::ScopeSet;
use gatehouse_identity::secret::Secret;
use gatehouse_oauth::client::GrantType;
use gatehouse_oauth::error::{ErrorCode, OAuthError};
use gatehouse_oauth::refresh::{
    RefreshDecision, RefreshFamily, RefreshRefusal, RefreshRules, RefreshToken, decide,
};
use gatehouse_oauth::token_request::RefreshRequest;

use super::{Asking, Granted};
use crate::refusal::Refusal;
use crate::revocation::revoke_grant;
use crate::server::configured;

/// How often a lost write is followed by another look at the family. Each loss means that somebody else's write won,
/// after which this request gets that one's successor; more than a few losses cannot happen to one token.
const ROUNDS: usize = 8;

/// Gives the presented token's successor and a fresh access token.
pub(super) async fn refresh(asking: &Asking<'_>, request: &RefreshRequest) -> Result<Granted, Refusal> {
    let Asking { door, client, context, .. } = asking;
    let profile = client.client().refresh.as_ref().ok_or_else(|| {
        OAuthError::new(ErrorCode::UnauthorizedClient, "this client gets no refresh tokens")
    })?;
    let rules = RefreshRules::of(profile);
    let families = door.store.refresh_families();
    let mut issued: Option<(Issued, ScopeSet)> = None;
    for _ in 0..ROUNDS {
        let family = families.find(request.token.family(), context.now).await?;
        let family = family.ok_or_else(|| invalid("refresh_unknown", None))?;
        let decision = decide(&family, &request.token, client, context.now, &rules);
        let successor = match &decision {
            RefreshDecision::Rotate => None,
            RefreshDecision::Replay { successor } => Some(successor.to_text()),
            _ => match refuse(asking, &family, &request.token, &decision).await? {
                Some(refusal) => return Err(refusal),
                None => continue,
            },
        };
        if issued.is_none() {
            issued = Some(issue(asking, request, &family).await?);
        }
        let won = match successor {
            Some(successor) => Some(successor),
            None => rotate(asking, request, &family, &rules).await?,
        };
        let Some(refresh_token) = won else { continue };
        let Some((issued, scopes)) = issued else { break };
        return Ok(Granted { issued, scopes, refresh_token: Some(refresh_token), issued_type: None });
    }
    Err(Rejection::unavailable("refresh_contended", "the family changed at every look").into())
}

/// Writes the next generation and gives its token; `None` when somebody else's write won.
async fn rotate(
    asking: &Asking<'_>,
    request: &RefreshRequest,
    family: &RefreshFamily,
    rules: &RefreshRules,
) -> Result<Option<Secret>, Refusal> {
    let Asking { door, context, .. } = asking;
    let rotation = family
        .rotate(&request.token, context.now, rules, door.rng.as_ref())
        .map_err(|error| Rejection::internal("refresh_seal_failed", error.to_string()))?;
    let families = door.store.refresh_families();
    let won = families.rotate(&rotation.next, rotation.expected_generation, context.now).await?;
    Ok(won.is_won().then(|| rotation.successor.to_text()))
}

/// The access token for what of the grant is asked for (T11).
async fn issue(
    asking: &Asking<'_>,
    request: &RefreshRequest,
    family: &RefreshFamily,
) -> Result<(Issued, ScopeSet), Refusal> {
    let Asking { door, client, context, .. } = asking;
    let (scopes, audiences): (ScopeSet, Vec<Audience>) =
        family.narrow(request.scope.as_ref(), &request.targets)?;
    let resources: Vec<String> = request.targets.iter().map(str::to_owned).collect();
    note(asking, family)?;
    let issuance = Issuance {
        client: asking.registered,
        assurance: client.assurance(),
        grant_type: GrantType::RefreshToken,
        party: Party::User(&family.user),
        scopes: &scopes,
        audiences: &audiences,
        resources: &resources,
        lifetime: client.client().access_token.lifetime,
        grant: Some(&family.grant),
        nonce: None,
    };
    let issued = door.issuer.issue(&issuance, context).await?;
    Ok((issued, scopes))
}

/// Does what a refused token calls for. `None` when the family changed meanwhile and has to be looked at again.
async fn refuse(
    asking: &Asking<'_>,
    family: &RefreshFamily,
    token: &RefreshToken,
    decision: &RefreshDecision,
) -> Result<Option<Refusal>, Refusal> {
    let Asking { door, context, .. } = asking;
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
            tracing::warn!(request.id = %context.request_id, source.ip = %context.source.ip, client.id = %family.client, detail, "refresh family revoked");
            Ok(Some(invalid("refresh_theft", detail)))
        }
        RefreshDecision::Invalid(refusal) => Ok(Some(invalid(code(*refusal), detail))),
        RefreshDecision::Rotate | RefreshDecision::Replay { .. } => Ok(None),
    }
}

fn note(asking: &Asking<'_>, family: &RefreshFamily) -> Result<(), Refusal> {
    let issuer = &configured(asking.context)?.issuer;
    asking.context.note(|event| {
        event
            .with_subject(issuer, &family.user.subject)
            .with_connector(family.user.connector.as_str())
            .with_exchange(Exchange {
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
