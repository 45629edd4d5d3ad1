package orchestrator

default result := {"allowed": true}

# Written in the older dialect, without `if`.
result := {"allowed": false, "internal_message": "PII is for admins", "external_message": "Customer data is for administrators only."} {
  input.request.mcp.tool.params.name == "getCustomerPII"
  not admin
}

admin {
  input.token.claims.groups[_] == "admins"
}
