use std::collections::HashMap;

use super::markdown::pages;
use crate::commands::gatehouse;

/// Every command that the documentation shows, with its flags, is one that the binary has.
#[test]
fn every_command_exists() {
    let here = tempfile::tempdir().unwrap();
    let mut known: HashMap<Vec<String>, String> = HashMap::new();
    let mut seen = 0;
    for page in pages() {
        for block in page.blocks().into_iter().filter(|block| block.info == "sh") {
            for line in block.text.replace("\\\n", " ").lines() {
                for command in line.split(['|', '$', '(', ')', '&']) {
                    let words: Vec<&str> = command
                        .split_whitespace()
                        .skip_while(|word| word.contains('=') && !word.starts_with('-'))
                        .take_while(|word| !word.starts_with(['>', '<', '#']))
                        .collect();
                    let Some((&"gatehouse", words)) = words.split_first() else { continue };
                    seen += 1;
                    let at = format!("{}: {line}", page.at(block.line));
                    let path = path_of(words);
                    let help = known.entry(path.clone()).or_insert_with(|| {
                        let asked: Vec<&str> = path.iter().map(String::as_str).chain(["--help"]).collect();
                        let ran = gatehouse(here.path(), &asked, "");
                        assert_eq!(ran.code, 0, "{at}\n{}", ran.err);
                        ran.out
                    });
                    for flag in words.iter().filter(|word| word.starts_with("--") && word.len() > 2) {
                        let name = flag.split('=').next().unwrap_or_default();
                        assert!(help.contains(name), "{at}: no {name} in\n{help}");
                    }
                }
            }
        }
    }
    assert!(seen >= 10, "only {seen} commands were found");
}

/// The command of a command line: its first word, and the second of those that have commands of their own.
fn path_of(words: &[&str]) -> Vec<String> {
    let mut plain = Vec::new();
    let mut words = words.iter().peekable();
    while let Some(word) = words.next() {
        if *word == "--config" {
            words.next();
        } else if !word.starts_with('-') {
            plain.push((*word).to_owned());
        }
    }
    let length =
        if plain.first().is_some_and(|first| matches!(first.as_str(), "policy" | "audit")) { 2 } else { 1 };
    plain.truncate(length);
    plain
}

/// The README lists all commands.
#[test]
fn the_readme_names_every_command() {
    let here = tempfile::tempdir().unwrap();
    let help = gatehouse(here.path(), &["--help"], "").ok();
    let readme = super::markdown::page("README.md").text;
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    for line in commands.take_while(|line| !line.is_empty()) {
        // A description that does not fit goes on further to the right.
        if line.starts_with("   ") {
            continue;
        }
        let command = line.split_whitespace().next().unwrap();
        assert!(readme.contains(&format!("`{command}")), "README.md does not mention `{command}`");
    }
}
