//! The configuration of the documents that people copy from: it loads as it stands there, and no key of it is ignored.

use std::path::Path;

use gatehouse::gateway::load::{LoadFailure, from_source};
use gatehouse::host::DiskLoader;
use gatehouse_config::problem::Problem;
use gatehouse_config::source::Source;
use gatehouse_config::source::environment::Environment;
use gatehouse_testkit::documents::{GUIDE_RANGES, gateway_tree, guide, indented, provider_tree, tree_files};
use gatehouse_testkit::process::{ENVIRONMENT, run};
use serde_json::{Value, json};

/// Keys of both kinds of deployment.
const COMMON: &[&str] = &[
    "version",
    "logger.level",
    "logger.jsonOutput",
    "logger.timeFormat",
    "logger.logSessionID",
    "logger.fieldOrdering.enabled",
    "http.address",
    "http.tls",
    "http.hosts[].default",
    "http.hosts[].tls",
    "http.readTimeoutSeconds",
    "http.readHeaderTimeoutSeconds",
    "http.routing.enabled",
    "tls.edge.certFile",
    "tls.edge.keyFile",
    "tls.edge.caFile",
    "tls.edge.clientAuth",
    "tls.edge.clientCAFiles",
    "tls.edge.minVersion",
    "health.location",
    "health.heartbeat.disabled",
    "health.heartbeat.logLevel",
    "telemetry.metrics.readers[].periodic",
    "telemetry.traces.processors[].batch",
    "features.experimental",
    "connectors[oidc].name",
    "connectors[oidc].tls",
    "connectors[oidc].oidcWellKnownURL",
    "connectors[oidc].oauthClientID",
    "connectors[oidc].oauthClientSecret",
    "connectors[oidc].oauthLoginRedirect.urls",
    "connectors[oidc].oauthLogoutRedirect.urls",
    "connectors[oidc].disablePKCE",
    "connectors[oidc].scopes",
    "connectors[oidc].oauthExtraParams",
    "connectors[oidc].offlineAccess.enabled",
    "connectors[oidc].healthCheck",
];

/// Keys of a gateway.
const GATEWAY: &[&str] = &[
    "mcpProvider.enabled",
    "mcpProvider.transports.stream.enabled",
    "mcpProvider.transports.stream.path",
    "mcpProvider.transports.stream.session.enabled",
    "mcpProvider.transports.stream.session.headerName",
    "mcpProvider.transports.stream.session.allowClientTermination",
    "mcpProvider.transports.stream.session.timeout",
    "mcpProvider.transports.sse.enabled",
    "mcpProvider.authorization.oauth.enabled",
    "mcpProvider.authorization.oauth.metadataPath",
    "mcpProvider.authorization.oauth.servers[].wellKnownEndpoint",
    "mcpProvider.authorization.oauth.servers[].refreshInterval",
    "mcpProvider.authorization.oauth.servers[].tokenValidation.method",
    "mcpProvider.authorization.oauth.servers[].tokenValidation.expectedAudiences",
    "mcpProvider.authorization.oauth.servers[].tokenValidation.jwt.clockSkew",
    "apps[mcpBridge].name",
    "apps[mcpBridge].toolNamespace.disabled",
    "apps[mcpBridge].toolNamespace.name",
    "apps[mcpBridge].mode",
    "apps[mcpBridge].openapi.spec.uri",
    "apps[mcpBridge].openapi.baseURL",
    "apps[mcpBridge].authorization.inbound.opa.name",
    "apps[mcpBridge].authorization.inbound.opa.rego",
    "apps[mcpBridge].authorization.inbound.opa.file",
    "apps[mcpBridge].authorization.outbound.type",
    "apps[mcpBridge].authorization.outbound.tokenExchange.type",
    "apps[mcpBridge].authorization.outbound.tokenExchange.idp",
    "apps[mcpBridge].authorization.outbound.tokenExchange.audience",
    "apps[mcpBridge].authorization.outbound.tokenExchange.tools[].name",
    "apps[mcpBridge].authorization.outbound.tokenExchange.tools[].ttl",
    "apps[mcpBridge].authorization.outbound.tokenExchange.tools[].scopes[].name",
    "apps[mcpProxy].toolNamespace.name",
    "apps[mcpProxy].upstream.transport",
    "apps[mcpProxy].upstream.stream.url",
    "apps[mcpProxy].upstream.stream.tls",
    "apps[mcpProxy].upstream.stream.connection.dialTimeout",
    "apps[mcpProxy].upstream.stream.connection.keepAlive.interval",
    "apps[mcpProxy].upstream.stream.connection.pool.maxIdleConns",
    "apps[mcpProxy].upstream.stream.connection.pool.maxIdleConnsPerHost",
];

