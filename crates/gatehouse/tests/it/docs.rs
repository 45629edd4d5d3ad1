//! The documentation, held against the program: every configuration loads, every policy compiles, every command and
//! link exists, every code of the audit log is explained.
//!
//! How blocks are marked:
//!
//! | block | is |
//! |---|---|
//! | `yaml` | a complete configuration |
//! | `yaml fragment` | sections for the configuration that `gatehouse init` writes: `apps` and `connectors` are added, other sections replaced |
//! | `rego` | a policy |
//! | `rego test` | tests of the policy before it |
//! | `json input NAME` | the policy input of a decision point, see `inputs` |
//! | `sh` | commands; those of `gatehouse` exist |

mod architecture;
mod codes;
mod commands;
mod configurations;
mod inputs;
mod links;
mod markdown;
mod policies;
mod queries;
mod reference;
mod surroundings;
mod troubleshooting;
