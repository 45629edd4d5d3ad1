package orchestrator

default result := {"allowed": true}

# Only allow token minting from Anthropic's outbound IP ranges.
# See https://platform.claude.com/docs/en/api/ip-addresses
# for the current ranges.
result := {"allowed": false, "internal_message": "request not from Anthropic IP range"} {
  not anthropic_ip
}

anthropic_ip {
  # Anthropic outbound IPv4
  net.cidr_contains("160.79.104.0/21", input.source.ip)
}

anthropic_ip {
  # Anthropic outbound IPv6
  net.cidr_contains("2607:6bc0::/48", input.source.ip)
}
