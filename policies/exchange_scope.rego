# A token exchange may not give scopes that the subject token does not have.
package orchestrator

exchange := "urn:ietf:params:oauth:grant-type:token-exchange"

default result := {"allowed": true}

result := {
	"allowed": false,
	"internal_message": sprintf("scopes beyond the subject token: %s", [concat(" ", widened)]),
} if {
	input.request.oauth.grant_type == exchange
	count(widened) > 0
}

# A subject token without a readable scope claim grants nothing.
default subject_scopes := set()

subject_scopes := {scope | some scope in split(input.request.oauth.subject_token.claims.scope, " ")}

widened := {scope | some scope in input.request.oauth.scopes} - subject_scopes
