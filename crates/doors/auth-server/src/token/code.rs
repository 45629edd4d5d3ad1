//! `grant_type=authorization_code`.

use gatehouse_audit::event::{EventKind, Exchange};
use gatehouse_edge::issuer::{Issuance, TokenSubject};
use gatehouse_identity::id::GrantId;
use gatehouse_oauth::client::GrantType;
use gatehouse_oauth::error::OAuthError;
use gatehouse_oauth::grant::{Active, CodeHash};
use gatehouse_oauth::redemption::{Redeemed, Redemption, RedemptionError, redeem as decide};
use gatehouse_oauth::refresh::{RefreshFamily, RefreshToken};
use gatehouse_oauth::token_request::CodeRequest;

use super::{TokenContext, TokenResponse};
use crate::evidence::note_user;
use crate::refusal::Refusal;
use crate::revocation::revoke_grant;

/// Redeems a code. Whoever does not prove that it is theirs changes nothing; of those who do, the store lets one win.
pub(super) async fn redeem(
    asking: &TokenContext<'_>,
    request: &CodeRequest,
) -> Result<TokenResponse, Refusal> {
    let TokenContext { door, client, context, .. } = asking;
    let hash = CodeHash::of(request.code.expose());
    let grant = door.store.grants().find_by_code(&hash, context.now).await?;
    let grant = grant.ok_or_else(|| refused(RedemptionError::Unknown))?;
    let redeemed = match decide(grant, request, client, context.now) {
        Redemption::Refuse(error) => return Err(refused(error)),
        Redemption::Reuse(grant) => return Err(reused(asking, &grant).await?),
        Redemption::Proceed(redeemed) => redeemed,
    };
    let Redeemed { grant, audiences } = *redeemed;
    let resources: Vec<String> = request.targets.iter().map(str::to_owned).collect();
    note(asking, &grant)?;
    let issuance = Issuance {
        client: asking.registered,
        assurance: client.assurance(),
        grant_type: GrantType::AuthorizationCode,
        subject: TokenSubject::User(&grant.user),
        scopes: &grant.scopes,
        audiences: &audiences,
        resources: &resources,
        lifetime: client.client().access_token.lifetime,
        grant: Some(&grant.id),
        generation: Some(1),
        refresh_shared_with: None,
        nonce: grant.nonce.as_deref(),
    };
    let issued = door.issuer.issue(&issuance, context).await?;
    let begun = begin_family(asking, &grant);
    let family = begun.as_ref().map(|(family, _)| family);
    if !door.store.grants().redeem(&grant, family, context.now).await?.is_won() {
        // The tokens that were just signed go nowhere; the record must not speak of them.
        context.note(|event| {
            event.with_exchange(Exchange { grant: Some(grant.id.clone()), ..Exchange::default() })
        });
        return Err(refused(RedemptionError::Spent));
    }
    let refresh_token = begun.map(|(_, token)| token.to_text());
    Ok(TokenResponse { issued, scopes: grant.scopes, refresh_token, issued_type: None })
}

fn begin_family(asking: &TokenContext<'_>, grant: &Active) -> Option<(RefreshFamily, RefreshToken)> {
    let client = asking.client.client();
    let profile = client.refresh.as_ref().filter(|_| client.gets_refresh_token(&grant.scopes))?;
    Some(RefreshFamily::begin(grant, profile, asking.context.now, asking.door.rng.as_ref()))
}

/// The code was redeemed before by somebody who proved the same, so two parties hold it.
async fn reused(asking: &TokenContext<'_>, grant: &GrantId) -> Result<Refusal, Refusal> {
    revoke_grant(asking.door, grant, asking.context.now).await?;
    asking.context.note(|event| {
        event
            .with_kind(EventKind::TokenTheft)
            .with_exchange(Exchange { grant: Some(grant.clone()), ..Exchange::default() })
    });
    Ok(Refusal::because(RedemptionError::Spent.into(), "code_reused", None))
}

fn note(asking: &TokenContext<'_>, grant: &Active) -> Result<(), Refusal> {
    asking.context.note(|event| event.with_grant(&grant.id));
    Ok(note_user(&grant.user, asking.client.client(), asking.context)?)
}

fn refused(error: RedemptionError) -> Refusal {
    let reason = match &error {
        RedemptionError::Unknown => "code_unknown",
        RedemptionError::Expired => "code_expired",
        RedemptionError::Spent => "code_spent",
        RedemptionError::RedirectUri => "redirect_uri_differs",
        RedemptionError::VerifierMissing => "verifier_missing",
        RedemptionError::VerifierUnexpected => "verifier_unexpected",
        RedemptionError::VerifierWrong => "verifier_wrong",
        RedemptionError::Target(_) => "target_not_granted",
    };
    Refusal::because(OAuthError::from(error), reason, None)
}
