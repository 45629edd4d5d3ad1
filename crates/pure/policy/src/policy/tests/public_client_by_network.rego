package orchestrator

default result := {"allowed": true}

# Only allow the public client to mint tokens from the
# corporate network.
result := {"allowed": false, "internal_message": "public client not allowed from this network"} {
  input.request.oauth.client_id == "claude-public"
  not net.cidr_contains("10.0.0.0/8", input.source.ip)
}
