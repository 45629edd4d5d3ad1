//! `grant_type=client_credentials`.

use gatehouse_edge::issuer::{Issuance, TokenSubject};
use gatehouse_oauth::client::GrantType;
use gatehouse_oauth::client_credentials as rules;
use gatehouse_oauth::token_request::ClientCredentialsRequest;

use super::{TokenContext, TokenResponse};
use crate::refusal::Refusal;
use crate::settings::configured;

/// A token for the client itself.
pub(super) async fn grant(
    asking: &TokenContext<'_>,
    request: &ClientCredentialsRequest,
) -> Result<TokenResponse, Refusal> {
    let TokenContext { door, client, context, .. } = asking;
    let server = configured(context)?;
    let granted = rules::grant(request, client, &server.resources, &server.scopes)?;
    let resources: Vec<String> = request.targets.iter().map(str::to_owned).collect();
    context.note(|event| event.with_subject(&server.issuer, &granted.subject));
    let issuance = Issuance {
        client: asking.registered,
        assurance: client.assurance(),
        grant_type: GrantType::ClientCredentials,
        subject: TokenSubject::Client,
        scopes: &granted.scopes,
        audiences: &granted.audiences,
        resources: &resources,
        lifetime: granted.lifetime,
        grant: None,
        generation: None,
        refresh_shared_with: None,
        nonce: None,
    };
    let issued = door.issuer.issue(&issuance, context).await?;
    Ok(TokenResponse { issued, scopes: granted.scopes, refresh_token: None, issued_type: None })
}
