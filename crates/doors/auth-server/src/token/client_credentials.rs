//! `grant_type=client_credentials` (T15).

use gatehouse_edge::issuer::{Issuance, Party};
use gatehouse_oauth::client::GrantType;
use gatehouse_oauth::client_credentials as rules;
use gatehouse_oauth::token_request::ClientCredentialsRequest;

use super::{Asking, Granted};
use crate::refusal::Refusal;
use crate::settings::configured;

/// A token for the client itself.
pub(super) async fn grant(
    asking: &Asking<'_>,
    request: &ClientCredentialsRequest,
) -> Result<Granted, Refusal> {
    let Asking { door, client, context, .. } = asking;
    let server = configured(context)?;
    let granted = rules::grant(request, client, &server.resources, &server.scopes)?;
    let resources: Vec<String> = request.targets.iter().map(str::to_owned).collect();
    context.note(|event| event.with_subject(&server.issuer, &granted.subject));
    let issuance = Issuance {
        client: asking.registered,
        assurance: client.assurance(),
        grant_type: GrantType::ClientCredentials,
        party: Party::Client,
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
    Ok(Granted { issued, scopes: granted.scopes, refresh_token: None, issued_type: None })
}
