//! What an operator reads when a file is wrong.

use crate::fixture::{AUTH_PROVIDER, CLAUDE, DOZEN, GATEWAY, WHOLE, loaded, printed, read, refused};

#[test]
fn every_problem_of_a_file_is_reported_in_one_run() {
    let problems = read(DOZEN).err().expect("the file is wrong in many places");
    insta::assert_snapshot!(printed(&problems));
}

/// One change to a file that is right, and what is said about it.
const CHANGES: &[(&str, &str, &str, &str)] = &[
    (
        AUTH_PROVIDER,
        "      tls: edge-mtls\n",
        "      tls: edge-mtl\n",
        "http.hosts[0].tls: no TLS profile is named `edge-mtl` (did you mean `edge-mtls`?)",
    ),
    (
        AUTH_PROVIDER,
        "certFile: /etc/gatehouse/server.pem",
        "certFile: /etc/gatehouse/absent.pem",
        "tls.edge-mtls.certFile: no such file: `/etc/gatehouse/absent.pem`",
    ),
    (
        AUTH_PROVIDER,
        "issuer: https://auth.example.com",
        "issuer: http://auth.example.com",
        "oidcProvider.discovery.issuer: the issuer must be https",
    ),
    (
        AUTH_PROVIDER,
        "issuer: https://auth.example.com",
        "issuer: https://auth.example.com/",
        "the issuer must not end with `/`",
    ),
    (
        AUTH_PROVIDER,
        "token: https://auth.example.com/oauth2/token",
        "token: https://elsewhere.example.com/oauth2/token",
        "an endpoint stands at the issuer's origin",
    ),
    (
        AUTH_PROVIDER,
        "token: https://auth.example.com/oauth2/token",
        "token: https://auth.example.com/oauth2/auth",
        "two endpoints share the path `/oauth2/auth`",
    ),
    (
        AUTH_PROVIDER,
        "/realms/main/.well-known/openid-configuration",
        "/realms/ma|in/.well-known/openid-configuration",
        "oidcWellKnownURL: an issuer has no `|`",
    ),
    (
        AUTH_PROVIDER,
        "    oauthClientID: ",
        "    issuer: sso.example.com/realms/main\n    oauthClientID: ",
        "issuer: expected an https URL without query and fragment, found the text `sso.example.com/realms/main`",
    ),
    (
        AUTH_PROVIDER,
        "    oauthClientID: ",
        "    issuer: https://sso.example.com/a|b\n    oauthClientID: ",
        "issuer: an issuer has no `|`",
    ),
    (
        AUTH_PROVIDER,
        "    oauthClientID: ",
        "    onIncompleteGroups: warn\n    oauthClientID: ",
        "onIncompleteGroups: expected",
    ),
    (
        WHOLE,
        "https://login.microsoftonline.com/TENANT/v2.0",
        "https://login.microsoftonline.com/common/v2.0",
        "wellKnownEndpoint: `/common/` stands for every tenant there is, and has no issuer of its own",
    ),
    (
        WHOLE,
        "https://login.microsoftonline.com/TENANT/v2.0",
        "https://login.microsoftonline.us/organizations/v2.0",
        "wellKnownEndpoint: `/organizations/` stands for every tenant there is",
    ),
    (
        WHOLE,
        "jwt: { clockSkew: 30s }",
        "jwt: { clockSkew: 30s, maxLifetime: 9000h }",
        "maxLifetime: expected more than zero and at most 366 days",
    ),
    (
        WHOLE,
        "jwt: { clockSkew: 30s }",
        "jwt: { clockSkew: 30s, maxLifetime: 0s }",
        "maxLifetime: expected more than zero and at most 366 days",
    ),
    (
        AUTH_PROVIDER,
        "    oauthClientID: ",
        "    allowedHosts: [keys.internal, \"https://keys.internal\"]\n    oauthClientID: ",
        "allowedHosts[1]: expected a host, or a host and a port, found the text `https://keys.internal`",
    ),
    (
        AUTH_PROVIDER,
        "email: keycloak.email",
        "email: keycloack.email",
        "no connector is named `keycloack` (did you mean `keycloak`?)",
    ),
    (
        AUTH_PROVIDER,
        "    clientID: ai-identity-gateway",
        "    clientID: mcp-client-cli",
        "another client is called `mcp-client-cli`, on line",
    ),
    (
        AUTH_PROVIDER,
        "      secrets:\n        - <vault.gateway_client_secret>",
        "      secrets: []",
        "apps[1].credentials.secrets: a confidential client needs a secret",
    ),
    (
        AUTH_PROVIDER,
        "algorithm: RSA256",
        "algorithm: ES256",
        "oidcProvider.jwks[0].privateKey: the key does not fit",
    ),
    (AUTH_PROVIDER, "algorithm: RSA256", "algorithm: HS256", "tokens are signed with asymmetric keys only"),
    (
        AUTH_PROVIDER,
        "http://127.0.0.1:19876/callback",
        "http://192.0.2.1/callback",
        "apps[0].redirectURLs[1]: http is only for 127.0.0.1",
    ),
    (
        AUTH_PROVIDER,
        "cache: local_default",
        "cache: redis",
        "oidcProvider.cache: only `local_default` can be honoured",
    ),
    (
        CLAUDE,
        "      - refresh_token\n    authorization",
        "      - client_credentials\n    authorization",
        "`client_credentials` needs a client that can keep a secret",
    ),
    (
        CLAUDE,
        "- upstream-idp\n",
        "- upstream\n",
        "apps[0].authentication.idps[0]: no connector is named `upstream`",
    ),
    (
        CLAUDE,
        "{ env.IDP_SECRET }",
        "{ env.IDP_SECRETS }",
        "the environment has no `IDP_SECRETS` (did you mean `IDP_SECRET`?)",
    ),
    (
        GATEWAY,
        "idp: auth-provider\n          audience: https://ledger",
        "idp: auth-provder\n          audience: https://ledger",
        "tokenExchange.idp: no oidc connector is named `auth-provder` (did you mean `auth-provider`?)",
    ),
    (
        GATEWAY,
        "file:///etc/gatehouse/employees.json",
        "https://employees.example.com/openapi.json",
        "API descriptions are not fetched over the network",
    ),
    (
        GATEWAY,
        "      baseURL: https://employees",
        "      sha256: \"00\"\n      baseURL: https://employees",
        "apps[0].openapi.sha256: the description has changed",
    ),
    (
        GATEWAY,
        "      name: ledger_\n",
        "      name: employee_\n",
        "apps[1].name: the app `employee-directory` has the same tool namespace",
    ),
    (
        GATEWAY,
        "      enabled: true\n      metadataPath",
        "      enabled: false\n      metadataPath",
        "callers are always authenticated",
    ),
    (
        GATEWAY,
        "            default result[\"allowed\"] := true",
        "            default result[\"allowed\"] := http.send({})",
        "gatehouse.yaml:95:46: apps[0].authorization.inbound.opa.rego: `http.send`",
    ),
    (
        WHOLE,
        "app: anthropic-eu",
        "app: anthropic-us",
        "no llm app is named `anthropic-us` (did you mean `anthropic-eu`?)",
    ),
    (WHOLE, "input: \"5.00\"", "input: five", "llmProvider.models[0].price.input: expected US dollars"),
    (WHOLE, "clockSkew: 30s", "clockSkew: 30m", "clockSkew: expected at most 5m"),
    (
        WHOLE,
        "  node: gw-1\n",
        "  node: gw-1\n  onBlocked: { timeout: 0s }\n",
        "audit.onBlocked.timeout: expected more than no time",
    ),
    (WHOLE, "groups: staff.groups", "iss: staff.groups", "the claim `iss` is written by the issuer alone"),
    (WHOLE, "tier: \"'gold'\"", "tier: \"'gold\"", "is not a quoted text"),
    (WHOLE, "passwordHash: \"$argon2id", "passwordHash: \"$argon2i", "expected an argon2id PHC string"),
    (
        WHOLE,
        "outbound: { type: unprotected }",
        "listing: {}",
        "authorization.outbound: this key is required and missing",
    ),
    (WHOLE, "{ type: unprotected }", "{ type: static }", "the section that belongs to this type is missing"),
    (
        WHOLE,
        "address: 127.0.0.1:9421",
        "address: 0.0.0.0:9420",
        "the admin listener needs an address of its own",
    ),
    (
        WHOLE,
        "apiKey: \"{{ env.ANTHROPIC_KEY }}\"",
        "apiKey: secret-api-key",
        "an empty or placeholder secret is refused",
    ),
];

