//! From a refused request to the authorization server, as a client that knows nothing but one URL goes.

use serde_json::{Value, json};
use url::Url;

use super::http::{Call, Client, join_url, url};
use super::story::{Broken, Mismatch, Story, expect};

/// What a client knows once it has asked its way through.
pub(super) struct Discovery {
    /// The MCP endpoint, which is the resource that tokens are for.
    pub(super) resource: Url,
    /// `iss` of the authorization server.
    pub(super) issuer: String,
    pub(super) authorization_endpoint: Url,
    pub(super) token_endpoint: Url,
}

/// Asks the way, beginning at `origin`.
pub(super) async fn discover(story: &mut Story<'_>, origin: &str) -> Result<Discovery, Broken> {
    let mut client = Client::default();
    let challenge = challenge(&mut client, origin).await;
    let (resource, metadata) =
        story.step("a call without a token is answered 401 and told where to learn more", challenge)?;
    story.detail(metadata.as_str());
    let server = authorization_server(&mut client, &metadata, &resource).await;
    let server =
        story.step("the metadata of the resource names its authorization server (RFC 9728)", server)?;
    story.detail(&server);
    let discovery = endpoints(&mut client, resource, server).await;
    story.step(
        "the authorization server describes itself: code flow, PKCE S256, `iss` in answers (RFC 8414, 9207)",
        discovery,
    )
}

/// The resource and the address of its metadata.
async fn challenge(client: &mut Client, origin: &str) -> Result<(Url, Url), Mismatch> {
    let resource = join_url(&url(origin)?, "/mcp")?;
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": {} });
    let call = Call::json(resource.clone(), &body)
        .with("accept", "application/json, text/event-stream")
        .with("mcp-protocol-version", "2026-07-28")
        .with("mcp-method", "server/discover");
    let answer = client.send(call).await?.with_status(401)?;
    let challenge = answer.header("www-authenticate").unwrap_or_default();
    let metadata = parameter(challenge, "resource_metadata").ok_or_else(|| {
        Mismatch::new("WWW-Authenticate: Bearer resource_metadata=\"…\"", format!("`{challenge}`"))
    })?;
    Ok((resource, url(metadata)?))
}

async fn authorization_server(
    client: &mut Client,
    metadata: &Url,
    resource: &Url,
) -> Result<String, Mismatch> {
    let document = client.send(Call::get(metadata.clone())).await?.with_status(200)?.json()?;
    expect(
        document.get("resource").and_then(Value::as_str) == Some(resource.as_str()),
        format!("resource {resource}"),
        &document,
    )?;
    let server = document.pointer("/authorization_servers/0").and_then(Value::as_str);
    server.map(str::to_owned).ok_or_else(|| Mismatch::new("an authorization server", &document))
}

async fn endpoints(client: &mut Client, resource: Url, issuer: String) -> Result<Discovery, Mismatch> {
    let location = join_url(&url(&issuer)?, "/.well-known/oauth-authorization-server")?;
    let document = client.send(Call::get(location)).await?.with_status(200)?.json()?;
    let text = |name: &str| document.get(name).and_then(Value::as_str).unwrap_or_default();
    let lists = |name: &str, value: &str| {
        document.get(name).and_then(Value::as_array).is_some_and(|list| list.iter().any(|item| item == value))
    };
    expect(text("issuer") == issuer, format!("issuer {issuer}"), &document)?;
    expect(
        lists("code_challenge_methods_supported", "S256"),
        "S256 among code_challenge_methods_supported",
        &document,
    )?;
    expect(lists("grant_types_supported", "authorization_code"), "the authorization_code grant", &document)?;
    let named = document.get("authorization_response_iss_parameter_supported") == Some(&Value::Bool(true));
    expect(named, "authorization_response_iss_parameter_supported: true", &document)?;
    Ok(Discovery {
        authorization_endpoint: url(text("authorization_endpoint"))?,
        token_endpoint: url(text("token_endpoint"))?,
        resource,
        issuer,
    })
}

/// A quoted parameter of a challenge.
fn parameter<'a>(challenge: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = challenge.split_once(&format!("{name}=\""))?;
    rest.split_once('"').map(|(value, _)| value)
}

#[cfg(test)]
mod tests {
    use super::parameter;

    #[test]
    fn reads_parameters_of_challenges() {
        let challenge = r#"Bearer error="invalid_token", resource_metadata="http://h/x", scope="a b""#;
        assert_eq!(parameter(challenge, "resource_metadata"), Some("http://h/x"));
        assert_eq!(parameter(challenge, "scope"), Some("a b"));
        assert_eq!(parameter(challenge, "realm"), None);
    }
}