/// Keys of an authorization server.
const PROVIDER: &[&str] = &[
    "session.cookie.name",
    "session.lifetime.maxTimeout",
    "session.lifetime.idleTimeout",
    "session.store.type",
    "session.store.cluster.name",
    "singleLogout.logoutURL",
    "singleLogout.postLogout.redirectURL",
    "singleLogout.postLogoutSE",
    "caches[].name",
    "caches[].redis.addresses",
    "oidcProvider.cache",
    "oidcProvider.correlateSession",
    "oidcProvider.discovery.issuer",
    "oidcProvider.discovery.endpoints.wellKnown",
    "oidcProvider.discovery.endpoints.jwks",
    "oidcProvider.discovery.endpoints.auth",
    "oidcProvider.discovery.endpoints.token",
    "oidcProvider.discovery.endpoints.userinfo",
    "oidcProvider.discovery.endpoints.introspect",
    "oidcProvider.discovery.endpoints.endSession",
    "oidcProvider.discovery.endpoints.revocation",
    "oidcProvider.jwks[].algorithm",
    "oidcProvider.jwks[].publicKey",
    "oidcProvider.jwks[].privateKey",
    "oidcProvider.buildUserInfoClaimsSE",
    "apps[oidc].clientID",
    "apps[oidc].public",
    "apps[oidc].credentials.secrets",
    "apps[oidc].grantTypes",
    "apps[oidc].redirectURLs",
    "apps[oidc].accessToken.type",
    "apps[oidc].accessToken.lifetimeSeconds",
    "apps[oidc].refreshToken.allowOfflineAccess",
    "apps[oidc].refreshToken.lifetimeSeconds",
    "apps[oidc].allowedAudiences",
    "apps[oidc].customScopes.scopes[].name",
    "apps[oidc].authentication.idps",
    "apps[oidc].claimsMapping.sub",
    "apps[oidc].authorization.allowAll",
    "apps[oidc].authorization.rules[].and",
    "apps[oidc].authorization.rulesAggregationMethod",
    "apps[oidc].authorization.tokenMinting.accessToken.policies[].name",
    "apps[oidc].authorization.tokenMinting.accessToken.policies[].rego",
    "apps[oidc].authorization.tokenMinting.accessToken.policies[].file",
    "apps[oidc].isAuthenticatedSE",
    "apps[oidc].authenticateSE",
    "apps[oidc].isAuthorizedSE",
    "apps[oidc].loadAttrsSE",
    "apps[oidc].buildIDTokenClaimsSE",
    "apps[oidc].buildAccessTokenClaimsSE.funcName",
    "apps[oidc].tokenBrokering.mappings",
];

#[test]
fn what_the_documents_show_passes_check() {
    let here = tempfile::tempdir().unwrap();
    for (name, text) in tree_files() {
        std::fs::write(here.path().join(name), text).unwrap();
    }
    let folder = here.path().to_str().unwrap();
    let guide_with_ranges = guide().replace(
        "    redirectURLs:",
        "    allowedAudiences: [https://gw.example.com/mcp]\n    redirectURLs:",
    ) + "  - name: web\n    type: oidc\n    clientID: web\n    credentials: { secrets: [a-secret-of-the-web-client] }\n    \
         grantTypes: [client_credentials]\n    allowedAudiences: [https://gw.example.com/mcp]\n"
        + &indented(GUIDE_RANGES, 4);
    for (name, text) in [
        ("the guide's client", guide()),
        ("the guide's ranges", guide_with_ranges),
        ("the provider's tree", provider_tree(folder)),
        ("the gateway's tree", gateway_tree(folder)),
    ] {
        std::fs::write(here.path().join("gatehouse.yaml"), text).unwrap();
        let ran = run(&crate::binary(), here.path(), &["check"], "");
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{name}");
        // A key whose feature is not built and changes nothing is at least warned about.
        let (last, warnings) = ran
            .out
            .trim_end()
            .rsplit_once('\n')
            .map_or((ran.out.as_str(), ""), |(before, last)| (last, before));
        assert!(last.starts_with("gatehouse.yaml: ok, revision sha256:"), "{name}: {}", ran.out);
        assert!(
            warnings.lines().all(|line| line.starts_with("warning: gatehouse.yaml:")),
            "{name}: {}",
            ran.out
        );
    }
}

