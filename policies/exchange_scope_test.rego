package orchestrator

test_other_grants_pass if result.allowed with input as request("authorization_code", ["a", "b"], "")

test_subset_is_allowed if result.allowed with input as request(token_exchange, ["a"], "a b")

test_widening_is_denied if {
	denied := result with input as request(token_exchange, ["a", "c"], "a b")
	not denied.allowed
	contains(denied.internal_message, ": c")
}

test_subject_without_scope_grants_nothing if not result.allowed with input as claimed(token_exchange, ["a"], {})

token_exchange := "urn:ietf:params:oauth:grant-type:token-exchange"

request(grant, scopes, subject) := claimed(grant, scopes, {"scope": subject})

claimed(grant, scopes, claims) := {"request": {"oauth": {
	"grant_type": grant,
	"scopes": scopes,
	"subject_token": {"claims": claims},
}}}
