//! Repository traits by aggregate and the one conformance suite that every backend must pass.
