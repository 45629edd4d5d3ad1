//! Damaged files give located problems, never a panic.

use proptest::prelude::*;

use crate::fixture::{AUTH_PROVIDER, CLAUDE, GATEWAY, WHOLE, load, printed};

/// What a hand, an editor or a merge may do to one line.
#[derive(Clone, Copy, Debug)]
enum Damage {
    Delete,
    Rename,
    Duplicate,
    Retype(&'static str),
    Garble,
    Indent,
    Cut,
}

const DAMAGE: &[Damage] = &[
    Damage::Delete,
    Damage::Rename,
    Damage::Duplicate,
    Damage::Retype("[]"),
    Damage::Retype("{}"),
    Damage::Retype("17"),
    Damage::Retype("yes"),
    Damage::Retype("\"\""),
    Damage::Garble,
    Damage::Indent,
    Damage::Cut,
];

#[test]
fn every_mutation_loads_or_is_refused_where_it_stands() {
    let mut mutants = 0;
    let mut refused = 0;
    for (name, text) in [("auth", AUTH_PROVIDER), ("gateway", GATEWAY), ("claude", CLAUDE), ("whole", WHOLE)]
    {
        for line in 0..text.lines().count() {
            for damage in DAMAGE {
                let Some(mutant) = damaged(text, line, *damage) else { continue };
                mutants += 1;
                if let Err(problems) = load(&mutant) {
                    refused += 1;
                    let context =
                        || format!("{name}, line {}, {damage:?}:\n{}", line + 1, printed(&problems));
                    assert!(!problems.is_empty(), "{}", context());
                    assert!(
                        problems.iter().all(|problem| problem.line > 0 && problem.column > 0),
                        "{}",
                        context()
                    );
                    assert!(problems.iter().all(|problem| !problem.message.is_empty()), "{}", context());
                }
            }
        }
    }
    assert!(mutants > 2_000, "only {mutants} mutants");
    assert!(refused * 2 > mutants, "only {refused} of {mutants} mutants were refused");
}

#[test]
fn a_renamed_key_is_always_refused() {
    for text in [AUTH_PROVIDER, GATEWAY, CLAUDE, WHOLE] {
        for (line, content) in text.lines().enumerate() {
            let Some(mutant) = damaged(text, line, Damage::Rename) else { continue };
            let key = content.trim().trim_start_matches("- ");
            // Names and values that the operator chooses.
            let free = [
                "edge-mtls:",
                "keycloak:",
                "internal:",
                "email:",
                "name:",
                "sub:",
                "family_name:",
                "experimental",
            ];
            if key.starts_with("http") || free.iter().any(|free| key.starts_with(free)) {
                continue;
            }
            assert!(load(&mutant).is_err(), "line {} can be renamed:\n{mutant}", line + 1);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn garbage_in_a_file_never_panics(
        at in any::<prop::sample::Index>(),
        length in 0_usize..40,
        garbage in "[ -~\\n]{0,20}",
        text in prop::sample::select(vec![AUTH_PROVIDER, GATEWAY, CLAUDE, WHOLE]),
    ) {
        let characters: Vec<char> = text.chars().collect();
        let start = at.index(characters.len());
        let end = (start + length).min(characters.len());
        let mutant: String =
            characters[..start].iter().copied().chain(garbage.chars()).chain(characters[end..].iter().copied()).collect();
        if let Err(problems) = load(&mutant) {
            prop_assert!(!problems.is_empty());
            prop_assert!(problems.iter().all(|problem| problem.line > 0 && problem.column > 0));
        }
    }
}

#[test]
fn the_undamaged_files_load() {
    for text in [AUTH_PROVIDER, GATEWAY, CLAUDE, WHOLE] {
        if let Err(problems) = load(text) {
            panic!("{}", printed(&problems));
        }
    }
}

/// `text` with `damage` done to one line, where that line is a key of YAML and not of a policy.
fn damaged(text: &str, line: usize, damage: Damage) -> Option<String> {
    let lines: Vec<&str> = text.lines().collect();
    let content = *lines.get(line)?;
    let trimmed = content.trim_start();
    if trimmed.starts_with('#') || trimmed.is_empty() || in_policy(&lines, line) {
        return None;
    }
    let (key, value) = trimmed.split_once(':').unwrap_or((trimmed, ""));
    let indent = &content[..content.len() - trimmed.len()];
    let replacement = match damage {
        Damage::Delete => None,
        Damage::Rename => Some(format!("{indent}{key}x:{value}")),
        Damage::Duplicate => Some(format!("{content}\n{content}")),
        Damage::Retype(other) => Some(format!("{indent}{key}: {other}")),
        Damage::Garble => Some(format!("{indent}{key}: \"{value}")),
        Damage::Indent => Some(format!(" {content}")),
        Damage::Cut => Some(content[..content.len() - 1].to_owned()),
    };
    if matches!(damage, Damage::Rename | Damage::Retype(_)) && !trimmed.contains(':') {
        return None;
    }
    let before = lines.iter().take(line).copied();
    let after = lines.iter().skip(line + 1).copied();
    let all: Vec<&str> = before.chain(replacement.as_deref()).chain(after).collect();
    Some(all.join("\n") + "\n")
}

/// Whether the line belongs to a `rego: |` block.
fn in_policy(lines: &[&str], line: usize) -> bool {
    let indent = |text: &str| text.len() - text.trim_start().len();
    let own = indent(lines[line]);
    lines[..line].iter().rev().find(|above| !above.trim().is_empty() && indent(above) < own).is_some_and(
        |parent| {
            parent.trim().ends_with("rego: |") || {
                let at = lines.iter().position(|other| std::ptr::eq(*other, *parent)).unwrap_or(0);
                at > 0 && in_policy(lines, at)
            }
        },
    )
}