#[test]
fn one_wrong_value_is_named_at_its_place() {
    for (text, from, to, expected) in CHANGES {
        assert!(text.contains(from), "the fixture has no {from:?}");
        let found = refused(&text.replacen(from, to, 1));
        assert!(found.contains(expected), "{to:?} gave\n{found}");
    }
}

#[test]
fn a_client_that_cannot_refresh_is_a_warning() {
    let snapshot = loaded(&CLAUDE.replace("      - refresh_token\n", ""));
    assert_eq!(snapshot.warnings.len(), 1);
    let printed = snapshot.warnings[0].to_string();
    assert!(
        printed.contains("apps[0].grantTypes: users sign in again whenever an access token expires"),
        "{printed}"
    );
}

#[test]
fn a_file_that_serves_nothing_is_refused() {
    assert!(refused("version: 0.0.1").contains("nothing is served"));
}

#[test]
fn a_flood_of_unknown_keys_is_counted() {
    let flood: String = (0..5_000).map(|at| format!("k{at}: 1\n")).collect();
    let said = refused(&flood);
    assert!(said.contains("gatehouse.yaml:20:1: k19: unknown key `k19`"), "{said}");
    assert!(said.contains("gatehouse.yaml:21:1: k20: 4980 more unknown keys in this section"), "{said}");
    assert!(said.lines().count() < 40, "{} lines", said.lines().count());
}

