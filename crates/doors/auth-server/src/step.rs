//! What the steps of a sign-in share: the request for authorization, the pages, the way back from an identity provider.

USES
/// The URL of a page of a transaction.
pub(crate) fn step_url(path: &str, transaction: &GrantId) -> String {
    format!("{path}?transaction={transaction}")
}

/// Whether `id_token_hint`, when there is one, is our own and names `user`. It may have expired.
pub(crate) fn hint_allows(
    door: &AuthServer,
    request: &AuthorizationRequest,
    client: &Client,
    user: &AuthenticatedUser,
    server: &AuthorizationServer,
    context: &Context<Public>,
) -> bool {
    const ANY_AGE: Duration = Duration::from_hours(24 * 365 * 10);
    let Some(hint) = &request.id_token_hint else { return true };
    let expected = Expectations {
        issuer: server.issuer.clone(),
        audiences: vec![Audience::new(client.id.as_str())],
        algorithms: door.issuer.keys().algorithms(),
        token_type: TokenType::IdToken,
        leeway: ANY_AGE,
        max_lifetime: ANY_AGE,
    };
    let keys = door.issuer.keys().verification_keys();
    let Ok(token) = UnverifiedToken::parse(hint).and_then(|token| token.verify(keys, &expected, context.now))
    else {
        return false;
    };
    let sources = ClaimSources {
        user: Some(user),
        client,
        scopes: &request.scopes,
        audiences: &request.audiences,
        grant_type: GrantType::AuthorizationCode,
    };
    let Ok(subject) = subject_of(&sources, user, |_| None) else { return false };
    let hinted = token.claims().get("sub").and_then(serde_json::Value::as_str).unwrap_or_default();
    request.honours_hint(hinted, subject.as_str()).is_ok()
}

/// Puts the client into the audit record.
pub(crate) fn note_client(client: &Client, context: &Context<Public>) {
    context.note(|event| event.with_client(&client.id, audited_kind(client), None));
}

/// Puts the client into the audit record that a request claims to come from, and which may not exist: anything may stand
/// there, also a URL with a credential in its query.
pub(crate) fn note_claimed(id: &ClientId, context: &Context<Public>) {
    let id = ClientId::new(loggable(id.as_str()));
    context.note(|event| event.with_client(&id, ClientKind::Unknown, None));
}

/// How audit records call the origin of a client.
pub(crate) fn audited_kind(client: &Client) -> ClientKind {
    match client.origin {
        ClientOrigin::Registered => ClientKind::Registered,
        ClientOrigin::MetadataDocument { .. } => ClientKind::MetadataDocument,
    }
}

/// The form in the body of a request.
pub(crate) async fn posted(body: Incoming, context: &Context<Public>) -> Result<Form, Rejection> {
    let longest = configured(context)?.form_limit;
    let read = body::read(context, body, longest).await;
    let bytes = context.limits.counted(Limit::OidcForm, read)?;
    Form::parse_within(&bytes, longest).map_err(|error| bad_form(&error))
}

pub(crate) fn bad_form(error: &gatehouse_oauth::form::FormError) -> Rejection {
    Rejection::malformed(
        "parameters_malformed",
        format!("The parameters of this request cannot be read: {error}."),
    )
}
