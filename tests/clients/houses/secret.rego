package orchestrator

default result := {"allowed": true}

result := {"allowed": false, "internal_message": "secret is for admins", "external_message": "Only administrators may ask."} if {
  input.request.mcp.tool.params.name == "secret"
  not "admins" in input.token.claims.groups
}
