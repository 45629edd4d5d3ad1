//! MCP words and rules: the raw-JSON envelope, eras, namespaces, list merging and the OpenAPI compiler.
