package orchestrator

test_open_tool_needs_no_scope if result.allowed with input as call("listAccounts", [])

test_pii_tool_with_scope_is_allowed if result.allowed with input as call("getCustomerPII", ["pii:read"])

test_pii_tool_without_scope_is_denied if {
	denied := result with input as call("getCustomerPII", ["audit:read"])
	not denied.allowed
	contains(denied.external_message, "pii:read")
}

test_audit_tool_without_scope_is_denied if not result.allowed with input as call("getAuditLog", [])

call(tool, scopes) := {"request": {"mcp": {"tool": {"params": {"name": tool}}}}, "principal": {"scopes": scopes}}
