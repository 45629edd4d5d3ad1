package orchestrator

test_corporate_address_is_allowed if result.allowed with input as request(true, "10.255.255.255")

test_anthropic_ipv4_is_allowed if result.allowed with input as request(true, "160.79.111.255")

test_anthropic_ipv6_is_allowed if result.allowed with input as request(true, "2607:6bc0:0:ffff::1")

test_address_just_outside_is_denied if not result.allowed with input as request(true, "160.79.112.0")

test_unreadable_address_is_denied if not result.allowed with input as request(true, "unknown")

test_confidential_client_may_be_anywhere if result.allowed with input as request(false, "198.51.100.7")

request(public, ip) := {"client": {"public": public}, "source": {"ip": ip}}
