//! What `gatehouse demo` prints: how to connect real clients, line by line to copy.

use super::stack::Stack;

/// The whole text.
pub(crate) fn text(world: &Stack) -> String {
    let cast = &world.cast;
    let facts = Facts {
        origin: &world.origin,
        admin: &format!("http://{}", world.admin),
        ada: cast.ada.password.expose(),
        bob: cast.bob.password.expose(),
        secret: cast.confidential_secret.expose(),
        key: cast.api_key.expose(),
        configuration: &world.configuration().display().to_string(),
        audit: &world.audit_log().display().to_string(),
    };
    [facts.people(), facts.claude_code(), facts.claude_desktop(), facts.sdks(), facts.places()].join("\n")
}

struct Facts<'a> {
    origin: &'a str,
    admin: &'a str,
    ada: &'a str,
    bob: &'a str,
    secret: &'a str,
    key: &'a str,
    configuration: &'a str,
    audit: &'a str,
}

impl Facts<'_> {
    fn people(&self) -> String {
        let Self { origin, ada, bob, .. } = self;
        format!(
            "Gatehouse demo at {origin}. Everything is on this machine and new; Ctrl-C stops and removes it.

People
  user  password          may
  ada   {ada:<17} everything (groups engineering, finance)
  bob   {bob:<17} read the directory and the accounts; no customer data, no audit log
"
        )
    }

    fn claude_code(&self) -> String {
        let Self { origin, secret, key, .. } = self;
        format!(
            "Claude Code: tools
  claude mcp add --transport http --client-id claude-public --callback-port 29352 gatehouse {origin}/mcp
  claude mcp login gatehouse
 or without a registered client (Claude Code names itself by a URL):
  claude mcp add --transport http gatehouse {origin}/mcp
 or with a client secret:
  MCP_CLIENT_SECRET={secret} claude mcp add --transport http --client-id claude-confidential --client-secret --callback-port 29352 gatehouse {origin}/mcp

Claude Code: models (scripted: it greets, and calls a tool when told to `use NAME`)
  ANTHROPIC_BASE_URL={origin} ANTHROPIC_AUTH_TOKEN={key} claude -p hello
  ANTHROPIC_BASE_URL={origin} ANTHROPIC_AUTH_TOKEN={key} claude -p 'use mcp__gatehouse__ledger_whoami' --allowedTools mcp__gatehouse__ledger_whoami
"
        )
    }

    fn claude_desktop(&self) -> String {
        let Self { origin, .. } = self;
        format!(
            "Claude Desktop: tools (claude_desktop_config.json)
  {{
    \"mcpServers\": {{
      \"gatehouse\": {{
        \"command\": \"npx\",
        \"args\": [\"-y\", \"mcp-remote@0.15.1\", \"{origin}/mcp\", \"3334\",
                 \"--static-oauth-client-info\", \"{{\\\"client_id\\\":\\\"claude-public\\\"}}\"]
      }}
    }}
  }}
"
        )
    }

    fn sdks(&self) -> String {
        let Self { origin, key, .. } = self;
        format!(
            "Anthropic SDK, Python
  import anthropic
  client = anthropic.Anthropic(base_url=\"{origin}\", api_key=\"{key}\")
  with client.messages.stream(model=\"claude-opus-5-5\", max_tokens=256, messages=[{{\"role\": \"user\", \"content\": \"hello\"}}]) as stream:
      print(stream.get_final_text())

Anthropic SDK, TypeScript
  import Anthropic from \"@anthropic-ai/sdk\";
  const client = new Anthropic({{ baseURL: \"{origin}\", apiKey: \"{key}\" }});
  const message = await client.messages.create({{ model: \"claude-opus-5-5\", max_tokens: 256, messages: [{{ role: \"user\", content: \"hello\" }}] }});

curl
  curl -sN {origin}/v1/messages -H 'x-api-key: {key}' -H 'anthropic-version: 2023-06-01' -H 'content-type: application/json' \\
    -d '{{\"model\":\"claude-opus-5-5\",\"max_tokens\":256,\"stream\":true,\"messages\":[{{\"role\":\"user\",\"content\":\"hello\"}}]}}'
"
        )
    }

    fn places(&self) -> String {
        let Self { origin, admin, configuration, audit, .. } = self;
        format!(
            "Where things are
  sign-in          {origin}/.well-known/openid-configuration
  tools            {origin}/mcp   one app: {origin}/mcp/directory, {origin}/mcp/ledger
  models           {origin}/v1/models
  operations       {admin}/readyz
  configuration    {configuration}
  audit log        {audit}
"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::Facts;

    #[test]
    fn lines_to_copy_are_whole() {
        let origin = "http://localhost:9420";
        let facts = Facts {
            origin,
            admin: "http://127.0.0.1:9421",
            ada: "a",
            bob: "b",
            secret: "s",
            key: "gwk_k",
            configuration: "c",
            audit: "l",
        };
        let desktop = facts.claude_desktop();
        let json = desktop.split_once('{').map(|(_, rest)| format!("{{{rest}")).unwrap();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        let info = json.pointer("/mcpServers/gatehouse/args/5").and_then(serde_json::Value::as_str);
        assert_eq!(info, Some("{\"client_id\":\"claude-public\"}"));
        let command =
            "claude mcp add --transport http --client-id claude-public --callback-port 29352 gatehouse";
        assert!(facts.claude_code().contains(&format!("  {command} {origin}/mcp\n")));
        assert!(facts.sdks().contains("{\"model\":\"claude-opus-5-5\""));
    }
}
