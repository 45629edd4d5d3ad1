//! The MCP gateway: one endpoint in front of bridged REST APIs and proxied MCP servers.