#[test]
fn a_word_is_not_written_as_an_empty_section() {
    for (from, to, said) in [
        (
            "correlateSession: true",
            "correlateSession: {}",
            "oidcProvider.correlateSession: only `true` can be honoured",
        ),
        ("cache: local_default", "cache: []", "oidcProvider.cache: only `local_default` can be honoured"),
    ] {
        let changed = AUTH_PROVIDER.replace(from, to);
        assert!(refused(&changed).contains(said), "{}", refused(&changed));
    }
}

/// Consent, sessions and records are kept under the subject: two users with one subject would be one person.
#[test]
fn no_two_users_are_one_subject() {
    let user = |name: &str, claims: &str| {
        format!(
            "      - {{ username: {name}, passwordHash: \"$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ\"{claims} }}\n"
        )
    };
    let connectors = |first: &[String], second: &[String]| {
        let list = |name: &str, users: &[String]| match users {
            [] => String::new(),
            users => format!("  - name: {name}\n    type: local\n    users:\n{}", users.concat()),
        };
        WHOLE.replacen(
            "connectors:\n",
            &format!("connectors:\n{}{}", list("north", first), list("south", second)),
            1,
        )
    };
    let line = WHOLE.lines().position(|line| line == "connectors:").unwrap() + 1;
    let bare = user("dora", "");

    // The same name in two connectors, at the second's place, with the place of the first.
    let found = refused(&connectors(std::slice::from_ref(&bare), &[user("eve", ""), bare.clone()]));
    let expected = format!(
        "gatehouse.yaml:{}:21: connectors[1].users[1].username: another user has the subject `dora`, on line {}, column 21",
        line + 9,
        line + 4
    );
    assert!(found.contains(&expected), "{expected}\n{found}");
    // A written subject that is somebody else's, in one connector and in two, whoever comes first.
    let written = user("eve", ", claims: { sub: dora }");
    for (north, south) in
        [(vec![bare.clone(), written.clone()], vec![]), (vec![written.clone()], vec![bare.clone()])]
    {
        let found = refused(&connectors(&north, &south));
        assert!(found.contains("another user has the subject `dora`, on line"), "{found}");
    }
    // Subjects that could be those of an identity provider, and what is no subject.
    for (sub, said) in [
        ("\"https://idp.example.com|42\"", "claims.sub: `https://idp.example.com|42` could be the subject"),
        ("42", "claims.sub: a subject is text (put it in quotes)"),
        ("\"\"", "claims.sub: a subject is not empty"),
    ] {
        let found = refused(&connectors(&[user("eve", &format!(", claims: {{ sub: {sub} }}"))], &[]));
        assert!(found.contains(said), "{said}\n{found}");
    }
    // Names may repeat where subjects do not.
    let found = connectors(std::slice::from_ref(&bare), &[user("dora", ", claims: { sub: dora-south }")]);
    loaded(&found);
}
