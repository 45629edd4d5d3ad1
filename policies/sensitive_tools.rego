# Tools that return personal or audit data need a scope of their own; every other tool is open.
package orchestrator

required_scope := {
	"getCustomerPII": "pii:read",
	"getAuditLog": "audit:read",
}

default result := {"allowed": true}

result := {
	"allowed": false,
	"internal_message": sprintf("%s without %s", [tool, scope]),
	"external_message": sprintf("this tool requires the %s scope", [scope]),
} if {
	tool := input.request.mcp.tool.params.name
	scope := required_scope[tool]
	not scope in {granted | some granted in input.principal.scopes}
}
