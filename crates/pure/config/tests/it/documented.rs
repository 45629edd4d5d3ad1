//! The documented deployments load, and mean what they say.

use gatehouse_config::snapshot::mcp::Upstream;
use gatehouse_config::snapshot::outbound::{Outbound, Reach};
use gatehouse_config::snapshot::protection::KeySource;
use gatehouse_identity::audience::Audience;
use gatehouse_identity::id::{AppName, ClientId, ConnectorName};
use gatehouse_identity::jose::algorithm::Algorithm;
use gatehouse_identity::jose::verify::TokenType;
use gatehouse_oauth::client::{ClientKind, GrantType};
use gatehouse_oauth::exchange::SubjectAudience;

use crate::fixture::{AUTH_PROVIDER, CLAUDE, GATEWAY, WHOLE, loaded};

#[test]
fn an_authorization_server_of_its_own() {
    let snapshot = loaded(AUTH_PROVIDER);
    let warnings: Vec<String> = snapshot.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "gatehouse.yaml:5:17: logger.logSessionID: log lines name no browser session (the request id leads from a \
             log line to its audit record)"
        ]
    );
    assert!(snapshot.mcp.is_none() && snapshot.llm.is_none());
    assert!(snapshot.public.tls.is_some());
    assert_eq!(snapshot.ingress.origin, "https://auth.example.com");
    assert_eq!(snapshot.ingress.allowed_hosts, ["auth.example.com"]);
    let server = snapshot.authorization_server.unwrap();
    assert_eq!(server.issuer.as_str(), "https://auth.example.com");
    assert_eq!(server.signing_keys.len(), 1);
    assert_eq!(server.signing_keys[0].algorithm(), Algorithm::Rs256);
    let public = &server.clients[&ClientId::new("mcp-client-cli")].client;
    assert_eq!(public.kind, ClientKind::Public);
    assert!(public.may_use(GrantType::AuthorizationCode) && public.may_use(GrantType::RefreshToken));
    assert!(public.scopes.contains("pii:read") && public.scopes.contains("openid"));
    let gateway = &server.clients[&ClientId::new("ai-identity-gateway")].client;
    assert_eq!(gateway.kind, ClientKind::Confidential);
    assert!(gateway.exchange.is_some());
    assert!(gateway.secrets[0].matches("hG4fD9sA1wE6rT0y"));
    assert!(server.metadata_clients.is_none());
    assert!(snapshot.connectors.contains_key(&ConnectorName::new("keycloak")));
}

#[test]
fn clients_without_registration_may_call_a_gateway_in_another_process() {
    let metadata = "oidcProvider:\n  clientIDMetadata:\n    allowedHosts: [claude.ai]\n    allowedAudiences: \
                    [https://tools.example.com/mcp]\n    authentication: { idps: [keycloak] }\n";
    let server = loaded(&AUTH_PROVIDER.replace("oidcProvider:\n", metadata)).authorization_server.unwrap();
    let gateway = [Audience::new("https://tools.example.com/mcp")];
    let rules = server.metadata_clients.unwrap().template;
    assert_eq!(rules.allowed_audiences, gateway);
    assert_eq!(rules.default_audience, None);
    let exchange = server.clients[&ClientId::new("ai-identity-gateway")].client.exchange.as_ref().unwrap();
    let SubjectAudience::Named(subjects) = &exchange.subjects else { panic!("a list") };
    assert!(
        subjects.is_empty(),
        "with two audiences of people's tokens, nobody knows which are meant: {subjects:?}"
    );

    let named =
        metadata.replace("    auth", "    defaultAudience: https://tools.example.com/mcp/ledger\n    auth");
    let server = loaded(&AUTH_PROVIDER.replace("oidcProvider:\n", &named)).authorization_server.unwrap();
    let default = server.metadata_clients.unwrap().template.default_audience.unwrap();
    assert_eq!(default.as_str(), "https://tools.example.com/mcp/ledger");
}

#[test]
fn a_gateway_of_its_own() {
    let snapshot = loaded(GATEWAY);
    assert_eq!(snapshot.warnings, []);
    assert!(snapshot.authorization_server.is_none());
    assert_eq!(snapshot.ingress.origin, "https://gateway.example.com");
    let gateway = snapshot.mcp.unwrap();
    assert_eq!(gateway.resource, "https://gateway.example.com/mcp");
    let server = &gateway.protection.servers[0];
    assert_eq!(server.issuer.as_configured().as_str(), "https://auth.example.com");
    assert!(matches!(server.keys, KeySource::Remote { .. }));
    let audiences: Vec<&str> = server.audiences.iter().map(Audience::as_str).collect();
    assert_eq!(audiences, ["https://gateway.example.com/mcp", "https://gateway.example.com/"]);
    assert_eq!(server.token_type, TokenType::AccessToken);
    let [bridge, proxy] = gateway.apps.as_slice() else { panic!("two apps") };
    let Upstream::Bridge { bridge: tools, .. } = &bridge.upstream else { panic!("a bridge") };
    assert_eq!(tools.tools.len(), 2);
    assert_eq!(bridge.namespace.export("listEmployees"), "employee_listEmployees");
    assert_eq!(bridge.inbound.len(), 1);
    let Outbound::TokenExchange(exchange) = &bridge.outbound else { panic!("an exchange") };
    assert!(matches!(exchange.authority.reach, Reach::Remote { .. }));
    assert_eq!(exchange.tools["listEmployees"].lifetime.unwrap().as_secs(), 5);
    assert!(matches!(proxy.upstream, Upstream::Proxy(_)));
    assert_eq!(proxy.inbound.len(), 1);
}

