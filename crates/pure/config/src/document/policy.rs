//! Rego policies as they are written, inline or by file.

use super::section::{choice, section};
use super::spot::{Placed, Spot, Value};
use crate::problem::Report;
use crate::source::node::{NodeValue, Style};

section! {
    /// One policy: `rego` or `file`, never both.
    Policy {
        name: Placed<String> = required("name"),
        rego: Option<Placed<RegoText>> = optional("rego"),
        file: Option<Placed<String>> = optional("file"),
        version: RegoVersion = or("regoVersion", RegoVersion::Auto),
        package: String = or("package", "orchestrator".into()),
        entry: String = or("entry", "result".into()),
    }
}

choice! {
    /// The dialect of a policy.
    pub(crate) RegoVersion {
        /// v1 if it compiles as that, else v0.
        Auto = "auto",
        /// Without `if`.
        V0 = "v0",
        /// With `if`.
        V1 = "v1",
    }
}

/// Policy text and where its lines stand in the file.
#[derive(Clone, Debug)]
pub(crate) struct RegoText {
    pub(crate) text: String,
    /// The line of the file on which the first line of the text stands.
    pub(crate) first_line: u32,
    /// How far a block is indented.
    pub(crate) indent: u32,
}

impl Value for RegoText {
    fn read(spot: Spot<'_>, report: &mut Report) -> Option<Self> {
        let text = String::read(spot, report)?;
        let NodeValue::Scalar(scalar) = &spot.node.value else { return None };
        let (first_line, indent) = match scalar.style {
            Style::Block { first_line, indent } => (first_line, indent),
            _ => (spot.node.at.line, spot.node.at.column),
        };
        Some(Self { text, first_line, indent })
    }
}

section! {
    /// `authorization.tokenMinting`.
    TokenMinting {
        access_token: PolicyList = nested("accessToken"),
        id_token: PolicyList = nested("idToken"),
    }
}

section! {
    /// `policies:` of one token kind.
    PolicyList {
        policies: Vec<Policy> = list("policies"),
    }
}

section! {
    /// `inbound` or `listing`: one policy.
    OpaPoint {
        opa: Option<Policy> = optional("opa"),
    }
}
