//! Configuration as the documents show it that people copy from.

/// The client of the Claude connection guide with its network policy, unchanged: the section `apps`.
pub const GUIDE_CLIENT: &str = include_str!("../data/connection-guide-client.yaml");
/// The guide's policy for a public gateway, unchanged: the section `authorization` of a client.
pub const GUIDE_RANGES: &str = include_str!("../data/connection-guide-ranges.yaml");
/// The guide's rules for both networks, unchanged: they stand in the place of the rules of the policy above.
pub const GUIDE_COMBINED: &str = include_str!("../data/connection-guide-combined.rego");

/// Puts `spaces` in front of every line that has something on it.
pub fn indented(text: &str, spaces: usize) -> String {
    let margin = " ".repeat(spaces);
    let line =
        |line: &str| if line.trim().is_empty() { "\n".to_owned() } else { format!("{margin}{line}\n") };
    text.lines().map(line).collect()
}

/// Takes the margin off that all lines share.
pub fn unindented(text: &str) -> String {
    let margin = |line: &str| line.len() - line.trim_start().len();
    let shared = text.lines().filter(|line| !line.trim().is_empty()).map(margin).min().unwrap_or(0);
    text.lines().flat_map(|line| [line.get(shared..).unwrap_or_default(), "\n"]).collect()
}
