//! Apps as configurations write them.

use crate::upstream::Upstream;

/// No policy, no credential.
pub(crate) const OPEN: &str = "      outbound: { type: unprotected }\n";

/// A token of its own for every user; one tool gets a scope.
pub(crate) const EXCHANGE: &str = r#"      outbound:
        type: tokenExchange
        tokenExchange:
          type: delegation
          idp: own
          audience: https://tools.example/
          tools: [{ name: regional, ttl: 90s, scopes: [{ name: "tools:use" }] }]
"#;

/// The gateway's own token.
pub(crate) const OWN: &str = r"      outbound:
        type: clientCredentials
        clientCredentials: { idp: own, audience: https://tools.example/ }
";

/// Bob may not call `echo` and does not see `secret`; nobody calls `locked`.
pub(crate) const POLICED: &str = r#"      inbound:
        opa:
          name: calls
          rego: |
            package orchestrator
            default result := {"allowed": true}
            result := {"allowed": false, "external_message": "Ask ops for echo.", "internal_message": "bob is out"} if {
              input.request.mcp.tool.params.name == "echo"
              input.user.id == "bob"
            }
            result := {"allowed": false} if input.request.mcp.tool.params.name == "locked"
      listing:
        opa:
          name: list
          rego: |
            package orchestrator
            default result := {"allowed": true}
            result := {"allowed": false} if {
              input.request.mcp.tool.params.name == "secret"
              input.user.id == "bob"
            }
      outbound: { type: unprotected }
"#;

/// An MCP server behind the namespace of its name.
pub(crate) fn proxy(name: &str, upstream: &Upstream, authorization: &str) -> String {
    proxy_at(name, &format!("{}/mcp", upstream.url), authorization)
}

pub(crate) fn proxy_at(name: &str, url: &str, authorization: &str) -> String {
    format!(
        "  - name: {name}\n    type: mcpProxy\n    upstream: {{ transport: stream, stream: {{ url: \"{url}\" }} }}\n    authorization:\n{authorization}"
    )
}

/// A REST API with a list, an item and a change.
pub(crate) fn bridge(name: &str, upstream: &Upstream, authorization: &str) -> String {
    let spec = r#"{"openapi":"3.1.0","info":{"title":"Staff","version":"1"},"paths":{
        "/people":{"get":{"operationId":"listPeople","summary":"List people","parameters":[
            {"name":"team","in":"query","schema":{"type":"string"}},
            {"name":"X-Tenant","in":"header","schema":{"type":"string"}}],
          "responses":{"200":{"description":"All","content":{"application/json":{}}}}},
         "post":{"operationId":"hire","summary":"Hire",
          "requestBody":{"required":true,"content":{"application/json":{"schema":{"type":"object","required":["name"],"properties":{"name":{"type":"string"}}}}}},
          "responses":{"201":{"description":"Hired","content":{"application/json":{}}}}}},
        "/people/{id}":{"get":{"operationId":"person","summary":"One person","parameters":[
            {"name":"id","in":"path","required":true,"schema":{"type":"string"}}],
          "responses":{"200":{"description":"One","content":{"application/json":{"schema":{"type":"object","required":["name"]}}}}}},
         "delete":{"operationId":"fire","summary":"Fire","parameters":[
            {"name":"id","in":"path","required":true,"schema":{"type":"string"}}],
          "responses":{"204":{"description":"Gone"}}}}}}"#;
    let spec = spec.split('\n').map(str::trim).collect::<String>();
    format!(
        "  - name: {name}\n    type: mcpBridge\n    openapi:\n      spec: {{ data: {spec} }}\n      baseURL: {}/v1\n    authorization:\n{authorization}",
        upstream.url
    )
}
