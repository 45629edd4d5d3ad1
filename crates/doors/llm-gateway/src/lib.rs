//! The LLM gateway: the Anthropic Messages API with identity, policy and audit.
