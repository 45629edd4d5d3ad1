package orchestrator

default result := {"allowed": true}

result := {"allowed": false, "internal_message": "the audit log is for admins"} if {
  input.request.mcp.tool.params.name == "getAuditLog"
  not "admins" in input.token.claims.groups
}
