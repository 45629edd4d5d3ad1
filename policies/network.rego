# Public clients may only be given tokens on the corporate network or through Anthropic's own servers.
package orchestrator

# Anthropic's published outbound ranges, see https://platform.claude.com/docs/en/api/ip-addresses
anthropic_ranges := {"160.79.104.0/21", "2607:6bc0::/48"}

corporate_ranges := {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"}

default result := {"allowed": true}

result := {"allowed": false, "internal_message": "public client outside the allowed networks"} if {
	input.client.public
	not from_allowed_network
}

from_allowed_network if {
	some range in anthropic_ranges | corporate_ranges
	net.cidr_contains(range, input.source.ip)
}