#[test]
fn the_client_and_the_policies_of_the_connection_guide() {
    let snapshot = loaded(CLAUDE);
    assert_eq!(snapshot.warnings, []);
    let server = snapshot.authorization_server.unwrap();
    let registered = &server.clients[&ClientId::new("claude-public")];
    assert_eq!(registered.access_token_policies.len(), 2);
    assert_eq!(registered.client.access_token.lifetime.as_secs(), 3600);
    assert_eq!(registered.client.refresh.as_ref().unwrap().lifetime.as_secs(), 86400);
    let redirects = &registered.client.redirects;
    for uri in [
        "https://claude.ai/api/mcp/auth_callback",
        "http://localhost:29352/callback",
        "http://localhost:3334/oauth/callback",
        "http://localhost:50000/callback",
    ] {
        assert!(redirects.matches(uri, ClientKind::Public).is_ok(), "{uri}");
    }
}

#[test]
fn everything_in_one_process() {
    let snapshot = loaded(WHOLE);
    assert_eq!(snapshot.warnings, []);
    let gateway = snapshot.mcp.unwrap();
    let server = &gateway.protection.servers[0];
    assert!(matches!(server.keys, KeySource::Local), "our own issuer is not fetched");
    assert_eq!(server.token_type, TokenType::AccessTokenStrict);
    let llm = snapshot.llm.unwrap();
    let entra = &llm.protection.unwrap().servers[0];
    assert_eq!(entra.issuer.as_configured().as_str(), "https://login.microsoftonline.com/TENANT/v2.0");
    assert_eq!(entra.token_type, TokenType::Either);
    assert_eq!(entra.claims.user, "oid");
    assert_eq!(llm.models.find("claude-opus-4-7").unwrap().model.routes[0].app, "anthropic-eu");
    assert!(llm.accounts.contains_key(&AppName::new("anthropic-eu")));
    let server = snapshot.authorization_server.unwrap();
    let code = &server.clients[&ClientId::new("claude-code")].client;
    assert_eq!(code.kind, ClientKind::Public);
    assert_eq!(code.access_token.claims.len(), 3);
    assert_eq!(server.metadata_clients.unwrap().pinned.len(), 2);
    let batch = &server.clients[&ClientId::new("batch")].client;
    assert_eq!(batch.default_audience.as_ref().unwrap().as_str(), "https://gw.example.com/mcp");
}

/// `sub` of Entra ID differs from application to application, wherever its document is read.
#[test]
fn people_of_entra_are_known_by_their_object_id() {
    let mirror = "https://mirror.example.com/entra/.well-known/openid-configuration";
    let direct = "https://login.microsoftonline.com/TENANT/v2.0/.well-known/openid-configuration";
    let without = WHOLE.replace("          userClaim: oid\n", "");
    let at = |issuer: &str| {
        let well_known = format!("{mirror}\n          issuer: {issuer}");
        let snapshot = loaded(&without.replace(direct, &well_known));
        snapshot.llm.unwrap().protection.unwrap().servers[0].clone()
    };
    for issuer in ["https://login.microsoftonline.com/TENANT/v2.0", "https://sts.windows.net/TENANT/"] {
        let server = at(issuer);
        assert_eq!((server.issuer.as_configured().as_str(), &*server.claims.user), (issuer, "oid"));
        assert!(!server.issuer.accepts(issuer.trim_end_matches('/')) || !issuer.ends_with('/'));
    }
    assert_eq!(at("https://idp.example.com").claims.user, "sub");
    assert_eq!(loaded(&without).llm.unwrap().protection.unwrap().servers[0].claims.user, "oid");
}

#[test]
fn the_revision_follows_every_file_that_is_named() {
    let first = loaded(GATEWAY).revision;
    assert_eq!(first, loaded(GATEWAY).revision);
    assert_ne!(first, loaded(&GATEWAY.replace("ttl: 5s", "ttl: 6s")).revision);
    assert!(first.starts_with("sha256:") && first.len() == 71);
}