/// Whoever writes nonsense behind a documented key is told: the key is known, and it is read or refused by name.
#[test]
fn no_documented_key_is_unknown_or_ignored() {
    let here = tempfile::tempdir().unwrap();
    let nonsense = json!([[{ "nonsense": [17] }]]);
    let mut complaints = Vec::new();
    for key in COMMON.iter().chain(GATEWAY).chain(PROVIDER) {
        let found = problems(here.path(), &document(key, &nonsense));
        let spelt = key.replace("[]", "[0]").replace("[oidc]", "[0]");
        let spelt = spelt.replace("[mcpBridge]", "[0]").replace("[mcpProxy]", "[0]");
        // A section that is not built is refused as a whole, a list at its first item.
        let about = |problem: &&Problem| {
            spelt.starts_with(&problem.path) && !problem.path.is_empty() || problem.path.starts_with(&spelt)
        };
        let said: Vec<String> = found.iter().filter(about).map(ToString::to_string).collect();
        if said.is_empty()
            || said.iter().any(|line| line.contains("unknown key `") && !line.contains("nonsense`"))
        {
            complaints.push(format!("{key}: {said:?}"));
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

/// What is documented and not built names what to do instead.
#[test]
fn what_is_not_built_is_refused_with_advice() {
    let here = tempfile::tempdir().unwrap();
    let cases = [
        ("apps[oidc].buildAccessTokenClaimsSE.funcName", json!("BuildClaims"), "use `accessToken.claims`"),
        ("apps[oidc].buildIDTokenClaimsSE.funcName", json!("BuildClaims"), "use `claimsMapping`"),
        ("apps[oidc].isAuthorizedSE.funcName", json!("IsAuthorized"), "Rego"),
        ("apps[oidc].tokenBrokering.mappings", json!([{ "type": "passthrough" }]), "leave it out"),
        ("apps[oidc].accessToken.type", json!("opaque"), "jwt"),
        ("oidcProvider.buildUserInfoClaimsSE.funcName", json!("BuildUserInfo"), "use `claimsMapping`"),
        ("oidcProvider.cache", json!("redis"), "local_default"),
        ("mcpProvider.transports.sse.enabled", json!(true), "Streamable HTTP"),
        ("apps[mcpProxy].upstream.transport", json!("stdio"), "stream"),
        ("session.store.type", json!("cluster"), "store"),
        ("telemetry.traces.processors[].batch", json!({}), "leave"),
        ("features.experimental.clusters", json!(true), "experiment"),
        ("mcpProvider.authorization.oauth.enabled", json!(false), "always authenticated"),
    ];
    for (key, value, advice) in cases {
        let found = problems(here.path(), &document(key, &value));
        let said: Vec<String> = found.iter().map(ToString::to_string).collect();
        let first = key.split(['.', '[']).next().unwrap();
        assert!(said.iter().any(|line| line.contains(first) && line.contains(advice)), "{key}: {said:#?}");
    }
}

/// A document that says nothing but `key`, in JSON, which is YAML.
fn document(key: &str, value: &Value) -> String {
    let mut made = value.clone();
    for segment in key.rsplit('.') {
        let (name, list) = segment.split_once('[').map_or((segment, None), |(name, kind)| (name, Some(kind)));
        if let Some(kind) = list {
            let kind = kind.trim_end_matches(']');
            if !kind.is_empty() {
                made["type"] = kind.into();
                if made["name"].is_null() {
                    made["name"] = "something".into();
                }
            }
            made = json!([made]);
        }
        made = json!({ name: made });
    }
    serde_json::to_string_pretty(&made).unwrap()
}

fn problems(folder: &Path, text: &str) -> Vec<Problem> {
    let environment: Environment = ENVIRONMENT.into_iter().collect();
    match from_source(
        &Source::new("gatehouse.yaml", text),
        &environment,
        &DiskLoader::in_folder(folder.to_owned()),
    ) {
        Ok(_) => Vec::new(),
        Err(LoadFailure::Refused(problems)) => problems,
        Err(other) => panic!("{other}"),
    }
}
