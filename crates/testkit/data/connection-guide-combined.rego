            anthropic_ip {
              # Anthropic outbound IPv4
              net.cidr_contains("160.79.104.0/21", input.source.ip)
            }

            anthropic_ip {
              # Anthropic outbound IPv6
              net.cidr_contains("2607:6bc0::/48", input.source.ip)
            }

            corporate_ip {
              net.cidr_contains("10.0.0.0/8", input.source.ip)
            }

            result := {"allowed": false, "internal_message": "request not from allowed network"} {
              not anthropic_ip
              not corporate_ip
            }
