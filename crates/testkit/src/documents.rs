//! Configuration as the documents show it that people copy from.

/// The client of the Claude connection guide with its network policy, unchanged: the section `apps`.
pub const GUIDE_CLIENT: &str = include_str!("../data/connection-guide-client.yaml");
/// The guide's policy for a public gateway, unchanged: the section `authorization` of a client.
pub const GUIDE_RANGES: &str = include_str!("../data/connection-guide-ranges.yaml");
/// The guide's rules for both networks, unchanged: they stand in the place of the rules of the policy above.
pub const GUIDE_COMBINED: &str = include_str!("../data/connection-guide-combined.rego");

/// A complete configuration around the guide's client.
pub fn guide() -> String {
    format!(
        "http:\n  address: 127.0.0.1:0\n  publicURL: https://auth.example.com\nadmin:\n  address: 127.0.0.1:0\n\
         connectors:\n  - name: upstream-idp\n    type: oidc\n    \
         oidcWellKnownURL: https://idp.example.com/.well-known/openid-configuration\n    \
         oauthClientID: gatehouse\n    oauthClientSecret: \"{{{{ env.IDP_SECRET }}}}\"\n    oauthLoginRedirect:\n      \
         urls:\n        - https://auth.example.com/login/callback\n\
         oidcProvider:\n  discovery:\n    issuer: https://auth.example.com\n{GUIDE_CLIENT}"
    )
}

/// The documented tree of an authorization server of its own, whose files are in `folder`.
pub fn provider_tree(folder: &str) -> String {
    below(folder, include_str!("../../pure/config/tests/fixtures/auth-provider.yaml"))
}

/// The documented tree of a gateway of its own, whose files are in `folder`.
pub fn gateway_tree(folder: &str) -> String {
    below(folder, include_str!("../../pure/config/tests/fixtures/gateway.yaml"))
}

/// The files that both trees refer to.
pub fn tree_files() -> Vec<(&'static str, String)> {
    let key = include_str!("../../pure/config/tests/fixtures/signing-key.pem");
    let root = include_str!("../../pure/config/tests/fixtures/root.pem");
    let secrets = format!(
        "secrets:\n  vault.keycloak_client_secret: qP5xN8bC2vM7zK3j\n  \
         vault.gateway_client_secret: hG4fD9sA1wE6rT0y\n  vault.signing_public_key: |\n{}  \
         vault.signing_private_key: |\n{}",
        indented(include_str!("../../pure/config/tests/fixtures/signing-key.pub.pem"), 4),
        indented(key, 4),
    );
    vec![
        ("root.pem", root.to_owned()),
        ("server.pem", root.to_owned()),
        ("server-key.pem", key.to_owned()),
        ("ledger.rego", include_str!("../../pure/config/tests/fixtures/ledger.rego").to_owned()),
        ("employees.json", include_str!("../../pure/config/tests/fixtures/employees.json").to_owned()),
        ("secrets.yaml", secrets),
    ]
}

fn below(folder: &str, text: &str) -> String {
    text.replace("/etc/gatehouse/", &format!("{folder}/"))
}

/// Puts `spaces` in front of every line that has something on it.
pub fn indented(text: &str, spaces: usize) -> String {
    let margin = " ".repeat(spaces);
    let line =
        |line: &str| if line.trim().is_empty() { "\n".to_owned() } else { format!("{margin}{line}\n") };
    text.lines().map(line).collect()
}

/// Takes the margin off that all lines share.
pub fn unindented(text: &str) -> String {
    let margin = |line: &str| line.len() - line.trim_start().len();
    let shared = text.lines().filter(|line| !line.trim().is_empty()).map(margin).min().unwrap_or(0);
    text.lines().flat_map(|line| [line.get(shared..).unwrap_or_default(), "\n"]).collect()
}
